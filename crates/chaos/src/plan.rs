//! Which faults strike, when and whom: decided by a seed alone.

use std::time::Duration;

use clap::ValueEnum;
use docket_testkit::{End, Role, Way};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use serde::Serialize;

/// How long a fault lasts, in milliseconds.
const LASTS: std::ops::Range<u64> = 1_000..5_000;

/// How long one fault in eight lasts in a run that is long enough for it: longer than timeouts, leases and back-off.
const OUTAGE: std::ops::Range<u64> = 15_000..60_000;
const ONE_OUTAGE_IN: u32 = 8;

/// How much longer than the lease somebody is paused, in milliseconds.
const BEYOND_LEASE: std::ops::Range<u64> = 1_000..3_000;

/// How long nothing happens between two faults, in milliseconds.
const CALM: std::ops::Range<u64> = 200..1_500;

/// A kind of fault.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// SIGKILL to a docket.
    KillApp,
    /// SIGTERM to a docket.
    EndApp,
    /// A docket stands still for longer than its lease.
    PauseApp,
    /// SIGKILL to a sidecar.
    KillSidecar,
    /// A sidecar stands still.
    PauseSidecar,
    /// SIGKILL to a docket and its sidecar, as when a machine goes.
    KillMember,
    /// SIGTERM to a docket and its sidecar, as when a new release comes.
    EndMember,
    /// SIGKILL to the broker.
    KillBroker,
    /// The broker stands still.
    PauseBroker,
    /// SIGKILL to the scheduler.
    KillScheduler,
    /// PostgreSQL is told to end, and rolls back what runs.
    EndDatabase,
    /// PostgreSQL ends at once, as in a crash.
    CrashDatabase,
    /// PostgreSQL stands still.
    PauseDatabase,
    /// Between a docket and PostgreSQL.
    PartitionDatabase,
    /// On the way from a docket to its sidecar.
    PartitionSidecar,
    /// On the way from a sidecar to its docket.
    PartitionApp,
    /// Between a sidecar and the broker.
    PartitionBroker,
    /// A share of the commits succeeds, but looks as if it had not.
    UnclearCommits,
    /// A share of what is published is there, but looks as if it were not.
    UnclearPublishes,
    /// A docket ends itself in the middle: behind a commit, behind a publish, before it removes what was published, inside a
    /// handler's transaction.
    CrashPoints,
    /// A share of the events cannot be handled at first.
    FailingHandlers,
    /// Messages of a foreign producer that nobody can handle.
    Poison,
}

/// What a fault of this kind concerns. Two at once concern different things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// A docket and its sidecar.
    Member,
    /// The broker.
    Broker,
    /// The scheduler.
    Scheduler,
    /// PostgreSQL.
    Database,
    /// The topic.
    Topic,
}

/// What is wrong with a network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Network {
    /// Connections are reset, and new ones refused.
    Cut,
    /// Connections are reset once.
    Reset,
    /// Nothing comes through this way.
    Blackhole(Way),
    /// One end does not know that the other has gone.
    HalfOpen(End),
    /// Connections that there are stay silent; new ones work.
    Forget,
    /// Everything takes longer by up to so long.
    Delay(Duration),
}

/// One fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Strike {
    /// Which.
    pub kind: Kind,
    /// Whom it concerns, if it concerns a member: a target's replica.
    pub member: (Role, usize),
    /// What is wrong, if it concerns a network.
    pub network: Network,
    /// Decides what else there is to decide.
    pub seed: u64,
}

/// Faults that come together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Mostly one.
    pub strikes: Vec<Strike>,
    /// How long they last.
    pub lasts: Duration,
    /// Whether the next ones wait until everything has recovered.
    pub waits: bool,
    /// How long nothing happens afterwards.
    pub calm: Duration,
}

/// An endless list of steps. Every kind comes once before one comes again.
#[derive(Debug)]
pub struct Plan {
    random: StdRng,
    kinds: Vec<Kind>,
    replicas: usize,
    lease: Duration,
    deck: Vec<Kind>,
    outages: bool,
}

impl Kind {
    /// Its name in a report and on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it is done by failpoints inside a docket.
    pub(crate) fn needs_failpoints(self) -> bool {
        matches!(
            self,
            Self::UnclearCommits | Self::UnclearPublishes | Self::CrashPoints | Self::FailingHandlers
        )
    }

    /// The targets on which it has an effect, if it concerns a member.
    fn roles(self) -> &'static [Role] {
        match self {
            Self::UnclearCommits => &[Role::Tasks, Role::Recurrence, Role::Audit],
            Self::UnclearPublishes => &[Role::Tasks],
            Self::CrashPoints => &[Role::Tasks, Role::Audit],
            Self::FailingHandlers => &[Role::Audit, Role::Recurrence],
            _ => &Role::BACKBONE,
        }
    }

    /// What it concerns.
    pub fn scope(self) -> Scope {
        match self {
            Self::KillBroker | Self::PauseBroker => Scope::Broker,
            Self::EndDatabase | Self::CrashDatabase | Self::PauseDatabase => Scope::Database,
            Self::KillScheduler => Scope::Scheduler,
            Self::Poison => Scope::Topic,
            _ => Scope::Member,
        }
    }
}

