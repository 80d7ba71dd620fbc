//! All who work: the clients, and the one who sees whether everything works.

use std::sync::Arc;
use std::time::Duration;

use docket_testkit::history::Recorder;
use futures::FutureExt as _;
use futures::future::{join, join_all};
use tokio::sync::watch;

use crate::client::{Account, Client};
use crate::manner::Manner;
use crate::probe::Probe;
use crate::wish::Wishes;

/// Apart from the seeds of the faults.
const OF_CLIENTS: u64 = 0x0063_6c69_656e_7473;

/// Who is to work.
pub(crate) struct Staff {
    /// Decides what they want.
    pub(crate) seed: u64,
    /// How many clients.
    pub(crate) clients: usize,
    /// How long one rests between two calls, on average.
    pub(crate) rest: Duration,
    /// How they go on without a clear answer.
    pub(crate) manner: Manner,
    /// Who notes what they ask and hear.
    pub(crate) recorder: Arc<Recorder>,
    /// As whom.
    pub(crate) accounts: Arc<[Account]>,
    /// As whom the probe works, and nobody else.
    pub(crate) probed: Arc<[Account]>,
}

impl Staff {
    /// Lets the clients work while `events` happen, and until each has ended what it is at.
    pub(crate) async fn during<T>(self, events: impl AsyncFnOnce(&mut Probe) -> T) -> T {
        let (tell, over) = watch::channel(false);
        let work = |number| {
            let wishes = Wishes::new(self.seed_of(number), self.accounts.len(), self.rest);
            // Without its type, which is too deep for the compiler.
            self.client(number, &self.accounts, over.clone()).work(wishes).boxed_local()
        };
        let last = self.clients;
        let mut probe = Probe::new(self.client(last, &self.probed, over.clone()), self.seed_of(last));
        let events = async {
            let outcome = events(&mut probe).await;
            tell.send_replace(true);
            outcome
        };
        let (outcome, _) = join(events.boxed_local(), join_all((0..last).map(work))).await;
        outcome
    }

    fn client(&self, number: usize, accounts: &Arc<[Account]>, over: watch::Receiver<bool>) -> Client {
        let (recorder, accounts) = (Arc::clone(&self.recorder), Arc::clone(accounts));
        Client::new(number, recorder, accounts, self.manner.clone(), over)
    }

    /// No two clients may want the same things.
    fn seed_of(&self, client: usize) -> u64 {
        self.seed ^ OF_CLIENTS.wrapping_mul(1 + client as u64)
    }
}
