//! `docket dlq`: looks after what could not be handled, as a client of the server.

mod args;
mod show;

use std::collections::HashSet;

use anyhow::bail;
use docket_domain::LetterState;
use docket_proto::v1;
use docket_proto::v1::dead_letter_service_client::DeadLetterServiceClient;
use docket_rpc::auth::DEAD_LETTERS_ADMIN;
use tonic::Status;
use tonic_types::StatusExt as _;

pub use args::{Action, Dlq, Filter, Which};

use crate::args::Format;
use crate::client::{self, Connection, Refused};
use crate::config::Config;
use crate::terminal::{look, note, say};

/// The most letters of one call that changes letters.
const MOST: usize = 1_000;

/// The most letters of one page.
const PAGE: u32 = 500;

/// The most bytes of an answer. A letter has the bytes of a message, which brokers limit to a few megabytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// `docket dlq`.
pub async fn run(config: &Config, asked: Dlq) -> anyhow::Result<()> {
    let connection = client::connect(config, &asked.server, &[DEAD_LETTERS_ADMIN]).await?;
    let client = DeadLetterServiceClient::new(connection).max_decoding_message_size(MAX_ANSWER_BYTES);
    let mut desk = Desk { client, format: asked.format };
    match asked.action {
        Action::List { filter, limit } => desk.list(&filter, limit).await,
        Action::Show { id } => desk.show(id.to_string()).await,
        Action::Replay { which, only_failed_handler } => {
            desk.act(&which, Task::Replay { only_failed_handler }).await
        }
        Action::Discard { which, reason } => desk.act(&which, Task::Discard { reason: &reason }).await,
    }
}

struct Desk {
    client: DeadLetterServiceClient<Connection>,
    format: Format,
}

/// What a call about some letters has done.
struct Did {
    /// The letters.
    ids: Vec<String>,
    /// What is said of each.
    lines: Vec<String>,
    /// Whether the call left some for the next.
    more: bool,
}

/// Something that is done about letters.
enum Task<'a> {
    Replay { only_failed_handler: bool },
    Discard { reason: &'a str },
}

impl Task<'_> {
    fn done(&self, dry_run: bool) -> &'static str {
        match (self, dry_run) {
            (Self::Replay { .. }, true) => "would be replayed",
            (Self::Replay { .. }, false) => "replayed",
            (Self::Discard { .. }, true) => "would be discarded",
            (Self::Discard { .. }, false) => "discarded",
        }
    }
}

impl Desk {
    async fn list(&mut self, filter: &Filter, limit: u32) -> anyhow::Result<()> {
        let format = self.format;
        let mut first = true;
        let more = self
            .letters(filter.to_proto(&[]), limit, |letter| {
                if std::mem::take(&mut first) && format == Format::Text {
                    say(show::HEAD)?;
                }
                say(&look(format, || show::line(letter), || show::letter_json(letter, false)))
            })
            .await?;
        if more {
            note(&format!("there are more than {limit} letters; --limit lists more"))?;
        }
        Ok(())
    }

    /// Goes through so many letters at most, and says whether there are more.
    async fn letters(
        &mut self,
        filter: v1::DeadLetterFilter,
        limit: u32,
        mut each: impl FnMut(&v1::DeadLetter) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let mut left = limit;
        let mut page_token = String::new();
        loop {
            let page_size = left.min(PAGE).cast_signed();
            let request = v1::ListDeadLettersRequest { page_size, page_token, filter: Some(filter.clone()) };
            let page = self.client.list_dead_letters(request).await.map_err(Refused)?.into_inner();
            page.dead_letters.iter().try_for_each(&mut each)?;
            left = left.saturating_sub(u32::try_from(page.dead_letters.len()).unwrap_or(left));
            page_token = page.next_page_token;
            if page_token.is_empty() || left == 0 {
                return Ok(!page_token.is_empty());
            }
        }
    }

    async fn show(&mut self, dead_letter_id: String) -> anyhow::Result<()> {
        let request = v1::GetDeadLetterRequest { dead_letter_id };
        let letter = self.client.get_dead_letter(request).await.map_err(Refused)?.into_inner();
        say(&look(self.format, || show::page(&letter), || show::letter_json(&letter, true)))
    }

