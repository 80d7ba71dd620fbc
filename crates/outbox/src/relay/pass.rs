//! One way through the outbox.

use std::collections::{BTreeMap, HashSet, VecDeque};

use docket_domain::EventId;
use docket_store::page;
use docket_store::relay::{Census, Poll};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sending::Ended;
use super::{Interrupted, Relay, Round};
use crate::line::Line;
use crate::publish::{Permit, calls};
use crate::{Confirm, Topic};

/// How far the relay has come.
struct Pass {
    begun: Instant,
    /// All that was looked at. Nothing is sent twice: what moved up behind an event may be on a later page, too.
    seen: HashSet<EventId>,
    /// What the next calls carry.
    queue: VecDeque<(Topic, Vec<Line>)>,
    under_way: JoinSet<Ended>,
    /// Keeps calls from beginning, once one has said that there is no use in it.
    ended: CancellationToken,
    /// Behind which position the next page begins; none when there is none.
    after: Option<i64>,
    census: Census,
    /// Whether something was left that was due.
    late: bool,
}

impl Pass {
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            seen: HashSet::new(),
            queue: VecDeque::new(),
            under_way: JoinSet::new(),
            ended: CancellationToken::new(),
            after: Some(0),
            census: Census::default(),
            late: false,
        }
    }

    fn has_more(&self) -> bool {
        !self.queue.is_empty() || self.after.is_some()
    }

    /// Nothing begins any more.
    fn end(&mut self) {
        self.ended.cancel();
        self.queue.clear();
        self.after = None;
    }
}

impl Relay {
    /// Goes once through what the relay has of the outbox.
    ///
    /// Some calls are under way at the same time. What moved up behind the events of one that has ended is sent next, and a
    /// page is fetched only when that is not enough for as many calls as there may be.
    pub(super) async fn pass(&mut self, stop: &CancellationToken) -> Result<Round, Interrupted> {
        let mut pass = Pass::begin();
        let mut interrupted = None;
        loop {
            if stop.is_cancelled() {
                pass.end();
            }
            if let Err(error) = self.fill(&mut pass).await {
                pass.end();
                interrupted.get_or_insert(error);
            }
            // To the last one, also when one ends badly: what is under way must be known, or it would be sent again.
            let Some(ended) = pass.under_way.join_next().await else { break };
            let ended = match ended.map_err(tokio::task::JoinError::try_into_panic) {
                Ok(ended) => ended,
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                Err(Err(_aborted)) => continue,
            };
            if let Err(error) = self.take(&mut pass, ended).await {
                pass.end();
                interrupted.get_or_insert(error);
            }
        }
        match interrupted {
            Some(error) => Err(error),
            None if stop.is_cancelled() => Ok(Round::Done),
            None => self.after(&pass).await,
        }
    }

    /// Begins calls until as many are under way as may be, or there is nothing more to send.
    async fn fill(&mut self, pass: &mut Pass) -> Result<(), Interrupted> {
        while pass.under_way.len() < self.config.calls() {
            // Under load there is always more. But others wait for their part of the outbox, and parked keys for another
            // attempt, which is for the end of a pass.
            if pass.begun.elapsed() > self.config.lease() / 3 && pass.has_more() {
                pass.late = true;
                pass.end();
                return Ok(());
            }
            if let Some((topic, lines)) = pass.queue.pop_front() {
                if !self.membership.is_fresh() {
                    // The next pass begins with a poll, which renews the lease.
                    pass.late = true;
                    pass.end();
                    return Ok(());
                }
                let permit = Permit::new(self.membership.calls_until(), pass.ended.clone());
                pass.under_way.spawn(self.call(topic, permit)?.run(lines));
            } else if let Some(after) = pass.after {
                self.fetch(pass, after).await?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads a page of heads.
    async fn fetch(&mut self, pass: &mut Pass, after: i64) -> Result<(), Interrupted> {
        let names: Vec<String> = self.topics.keys().cloned().collect();
        let most = self.config.page();
        let Poll { heads, census } = self.membership.poll(&names, after, most).await?;
        pass.census = census;
        let is_full = heads.len() as u64 == most || page::is_full(&heads);
        pass.after = heads.last().map(|head| head.position).filter(|_| is_full);
        self.sort(pass, heads.into_iter().map(Line::from).collect()).await
    }

    /// Puts lines whose heads are due where the next calls find them. Those whose receipts are there leave the outbox, and what
    /// moves up behind them is looked at, too.
    async fn sort(&mut self, pass: &mut Pass, mut lines: Vec<Line>) -> Result<(), Interrupted> {
        lines.retain(|line| pass.seen.insert(line.head.id));
        while !lines.is_empty() {
            let there = match self.config.confirm {
                Confirm::Receipts => self.receipts.arrived(&self.topics, &lines).await?,
                Confirm::Broker => HashSet::new(),
            };
            let now = Instant::now();
            let (mut arrived, mut due) = (Vec::new(), BTreeMap::<String, Vec<Line>>::new());
            for line in lines {
                if there.contains(&line.head.id) {
                    arrived.push(line.head);
                } else if self.waiting.is_due(line.head.id, now) && self.membership.keeps(line.head.shard) {
                    due.entry(line.head.topic.clone()).or_default().push(line);
                }
            }
            let most = usize::try_from(self.config.batch).unwrap_or(usize::MAX);
            for (name, lines) in due {
                let Some(topic) = self.topics.get(&name) else { continue };
                pass.queue.extend(calls(lines, most).into_iter().map(|lines| (topic.clone(), lines)));
            }
            self.remove(&arrived).await?;
            let heads = self.store.outbox_next(&arrived, 1).await?;
            // What did not fit is for the next pass.
            pass.late |= page::is_full(&heads);
            lines = heads.into_iter().map(Line::from).collect();
            lines.retain(|line| pass.seen.insert(line.head.id));
        }
        Ok(())
    }

    /// Goes on behind a call that has ended.
    async fn take(&mut self, pass: &mut Pass, ended: Ended) -> Result<(), Interrupted> {
        let (followers, all_sent) = self.settle(ended)?;
        pass.late |= !all_sent || followers.cut;
        match pass.ended.is_cancelled() {
            true => Ok(()),
            false => self.sort(pass, followers.lines).await,
        }
    }

    /// What follows a pass that nothing has interrupted.
    async fn after(&mut self, pass: &Pass) -> Result<Round, Interrupted> {
        if !pass.late {
            self.waiting.keep(|event| pass.seen.contains(&event));
        }
        let busy = self.waiting.busy(Instant::now());
        let more = self.membership.balance(pass.census, &busy).await?;
        Ok(match pass.late || more {
            true => Round::Again,
            false if pass.seen.is_empty() && self.membership.is_settled(pass.census) => Round::Empty,
            false => Round::Done,
        })
    }
}
