//! What a store promises, on whichever database: cases that each get a fresh one.

pub(crate) mod attempts;
pub(crate) mod compat;
pub(crate) mod events;
pub(crate) mod firing;
pub(crate) mod frozen;
pub(crate) mod inbox;
pub(crate) mod ledger;
pub(crate) mod letters;
pub(crate) mod preferences;
pub(crate) mod probes;
pub(crate) mod purge;
pub(crate) mod refill;
pub(crate) mod reminders;
pub(crate) mod replays;
pub(crate) mod series;
pub(crate) mod tasks;
pub(crate) mod telling;
pub(crate) mod together;
pub(crate) mod verify;

use std::sync::{Arc, Mutex};

use chrono::{TimeZone as _, Utc};
use docket_domain::content::{Channel, Moment};
use docket_domain::recurrence::{Anchor, End, Missed, MonthEnd, Pattern};
use docket_domain::{
    Content, Description, Due, EventId, Instant, Priority, Recurrence, Reminder, SeriesId, Tags, Task,
    TaskId, Title, UserId,
};
use docket_store::{Config, Error, Schema, Statements, Store, Stores};
use docket_telemetry::{Handle, Identity, Meters};
use sea_orm::DatabaseConnection;
use tempfile::TempDir;
use uuid::Uuid;

/// Makes a test of every case; `$fresh` opens an empty database.
macro_rules! cases {
    ($fresh:path) => {
        cases! { $fresh:
            tasks::a_task_reads_back_as_it_was_written,
            tasks::a_foreign_task_is_not_there_and_a_taken_id_is_refused,
            tasks::open_tasks_of_all_users_are_told_with_their_versions,
            tasks::listings_filter_sort_and_page_in_one_statement_a_page,
            series::an_instant_of_a_series_is_claimed_once,
            series::the_audit_log_has_an_event_once_and_lists_in_order,
            events::the_outbox_shows_the_head_of_each_key_until_every_handler_has_it,
            events::a_look_into_the_outbox_takes_no_more_than_a_page,
            events::what_follows_in_a_key_is_read_some_at_a_time,
            events::a_call_is_claimed_once_and_answers_the_same_ever_after,
            events::a_call_is_made_once_and_its_answer_is_kept_with_the_effect,
            events::an_error_leaves_nothing_behind,
            events::the_schema_goes_down_and_up_again,
            together::tasks_created_together_are_each_whole,
            together::a_change_comes_with_its_event_its_number_and_its_answer,
            inbox::an_event_is_begun_once_alone_and_in_batches,
            inbox::what_was_given_up_is_begun_again_by_a_new_replay_and_by_nothing_else,
            inbox::a_replay_that_fails_again_is_told_once,
            inbox::a_replay_that_is_called_like_an_event_is_not_that_event,
            inbox::data_that_the_database_refuses_is_told_from_a_failure,
            replays::a_replay_leaves_as_the_message_that_it_was,
            replays::what_leaves_the_outbox_of_the_tasks_is_kept_and_can_be_published_again,
            letters::failures_of_one_event_are_one_letter,
            letters::a_replay_that_fails_opens_its_letter_once,
            letters::a_replay_that_fails_after_a_discard_opens_its_letter,
            letters::letters_are_listed_by_filter_in_pages_that_stay,
            letters::what_is_done_about_letters_is_kept_with_them,
            verify::a_batch_is_recorded_at_once_and_each_entry_once,
            verify::what_the_inbox_says_of_an_event_decides_over_its_entry,
            verify::holes_in_the_log_are_named_page_by_page,
            refill::how_far_the_tasks_have_come_is_told_page_by_page,
            refill::what_reminders_knows_of_tasks_is_one_statement,
            refill::what_is_on_its_way_to_a_handler_is_found,
            refill::what_was_published_is_found_by_when_it_happened,
            purge::what_is_old_goes_in_batches_and_what_is_young_stays,
            purge::answers_are_purged_where_their_target_keeps_them,
            purge::letters_that_have_ended_go_with_their_actions_and_open_ones_stay,
            ledger::a_subject_is_begun_in_the_ledger_once,
            ledger::what_is_due_is_claimed_by_channel_the_oldest_first,
            probes::a_test_that_is_begun_is_the_beginners_until_then,
            probes::a_test_waits_for_the_pause_after_the_one_before_on_its_channel,
            ledger::an_attempt_is_settled_by_who_made_it_and_a_message_ends_once,
            ledger::a_firing_is_complete_with_its_last_message,
            ledger::the_ledger_is_listed_the_newest_first_in_pages_that_stay,
            ledger::what_has_ended_is_purged_and_what_waits_stays,
            ledger::who_sends_is_woken_and_one_word_before_counts,
            attempts::whatever_happens_a_message_ends_once_and_attempts_only_grow,
            preferences::preferences_are_kept_whole_and_changed_in_their_version,
            preferences::preferences_that_nobody_can_have_said_are_an_error,
            preferences::a_digest_that_is_due_is_begun_once,
            reminders::tasks_and_reminders_read_back_as_they_were_written,
            reminders::what_was_overtaken_is_a_conflict,
            reminders::the_time_of_day_is_the_one_that_was_said_last,
            reminders::open_all_day_tasks_are_found_by_their_owner,
            reminders::reminders_are_listed_by_instant_in_pages_that_stay,
            reminders::rows_that_nobody_can_have_written_are_an_error,
            firing::what_is_due_is_fired_once,
            firing::reminders_are_counted_up_to_a_limit,
            firing::a_firing_stands_until_it_has_ended_and_is_published_until_then,
            firing::an_event_is_published_again_under_a_replay,
            firing::what_has_no_alarm_is_answered_until_it_has_one,
            firing::what_changes_without_moving_keeps_its_alarm,
            firing::a_reminder_is_locked_with_its_task_and_for_its_owner,
            firing::who_makes_alarms_is_woken_and_one_word_before_counts,
            firing::tasks_that_are_over_are_purged_with_their_reminders,
            telling::what_is_done_for_a_recorded_call_is_told_in_spans,
            telling::a_transaction_that_does_not_come_to_its_end_says_why,
            telling::what_came_again_is_counted_once_it_is_committed,
            telling::what_waits_is_told_with_its_age,
            telling::open_letters_are_counted_and_the_oldest_is_known,
            frozen::a_released_step_is_never_edited,
            frozen::a_database_without_the_newest_targets_is_given_them,
            compat::what_the_release_before_sends_works_on_the_newest_schema,
        }
    };
    ($fresh:path: $($module:ident::$case:ident,)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let data = $fresh().await;
                suite::$module::$case(&data).await;
                suite::compat::record(&data);
            }
        )*
    };
}
pub(crate) use cases;

