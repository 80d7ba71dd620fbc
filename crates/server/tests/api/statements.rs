//! How many statements a call sends to the database. BEGIN and COMMIT are not counted.

use docket_outbox::Confirm;
use docket_proto::v1;
use docket_server::target::Target;
use docket_store::dead_letters::NewLetter;
use docket_testkit::{User, once, repeating};

use crate::harness::{Api, now, uuid};

/// What a call of the user's costs.
async fn cost(api: &Api, call: impl Future<Output = ()>) -> u64 {
    let before = api.statements.count();
    call.await;
    api.statements.count() - before
}

async fn create(user: &User, task: v1::Task, request_id: String) {
    let request = v1::CreateTaskRequest { task: Some(task), request_id, ..Default::default() };
    user.tasks().create_task(request).await.unwrap();
}

#[tokio::test]
async fn a_call_costs_so_many_statements_and_no_more() {
    // Without a sidecar there is no relay whose statements would be counted too.
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    let alice = api.user("alice");
    let task = alice.create(v1::Task { tags: vec!["home".to_owned()], ..once("Buy milk") }).await;
    alice.create_all((0..20).map(|n| once(&format!("Task {n}")))).await;

    let get = v1::GetTaskRequest { task_id: task.task_id.clone() };
    let got = async { drop(alice.tasks().get_task(get).await.unwrap()) };
    assert_eq!(cost(&api, got).await, 1, "GetTask: the task with its tags");

    let list = v1::ListTasksRequest {
        filter: "tags:home AND text:milk".to_owned(),
        order_by: "due desc".to_owned(),
        ..Default::default()
    };
    let listed = async { assert_eq!(alice.tasks().list_tasks(list).await.unwrap().get_ref().tasks.len(), 1) };
    assert_eq!(cost(&api, listed).await, 1, "ListTasks: the tasks with their tags");

    // The user's sequence, the task with its number in it, its event.
    let plain = create(&alice, once("Plain"), String::new());
    assert_eq!(cost(&api, plain).await, 3, "CreateTask");
    // And the request id, together with the answer.
    let repeatable = create(&alice, once("Repeatable"), uuid());
    assert_eq!(cost(&api, repeatable).await, 4, "CreateTask with a request id");
    // And the tags, all at once.
    let tagged = v1::Task { tags: vec!["a".to_owned(), "b".to_owned()], ..once("Tagged") };
    assert_eq!(cost(&api, create(&alice, tagged, String::new())).await, 4, "CreateTask with tags");
    // And its place in the series.
    let weekly = repeating("Weekly", v1::recurrence::Pattern::Weekly, "2027-03-22T08:00:00Z", "UTC");
    assert_eq!(cost(&api, create(&alice, weekly, String::new())).await, 4, "CreateTask of a series");

    // The task is read; then the task, its event, the user's sequence, the task's number in it.
    let complete = v1::CompleteTaskRequest { task_id: task.task_id.clone(), ..Default::default() };
    let completed = async { drop(alice.tasks().complete_task(complete).await.unwrap()) };
    assert_eq!(cost(&api, completed).await, 5, "CompleteTask");

    // And whether there is a next occurrence to take back.
    let reopen = v1::ReopenTaskRequest { task_id: task.task_id.clone(), ..Default::default() };
    let reopened = async { drop(alice.tasks().reopen_task(reopen).await.unwrap()) };
    assert_eq!(cost(&api, reopened).await, 6, "ReopenTask");

    // The request id, the task, then as above, and the answer.
    let complete =
        v1::CompleteTaskRequest { task_id: task.task_id.clone(), request_id: uuid(), ..Default::default() };
    let completed = async { drop(alice.tasks().complete_task(complete.clone()).await.unwrap()) };
    assert_eq!(cost(&api, completed).await, 7, "CompleteTask with a request id");
    // The request id is taken; the answer is with it.
    let repeated = async { drop(alice.tasks().complete_task(complete.clone()).await.unwrap()) };
    assert_eq!(cost(&api, repeated).await, 2, "CompleteTask, repeated");
}

