//! The cells: each way that an event goes, on either side.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use docket_testkit::kafka::Client;

use super::echo::{Echo, Publisher, Tally};
use super::meter::{Cost, Meter};
use super::shape::{Pair, Shape, Target};
use super::span::Span;
use crate::usage;

/// The name of the echo among sidecars, which is the name of its consumer group, too.
const ECHO: &str = "echo";

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Cell {
    /// Bulk publish, four calls at a time.
    EchoPublish,
    /// From the outbox to the broker.
    Relay,
    /// Bulk subscribe, and nothing done.
    EchoSubscribe,
    /// From the broker into the audit log.
    Audit,
    /// From the broker into recurrence's inbox.
    Recurrence,
    /// Published while subscribed.
    EchoThrough,
    /// From the outbox into the audit log.
    Through,
}

impl Cell {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EchoPublish => "bulk publish",
            Self::Relay => "relay",
            Self::EchoSubscribe => "bulk subscribe",
            Self::Audit => "audit",
            Self::Recurrence => "recurrence",
            Self::EchoThrough => "publish and subscribe",
            Self::Through => "relay and audit",
        }
    }

    /// What it is compared with; none for the echo's own.
    pub(crate) const fn reference(self) -> Option<Self> {
        match self {
            Self::Relay => Some(Self::EchoPublish),
            Self::Audit | Self::Recurrence => Some(Self::EchoSubscribe),
            Self::Through => Some(Self::EchoThrough),
            Self::EchoPublish | Self::EchoSubscribe | Self::EchoThrough => None,
        }
    }

    /// The least share of the reference's rate that is wanted.
    pub(crate) const fn goal(self) -> f64 {
        match self {
            Self::Relay => 0.5,
            _ => 0.3,
        }
    }

    /// Whether a round that is about these needs it: as one of them, as what one is compared with, or for its records.
    pub(crate) fn is_needed(self, wanted: &[Self]) -> bool {
        wanted.iter().any(|cell| *cell == self || cell.reference() == Some(self) || self == Self::Relay)
    }

    /// Those of a round, the sides in turns. The records that the relay writes are what both sides read then.
    pub(crate) fn round(round: usize) -> [Self; 7] {
        if round.is_multiple_of(2) {
            [
                Self::EchoPublish,
                Self::Relay,
                Self::EchoSubscribe,
                Self::Audit,
                Self::Recurrence,
                Self::EchoThrough,
                Self::Through,
            ]
        } else {
            [
                Self::Relay,
                Self::EchoPublish,
                Self::Recurrence,
                Self::Audit,
                Self::EchoSubscribe,
                Self::Through,
                Self::EchoThrough,
            ]
        }
    }
}

/// What came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Events per second.
    pub(crate) per_second: f64,
    /// Events of a call, or of a transaction.
    pub(crate) batch: f64,
    pub(crate) cost: Cost,
}

/// What a round works on.
pub(crate) struct Round<'a> {
    pub(crate) shape: &'a Shape,
    /// Tells its topics from those of others.
    pub(crate) name: String,
    pub(crate) events: u64,
    /// What the echo publishes: an event as the relay does.
    pub(crate) message: Vec<u8>,
    /// How long the machine may keep a cell waiting.
    pub(crate) patience: Duration,
}

