//! Makes messages: subject, HTML, text, the short form, and the form for programs.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use docket_domain::content::Channel;
use docket_domain::{DeliveryId, Due, Instant, Locale, Priority, ReminderId, TaskId, UserId};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use crate::clean::{one_line, shortened};
use crate::words::{self, Words, words};

/// The most characters of a subject.
const SUBJECT_CHARS: usize = 200;

/// The most characters of a title in a message.
const TITLE_CHARS: usize = 500;

/// The most characters of a title in a push message, whose whole size is limited.
const SHORT_CHARS: usize = 150;

/// The most tasks that a section of a summary names.
pub(crate) const SECTION_TASKS: usize = 25;

/// The templates. Those that end in `html` escape what they are given.
const TEMPLATES: [(&str, &str); 8] = [
    ("base.html", include_str!("../templates/base.html")),
    ("task.html", include_str!("../templates/task.html")),
    ("reminder.html", include_str!("../templates/reminder.html")),
    ("reminder.txt", include_str!("../templates/reminder.txt")),
    ("digest.html", include_str!("../templates/digest.html")),
    ("digest.txt", include_str!("../templates/digest.txt")),
    ("test.html", include_str!("../templates/test.html")),
    ("test.txt", include_str!("../templates/test.txt")),
];

/// A message could not be made. Templates are part of the program, so this is a mistake in one of them.
#[derive(Debug, thiserror::Error)]
#[error("the message could not be made")]
pub(crate) struct Error(#[from] minijinja::Error);

/// A message in all its forms; each channel takes what it can carry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    /// One line of at most [`SUBJECT_CHARS`] characters, never empty.
    pub(crate) subject: String,
    pub(crate) html: String,
    pub(crate) text: String,
    /// A few words: the title.
    pub(crate) title: String,
    /// A few words more.
    pub(crate) body: String,
    /// How urgent it is.
    pub(crate) priority: Priority,
    /// The same for programs: `type`, `timestamp` and `data`.
    pub(crate) json: Value,
}

/// Whom a message is for, and what it needs of that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letter<'a> {
    pub(crate) delivery: DeliveryId,
    pub(crate) user: &'a UserId,
    pub(crate) channel: Channel,
    pub(crate) locale: Locale,
    /// The user's zone, if they have said one.
    pub(crate) zone: Option<Tz>,
    /// The user's part of unsubscribe tokens; none for one who has nothing to unsubscribe from.
    pub(crate) unsubscribe: Option<&'a [u8; 16]>,
    /// The moment that the message was asked for: the same however often it is sent.
    pub(crate) time: Instant,
    pub(crate) now: Instant,
}

/// A task of which a message tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct About {
    pub(crate) task: TaskId,
    pub(crate) title: String,
    pub(crate) priority: Priority,
    pub(crate) due: Option<Due>,
    pub(crate) zone: Tz,
}

/// Which reminder of the task it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Firing {
    pub(crate) id: ReminderId,
    pub(crate) number: i32,
}

/// Tasks of a summary: as many as it names, and how many there are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tasks {
    pub(crate) named: Vec<About>,
    pub(crate) total: usize,
}

/// Makes messages.
pub(crate) struct Renderer {
    templates: Environment<'static>,
    public_url: Option<Url>,
}

/// A task as the templates show it.
#[derive(Serialize)]
struct Shown {
    title: String,
    priority: &'static str,
    color: &'static str,
    /// `Due in 30 minutes`; empty when it is not due.
    standing: String,
    /// The moment itself; empty when it is not due.
    when: String,
    overdue: bool,
    url: Option<String>,
}

#[derive(Serialize)]
struct Section {
    title: &'static str,
    overdue: bool,
    total: usize,
    more: usize,
    tasks: Vec<Shown>,
}

/// What all templates are given.
#[derive(Serialize)]
struct Context<'a> {
    t: &'a Words,
    subject: &'a str,
    preheader: &'a str,
    heading: &'a str,
    why: &'a str,
    unsubscribe_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a Shown>,
    sections: &'a [Section],
}

