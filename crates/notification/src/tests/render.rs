//! What messages look like.

use docket_domain::{Due, Locale};

use super::*;
use crate::render::{About, Firing, Letter, Message, Tasks};

fn renderer() -> Renderer {
    Renderer::new(Some("https://docket.example.com/".parse().unwrap())).unwrap()
}

fn letter(user: &UserId, locale: Locale) -> Letter<'_> {
    Letter {
        delivery: "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".parse().unwrap(),
        user,
        channel: Way::Email,
        locale,
        zone: None,
        unsubscribe: Some(&[9; 16]),
        time: START.parse().unwrap(),
        now: START.parse().unwrap(),
    }
}

fn about(title: &str, due: Option<Due>, priority: Priority) -> About {
    About { task: notice(1).task_id, title: title.to_owned(), priority, due, zone: Tz::Europe__Berlin }
}

fn at(text: &str) -> Option<Due> {
    Some(Due::At(text.parse().unwrap()))
}

fn on(text: &str) -> Option<Due> {
    Some(Due::On(text.parse().unwrap()))
}

fn reminder(locale: Locale, about: &About) -> Message {
    let firing = Firing { id: notice(1).reminder_id, number: 2 };
    renderer().reminder(&letter(&alice(), locale), about, firing).unwrap()
}

/// The mail of which there is a picture.
#[test]
fn a_mail() {
    let about =
        about("Send the quarterly report to Böhm & Partner", at("2026-12-04T15:00:00Z"), Priority::Urgent);
    let message = reminder(Locale::En, &about);
    insta::assert_binary_snapshot!("mail.html", message.html.into_bytes());
}

#[test]
fn reminders_in_all_forms() {
    let due = about("Pay the rent", at("2026-12-04T15:00:00Z"), Priority::High);
    let english = reminder(Locale::En, &due);
    insta::assert_snapshot!("reminder_en", format!("{}\n\n{}", english.subject, english.text));
    insta::assert_json_snapshot!("reminder_json", english.json);
    assert_eq!(
        (english.title.as_str(), english.body.as_str()),
        ("Pay the rent", "Due in 30 minutes: Friday, 4 December 2026, 16:00 (Europe/Berlin)")
    );
    let late = about("Miete zahlen", on("2026-12-02"), Priority::Low);
    let german = reminder(Locale::De, &late);
    insta::assert_snapshot!("reminder_de", format!("{}\n\n{}", german.subject, german.text));
    let undated = reminder(Locale::En, &about("Think", None, Priority::Medium));
    insta::assert_snapshot!("reminder_undated", format!("{}\n\n{}", undated.subject, undated.text));
}

#[test]
fn times_are_those_of_the_user_who_has_said_where_they_are() {
    let user = alice();
    let due = about("Pay the rent", at("2026-12-04T15:00:00Z"), Priority::High);
    let firing = Firing { id: notice(1).reminder_id, number: 2 };
    for (zone, expect) in
        [(Some(Tz::Asia__Tokyo), "Asia/Tokyo"), (Some(Tz::UTC), "Europe/Berlin"), (None, "Europe/Berlin")]
    {
        let letter = Letter { zone, ..letter(&user, Locale::En) };
        let message = renderer().reminder(&letter, &due, firing).unwrap();
        assert!(message.subject.ends_with(&format!("({expect})")), "{}", message.subject);
    }
}

#[test]
fn a_summary_in_both_languages() {
    let overdue = Tasks {
        named: vec![about("Pay <the> rent", at("2026-12-03T15:00:00Z"), Priority::Urgent)],
        total: 1,
    };
    let today = Tasks {
        named: vec![
            about("Call Ben", at("2026-12-04T17:15:00Z"), Priority::Medium),
            about("Water the plants", on("2026-12-04"), Priority::Low),
        ],
        total: 30,
    };
    let day = "2026-12-04".parse().unwrap();
    for locale in Locale::ALL {
        let message = renderer().digest(&letter(&alice(), locale), day, &overdue, &today).unwrap();
        let name = format!("digest_{}", locale.name());
        insta::assert_snapshot!(name, format!("{}\n\n{}", message.subject, message.text));
        assert!(message.html.contains("Pay &lt;the&gt; rent"), "{}", message.html);
    }
}

#[test]
fn a_test_in_both_languages() {
    for locale in Locale::ALL {
        let message = renderer().test(&letter(&alice(), locale)).unwrap();
        insta::assert_snapshot!(
            format!("test_{}", locale.name()),
            format!("{}\n\n{}", message.subject, message.text)
        );
    }
}

#[test]
fn without_a_public_url_there_are_no_links() {
    let due = about("Pay the rent", at("2026-12-04T15:00:00Z"), Priority::High);
    let firing = Firing { id: notice(1).reminder_id, number: 2 };
    let message = Renderer::new(None).unwrap().reminder(&letter(&alice(), Locale::En), &due, firing).unwrap();
    assert!(!message.html.contains("href") && !message.text.contains("http"), "{}", message.html);
}

#[test]
fn hostile_titles_do_no_harm() {
    let long = "x".repeat(10_000);
    for title in [
        "<script>alert('x')</script>",
        "\"><img src=x onerror=alert(1)>",
        "two\r\nBcc: eve@example.com\r\n\r\n<b>lines</b>",
        "{{ task.url }} {% raw %}",
        "\u{202e}evil\u{2028}\u{0}",
        "&lt;b&gt; &amp; ]]>",
        long.as_str(),
    ] {
        let message = reminder(Locale::En, &about(title, at("2026-12-04T15:00:00Z"), Priority::High));
        let plain = reminder(Locale::En, &about("plain", at("2026-12-04T15:00:00Z"), Priority::High));
        let subject = &message.subject;
        assert!(subject.chars().count() <= 200 && !subject.chars().any(char::is_control), "{subject:?}");
        assert!(subject.ends_with("16:00 (Europe/Berlin)"), "the moment is kept: {subject:?}");
        // Nothing that was not there before: no tag, no line.
        let tags = |html: &str| html.matches('<').count();
        assert_eq!(tags(&message.html), tags(&plain.html), "{title:?}");
        assert_eq!(message.text.lines().count(), plain.text.lines().count(), "{title:?}");
        assert!(message.html.len() < plain.html.len() + 6_000 && message.title.chars().count() <= 150);
        assert_eq!(message.json["data"]["title"], title);
    }
}