/// So many letters, written into the database: where no sidecar is, none arrive.
async fn letters(api: &Api, count: usize) -> Vec<String> {
    let letter = |_| NewLetter {
        id: uuid().parse().unwrap(),
        handler: "audit".to_owned(),
        event_id: uuid().parse().unwrap(),
        event_type: None,
        pubsub: "pubsub".to_owned(),
        topic: "task-events".to_owned(),
        key: uuid(),
        partition: None,
        offset: None,
        headers: [("x-tenant".to_owned(), "7".to_owned())].into(),
        reason: "it is painted".to_owned(),
        original: b"{}".to_vec(),
        time: now(),
        replay: None,
    };
    let letters: Vec<NewLetter> = (0..count).map(letter).collect();
    let kept = &letters;
    let keep = api.store().await;
    let done: Result<(), docket_store::Error> =
        keep.transaction(|tx| Box::pin(async move { tx.letters_keep(kept).await })).await;
    done.unwrap();
    letters.into_iter().map(|letter| letter.id.to_string()).collect()
}

#[tokio::test]
async fn calls_about_letters_cost_no_more_for_many_of_them() {
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    let ids = letters(&api, 70).await;
    let admin = || api.admin("carol").letters();

    let list = v1::ListDeadLettersRequest { page_size: 500, ..Default::default() };
    let listed = async { drop(admin().list_dead_letters(list).await.unwrap()) };
    assert_eq!(cost(&api, listed).await, 1, "ListDeadLetters");
    let get = v1::GetDeadLetterRequest { dead_letter_id: ids[0].clone() };
    let got = async { drop(admin().get_dead_letter(get).await.unwrap()) };
    assert_eq!(cost(&api, got).await, 2, "GetDeadLetter: the letter, and what was done about it");

    let of = |ids: &[String], validate_only| v1::ReplayDeadLettersRequest {
        dead_letter_ids: ids.to_vec(),
        validate_only,
        ..Default::default()
    };
    let dry = async { drop(admin().replay_dead_letters(of(&ids, true)).await.unwrap()) };
    assert_eq!(cost(&api, dry).await, 1, "ReplayDeadLetters that changes nothing");
    // The letters are read, and their messages; then their states, the actions, what is to leave.
    let some = async { drop(admin().replay_dead_letters(of(&ids[..50], false)).await.unwrap()) };
    assert_eq!(cost(&api, some).await, 5, "ReplayDeadLetters of 50");
    let rest = v1::DiscardDeadLettersRequest {
        dead_letter_ids: ids[50..].to_vec(),
        reason: "never mind".to_owned(),
        ..Default::default()
    };
    let rest = async { drop(admin().discard_dead_letters(rest).await.unwrap()) };
    assert_eq!(cost(&api, rest).await, 3, "DiscardDeadLetters of 20");
}

#[tokio::test]
async fn calls_about_reminders_and_messages_cost_few_statements() {
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    let alice = api.caller("alice");
    let list = v1::ListRemindersRequest::default();
    let listed = async { drop(alice.reminders().list_reminders(list).await.unwrap()) };
    assert_eq!(cost(&api, listed).await, 1, "ListReminders");
    let dismiss = v1::DismissReminderRequest { task_id: uuid(), number: 1, ..Default::default() };
    let unknown = async { drop(alice.reminders().dismiss_reminder(dismiss).await.unwrap_err()) };
    assert_eq!(cost(&api, unknown).await, 1, "DismissReminder of none");

    let mut desk = alice.notifications();
    let got = async { drop(desk.get_preferences(v1::GetPreferencesRequest {}).await.unwrap()) };
    assert_eq!(cost(&api, got).await, 1, "GetPreferences");
    let update = |locale: &str| v1::UpdatePreferencesRequest {
        preferences: Some(v1::Preferences { locale: locale.to_owned(), ..Default::default() }),
        ..Default::default()
    };
    // They are read, and written with what others have to know.
    let updated = async { drop(desk.update_preferences(update("de")).await.unwrap()) };
    assert_eq!(cost(&api, updated).await, 3, "UpdatePreferences");
    let same = async { drop(desk.update_preferences(update("de")).await.unwrap()) };
    assert_eq!(cost(&api, same).await, 1, "UpdatePreferences that changes nothing");
    let list = v1::ListDeliveriesRequest { page_size: 500, ..Default::default() };
    let listed = async { drop(desk.list_deliveries(list).await.unwrap()) };
    assert_eq!(cost(&api, listed).await, 1, "ListDeliveries");
    let channel = v1::reminder::Channel::Email.into();
    let test = v1::SendTestNotificationRequest { channel, ..Default::default() };
    let tested = async { drop(desk.send_test_notification(test).await.unwrap()) };
    // The preferences, whether there was a test a moment ago, and the row before it is sent; then it is locked, and told how
    // that went.
    assert_eq!(cost(&api, tested).await, 5, "SendTestNotification");
}

