//! What came of a run, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use docket_testkit::history::{Anomaly, Call, History, Outcome, by_partition};
use serde::Serialize;

use crate::converge::Convergence;
use crate::nemesis::Struck;
use crate::tally::Act;

/// How many anomalies are shown; all of them are counted and written.
const SHOWN: usize = 40;

/// What came of a run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What it was told.
    pub options: serde_json::Value,
    /// Calls by method and outcome, where errors are counted by their reason.
    pub calls: BTreeMap<String, BTreeMap<String, u64>>,
    /// What was left where.
    pub left: BTreeMap<&'static str, usize>,
    /// What struck, in its order.
    pub struck: Vec<Struck>,
    /// What it took clients, fault by fault, where they ask as documented and in no other way.
    pub acts: Vec<Act>,
    /// How often a process had ended and was started again by its orchestrator.
    pub revived: u64,
    /// How everything came to be in order at the end.
    pub convergence: Convergence,
    /// What the checker found.
    pub anomalies: Vec<Found>,
    /// What else should not have been.
    pub complaints: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// Where the logs of a failed run are.
    pub logs: Option<PathBuf>,
}

/// An anomaly.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Its name.
    pub name: &'static str,
    /// What it concerns.
    pub subject: String,
    /// What was seen.
    pub detail: String,
}

impl From<&Anomaly> for Found {
    fn from(anomaly: &Anomaly) -> Self {
        Self {
            name: anomaly.name.text(),
            subject: anomaly.subject.to_string(),
            detail: anomaly.detail.clone(),
        }
    }
}

impl Report {
    /// Whether everything was as it should be.
    pub fn is_clean(&self) -> bool {
        let failed = self.acts.iter().any(|act| act.failures() > 0);
        let wrong = failed || !self.anomalies.is_empty() || !self.complaints.is_empty();
        !wrong && self.convergence.converged.is_some()
    }

    /// How often each fault struck, how often somebody waited until everything worked again, and how many seconds that
    /// took at most.
    fn faults(&self) -> BTreeMap<&str, (usize, usize, f64)> {
        let mut faults: BTreeMap<&str, (usize, usize, f64)> = BTreeMap::new();
        for struck in &self.struck {
            let (count, waited, slowest) = faults.entry(&struck.fault).or_default();
            *count += 1;
            if let Some(recovered) = struck.recovered {
                *waited += 1;
                *slowest = slowest.max(recovered);
            }
        }
        faults
    }

    /// What it took clients.
    fn took(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        if self.acts.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "What it took: calls, those of them that were repeated, the slowest; how often, and why"
        )?;
        for act in self.acts.iter().filter(|act| act.calls > 0) {
            let Act { name, calls, delayed, slowest, .. } = act;
            write!(out, "    {name:<19} {calls:>7} {delayed:>5} {slowest:>6.1} s")?;
            for (reason, count) in &act.repeated {
                write!(out, "  {count} {reason}")?;
            }
            for (reason, count) in &act.failed {
                write!(out, "  {count} FAILED: {reason}")?;
            }
            writeln!(out)?;
        }
        let (calls, failed): (u64, u64) = self
            .acts
            .iter()
            .fold((0, 0), |(calls, failed), act| (calls + act.calls, failed + act.failures()));
        writeln!(out, "    {calls} calls, of which {failed} failed")
    }

    /// Writes it; and when something was wrong, the logs of all processes and what is known of each anomaly.
    pub(crate) fn write(
        &mut self,
        folder: &Path,
        seed: u64,
        logs: &[(String, String)],
        proof: &str,
    ) -> Result<()> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let name = format!("{seed}-{time}");
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let file = folder.join(format!("{name}.json"));
        if !self.is_clean() {
            let place = folder.join(&name);
            std::fs::create_dir_all(&place).with_context(|| format!("{} cannot be made", place.display()))?;
            for (process, text) in logs {
                std::fs::write(place.join(format!("{process}.log")), text)
                    .context("a log cannot be written")?;
            }
            std::fs::write(place.join("evidence.txt"), proof).context("the evidence cannot be written")?;
            self.logs = Some(place);
        }
        let json = serde_json::to_string_pretty(self).context("a report is JSON")?;
        std::fs::write(&file, json).with_context(|| format!("{} cannot be written", file.display()))?;
        eprintln!("    {}", file.display());
        Ok(())
    }

    fn slowest(&self) -> Option<&Struck> {
        let recovered = self.struck.iter().filter(|struck| struck.recovered.is_some());
        recovered.max_by(|one, other| {
            one.recovered.partial_cmp(&other.recovered).unwrap_or(std::cmp::Ordering::Equal)
        })
    }
}

/// Calls by method and outcome.
pub(crate) fn count(calls: &[Call]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for call in calls {
        let outcome = match &call.outcome {
            Outcome::Ok(_) => "ok".to_owned(),
            Outcome::Fail(reason) => format!("fail {reason}"),
            Outcome::Unknown(reason) => format!("unknown {reason}"),
        };
        *counts.entry(format!("{:?}", call.method)).or_default().entry(outcome).or_default() += 1;
    }
    counts
}