impl Renderer {
    pub(crate) fn new(public_url: Option<Url>) -> Result<Self, Error> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_trim_blocks(false);
        for (name, source) in TEMPLATES {
            templates.add_template(name, source)?;
        }
        Ok(Self { templates, public_url })
    }

    /// A reminder of a task.
    pub(crate) fn reminder(
        &self,
        letter: &Letter<'_>,
        about: &About,
        firing: Firing,
    ) -> Result<Message, Error> {
        let t = words(letter.locale);
        let task = self.shown(letter, about);
        let heading = if task.overdue { t.overdue } else { t.reminder };
        let subject = match task.when.is_empty() {
            true => subject(heading, &task.title, ""),
            false => subject(heading, &task.title, &format!(" – {}", task.when)),
        };
        let body = match task.when.is_empty() {
            true => t.reminder.to_owned(),
            false => format!("{}: {}", task.standing, task.when),
        };
        let context = Context {
            t,
            subject: &subject,
            preheader: &body,
            heading,
            why: t.why_reminder,
            unsubscribe_url: self.unsubscribe_url(letter),
            task: Some(&task),
            sections: &[],
        };
        let (html, text) = self.render("reminder", &context)?;
        let mut data = self.task(letter, about);
        data.insert("reminder_id", firing.id.to_string().into());
        data.insert("number", firing.number.into());
        data.insert("remind_time", time(letter.time));
        data.insert("text", body.as_str().into());
        let json = envelope("reminder", letter, &data);
        let title = shortened(&task.title, SHORT_CHARS);
        Ok(Message { subject, html, text, title, body, priority: about.priority, json })
    }

    /// The summary of a day.
    pub(crate) fn digest(
        &self,
        letter: &Letter<'_>,
        day: NaiveDate,
        overdue: &Tasks,
        today: &Tasks,
    ) -> Result<Message, Error> {
        let t = words(letter.locale);
        let day = words::day(letter.locale, day);
        let heading = format!("{} {day}", t.digest_for);
        let body = [(t.overdue, overdue), (t.today, today)]
            .into_iter()
            .filter(|(_, tasks)| tasks.total > 0)
            .map(|(what, tasks)| format!("{what}: {}", tasks.total))
            .collect::<Vec<_>>()
            .join(", ");
        let sections: Vec<Section> = [(t.overdue, true, overdue), (t.today, false, today)]
            .into_iter()
            .filter(|(_, _, tasks)| tasks.total > 0)
            .map(|(title, overdue, tasks)| Section {
                title,
                overdue,
                total: tasks.total,
                more: tasks.total.saturating_sub(tasks.named.len()),
                tasks: tasks.named.iter().map(|about| self.shown(letter, about)).collect(),
            })
            .collect();
        let subject = format!("{}: {day} – {body}", t.digest);
        let context = Context {
            t,
            subject: &subject,
            preheader: &body,
            heading: &heading,
            why: t.why_digest,
            unsubscribe_url: self.unsubscribe_url(letter),
            task: None,
            sections: &sections,
        };
        let (html, text) = self.render("digest", &context)?;
        let tasks = |tasks: &Tasks| {
            let named: Vec<Value> = tasks.named.iter().map(|about| json!(self.task(letter, about))).collect();
            json!({ "total": tasks.total, "tasks": named })
        };
        let data = BTreeMap::from([
            ("overdue", tasks(overdue)),
            ("today", tasks(today)),
            ("text", body.as_str().into()),
        ]);
        let json = envelope("digest", letter, &data);
        Ok(Message { subject, html, text, title: heading, body, priority: Priority::Medium, json })
    }

    /// A message that says that it is a test.
    pub(crate) fn test(&self, letter: &Letter<'_>) -> Result<Message, Error> {
        let t = words(letter.locale);
        let subject = format!("Docket: {}", t.test);
        let context = Context {
            t,
            subject: &subject,
            preheader: t.test_body,
            heading: t.test,
            why: t.why_test,
            unsubscribe_url: self.unsubscribe_url(letter),
            task: None,
            sections: &[],
        };
        let (html, text) = self.render("test", &context)?;
        let json = envelope("test", letter, &BTreeMap::from([("text", t.test_body.into())]));
        let (title, body) = (t.test.to_owned(), t.test_body.to_owned());
        Ok(Message { subject, html, text, title, body, priority: Priority::Medium, json })
    }

    fn render(&self, name: &str, context: &Context<'_>) -> Result<(String, String), Error> {
        let html = self.templates.get_template(&format!("{name}.html"))?.render(context)?;
        let text = self.templates.get_template(&format!("{name}.txt"))?.render(context)?;
        Ok((html, text))
    }

    fn shown(&self, letter: &Letter<'_>, about: &About) -> Shown {
        let zone = zone(letter, about);
        let when = |due| match due {
            Due::At(instant) => words::moment(letter.locale, instant, zone),
            Due::On(day) => format!("{}, {}", words::day(letter.locale, day), words(letter.locale).all_day),
        };
        // A day of a task is over by the task's own calendar.
        let standing = |due| words::standing(letter.locale, due, about.zone, letter.now);
        Shown {
            title: shortened(&one_line(&about.title), TITLE_CHARS),
            priority: words::priority(letter.locale, about.priority),
            color: color(about.priority),
            standing: about.due.map(standing).unwrap_or_default(),
            when: about.due.map(when).unwrap_or_default(),
            overdue: about.due.is_some_and(|due| words::is_overdue(due, about.zone, letter.now)),
            url: self.link(&format!("tasks/{}", about.task)),
        }
    }

    /// What programs are told of a task.
    fn task(&self, letter: &Letter<'_>, about: &About) -> BTreeMap<&'static str, Value> {
        let mut data = BTreeMap::from([
            ("task_id", about.task.to_string().into()),
            ("title", about.title.as_str().into()),
            ("priority", words::priority_name(about.priority).into()),
            ("time_zone", zone(letter, about).name().into()),
        ]);
        match about.due {
            Some(Due::At(instant)) => data.insert("due_time", time(instant)),
            Some(Due::On(day)) => data.insert("due_date", day.to_string().into()),
            None => None,
        };
        if let Some(url) = self.link(&format!("tasks/{}", about.task)) {
            data.insert("url", url.into());
        }
        data
    }

    fn unsubscribe_url(&self, letter: &Letter<'_>) -> Option<String> {
        let token = docket_wire::answer::unsubscribe_token(letter.unsubscribe?, letter.channel);
        self.link(&format!("unsubscribe?token={token}"))
    }

    /// A page below the public URL.
    fn link(&self, path: &str) -> Option<String> {
        let base = self.public_url.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}/{path}"))
    }
}

