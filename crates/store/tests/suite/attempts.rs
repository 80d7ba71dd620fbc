//! Whatever happens to messages, in whatever order: the ledger is what a model in memory is.

use std::collections::BTreeMap;

use docket_domain::{Channel, DeliveryId, DeliveryState};
use docket_store::Schema;
use docket_store::notification::{Claimed, Listing, Settled};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sea_orm::ConnectionTrait as _;

use super::ledger::{add, message, settle};
use super::{Data, POSTGRES, at, user};

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    /// A firing is told of, on these channels; maybe not for the first time.
    Add(u128, Vec<Channel>),
    /// Somebody claims, of each channel so much, for so many seconds.
    Claim([u32; 3], i64),
    /// Somebody says what became of some claims, which may have ended: for each, whether it is waited again and how long.
    Settle(Vec<(prop::sample::Index, Option<i64>)>),
    /// So many seconds pass.
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let channels = prop::sample::subsequence(Channel::ALL.to_vec(), 1..=3);
    let outcome = (any::<prop::sample::Index>(), prop::option::weighted(0.3, 0..20_i64));
    prop_oneof![
        2 => (1..8_u128, channels).prop_map(|(firing, channels)| Step::Add(firing, channels)),
        3 => (prop::array::uniform3(0..4_u32), 1..10_i64).prop_map(|(most, lease)| Step::Claim(most, lease)),
        3 => prop::collection::vec(outcome, 1..6).prop_map(Step::Settle),
        2 => (1..12_i64).prop_map(Step::Pass),
    ]
}

/// A message as the model has it.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    firing: u128,
    channel: Channel,
    state: DeliveryState,
    attempts: i32,
    wake: i64,
}

#[derive(Debug, Default)]
struct Model {
    rows: BTreeMap<DeliveryId, Row>,
    /// What was claimed, by whomever, ever.
    claims: Vec<Claimed>,
    now: i64,
}

impl Model {
    fn channels_of(&self, firing: u128) -> Vec<Channel> {
        self.rows.values().filter(|row| row.firing == firing).map(|row| row.channel).collect()
    }

    fn add(&mut self, firing: u128, channels: &[Channel]) -> u64 {
        let mut added = 0;
        for channel in channels {
            let row =
                Row { firing, channel: *channel, state: DeliveryState::Pending, attempts: 0, wake: self.now };
            self.rows.entry(message(firing, *channel).id).or_insert_with(|| {
                added += 1;
                row
            });
        }
        added
    }

    /// What is claimed, the oldest first, with whether it was being sent.
    fn claim(&mut self, most: &[(Channel, u32)], lease: i64) -> Vec<(DeliveryId, i32, bool)> {
        let mut due: Vec<(i64, DeliveryId)> = self
            .rows
            .iter()
            .filter(|(_, row)| !row.state.is_final() && row.wake <= self.now)
            .map(|(id, row)| (row.wake, *id))
            .collect();
        due.sort();
        let mut left: BTreeMap<Channel, u32> = most.iter().copied().collect();
        let mut claimed = Vec::new();
        for (_, id) in due {
            let row = self.rows.get_mut(&id).unwrap();
            let left = left.get_mut(&row.channel).unwrap();
            if *left > 0 {
                *left -= 1;
                let was_sending = row.state == DeliveryState::Sending;
                (row.state, row.attempts, row.wake) =
                    (DeliveryState::Sending, row.attempts + 1, self.now + lease);
                claimed.push((id, row.attempts, was_sending));
            }
        }
        claimed
    }

    /// What is known now, and the messages of the firings that are complete with it.
    fn settle(&mut self, settled: &[Settled]) -> (Vec<DeliveryId>, Vec<DeliveryId>) {
        let mut known = Vec::new();
        for attempt in settled {
            let row = self.rows.get_mut(&attempt.id).unwrap();
            if row.state == DeliveryState::Sending && row.attempts == attempt.attempts {
                row.state = attempt.state;
                row.wake = attempt.next_attempt.map_or(0, |next| (next - at(0)).num_seconds());
                known.push(attempt.id);
            }
        }
        known.sort();
        let firings = known.iter().map(|id| self.rows[id].firing);
        let mut firings: Vec<u128> = firings.collect();
        firings.sort_unstable();
        firings.dedup();
        let of = |firing| self.rows.iter().filter(move |(_, row)| row.firing == firing);
        let complete = firings.into_iter().filter(|firing| of(*firing).all(|(_, row)| row.state.is_final()));
        let complete = complete.flat_map(|firing| of(firing).map(|(id, _)| *id)).collect();
        (known, complete)
    }
}

