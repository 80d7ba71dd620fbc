//! What the cells of all rounds come to.

use std::fmt::Write as _;

use anyhow::Result;

use super::firing::Alarms;
use super::lateness::Lateness;
use super::meter::{Cpu, Used};
use super::{bare, firing};
use crate::report::median;

/// The least share of the bare app's rate that is wanted.
pub(crate) const RATIO_GOAL: f64 = 0.3;

/// The most statements in a second that are wanted of the target while nothing is due.
pub(crate) const IDLE_GOAL: f64 = 2.0;

/// All that was measured in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) bare: bare::Figures,
    /// In the order of [`Alarms::ALL`].
    pub(crate) docket: [firing::Figures; 2],
    /// Of each second in which nothing was due.
    pub(crate) idle: Used,
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

    /// The figures as tables.
    pub(crate) fn tables(&self) -> Result<String> {
        let mut text = String::new();
        self.rates(&mut text)?;
        writeln!(text, "\nFor each reminder, or job; CPU in microseconds:\n")?;
        self.costs(&mut text)?;
        writeln!(text, "\nOf each second in which nothing is due; CPU in milliseconds:\n")?;
        self.idle(&mut text)?;
        Ok(text)
    }

    fn rates(&self, text: &mut String) -> Result<()> {
        writeln!(
            text,
            "| | alarms set after, s | fired/s | of a transaction | p50 late, ms | p99, ms | most, ms | all sent after, s | ratio (least to most) | goal |"
        )?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        let late = |of: &dyn Fn(&Round) -> Lateness| {
            let at = |field: fn(&Lateness) -> f64| self.median(|round| field(&of(round)));
            format!("{:.0} | {:.0} | {:.0}", at(|of| of.p50), at(|of| of.p99), at(|of| of.most))
        };
        writeln!(
            text,
            "| bare app | | {:.0} | 1 | {} | | {} | |",
            self.median(|round| round.bare.triggered),
            late(&|round| round.bare.lateness),
            self.star(|round| round.bare.used.noisy).trim()
        )?;
        for (index, alarms) in Alarms::ALL.into_iter().enumerate() {
            let ratio = |round: &Round| round.docket[index].fired / round.bare.triggered;
            let least = self.0.iter().map(ratio).fold(f64::INFINITY, f64::min);
            let most = self.0.iter().map(ratio).fold(0.0, f64::max);
            writeln!(
                text,
                "| {} | {:.1} | {:.0} | {:.0} | {} | {:.1} | {:.2} ({least:.2} to {most:.2}){} | {RATIO_GOAL} |",
                alarms.name(),
                self.median(|round| round.docket[index].armed),
                self.median(|round| round.docket[index].fired),
                self.median(|round| round.docket[index].batch),
                late(&|round| round.docket[index].lateness),
                self.median(|round| round.docket[index].sent),
                self.median(ratio),
                self.star(|round| round.docket[index].used.noisy || round.bare.used.noisy)
            )?;
        }
        Ok(())
    }

    fn costs(&self, text: &mut String) -> Result<()> {
        writeln!(text, "| | statements of `reminders` | of all targets | {CPU} |")?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        writeln!(text, "| bare app | | | {} |", self.cpu(|round| round.bare.used.cpu, 1e6))?;
        for (index, alarms) in Alarms::ALL.into_iter().enumerate() {
            writeln!(
                text,
                "| {} | {:.3} | {:.3} | {} |",
                alarms.name(),
                self.median(|round| round.docket[index].used.of_reminders),
                self.median(|round| round.docket[index].used.statements),
                self.cpu(|round| round.docket[index].used.cpu, 1e6)
            )?;
        }
        Ok(())
    }

    fn idle(&self, text: &mut String) -> Result<()> {
        writeln!(text, "| statements of `reminders` | goal | of all targets | {CPU} |")?;
        writeln!(text, "|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        writeln!(
            text,
            "| {:.2}{} | {IDLE_GOAL} | {:.2} | {} |",
            self.median(|round| round.idle.of_reminders),
            self.star(|round| round.idle.noisy),
            self.median(|round| round.idle.statements),
            self.cpu(|round| round.idle.cpu, 1e3)
        )?;
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
        let lateness = Lateness { p50: 1.0, p99: 2.0, most: 3.0 };
        let round = |triggered: f64, fired: f64, noisy: bool| Round {
            bare: bare::Figures { scheduled: 500.0, triggered, lateness, used: Used::default() },
            docket: [firing::Figures {
                armed: 1.5,
                fired,
                batch: 500.0,
                lateness,
                sent: 4.0,
                used: Used { noisy, of_reminders: 0.01, ..Used::default() },
            }; 2],
            idle: Used { of_reminders: 1.0, statements: 9.0, ..Used::default() },
        };
        let results = Results(vec![
            round(4_000.0, 2_000.0, false),
            round(1_000.0, 900.0, true),
            round(2_000.0, 1_400.0, false),
        ]);
        let text = results.tables().unwrap();
        let expect =
            "| Docket, one job for each | 1.5 | 1400 | 500 | 1 | 2 | 3 | 4.0 | 0.70 (0.50 to 0.90) * | 0.3 |";
        assert!(text.contains(expect), "{text}");
        assert!(text.contains("| bare app | | 2000 | 1 | 1 | 2 | 3 | |  | |"), "{text}");
        assert!(text.contains("| 1.00 | 2 | 9.00 |"), "{text}");
    }
}