impl Round<'_> {
    fn topic(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// What the relay's cell writes and the consumers' cells read.
    pub(crate) fn events_topic(&self) -> String {
        self.topic("events")
    }

    /// Measures a cell.
    pub(crate) async fn measure(&self, cell: Cell) -> Result<Figures> {
        let topic = match cell {
            Cell::EchoSubscribe | Cell::Audit | Cell::Recurrence => self.events_topic(),
            Cell::Relay => {
                self.shape.topic(&self.events_topic()).await;
                self.events_topic()
            }
            _ => {
                let topic = self.topic(&cell.name().replace(' ', "-"));
                self.shape.topic(&topic).await;
                topic
            }
        };
        let waiting = if matches!(cell, Cell::Relay | Cell::Through) { self.events } else { 0 };
        self.shape.fill(&topic, waiting).await?;
        let quiet = usage::quiet(self.patience).await?;
        let mut figures = match cell {
            Cell::EchoPublish => self.publish(&topic).await?,
            Cell::Relay => self.relay(&topic).await?,
            Cell::EchoSubscribe => self.subscribe(&topic).await?,
            Cell::Audit => self.consume(Target::Audit, &topic).await?,
            Cell::Recurrence => self.consume(Target::Recurrence, &topic).await?,
            Cell::EchoThrough => self.echo(&topic).await?,
            Cell::Through => self.through(&topic).await?,
        };
        figures.cost.noisy |= !quiet;
        if cell != Cell::EchoSubscribe {
            let records = records(&mut self.shape.kafka.client().await, &topic).await?;
            ensure!(records == self.events, "the topic has {records} records of {} events", self.events);
        }
        Ok(figures)
    }

    async fn publish(&self, topic: &str) -> Result<Figures> {
        let daprd = self.shape.sidecar(ECHO).start().await;
        let publisher =
            Publisher::start(daprd.channel(), topic, self.events, &self.shape.keys, &self.message);
        let tally = publisher.tally().clone();
        let meter = self.meter(vec![std::process::id()], &[&daprd])?;
        let cost = self.follow_tally(&meter, &tally).await?;
        publisher.finish().await?;
        of(tally.span()?, cost)
    }

    async fn subscribe(&self, topic: &str) -> Result<Figures> {
        let echo = Echo::start(Some(topic)).await?;
        let daprd = self.shape.sidecar(ECHO).app(echo.port(), "").start().await;
        let meter = self.meter(vec![std::process::id()], &[&daprd])?;
        let cost = self.follow_tally(&meter, echo.tally()).await?;
        of(self.whole(echo.tally().span()?)?, cost)
    }

    async fn echo(&self, topic: &str) -> Result<Figures> {
        let echo = Echo::start(Some(topic)).await?;
        let mut daprd = self.shape.sidecar(ECHO).app(echo.port(), "").start().await;
        daprd.subscribed().await;
        self.shape.joined(ECHO).await;
        let publisher =
            Publisher::start(daprd.channel(), topic, self.events, &self.shape.keys, &self.message);
        let published = publisher.tally().clone();
        let meter = self.meter(vec![std::process::id()], &[&daprd])?;
        let cost = self.follow_tally(&meter, echo.tally()).await?;
        publisher.finish().await?;
        let (first, last) = (published.span()?, self.whole(echo.tally().span()?)?);
        Ok(Figures { per_second: first.to(&last), batch: last.batch(), cost })
    }

    async fn follow_tally(&self, meter: &Meter<'_>, tally: &Tally) -> Result<Cost> {
        meter.follow(self.events, async || Ok(tally.total())).await
    }

    async fn relay(&self, topic: &str) -> Result<Figures> {
        let tasks = self.shape.pair(Target::Tasks, topic);
        let meter = self.meter_of(&[&tasks])?;
        // Connected once: to log in costs the broker more than to answer.
        let mut client = self.shape.kafka.client().await;
        let cost = meter.follow(self.events, async || self.removed(&mut client, topic).await).await?;
        tasks.stop().await?;
        of(self.commits("tasks.published_events").await?, cost)
    }

    /// How many events have left the outbox. Nearly all the time the broker's word is enough, and asking it costs nothing.
    async fn removed(&self, client: &mut Client, topic: &str) -> Result<u64> {
        let records = records(client, topic).await?;
        if records < self.events {
            return Ok(records);
        }
        let left: i64 = self.shape.counters.query_one("SELECT count(*) FROM tasks.outbox", &[]).await?.get(0);
        Ok(self.events.saturating_sub(left.try_into()?))
    }

    async fn consume(&self, target: Target, topic: &str) -> Result<Figures> {
        let before = self.begun(target).await?;
        let pair = self.shape.pair(target, topic);
        let meter = self.meter_of(&[&pair])?;
        let cost = meter.follow(self.events, async || self.handled(target, before).await).await?;
        pair.stop().await?;
        of(self.commits(&format!("{}.inbox", target.name())).await?, cost)
    }

    /// How many events a target's handler has begun, ever, by what its statements have written: rows of its inbox, or, where
    /// one statement writes both, of the log.
    async fn begun(&self, target: Target) -> Result<u64> {
        let sql = format!(
            "SELECT coalesce(sum(rows), 0)::bigint FROM pg_stat_statements JOIN pg_roles ON pg_roles.oid = userid
             WHERE rolname = 'docket_{}' AND query LIKE '%INSERT INTO inbox%'",
            target.name()
        );
        let rows: i64 = self.shape.counters.query_one(&sql, &[]).await?.get(0);
        Ok(rows.try_into()?)
    }

    /// How many events a target's handler has done with since then. Nearly all the time it is enough how many it has begun,
    /// which costs nothing: to count the rows of a table again and again would be a part of what is measured.
    async fn handled(&self, target: Target, before: u64) -> Result<u64> {
        let begun = self.begun(target).await?.saturating_sub(before);
        if begun < self.events {
            return Ok(begun);
        }
        let sql = format!("SELECT count(*) FROM {}.inbox WHERE state = 'DONE'", target.name());
        let done: i64 = self.shape.counters.query_one(&sql, &[]).await?.get(0);
        Ok(done.try_into()?)
    }

    async fn through(&self, topic: &str) -> Result<Figures> {
        let mut audit = self.shape.pair(Target::Audit, topic);
        audit.docket.ready().await;
        audit.daprd.ready().await;
        audit.daprd.subscribed().await;
        self.shape.joined(&Target::Audit.app_id()).await;
        let before = self.begun(Target::Audit).await?;
        let tasks = self.shape.pair(Target::Tasks, topic);
        let meter = self.meter_of(&[&tasks, &audit])?;
        let cost = meter.follow(self.events, async || self.handled(Target::Audit, before).await).await?;
        for pair in [tasks, audit] {
            pair.stop().await?;
        }
        let first = self.commits("tasks.published_events").await?;
        let last = self.commits("audit.audit_entries").await?;
        Ok(Figures { per_second: first.to(&last), batch: last.batch(), cost })
    }

    fn meter_of(&self, pairs: &[&Pair]) -> Result<Meter<'_>> {
        let apps: Option<Vec<u32>> = pairs.iter().map(|pair| pair.docket.id()).collect();
        let sidecars: Vec<_> = pairs.iter().map(|pair| &pair.daprd).collect();
        self.meter(apps.context("docket has ended")?, &sidecars)
    }

    fn meter(&self, apps: Vec<u32>, sidecars: &[&docket_testkit::Daprd]) -> Result<Meter<'_>> {
        let sidecars: Option<Vec<u32>> = sidecars.iter().map(|daprd| daprd.id()).collect();
        Ok(Meter { shape: self.shape, apps, sidecars: sidecars.context("a sidecar has ended")? })
    }

    /// The transactions that wrote a table, by its rows.
    async fn commits(&self, table: &str) -> Result<Span> {
        let sql = format!(
            "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8, count(*)
             FROM (SELECT xmin FROM {table}) AS rows GROUP BY xmin"
        );
        let rows = self.shape.counters.query(&sql, &[]).await?;
        let steps = rows.iter().map(|row| Ok((row.get(0), u64::try_from(row.get::<_, i64>(1))?)));
        let steps: Vec<(f64, u64)> = steps.collect::<Result<_>>()?;
        self.whole(Span::of(&steps).with_context(|| table.to_owned())?).with_context(|| table.to_owned())
    }

    /// Makes sure that nothing is missing or there twice.
    fn whole(&self, span: Span) -> Result<Span> {
        ensure!(span.events == self.events, "{} of {} events", span.events, self.events);
        Ok(span)
    }
}

