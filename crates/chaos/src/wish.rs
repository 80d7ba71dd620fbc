//! What a client wants next: decided by a seed alone, whatever the world is like.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

/// What can be wanted, and how often of a hundred times.
const WANTS: [(Want, u32); 9] = [
    (Want::Create, 18),
    (Want::Update, 30),
    (Want::Complete, 20),
    (Want::Reopen, 8),
    (Want::Delete, 4),
    (Want::Get, 6),
    (Want::List, 8),
    (Want::Story, 3),
    (Want::Foreign, 3),
];

/// How often of a hundred times a task is one of the few that everybody works on.
const HOT: u32 = 30;

/// How often of a hundred times a client gives up at once when it has no clear answer.
const GIVES_UP: u32 = 20;

/// How often of a hundred times a client asks again though it has its answer.
const ASKS_AGAIN: u32 = 10;

/// What a client wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Want {
    /// A new task.
    Create,
    /// A new title.
    Update,
    /// A task to be done.
    Complete,
    /// A task not to be done after all.
    Reopen,
    /// A task to go.
    Delete,
    /// A task to look at.
    Get,
    /// The open tasks.
    List,
    /// The audit log of a task.
    Story,
    /// A task of somebody else's, which it must not get.
    Foreign,
}

/// One thing that a client wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Wish {
    /// What.
    pub(crate) want: Want,
    /// As which user.
    pub(crate) user: usize,
    /// Whether of one of the few tasks that everybody works on.
    pub(crate) hot: bool,
    /// Which of the tasks that come into question.
    pub(crate) task: usize,
    /// Whether a new task repeats.
    pub(crate) repeats: bool,
    /// The id that it chooses for a new task.
    pub(crate) id: Option<Uuid>,
    /// Whether it says which version it knows.
    pub(crate) etag: bool,
    /// How often it tries again when it has no clear answer.
    pub(crate) retries: usize,
    /// Whether it asks once more when it has its answer.
    pub(crate) again: bool,
    /// Names the request.
    pub(crate) request: Uuid,
    /// How long it rests first.
    pub(crate) rest: Duration,
}

/// An endless list of them.
#[derive(Debug)]
pub(crate) struct Wishes {
    random: StdRng,
    users: usize,
    /// How long a client rests at most, in milliseconds.
    rest: u64,
}

impl Wishes {
    /// What this seed decides for a client of so many users, who rests for so long on average.
    pub(crate) fn new(seed: u64, users: usize, rest: Duration) -> Self {
        let rest = u64::try_from(2 * rest.as_millis()).unwrap_or(u64::MAX);
        Self { random: StdRng::seed_from_u64(seed), users, rest }
    }

    fn percent(&mut self, share: u32) -> bool {
        self.random.random_ratio(share, 100)
    }

    fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random()).into_uuid()
    }
}

impl Iterator for Wishes {
    type Item = Wish;

    fn next(&mut self) -> Option<Wish> {
        let want = WANTS.choose_weighted(&mut self.random, |(_, weight)| *weight);
        let want = want.map_or(Want::Get, |(want, _)| *want);
        let (request, id) = (self.uuid(), self.uuid());
        Some(Wish {
            want,
            user: self.random.random_range(0..self.users),
            hot: self.percent(HOT),
            task: self.random.random_range(0..usize::MAX),
            repeats: self.percent(50),
            id: self.percent(25).then_some(id),
            etag: self.percent(10),
            retries: if self.percent(GIVES_UP) { 0 } else { self.random.random_range(1..8) },
            again: self.percent(ASKS_AGAIN),
            request,
            rest: Duration::from_millis(self.random.random_range(0..=self.rest)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn wishes(seed: u64) -> Vec<Wish> {
        Wishes::new(seed, 4, Duration::from_millis(20)).take(1_000).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(wishes(7), wishes(7));
        assert_ne!(wishes(7), wishes(8));
    }

    #[test]
    fn everything_is_wanted_by_everybody() {
        let wishes = wishes(1);
        for (want, _) in WANTS {
            let users: BTreeSet<usize> =
                wishes.iter().filter(|wish| wish.want == want).map(|wish| wish.user).collect();
            assert_eq!(users.len(), 4, "{want:?}");
        }
        assert_eq!(WANTS.iter().map(|(_, weight)| weight).sum::<u32>(), 100);
    }

    #[test]
    fn some_but_not_all_ask_again() {
        let again = wishes(1).iter().filter(|wish| wish.again).count();
        assert!((50..200).contains(&again), "{again}");
    }

    #[test]
    fn no_two_requests_have_one_name() {
        let requests: BTreeSet<Uuid> = wishes(1).into_iter().map(|wish| wish.request).collect();
        assert_eq!(requests.len(), 1_000);
    }
}
