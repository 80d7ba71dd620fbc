//! The body of an answer: keeps what the call holds until it is taken, explains what went wrong while it was sent, ends
//! open-ended streams when the server drains, and tells how the call ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::ending::Ending;
use crate::fault::Unavailable;
use crate::shell::{Kind, UnderWay};
use crate::status::to_status;
use crate::{fault, shell};

/// Wraps the body that the handler made.
pub(crate) struct Answer {
    inner: Body,
    kind: Kind,
    ending: Ending,
    /// Ends the stream; only for those that would otherwise end with the client.
    drain: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    ended: bool,
    /// The end of the data that was given out last.
    last: Option<Bytes>,
    /// The call counts as under way, and holds its place, until this is dropped with the body.
    _under_way: UnderWay,
}

impl Answer {
    pub(crate) fn new(
        inner: Body,
        kind: Kind,
        ending: Ending,
        drain: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
        under_way: UnderWay,
    ) -> Self {
        Self { inner, kind, ending, drain, ended: false, last: None, _under_way: under_way }
    }
}

impl Answer {
    /// Keeps the last byte of data back. HTTP/2 takes any amount as soon as the client has opened its window for one
    /// byte, and asks for more only when it has opened it for all of that: so the answer, and with it its place, is not
    /// gone before the client may be sent all of it.
    fn hold_back(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        frame.map_data(|mut data| {
            if data.len() > 1 {
                self.last = Some(data.split_off(data.len() - 1));
            }
            data
        })
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
        if let Some(last) = this.last.take() {
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_trailers() {
                Ok(mut trailers) => {
                    let status = Status::from_header_map(&trailers).unwrap_or_else(|| Status::ok(""));
                    if this.kind.is_api() && status.code() != Code::Ok && status.details().is_empty() {
                        // Tonic's own, after the handler answered: the answer could not be encoded.
                        let cause = format!("the answer could not be sent: {status}");
                        let explained = this.ending.span.in_scope(|| to_status(&fault::Internal::new(cause)));
                        shell::replace_status(&mut trailers, &explained);
                        this.ending.tell(explained.code());
                    } else {
                        this.ending.tell(status.code());
                    }
                    Frame::trailers(trailers)
                }
                Err(frame) => this.hold_back(frame),
            }))),
            // After the handler's own frames, so that a health watcher still hears that the service stops.
            Poll::Pending
                if this.drain.as_mut().is_some_and(|drain| drain.as_mut().poll(context).is_ready()) =>
            {
                this.ended = true;
                let mut trailers = http::HeaderMap::new();
                shell::replace_status(&mut trailers, &to_status(&Unavailable));
                this.ending.tell(Code::Unavailable);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.last.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
