//! What a cell costs: CPU of each party, and statements of each target.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;

use super::ground::Ground;
use crate::usage;

/// The targets that are looked at, by the names of their roles.
const LOOKED_AT: [&str; 2] = ["docket_reminders", "docket_notification"];

/// More of the machine than this used by others makes a cell noisy. The kernel's own work counts as others'.
const OTHERS: f64 = 0.15;

/// Whose CPU counts, beside the broker's and PostgreSQL's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties {
    /// Docket, or this process.
    pub(crate) app: u32,
    pub(crate) daprd: u32,
    pub(crate) scheduler: u32,
}

/// CPU in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cpu {
    /// Of Docket, or of the bare app.
    pub(crate) app: f64,
    pub(crate) daprd: f64,
    pub(crate) scheduler: f64,
    pub(crate) kafka: f64,
    /// Of all processes of PostgreSQL.
    pub(crate) postgres: f64,
}

/// What was used between two moments, or for each reminder of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Used {
    pub(crate) seconds: f64,
    pub(crate) cpu: Cpu,
    /// Statements of the targets `reminders` and `notification`.
    pub(crate) of_both: f64,
    /// Statements of all targets.
    pub(crate) statements: f64,
    /// Whether others were using the machine.
    pub(crate) noisy: bool,
}

/// Counts from a moment on.
pub(crate) struct Meter<'a> {
    ground: &'a Ground,
    parties: Parties,
    begun: Moment,
}

struct Moment {
    at: Instant,
    cpu: Cpu,
    statements: BTreeMap<String, f64>,
    busy: f64,
    all: f64,
}

impl<'a> Meter<'a> {
    /// Begins, with all statements forgotten.
    pub(crate) async fn start(ground: &'a Ground, parties: Parties) -> Result<Self> {
        ground.counters.batch_execute("SELECT pg_stat_statements_reset()").await?;
        Ok(Self { ground, parties, begun: moment(ground, parties).await? })
    }

    /// What was used so far.
    pub(crate) async fn used(&self) -> Result<Used> {
        Ok(between(&self.begun, &moment(self.ground, self.parties).await?))
    }

    /// The statements that were sent most often, and by which role.
    pub(crate) async fn statements(&self) -> Result<Vec<(String, i64, f64, String)>> {
        let sql = "SELECT rolname::text, calls, total_exec_time, query FROM pg_stat_statements
            JOIN pg_roles ON pg_roles.oid = userid WHERE rolname LIKE 'docket\\_%' AND NOT rolcanlogin
            ORDER BY 2 DESC LIMIT 24";
        let rows = self.ground.counters.query(sql, &[]).await?;
        let shorten = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), shorten(row.get(3)))).collect())
    }
}

async fn moment(ground: &Ground, parties: Parties) -> Result<Moment> {
    let sql = "SELECT rolname::text, sum(calls)::float8 FROM pg_stat_statements
        JOIN pg_roles ON pg_roles.oid = userid WHERE rolname LIKE 'docket\\_%' AND NOT rolcanlogin GROUP BY 1";
    let statements = ground.counters.query(sql, &[]).await?;
    let machine = usage::of_machine()?;
    Ok(Moment {
        at: Instant::now(),
        cpu: Cpu {
            app: usage::of_process(parties.app)?,
            daprd: usage::of_process(parties.daprd)?,
            scheduler: usage::of_process(parties.scheduler)?,
            kafka: usage::of_process(ground.kafka.id().unwrap_or_default())?,
            postgres: usage::of_family(ground.postmaster)?,
        },
        statements: statements.iter().map(|row| (row.get(0), row.get(1))).collect(),
        busy: machine.busy,
        all: machine.busy + machine.idle,
    })
}

fn between(before: &Moment, after: &Moment) -> Used {
    let cpu = |of: fn(&Cpu) -> f64| of(&after.cpu) - of(&before.cpu);
    let statements = |moment: &Moment, all: bool| {
        let of = moment.statements.iter().filter(|(role, _)| all || LOOKED_AT.contains(&role.as_str()));
        of.map(|(_, calls)| calls).sum::<f64>()
    };
    let cpu = Cpu {
        app: cpu(|of| of.app),
        daprd: cpu(|of| of.daprd),
        scheduler: cpu(|of| of.scheduler),
        kafka: cpu(|of| of.kafka),
        postgres: cpu(|of| of.postgres),
    };
    let others = after.busy - before.busy - cpu.sum();
    Used {
        seconds: (after.at - before.at).as_secs_f64(),
        cpu,
        of_both: statements(after, false) - statements(before, false),
        statements: statements(after, true) - statements(before, true),
        noisy: others / (after.all - before.all) > OTHERS,
    }
}

impl Cpu {
    /// Of all together.
    pub(crate) fn sum(&self) -> f64 {
        self.app + self.daprd + self.scheduler + self.kafka + self.postgres
    }

    fn map(self, with: impl Fn(f64) -> f64) -> Self {
        Self {
            app: with(self.app),
            daprd: with(self.daprd),
            scheduler: with(self.scheduler),
            kafka: with(self.kafka),
            postgres: with(self.postgres),
        }
    }
}

impl Used {
    /// For each of so many.
    pub(crate) fn each(self, count: u64) -> Self {
        self.over(count as f64)
    }

    /// In each second.
    pub(crate) fn per_second(self) -> Self {
        self.over(self.seconds)
    }

    fn over(self, parts: f64) -> Self {
        Self {
            seconds: self.seconds / parts,
            cpu: self.cpu.map(|seconds| seconds / parts),
            of_both: self.of_both / parts,
            statements: self.statements / parts,
            noisy: self.noisy,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_used_is_told_of_both_targets_and_of_all_and_others_are_seen() {
        let at = Instant::now();
        let moment = |seconds: u64, each: f64, busy: f64| Moment {
            at: at + Duration::from_secs(seconds),
            cpu: Cpu { app: each, daprd: each, scheduler: each, kafka: each, postgres: each },
            statements: [(LOOKED_AT[0], 7.0), (LOOKED_AT[1], 3.0), ("docket_tasks", 30.0)]
                .map(|(role, statements)| (role.to_owned(), statements * each))
                .into(),
            busy,
            all: 2.0 * seconds as f64,
        };
        let used = between(&moment(0, 1.0, 0.0), &moment(10, 2.0, 6.0));
        assert!(!used.noisy && used.cpu.sum() == 5.0);
        assert_eq!((used.of_both, used.statements), (10.0, 40.0));
        let used = used.per_second();
        assert_eq!((used.of_both, used.statements, used.cpu.app), (1.0, 4.0, 0.1));
        assert!(between(&moment(0, 1.0, 0.0), &moment(10, 2.0, 9.0)).noisy);
    }
}
