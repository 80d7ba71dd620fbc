//! What the cells of all rounds come to.

use std::fmt::Write as _;

use anyhow::Result;

use super::firing::Alarms;
use super::idle::Idle;
use super::lateness::Lateness;
use super::meter::{Cpu, Used};
use super::{bare, firing};
use crate::report::median;

/// The least share of the bare app's rate that is wanted of what is sent.
pub(crate) const RATIO_GOAL: f64 = 0.3;

/// The most statements in a second that are wanted of the targets `reminders` and `notification` while nothing is due.
pub(crate) const IDLE_GOAL: f64 = 2.0;

/// All that was measured in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) bare: bare::Figures,
    /// In the order of [`Alarms::ALL`].
    pub(crate) docket: [firing::Figures; 2],
    pub(crate) idle: Idle,
}

/// All rounds.
#[derive(Debug, Default)]
pub(crate) struct Results(pub(crate) Vec<Round>);

impl Results {
    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.0.iter().map(of).collect()).unwrap_or(f64::NAN)
    }

    fn star(&self, noisy: impl Fn(&Round) -> bool) -> &'static str {
        if self.0.iter().any(noisy) { " *" } else { "" }
    }

    /// The figures as tables; there were so many reminders.
    pub(crate) fn tables(&self, count: u64) -> Result<String> {
        let mut text = String::new();
        self.rates(&mut text, count)?;
        writeln!(text, "\nFor each reminder, or job; CPU in microseconds:\n")?;
        self.costs(&mut text)?;
        writeln!(text, "\nOf each second in which nothing is due; CPU in milliseconds:\n")?;
        self.idle(&mut text)?;
        Ok(text)
    }

    fn rates(&self, text: &mut String, count: u64) -> Result<()> {
        writeln!(
            text,
            "| | a second | p50 late, ms | p99, ms | the last, ms | ratio to the bare app (least to most) | goal |"
        )?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|")?;
        let late = |of: &dyn Fn(&Round) -> Lateness| {
            let at = |field: fn(&Lateness) -> f64| self.median(|round| field(&of(round)));
            format!("{:.0} | {:.0} | {:.0}", at(|of| of.p50), at(|of| of.p99), at(|of| of.most))
        };
        writeln!(
            text,
            "| bare app, triggered | {:.0} | {} | {} | |",
            self.median(|round| round.bare.triggered),
            late(&|round| round.bare.lateness),
            self.star(|round| round.bare.used.noisy).trim()
        )?;
        for (index, alarms) in Alarms::ALL.into_iter().enumerate() {
            let fired: (_, fn(&firing::Figures) -> Lateness, _) = ("fired", |of| of.fired, String::new());
            let sent: (_, fn(&firing::Figures) -> Lateness, _) =
                ("sent", |of| of.sent, RATIO_GOAL.to_string());
            for (step, of, goal) in [fired, sent] {
                let rate = |round: &Round| of(&round.docket[index]).rate(count);
                let ratio = |round: &Round| rate(round) / round.bare.triggered;
                let least = self.0.iter().map(ratio).fold(f64::INFINITY, f64::min);
                let most = self.0.iter().map(ratio).fold(0.0, f64::max);
                writeln!(
                    text,
                    "| {}: {step} | {:.0} | {} | {:.2} ({least:.2} to {most:.2}){} | {goal} |",
                    alarms.name(),
                    self.median(rate),
                    late(&|round| of(&round.docket[index])),
                    self.median(ratio),
                    self.star(|round| round.docket[index].used.noisy || round.bare.used.noisy)
                )?;
            }
        }
        Ok(())
    }

    fn costs(&self, text: &mut String) -> Result<()> {
        writeln!(
            text,
            "| | alarms set after, s | fired together | statements of both | of all targets | {CPU} |"
        )?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        writeln!(text, "| bare app | | | | | {} |", self.cpu(|round| round.bare.used.cpu, 1e6))?;
        for (index, alarms) in Alarms::ALL.into_iter().enumerate() {
            writeln!(
                text,
                "| {} | {:.1} | {:.0} | {:.3} | {:.3} | {} |",
                alarms.name(),
                self.median(|round| round.docket[index].armed),
                self.median(|round| round.docket[index].batch),
                self.median(|round| round.docket[index].used.of_both),
                self.median(|round| round.docket[index].used.statements),
                self.cpu(|round| round.docket[index].used.cpu, 1e6)
            )?;
        }
        Ok(())
    }

    fn idle(&self, text: &mut String) -> Result<()> {
        writeln!(text, "| | statements of both | goal | of all targets | {CPU} |")?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        let before: (_, fn(&Idle) -> Used, _) = ("no reminder", |idle| idle.before, String::new());
        let pending: (_, fn(&Idle) -> Used, _) = ("all pending", |idle| idle.pending, IDLE_GOAL.to_string());
        for (name, of, goal) in [before, pending] {
            writeln!(
                text,
                "| {name} | {:.2}{} | {goal} | {:.2} | {} |",
                self.median(|round| of(&round.idle).of_both),
                self.star(|round| of(&round.idle).noisy),
                self.median(|round| of(&round.idle).statements),
                self.cpu(|round| of(&round.idle).cpu, 1e3)
            )?;
        }
        Ok(())
    }

    fn cpu(&self, of: impl Fn(&Round) -> Cpu, unit: f64) -> String {
        let parts: [fn(&Cpu) -> f64; 6] = [
            |cpu| cpu.app,
            |cpu| cpu.daprd,
            |cpu| cpu.scheduler,
            |cpu| cpu.kafka,
            |cpu| cpu.postgres,
            Cpu::sum,
        ];
        parts.map(|part| format!("{:.0}", self.median(|round| part(&of(round)) * unit))).join(" | ")
    }
}

/// The columns of [`Results::cpu`].
const CPU: &str = "CPU of the app | of its sidecar | of the scheduler | of Kafka | of PostgreSQL | together";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_is_of_the_same_round() {
        let late = |most: f64| Lateness { p50: 1.0, p99: 2.0, most };
        let round = |triggered: f64, sent: f64, noisy: bool| Round {
            bare: bare::Figures { scheduled: 500.0, triggered, lateness: late(3.0), used: Used::default() },
            docket: [firing::Figures {
                armed: 1.5,
                batch: 500.0,
                fired: late(100.0),
                sent: late(1_000.0 * 1_000.0 / sent),
                used: Used { noisy, of_both: 0.01, ..Used::default() },
            }; 2],
            idle: Idle {
                before: Used { of_both: 1.0, statements: 8.0, ..Used::default() },
                pending: Used { of_both: 1.5, statements: 9.0, ..Used::default() },
            },
        };
        let results = Results(vec![
            round(4_000.0, 2_000.0, false),
            round(1_000.0, 800.0, true),
            round(2_000.0, 1_250.0, false),
        ]);
        let text = results.tables(1_000).unwrap();
        let sent = "| Docket, one job for each: sent | 1250 | 1 | 2 | 800 | 0.62 (0.50 to 0.80) * | 0.3 |";
        let fired = "| Docket, one job for each: fired | 10000 | 1 | 2 | 100 | 5.00 (2.50 to 10.00) * |  |";
        for expect in [
            sent,
            fired,
            "| bare app, triggered | 2000 | 1 | 2 | 3 |  | |",
            "| no reminder | 1.00 |  | 8.00 |",
            "| all pending | 1.50 | 2 | 9.00 |",
        ] {
            assert!(text.contains(expect), "{text}");
        }
    }
}