/// What was left where.
pub(crate) fn left(history: &History) -> BTreeMap<&'static str, usize> {
    BTreeMap::from([
        ("tasks", history.tasks.len()),
        (
            "versions of tasks",
            history.tasks.iter().map(|task| task.version).sum::<i64>().try_into().unwrap_or(0),
        ),
        ("messages on the topic", history.topic.len()),
        ("partitions with messages", by_partition(history).len()),
        ("entries in the audit log", history.entries.len()),
        ("poisoned messages", history.planted.len()),
    ])
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "Calls")?;
        for (method, outcomes) in &self.calls {
            let outcomes: Vec<String> =
                outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
            writeln!(out, "    {method:<9} {}", outcomes.join(", "))?;
        }
        writeln!(out, "Left")?;
        for (what, count) in &self.left {
            writeln!(out, "    {count:>8} {what}")?;
        }
        writeln!(out, "Faults: count, and the slowest of so many recoveries")?;
        for (fault, (count, waited, slowest)) in self.faults() {
            writeln!(out, "    {fault:<19} {count:>4} {slowest:>7.1} s of {waited}")?;
        }
        if let Some(Struck { what, at, recovered: Some(recovered), .. }) = self.slowest() {
            writeln!(out, "    slowest: {recovered:.1} s after {what} at {at:.1} s")?;
        }
        writeln!(
            out,
            "    {} processes had ended, and were started again by their orchestrator",
            self.revived
        )?;
        self.took(out)?;
        let Convergence { up, converged, last } = &self.convergence;
        match (up, converged) {
            (Some(up), Some(converged)) => {
                writeln!(out, "Converged {converged:.1} s after everything was up, which took {up:.1} s")?;
            }
            _ => writeln!(out, "NOT CONVERGED: {last}")?,
        }
        writeln!(out, "Anomalies: {}", self.anomalies.len())?;
        for Found { name, subject, detail } in self.anomalies.iter().take(SHOWN) {
            writeln!(out, "    {name}: {subject}: {detail}")?;
        }
        for complaint in &self.complaints {
            writeln!(out, "    complaint: {complaint}")?;
        }
        for note in &self.notes {
            writeln!(out, "    {note}")?;
        }
        if let Some(logs) = &self.logs {
            writeln!(out, "Logs and evidence: {}", logs.display())?;
        }
        write!(out, "{}", if self.is_clean() { "CLEAN" } else { "FAILED" })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use docket_testkit::history::{Name, Subject};
    use uuid::Uuid;

    use super::*;

    fn act(failed: u64) -> Act {
        let failed = (failed > 0).then(|| ("INTERNAL".to_owned(), failed)).into_iter().collect();
        let repeated = [("SHUTTING_DOWN".to_owned(), 3)].into();
        Act { name: "roll-tasks".to_owned(), calls: 40, delayed: 2, repeated, failed, slowest: 1.26 }
    }

    fn report() -> Report {
        let struck = |fault: &str, recovered| {
            let (fault, what) = (fault.to_owned(), fault.to_owned());
            Struck { fault, what, at: 1.0, lasted: 2.0, recovered }
        };
        Report {
            struck: vec![
                struck("kill-app", Some(3.0)),
                struck("kill-app", Some(4.5)),
                struck("kill-app", None),
                struck("pause-broker", Some(1.0)),
            ],
            acts: vec![act(0)],
            convergence: Convergence { up: Some(0.5), converged: Some(2.5), last: String::new() },
            ..Report::default()
        }
    }

    #[test]
    fn only_a_run_without_anything_wrong_is_clean() {
        assert!(report().is_clean());
        let anomaly = Anomaly {
            name: Name::Gap,
            subject: Subject::Task(Uuid::nil()),
            detail: "none follows".to_owned(),
        };
        let wrong = [
            Report { anomalies: vec![Found::from(&anomaly)], ..report() },
            Report { complaints: vec!["it would not end".to_owned()], ..report() },
            Report { acts: vec![act(1)], ..report() },
            Report { convergence: Convergence { converged: None, ..report().convergence }, ..report() },
        ];
        for report in wrong {
            assert!(!report.is_clean(), "{report}");
            assert!(report.to_string().ends_with("FAILED"), "{report}");
        }
    }

    #[test]
    fn faults_are_counted_with_their_slowest_recovery() {
        let text = report().to_string();
        for line in [
            "    kill-app               3     4.5 s of 2\n",
            "    pause-broker           1     1.0 s of 1\n",
            "    slowest: 4.5 s after kill-app at 1.0 s\n",
            "    roll-tasks               40     2    1.3 s  3 SHUTTING_DOWN\n",
            "    40 calls, of which 0 failed\n",
            "Converged 2.5 s after everything was up, which took 0.5 s\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
    }

    #[test]
    fn calls_are_counted_by_what_came_of_them() {
        let call = |outcome| Call {
            process: 0,
            user: "alice".to_owned(),
            request: None,
            method: docket_testkit::history::Method::Read,
            task: None,
            invoked: Duration::ZERO,
            answered: None,
            outcome,
        };
        let fail = || Outcome::Fail("TASK_NOT_FOUND".to_owned());
        let calls = [call(Outcome::Ok(Vec::new())), call(fail()), call(fail())];
        let counts = count(&calls);
        assert_eq!(counts["Read"]["ok"], 1);
        assert_eq!(counts["Read"]["fail TASK_NOT_FOUND"], 2);
    }
}