/// By which clock times are told: the user's. UTC is what nobody chose, so the task's is better then.
fn zone(letter: &Letter<'_>, about: &About) -> Tz {
    letter.zone.filter(|zone| *zone != Tz::UTC).unwrap_or(about.zone)
}

/// `<heading>: <title><end>`, in one line. What is too long is cut in the title.
fn subject(heading: &str, title: &str, end: &str) -> String {
    let room = SUBJECT_CHARS.saturating_sub(heading.chars().count() + 2 + end.chars().count());
    format!("{heading}: {}{end}", shortened(title, room))
}

/// What a webhook's request and the data of a push message are made of: those of Standard Webhooks.
fn envelope(kind: &str, letter: &Letter<'_>, data: &BTreeMap<&'static str, Value>) -> Value {
    let mut data = json!(data);
    data["delivery_id"] = letter.delivery.to_string().into();
    data["user_id"] = letter.user.as_str().into();
    json!({ "type": format!("docket.{kind}"), "timestamp": time(letter.time), "data": data })
}

fn time(instant: Instant) -> Value {
    instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).into()
}

/// The badge's background: white on each of them can be read.
fn color(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "#59636e",
        Priority::Medium => "#0969da",
        Priority::High => "#bc4c00",
        Priority::Urgent => "#cf222e",
    }
}
