//! Which faults a cluster knows, and in which order they strike: decided by a seed alone.

use clap::ValueEnum;
use docket_testkit::Role;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde::Serialize;

/// A kind of fault.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A new roll-out of the task API.
    RollTasks,
    /// A new roll-out of what makes next occurrences.
    RollRecurrence,
    /// A new roll-out of the audit log.
    RollAudit,
    /// A new roll-out of the reminders.
    RollReminders,
    /// A new roll-out of the messages.
    RollNotification,
    /// A new roll-out of the dead letters.
    RollDeadletters,
    /// Pods are told to go.
    DeletePods,
    /// Pods are gone, without a word.
    KillPods,
    /// An upgrade of the release, and the way back.
    Rollback,
    /// A sidecar ends by itself, and its pod stays.
    EndSidecar,
    /// A pod of every target is told to go at the same time.
    DrainSidecars,
    /// PostgreSQL's pod is told to go.
    RestartDatabase,
    /// The broker's pods are told to go.
    RestartBroker,
    /// A pod of Dapr's scheduler is told to go.
    RestartScheduler,
    /// Dapr's operator is told to go.
    RestartOperator,
    /// One replica of every target becomes three, and one again.
    Scale,
    /// Targets in Deployments of their own become one Deployment, and Deployments of their own again.
    SwitchMode,
}

impl Fault {
    /// Its name in a report and on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The target that is rolled out anew, if that is what it is.
    pub(super) fn rolls(self) -> Option<Role> {
        match self {
            Self::RollTasks => Some(Role::Tasks),
            Self::RollRecurrence => Some(Role::Recurrence),
            Self::RollAudit => Some(Role::Audit),
            Self::RollReminders => Some(Role::Reminders),
            Self::RollNotification => Some(Role::Notification),
            Self::RollDeadletters => Some(Role::DeadLetters),
            _ => None,
        }
    }
}

/// An endless list of faults. Every kind comes once before one comes again.
#[derive(Debug)]
pub(super) struct Deck {
    random: StdRng,
    kinds: Vec<Fault>,
    left: Vec<Fault>,
}

impl Deck {
    /// What this seed decides.
    pub(super) fn new(seed: u64, kinds: &[Fault]) -> Self {
        Self { random: StdRng::seed_from_u64(seed), kinds: kinds.to_vec(), left: Vec::new() }
    }
}

impl Iterator for Deck {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        if self.left.is_empty() {
            self.left.clone_from(&self.kinds);
            self.left.shuffle(&mut self.random);
        }
        self.left.pop()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn deck(seed: u64) -> Vec<Fault> {
        Deck::new(seed, Fault::value_variants()).take(100).collect()
    }

    #[test]
    fn a_seed_decides_the_order() {
        assert_eq!(deck(7), deck(7));
        assert_ne!(deck(7), deck(8));
    }

    #[test]
    fn every_fault_comes_before_one_comes_again() {
        let all = Fault::value_variants().len();
        for round in deck(1).chunks_exact(all) {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), all, "{round:?}");
        }
        assert_eq!(Deck::new(1, &[]).next(), None);
    }

    #[test]
    fn every_target_is_rolled_out_anew_by_a_fault_of_its_name() {
        for role in Role::ALL {
            let fault = Fault::value_variants().iter().find(|fault| fault.rolls() == Some(role));
            assert_eq!(fault.map(|fault| fault.name()), Some(format!("roll-{}", role.name())));
        }
    }
}