pub(crate) async fn whatever_happens_a_message_ends_once_and_attempts_only_grow(data: &Data) {
    let mut runner = TestRunner::default();
    let steps = prop::collection::vec(step(), 40);
    let table = if data.kind == POSTGRES { "notification.deliveries" } else { "deliveries" };
    for _ in 0..24 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        run(data, &steps).await;
        data.raw.execute_unprepared(&format!("DELETE FROM {table}")).await.unwrap();
    }
}

async fn run(data: &Data, steps: &[Step]) {
    let store = data.stores.of(Schema::Notification);
    let (mut model, mut ends) = (Model::default(), BTreeMap::<DeliveryId, u32>::new());
    let mut told = BTreeMap::<DeliveryId, u32>::new();
    for (number, step) in steps.iter().enumerate() {
        let place = || format!("step {number} of {steps:?}");
        let before: BTreeMap<_, _> = model.rows.clone();
        match step {
            Step::Add(firing, channels) => {
                // A firing is told of again with the channels that it had.
                let known = model.channels_of(*firing);
                let channels = if known.is_empty() { channels } else { &known };
                let mut new: Vec<_> = channels.iter().map(|channel| message(*firing, *channel)).collect();
                new.iter_mut().for_each(|new| new.next_attempt = at(model.now));
                assert_eq!(add(&store, new).await, model.add(*firing, channels), "{}", place());
            }
            Step::Claim(most, lease) => {
                let wanted: Vec<_> = Channel::ALL.into_iter().zip(*most).collect();
                let until = at(model.now + lease);
                let claimed = store.deliveries_claim(&wanted, at(model.now), until).await.unwrap();
                let found: Vec<_> = claimed
                    .iter()
                    .map(|claimed| (claimed.delivery.id, claimed.delivery.attempts, claimed.was_sending))
                    .collect();
                assert_eq!(found, model.claim(&wanted, *lease), "{}", place());
                model.claims.extend(claimed);
            }
            Step::Settle(_) if model.claims.is_empty() => {}
            Step::Settle(outcomes) => {
                let mut settled = BTreeMap::new();
                for (index, waits) in outcomes {
                    let delivery = &index.get(&model.claims).delivery;
                    let state = waits.map_or(DeliveryState::Sent, |_| DeliveryState::Pending);
                    settled.insert(
                        delivery.id,
                        Settled {
                            id: delivery.id,
                            attempts: delivery.attempts,
                            state,
                            next_attempt: waits.map(|seconds| at(model.now + seconds)),
                            postponed: false,
                            reason: None,
                            time: at(model.now),
                        },
                    );
                }
                let settled: Vec<Settled> = settled.into_values().collect();
                let (known, complete) = settle(&store, settled.clone()).await;
                assert_eq!((known, complete.clone()), model.settle(&settled), "{}", place());
                complete.into_iter().for_each(|id| *told.entry(id).or_default() += 1);
            }
            Step::Pass(seconds) => model.now += seconds,
        }
        for (id, row) in &model.rows {
            let Some(earlier) = before.get(id) else { continue };
            assert!(row.attempts >= earlier.attempts, "{}", place());
            *ends.entry(*id).or_default() += u32::from(row.state.is_final() && !earlier.state.is_final());
        }
    }
    let listing = Listing { limit: 100, ..Listing::default() };
    let (listed, _) = store.deliveries_list(&user("alice"), &listing).await.unwrap();
    assert_eq!(listed.len(), model.rows.len());
    for delivery in listed {
        let row = &model.rows[&delivery.id];
        assert_eq!((delivery.state, delivery.attempts), (row.state, row.attempts), "{steps:?}");
        let waits = row.state == DeliveryState::Pending;
        assert_eq!(delivery.next_attempt, waits.then(|| at(row.wake)), "{steps:?}");
        assert_eq!(delivery.finish_time.is_some(), row.state.is_final(), "{steps:?}");
    }
    assert!(ends.values().all(|times| *times <= 1) && told.values().all(|times| *times == 1), "{steps:?}");
}