impl Strike {
    /// Whether both can be carried out at the same time.
    fn goes_with(&self, other: &Self) -> bool {
        let scope = self.kind.scope();
        scope != other.kind.scope() || (scope == Scope::Member && self.member != other.member)
    }
}

impl Plan {
    /// What this seed decides, for so many replicas of each target, whose relays have this lease.
    pub fn new(seed: u64, kinds: &[Kind], replicas: usize, lease: Duration) -> Self {
        let (random, kinds, deck) = (StdRng::seed_from_u64(seed), kinds.to_vec(), Vec::new());
        Self { random, kinds, replicas, lease, deck, outages: false }
    }

    /// The same, with outages that last up to a minute among the faults.
    pub fn with_outages(self) -> Self {
        Self { outages: true, ..self }
    }

    fn strike(&mut self) -> Strike {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.kinds);
            self.deck.shuffle(&mut self.random);
        }
        let kind = self.deck.pop().unwrap_or(Kind::KillApp);
        let role = kind.roles().choose(&mut self.random).copied().unwrap_or(Role::Tasks);
        let (member, network) = ((role, self.random.random_range(0..self.replicas)), self.network());
        Strike { kind, member, network, seed: self.random.random() }
    }

    fn network(&mut self) -> Network {
        let delay = Duration::from_millis(self.random.random_range(50..500));
        let all = [
            Network::Cut,
            Network::Reset,
            Network::Blackhole(Way::Both),
            Network::Blackhole(Way::ToTarget),
            Network::Blackhole(Way::ToClient),
            Network::HalfOpen(End::Client),
            Network::HalfOpen(End::Target),
            Network::Forget,
            Network::Delay(delay),
        ];
        all.choose(&mut self.random).copied().unwrap_or(Network::Cut)
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(range))
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let mut strikes = vec![self.strike()];
        if self.random.random_ratio(1, 4) {
            let second = self.strike();
            if second.goes_with(&strikes[0]) {
                strikes.push(second);
            } else {
                self.deck.push(second.kind);
            }
        }
        let beyond = self.lease + self.millis(BEYOND_LEASE);
        let outage = self.outages && self.random.random_ratio(1, ONE_OUTAGE_IN);
        let lasts = if outage {
            self.millis(OUTAGE)
        } else if strikes.iter().any(|strike| strike.kind == Kind::PauseApp) {
            beyond
        } else {
            self.millis(LASTS)
        };
        let (waits, calm) = (self.random.random_ratio(2, 3), self.millis(CALM));
        Some(Step { strikes, lasts, waits, calm })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LEASE: Duration = Duration::from_secs(5);

    fn plan(seed: u64) -> Vec<Step> {
        Plan::new(seed, Kind::value_variants(), 2, LEASE).take(200).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn every_kind_comes_before_one_comes_again() {
        let kinds: Vec<Kind> =
            plan(1).into_iter().flat_map(|step| step.strikes).map(|strike| strike.kind).collect();
        let all = Kind::value_variants().len();
        for round in kinds.chunks_exact(all) {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), all, "{round:?}");
        }
    }

    #[test]
    fn two_at_once_concern_different_things() {
        let doubles = plan(2).into_iter().filter(|step| step.strikes.len() > 1);
        let doubles: Vec<_> = doubles.collect();
        assert!(doubles.len() > 20, "{}", doubles.len());
        for step in doubles {
            assert!(step.strikes[0].goes_with(&step.strikes[1]), "{step:?}");
        }
    }

    #[test]
    fn who_is_paused_loses_the_lease() {
        for step in plan(3) {
            let paused = step.strikes.iter().any(|strike| strike.kind == Kind::PauseApp);
            assert!(!paused || step.lasts > LEASE, "{step:?}");
        }
    }

    #[test]
    fn a_long_run_has_outages_and_a_short_one_has_none() {
        let longest = |plan: Plan| plan.take(200).map(|step| step.lasts).max().unwrap_or_default();
        let plan = || Plan::new(4, Kind::value_variants(), 2, LEASE);
        assert!(longest(plan()) < Duration::from_secs(15));
        assert!(longest(plan().with_outages()) > Duration::from_secs(30));
    }

    #[test]
    fn kinds_can_be_left_out() {
        let steps: Vec<Step> = Plan::new(1, &[Kind::KillApp], 2, LEASE).take(20).collect();
        assert!(steps.iter().flat_map(|step| &step.strikes).all(|strike| strike.kind == Kind::KillApp));
    }
}
