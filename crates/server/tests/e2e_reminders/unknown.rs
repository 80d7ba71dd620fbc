//! Nobody knows whether a mail went out: the configuration says whether it is sent again, or given up.

use docket_proto::v1::delivery::State as Sent;
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::task_reminder::State;
use docket_testkit::{Loss, Mail};
use futures::future::join_all;

use crate::crash::restart_after_crash;
use crate::person::{Person, ahead, reminded_at};
use crate::world::stack;

/// How it comes that nobody knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Doubt {
    /// The mail server has the mail, and its answer is lost.
    AnswerLost(Loss),
    /// Docket ends between the answer and the note of it.
    Crash,
}

/// What is done then: a value of `notification.unknown`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Policy {
    Resend,
    GiveUp,
}

async fn check(doubt: Doubt, policy: Policy) {
    let own = match doubt {
        Doubt::AnswerLost(_) => Some(Mail::start().await),
        Doubt::Crash => None,
    };
    let mail = match &own {
        Some(own) => own,
        None => Mail::shared().await,
    };
    let name = match policy {
        Policy::Resend => "resend",
        Policy::GiveUp => "give_up",
    };
    let mut builder = stack(mail).env("DOCKET_NOTIFICATION__UNKNOWN", name);
    if doubt == Doubt::Crash {
        builder = builder.failpoint("after-send", "1*return");
    }
    let mut stack = builder.start().await;
    let victor = Person::of(&stack, "victor").await;
    if let Doubt::AnswerLost(how) = doubt {
        mail.accept_in_secret(1, how);
    }
    let task = victor.user.create(reminded_at("Vote", &[ahead(2_000)])).await;
    if doubt == Doubt::Crash {
        restart_after_crash(&mut stack).await;
    }

    let (row, reminder, told, mails) = match policy {
        Policy::Resend => (Sent::Sent, State::Sent, "sent", 2),
        Policy::GiveUp => (Sent::Unknown, State::Failed, "failed", 1),
    };
    let rows = victor.expect_ledger(&task, &[(Channel::Email, row)]).await;
    match policy {
        Policy::Resend => assert_eq!(rows[0].attempts, 2, "{doubt:?}: {rows:?}"),
        Policy::GiveUp => assert_ne!(rows[0].reason, "", "{doubt:?}: {rows:?}"),
    }
    victor.expect_reminders(&task, &[reminder]).await;
    victor.expect_told(&task, &[told]).await;
    stack.settled().await;
    let sent = mail.messages_of(&victor.email).await;
    assert_eq!(sent.len(), mails, "{doubt:?}, {policy:?}: {sent:?}");
    if let Doubt::AnswerLost(_) = doubt {
        assert_eq!(mail.proxy().answers_lost(), 1, "{doubt:?}, {policy:?}");
    }
}

/// Each with a stack of its own, at the same time: most of it is waiting.
#[tokio::test]
async fn what_nobody_knows_is_sent_again_or_given_up_as_the_policy_says() {
    let doubts = [Doubt::AnswerLost(Loss::Reset), Doubt::AnswerLost(Loss::Silence), Doubt::Crash].into_iter();
    let checks = doubts.flat_map(|doubt| [Policy::Resend, Policy::GiveUp].map(|policy| check(doubt, policy)));
    join_all(checks).await;
}