/// How many records a topic has.
async fn records(client: &mut Client, topic: &str) -> Result<u64> {
    let offsets = client.offsets(topic).await?;
    Ok(offsets.values().map(|range| (range.end - range.start).max(0).cast_unsigned()).sum())
}

fn of(span: Span, cost: Cost) -> Result<Figures> {
    Ok(Figures { per_second: span.per_second(), batch: span.batch(), cost })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_each_cell_once_and_the_relay_before_those_who_read_what_it_wrote() {
        for round in 0..2 {
            let cells = Cell::round(round);
            let place = |cell: Cell| cells.iter().position(|other| *other == cell).unwrap();
            for cell in Cell::round(0) {
                assert_eq!(cells.iter().filter(|other| **other == cell).count(), 1, "{cell:?}");
            }
            for reader in [Cell::EchoSubscribe, Cell::Audit, Cell::Recurrence] {
                assert!(place(Cell::Relay) < place(reader));
            }
        }
    }

    #[test]
    fn a_round_about_one_has_its_reference_and_the_relay() {
        let needed = |wanted: Cell| Cell::round(0).into_iter().filter(move |cell| cell.is_needed(&[wanted]));
        assert_eq!(needed(Cell::Audit).collect::<Vec<_>>(), [Cell::Relay, Cell::EchoSubscribe, Cell::Audit]);
        assert_eq!(needed(Cell::Relay).collect::<Vec<_>>(), [Cell::EchoPublish, Cell::Relay]);
    }
}
