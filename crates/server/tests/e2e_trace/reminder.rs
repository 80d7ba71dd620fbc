//! A reminder, from the call that asks for it to the mail server, across the job that waits for its moment.

use docket_domain::TimeDelta;
use docket_domain::source::Clock as _;
use docket_proto::v1;
use docket_proto::v1::reminder::Moment;
use docket_proto::v1::task::Due;
use docket_server::source::SystemClock;
use docket_testkit::once;

use crate::client::Client;
use crate::site::Site;

/// The call that asks for it.
const ASKED: &str = "\
server docket.v1.TaskService/CreateTask of {tasks}
  producer publish task-events of {tasks}
    consumer process task-events of {audit} for audit
    consumer process task-events of {recurrence} for recurrence
    consumer process task-events of {reminders} for reminders
";

/// What begins when it is due.
const FIRED: &str = "\
consumer fire reminder of {reminders}
  producer publish reminders of {reminders}
    consumer process reminders of {notification} for notification
      internal send email of {notification}
        client docket.v1.ReminderService/CheckReminders of {notification}
          server docket.v1.ReminderService/CheckReminders of {reminders}
        client docket.v1.TaskService/CheckTasks of {notification}
          server docket.v1.TaskService/CheckTasks of {tasks}
        client invoke smtp of {notification}
        producer publish task-events of {notification}
          consumer process task-events of {audit} for audit
          consumer process task-events of {recurrence} for recurrence
          consumer process task-events of {reminders} for reminders
";

async fn a_reminder_is_told_up_to_the_mail(site: &Site) {
    let alice = site.person("alice").await;
    let client = Client::new();
    let moment = SystemClock.now() + TimeDelta::seconds(3);
    let reminder = v1::Reminder { moment: Some(Moment::RemindTime(moment.into())), channels: vec![] };
    let due = Some(Due::DueTime((moment + TimeDelta::hours(1)).into()));
    let task = v1::Task { due, reminders: vec![reminder], ..once("Water the plants") };
    client.create(&alice.user, task).await;
    site.expect_trace(&client, ASKED).await;

    site.mail.wait_for_messages(&alice.email, 1).await;
    let trace = site.expect_linked(&client, "reminders", "fire reminder", FIRED).await;
    for span in trace.spans() {
        let told = format!("{span:?}");
        assert!(!told.contains("Water") && !told.contains("alice"), "{told}");
    }
}

#[tokio::test]
async fn a_reminder_is_told_up_to_the_mail_in_one_process() {
    let site = Site::one().await;
    a_reminder_is_told_up_to_the_mail(&site).await;
}

#[tokio::test]
async fn a_reminder_is_told_up_to_the_mail_where_the_sidecar_makes_spans_of_its_own() {
    let site = Site::one_with_a_sidecar_that_makes_spans().await;
    a_reminder_is_told_up_to_the_mail(&site).await;
}

#[tokio::test]
async fn a_reminder_is_told_up_to_the_mail_across_processes() {
    let site = Site::many().await;
    a_reminder_is_told_up_to_the_mail(&site).await;
}
