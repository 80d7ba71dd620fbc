//! The body of an answer: explains what went wrong while it was sent, ends open-ended streams when the server drains,
//! and tells the span how the call ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::Span;

use crate::fault::Unavailable;
use crate::shell::Kind;
use crate::status::to_status;
use crate::{fault, shell};

/// Wraps the body that the handler made.
pub(crate) struct Answer {
    inner: Body,
    kind: Kind,
    span: Span,
    /// Ends the stream; only for those that would otherwise end with the client.
    drain: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    ended: bool,
    /// The call counts as under way until this is dropped with the body.
    _under_way: TaskTrackerToken,
}

impl Answer {
    pub(crate) fn new(
        inner: Body,
        kind: Kind,
        span: Span,
        drain: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
        under_way: TaskTrackerToken,
    ) -> Self {
        Self { inner, kind, span, drain, ended: false, _under_way: under_way }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_trailers() {
                Ok(mut trailers) => {
                    let status = Status::from_header_map(&trailers).unwrap_or_else(|| Status::ok(""));
                    if this.kind == Kind::Api && status.code() != Code::Ok && status.details().is_empty() {
                        // Tonic's own, after the handler answered: the answer could not be encoded.
                        let cause = format!("the answer could not be sent: {status}");
                        let explained = this.span.in_scope(|| to_status(&fault::Internal::new(cause)));
                        shell::replace_status(&mut trailers, &explained);
                        shell::record(&this.span, explained.code());
                    } else {
                        shell::record(&this.span, status.code());
                    }
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            }))),
            // After the handler's own frames, so that a health watcher still hears that the service stops.
            Poll::Pending
                if this.drain.as_mut().is_some_and(|drain| drain.as_mut().poll(context).is_ready()) =>
            {
                this.ended = true;
                let mut trailers = http::HeaderMap::new();
                shell::replace_status(&mut trailers, &to_status(&Unavailable));
                shell::record(&this.span, Code::Unavailable);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
