//! Many calls, one statement: what arrives while a batch is under way goes together in the next one.
//!
//! A call that finds the lane free leaves at once, alone, so that an idle database answers as fast as ever. Under load the
//! batches grow by themselves, and a commit or a round trip is shared by all that waited for it.

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use tokio::sync::oneshot;

type Batch<I, O> = Box<dyn Fn(Vec<I>) -> Pin<Box<dyn Future<Output = Vec<O>> + Send>> + Send + Sync>;

/// A queue whose items are worked on in batches.
pub(crate) struct Lane<I, O>(Arc<Inner<I, O>>);

struct Inner<I, O> {
    queue: Mutex<Queue<I, O>>,
    limits: Limits,
    work: Batch<I, O>,
}

struct Queue<I, O> {
    items: VecDeque<(I, oneshot::Sender<(O, usize)>)>,
    under_way: usize,
}

/// How much goes through a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most batches that are under way at the same time.
    pub(crate) width: usize,
    /// The most items of a batch.
    pub(crate) batch: usize,
    /// The most items that wait for a batch.
    pub(crate) waiting: usize,
}

/// Why an item has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lost {
    /// Too many wait already; nothing was done.
    Full,
    /// Its batch ended without an answer; it may have had its effect.
    Unknown,
}

impl<I: Send + 'static, O: Send + 'static> Lane<I, O> {
    /// `work` answers one output for each input, in their order.
    pub(crate) fn new<F, W>(limits: Limits, work: F) -> Self
    where
        F: Fn(Vec<I>) -> W + Send + Sync + 'static,
        W: Future<Output = Vec<O>> + Send + 'static,
    {
        let queue = Mutex::new(Queue { items: VecDeque::new(), under_way: 0 });
        Self(Arc::new(Inner { queue, limits, work: Box::new(move |items| Box::pin(work(items))) }))
    }

    /// Has the item worked on with others; answers how many they were together, too. Who stops waiting before its batch has
    /// left takes the item back.
    pub(crate) async fn submit(&self, item: I) -> Result<(O, usize), Lost> {
        let (sender, receiver) = oneshot::channel();
        let starts = {
            let mut queue = self.0.queue();
            if queue.items.len() >= self.0.limits.waiting {
                return Err(Lost::Full);
            }
            queue.items.push_back((item, sender));
            let starts = queue.under_way < self.0.limits.width;
            queue.under_way += usize::from(starts);
            starts
        };
        if starts {
            // Apart from the caller, who may give up: the others of the batch do not.
            tokio::spawn(self.0.clone().run());
        }
        receiver.await.map_err(|_| Lost::Unknown)
    }
}

impl<I, O> Inner<I, O> {
    fn queue(&self) -> MutexGuard<'_, Queue<I, O>> {
        // Nothing panics while it holds the lock, and a queue would be whole even then.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits for what comes of each item, and with how many others it was worked on.
type Waiting<I, O> = (Vec<I>, Vec<oneshot::Sender<(O, usize)>>);

impl<I: Send + 'static, O: Send + 'static> Inner<I, O> {
    /// Works until nothing waits.
    async fn run(self: Arc<Self>) {
        while let Some((items, senders)) = self.next() {
            let together = items.len();
            // A panic is told by its hook; it costs its own batch, and not the place of those to come.
            let Ok(outputs) = AssertUnwindSafe((self.work)(items)).catch_unwind().await else { continue };
            for (sender, output) in senders.into_iter().zip(outputs) {
                // Who does not wait any longer does not want to know.
                let _ = sender.send((output, together));
            }
        }
    }

    /// What goes into the next batch; the place is given back when there is nothing.
    fn next(&self) -> Option<Waiting<I, O>> {
        let mut queue = self.queue();
        let (mut items, mut senders) = (Vec::new(), Vec::new());
        while items.len() < self.limits.batch
            && let Some((item, sender)) = queue.items.pop_front()
        {
            if !sender.is_closed() {
                items.push(item);
                senders.push(sender);
            }
        }
        if items.is_empty() {
            queue.under_way -= 1;
            return None;
        }
        Some((items, senders))
    }
}

impl<I, O> fmt::Debug for Lane<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    /// A lane whose batches end when the test lets them, and what was in each batch.
    type Held = (Arc<Lane<u32, u32>>, Arc<Semaphore>, mpsc::UnboundedReceiver<Vec<u32>>);

    fn lane(limits: Limits) -> Held {
        let (told, batches) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let open = gate.clone();
        let lane = Lane::new(limits, move |items: Vec<u32>| {
            let (told, open) = (told.clone(), open.clone());
            async move {
                told.send(items.clone()).unwrap();
                open.acquire().await.unwrap().forget();
                assert!(!items.contains(&13), "an unlucky batch");
                items.iter().map(|item| item * 10).collect()
            }
        });
        (Arc::new(lane), gate, batches)
    }

    const NARROW: Limits = Limits { width: 1, batch: 3, waiting: 5 };

    fn submit(lane: &Arc<Lane<u32, u32>>, item: u32) -> tokio::task::JoinHandle<Result<(u32, usize), Lost>> {
        let lane = lane.clone();
        tokio::spawn(async move { lane.submit(item).await })
    }

    /// On one thread, a spawned task has run as far as it can after a few turns.
    async fn turns() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_first_leaves_alone_and_those_behind_it_together() {
        let (lane, gate, mut batches) = lane(NARROW);
        let first = submit(&lane, 1);
        assert_eq!(batches.recv().await.unwrap(), [1]);
        let rest: Vec<_> = (2..=5).map(|item| submit(&lane, item)).collect();
        turns().await;
        gate.add_permits(3);
        assert_eq!(first.await.unwrap(), Ok((10, 1)));
        assert_eq!(batches.recv().await.unwrap(), [2, 3, 4]);
        assert_eq!(batches.recv().await.unwrap(), [5]);
        for ((item, together), answer) in (2..=5).zip([3, 3, 3, 1]).zip(rest) {
            assert_eq!(answer.await.unwrap(), Ok((item * 10, together)));
        }
    }

    #[tokio::test]
    async fn too_many_are_turned_away_and_who_gives_up_is_left_out() {
        let (lane, gate, mut batches) = lane(NARROW);
        let first = submit(&lane, 1);
        assert_eq!(batches.recv().await.unwrap(), [1]);
        let waiting: Vec<_> = (2..=6).map(|item| submit(&lane, item)).collect();
        turns().await;
        assert_eq!(lane.submit(7).await, Err(Lost::Full));
        waiting[1].abort();
        turns().await;
        gate.add_permits(9);
        assert_eq!(first.await.unwrap(), Ok((10, 1)));
        assert_eq!(batches.recv().await.unwrap(), [2, 4, 5]);
        assert_eq!(batches.recv().await.unwrap(), [6]);
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_batch() {
        let (lane, gate, _batches) = lane(NARROW);
        gate.add_permits(9);
        assert_eq!(lane.submit(13).await, Err(Lost::Unknown));
        assert_eq!(lane.submit(14).await, Ok((140, 1)));
        assert_eq!(lane.0.queue().under_way, 0);
    }
}