/// A statement, and on PostgreSQL whose it is.
pub(crate) type Sent = (Option<Schema>, String);

/// PostgreSQL, as files name it.
pub(crate) const POSTGRES: &str = "postgres";

/// A fresh database with the newest schema.
pub(crate) struct Data {
    pub(crate) kind: &'static str,
    pub(crate) stores: Stores,
    /// One more connection, that may do everything.
    pub(crate) raw: DatabaseConnection,
    /// Where the database is, if it is a file; it ends with this value.
    pub(crate) _folder: Option<TempDir>,
    /// What the stores count.
    pub(crate) meters: Meters,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Data {
    /// Opens it for every target; `raw` is another connection.
    pub(crate) async fn open(kind: &'static str, config: &Config, raw: DatabaseConnection) -> Self {
        let sent = Arc::<Mutex<Vec<Sent>>>::default();
        let told = sent.clone();
        let listen = move |schema, sql: &str| told.lock().unwrap().push((schema, sql.to_owned()));
        let stores = Stores::open_with(config, &Schema::ALL, Statements::told(listen)).await.unwrap();
        let identity = Identity { service: "docket".to_owned(), version: "1", instance: Uuid::nil() };
        let meters = Handle::detached(&identity).unwrap().meters;
        let stores = stores.with_meter(&meters.meter("docket-store"));
        Self { kind, stores, raw, _folder: None, meters, sent }
    }

    pub(crate) fn tasks(&self) -> Store {
        self.stores.of(Schema::Tasks)
    }

    /// What was sent since this was last asked.
    pub(crate) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn at(second: i64) -> Instant {
    Utc.timestamp_opt(1_800_000_000 + second, 0).unwrap()
}

pub(crate) fn event_id(number: u128) -> EventId {
    EventId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn id(number: u128) -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn content(title: &str) -> Content {
    Content {
        title: Title::parse(title).unwrap(),
        description: Description::default(),
        priority: Priority::Medium,
        tags: Tags::default(),
        due: None,
        time_zone: chrono_tz::UTC,
        recurrence: None,
        reminders: Vec::new(),
    }
}

pub(crate) fn task(number: u128, owner: &str, content: Content) -> Task {
    let series = SeriesId::from_uuid(Uuid::from_u128(number + 1_000_000));
    Task::create(id(number), user(owner), content, series, at(i64::try_from(number).unwrap())).after
}

pub(crate) async fn put(store: &Store, task: &Task) -> Result<(), Error> {
    let task = task.clone();
    store
        .transaction(move |tx| {
            let task = task.clone();
            Box::pin(async move {
                tx.task_insert(&task).await?;
                tx.sequence_advance(&task.user_id, &[task.id]).await
            })
        })
        .await
}

pub(crate) fn full() -> Content {
    Content {
        title: Title::parse("Miete überweisen 🏠").unwrap(),
        description: Description::parse("line one\nline two").unwrap(),
        priority: Priority::Urgent,
        tags: Tags::collect(vec!["home".to_owned(), "a,b %_\\".to_owned()]).unwrap(),
        due: Some(Due::At(Utc.with_ymd_and_hms(2027, 1, 31, 8, 0, 0).unwrap())),
        time_zone: chrono_tz::Europe::Berlin,
        recurrence: Some(Recurrence {
            pattern: Pattern::Monthly,
            interval: 2,
            anchor: Anchor::CompletionTime,
            month_end: MonthEnd::Skip,
            missed: Missed::Each,
            end: End::Until(at(100_000_000)),
        }),
        reminders: vec![
            Reminder {
                moment: Moment::Before(std::time::Duration::from_secs(60)),
                channels: vec![Channel::Push, Channel::Email],
            },
            Reminder { moment: Moment::At(at(7)), channels: vec![Channel::Webhook] },
        ],
    }
}