/// Without a request id they cost what is said above.
#[tokio::test]
async fn a_request_id_costs_two_statements_and_a_repetition_no_more() {
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    let alice = api.caller("alice");
    // The request id, which is not used up, and the reminder.
    let dismiss = v1::DismissReminderRequest { task_id: uuid(), number: 1, request_id: uuid() };
    let unknown = async { drop(alice.reminders().dismiss_reminder(dismiss).await.unwrap_err()) };
    assert_eq!(cost(&api, unknown).await, 2, "DismissReminder of none");

    let mut desk = alice.notifications();
    let update = v1::UpdatePreferencesRequest {
        preferences: Some(v1::Preferences { locale: "de".to_owned(), ..Default::default() }),
        request_id: uuid(),
        ..Default::default()
    };
    let (channel, request_id) = (v1::reminder::Channel::Email.into(), uuid());
    let test = v1::SendTestNotificationRequest { channel, request_id };
    // The request id first, and the answer in the end; where it is taken, the answer is with it.
    for (first, updates, tests) in [(true, 5, 7), (false, 2, 2)] {
        let updated = async { drop(desk.update_preferences(update.clone()).await.unwrap()) };
        assert_eq!(cost(&api, updated).await, updates, "UpdatePreferences, first: {first}");
        let tested = async { drop(desk.send_test_notification(test.clone()).await.unwrap()) };
        assert_eq!(cost(&api, tested).await, tests, "SendTestNotification, first: {first}");
    }
}

#[tokio::test]
async fn a_service_asks_about_many_tasks_in_one_statement() {
    // The app port is there with a sidecar alone; after its first look the relay sleeps.
    let api = Api::start_with(|config| {
        config.targets = vec![Target::Tasks];
        config.outbox.confirm = Confirm::Broker;
        config.outbox.poll_ms = 60_000;
    })
    .await;
    api.relay.clone().unwrap().wait_for(|status| status.passes > 0).await.unwrap();
    let check = v1::CheckTasksRequest { task_ids: (0..500).map(|_| uuid()).collect() };
    let checked = async { drop(api.service().tasks().check_tasks(check).await.unwrap()) };
    assert_eq!(cost(&api, checked).await, 1, "CheckTasks of 500");
}

/// On one thread: the relay counts its pass in the same breath in which its statement ends, so that the two numbers
/// belong together whenever this test reads them.
#[tokio::test(flavor = "current_thread")]
async fn an_idle_relay_sends_one_statement_each_time_it_looks() {
    const PASSES: u64 = 3;
    // Alone: what the other targets do in between is counted, too.
    let api = Api::start_with(|config| {
        config.targets = vec![Target::Tasks];
        config.outbox.confirm = Confirm::Broker;
        config.outbox.poll_ms = 10;
    })
    .await;
    let mut relay = api.relay.clone().unwrap();
    let first = relay.wait_for(|status| status.passes > 0).await.unwrap().passes;
    let before = api.statements.count();
    let last = relay.wait_for(|status| status.passes >= first + PASSES).await.unwrap().passes;
    assert_eq!(api.statements.count() - before, last - first, "statements for as many passes");
}