    /// Does it to all letters for which the server does not refuse it, and tells of those as well.
    async fn act(&mut self, which: &Which, task: Task<'_>) -> anyhow::Result<()> {
        let (mut count, mut refused) = (0, 0);
        let mut failed = None;
        for ids in self.named(which).await?.chunks(MOST) {
            let mut left = ids.to_vec();
            while !left.is_empty() {
                match self.call(&task, &left, which.dry_run).await {
                    Ok(did) => {
                        did.lines.iter().try_for_each(|line| say(line))?;
                        count += did.ids.len();
                        let before = left.len();
                        let did_now: HashSet<String> = did.ids.into_iter().collect();
                        left.retain(|id| did.more && !did_now.contains(id));
                        if left.len() == before {
                            bail!("the server says that there is more to do, and does nothing about it");
                        }
                    }
                    Err(status) => match about(&status).filter(|id| left.contains(id)) {
                        Some(id) => {
                            note(&format!("{id} is refused: {}", Refused(status)))?;
                            refused += 1;
                            left.retain(|other| *other != id);
                        }
                        None => {
                            failed = Some(Refused(status));
                            break;
                        }
                    },
                }
            }
            if failed.is_some() {
                break;
            }
        }
        self.count(count, refused, task.done(which.dry_run), failed.is_some())?;
        match (failed, refused) {
            (Some(error), _) => Err(error.into()),
            (None, 0) => Ok(()),
            (None, _) => bail!("{refused} dead letters were refused"),
        }
    }

    /// One call. It is about all of the letters or, when the server says that there are more, about some.
    async fn call(&mut self, task: &Task<'_>, ids: &[String], dry_run: bool) -> Result<Did, Status> {
        let dead_letter_ids = ids.to_vec();
        match task {
            Task::Replay { only_failed_handler } => {
                let request = v1::ReplayDeadLettersRequest {
                    dead_letter_ids,
                    filter: None,
                    only_failed_handler: *only_failed_handler,
                    validate_only: dry_run,
                };
                let answer = self.client.replay_dead_letters(request).await?.into_inner();
                let line = |one| look(self.format, || show::replay(one, dry_run), || show::replay_json(one));
                Ok(Did {
                    lines: answer.replays.iter().map(line).collect(),
                    ids: answer.replays.into_iter().map(|one| one.dead_letter_id).collect(),
                    more: answer.more,
                })
            }
            Task::Discard { reason } => {
                let request = v1::DiscardDeadLettersRequest {
                    dead_letter_ids,
                    filter: None,
                    reason: (*reason).to_owned(),
                    validate_only: dry_run,
                };
                let answer = self.client.discard_dead_letters(request).await?.into_inner();
                let line =
                    |one| look(self.format, || show::discard(one, dry_run), || show::discard_json(one));
                Ok(Did {
                    lines: answer.discards.iter().map(line).collect(),
                    ids: answer.discards.into_iter().map(|one| one.dead_letter_id).collect(),
                    more: answer.more,
                })
            }
        }
    }

    /// The letters that a command names or chooses. Those chosen are listed first, because what is done about one may
    /// bring it back: each is to be done once.
    async fn named(&mut self, which: &Which) -> anyhow::Result<Vec<String>> {
        if !which.ids.is_empty() {
            return Ok(which.ids.iter().map(ToString::to_string).collect());
        }
        let filter = which.filter.to_proto(&[LetterState::Open]);
        let mut ids = Vec::new();
        let id = |letter: &v1::DeadLetter| {
            ids.push(letter.dead_letter_id.clone());
            Ok(())
        };
        self.letters(filter, u32::MAX, id).await?;
        Ok(ids)
    }

    /// Programs count for themselves, unless something went wrong.
    fn count(&self, count: usize, refused: usize, done: &str, failed: bool) -> anyhow::Result<()> {
        match (self.format, refused) {
            (Format::Json, 0) if !failed => Ok(()),
            (_, 0) => note(&format!("{count} dead letters {done}")),
            _ => note(&format!("{count} dead letters {done}, {refused} refused")),
        }
    }
}

/// The letter that a refusal is about, if it is about one alone.
fn about(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    info.metadata.get("dead_letter_id").cloned()
}
