//! Answers that are lost, although the target has given them.

use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;

use super::Network;

/// How an answer is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loss {
    /// It does not come, and the connection stays open, until [`Proxy::heal`](super::Proxy::heal).
    Silence,
    /// The connection is reset in its place.
    Reset,
}

/// Which answers are lost: the target's to clients who say this.
#[derive(Debug)]
pub(super) struct Losses {
    pub(super) text: Vec<u8>,
    pub(super) how: Loss,
    /// To how many of them it still happens.
    pub(super) left: AtomicU64,
}

/// What one connection has to do with it.
pub(super) struct Fate<'a> {
    network: watch::Receiver<Network>,
    /// The end of what the client has said so far, in which the text may have begun.
    said: Mutex<Vec<u8>>,
    sealed: OnceLock<Arc<Losses>>,
    /// Counts all answers that were lost.
    lost: &'a AtomicU64,
}

impl<'a> Fate<'a> {
    pub(super) fn new(network: watch::Receiver<Network>, lost: &'a AtomicU64) -> Self {
        Self { network, said: Mutex::default(), sealed: OnceLock::new(), lost }
    }

    /// Hears what the client says, before the target can answer it.
    pub(super) fn hear(&self, bytes: &[u8]) {
        let Some(losses) = self.network.borrow().losses.clone() else { return };
        if self.sealed.get().is_some() {
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(bytes);
        if said.windows(losses.text.len()).any(|window| window == losses.text) {
            let one_less =
                losses.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if one_less.is_ok() {
                let _ = self.sealed.set(losses);
            }
            return said.clear();
        }
        let old = said.len().saturating_sub(losses.text.len());
        said.drain(..old);
    }

    /// Lets an answer pass, or not before the network is in order, or never.
    pub(super) async fn pass(&self) -> std::io::Result<()> {
        let Some(sealed) = self.sealed.get() else { return Ok(()) };
        let over =
            |network: &Network| !network.losses.as_ref().is_some_and(|losses| Arc::ptr_eq(losses, sealed));
        if over(&self.network.borrow()) {
            return Ok(());
        }
        self.lost.fetch_add(1, Ordering::SeqCst);
        if sealed.how == Loss::Reset {
            return Err(Error::from(ErrorKind::ConnectionReset));
        }
        let _ = self.network.clone().wait_for(|network| network.over || over(network)).await;
        Ok(())
    }
}
