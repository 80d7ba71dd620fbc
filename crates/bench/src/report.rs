//! What the cells of all rounds come to.

use std::fmt::Write as _;

use anyhow::Result;

use crate::cell::{Cell, Figures, Side};
use crate::method::Method;

/// Calls under way.
pub(crate) const IN_FLIGHT: [usize; 3] = [1, 32, 256];

/// Connections of pgbench.
pub(crate) const CLIENTS: [usize; 4] = [1, 8, 32, MOST_CLIENTS];

/// The most of them.
pub(crate) const MOST_CLIENTS: usize = 256;

/// All cells, with the number of their round.
#[derive(Debug, Default)]
pub(crate) struct Results(pub(crate) Vec<(usize, Cell, Figures)>);

/// A method with so many calls under way, against the reference.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) method: Method,
    pub(crate) in_flight: usize,
    /// The reference's connections.
    pub(crate) clients: usize,
    /// Docket's throughput over the reference's in the same round: the least, the median, the most.
    pub(crate) ratio: [f64; 3],
    pub(crate) docket: Figures,
    pub(crate) reference: Figures,
}

impl Results {
    fn of(&self, method: Method, side: Side, in_flight: usize) -> Vec<(usize, Figures)> {
        let wanted = |cell: &Cell| cell.method == method && cell.side == side && cell.in_flight == in_flight;
        self.0
            .iter()
            .filter(|(_, cell, _)| wanted(cell))
            .map(|(round, _, figures)| (*round, *figures))
            .collect()
    }

    fn median(&self, method: Method, side: Side, in_flight: usize) -> Option<Figures> {
        let all = self.of(method, side, in_flight);
        let of = |field: fn(&Figures) -> f64| median(all.iter().map(|(_, figures)| field(figures)).collect());
        Some(Figures {
            per_second: of(|figures| figures.per_second)?,
            p50: of(|figures| figures.p50)?,
            p99: of(|figures| figures.p99)?,
            statements: of(|figures| figures.statements)?,
            wal: of(|figures| figures.wal)?,
            docket: of(|figures| figures.docket)?,
            postgres: of(|figures| figures.postgres)?,
            client: of(|figures| figures.client)?,
            noisy: all.iter().any(|(_, figures)| figures.noisy),
        })
    }

    /// One for each method and number of calls under way that was measured.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for method in Method::ALL {
            for in_flight in IN_FLIGHT {
                lines.extend(self.line(method, in_flight));
            }
        }
        lines
    }

    fn line(&self, method: Method, in_flight: usize) -> Option<Line> {
        let docket = self.median(method, Side::Docket, in_flight)?;
        // With the most under way, the reference is what pgbench can do at its best.
        let candidates: Vec<usize> = match in_flight {
            256 => CLIENTS.into_iter().filter(|clients| *clients > 1).collect(),
            same => vec![same],
        };
        let references = candidates
            .into_iter()
            .filter_map(|clients| Some((clients, self.median(method, Side::Reference, clients)?)));
        let (clients, reference) =
            references.max_by(|(_, one), (_, other)| one.per_second.total_cmp(&other.per_second))?;
        let references = self.of(method, Side::Reference, clients);
        let ratios = self.of(method, Side::Docket, in_flight).into_iter().filter_map(|(round, figures)| {
            let (_, reference) = references.iter().find(|(other, _)| *other == round)?;
            Some(figures.per_second / reference.per_second)
        });
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = [*ratios.first()?, median(ratios.clone())?, *ratios.last()?];
        Some(Line { method, in_flight, clients, ratio, docket, reference })
    }

    /// The figures as tables.
    pub(crate) fn tables(&self) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "| call | in flight | Docket, calls/s | p50, ms | p99, ms | pgbench, transactions/s | its clients | ratio (least to most) | goal |"
        )?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        let lines = self.lines();
        for Line { method, in_flight, clients, ratio, docket, reference } in &lines {
            let goal =
                method.goal().filter(|_| *in_flight == 256).map(|goal| goal.to_string()).unwrap_or_default();
            let noisy = if docket.noisy || reference.noisy { " *" } else { "" };
            let ([least, median, most], name) = (ratio, method.name());
            writeln!(
                text,
                "| {name} | {in_flight} | {:.0} | {:.2} | {:.2} | {:.0} | {clients} | {median:.2} ({least:.2} to {most:.2}){noisy} | {goal} |",
                docket.per_second, docket.p50, docket.p99, reference.per_second
            )?;
        }
        writeln!(text, "\nPer call; CPU in microseconds:\n")?;
        writeln!(
            text,
            "| call | in flight | statements | WAL, bytes | CPU of Docket | of PostgreSQL | of the load generator | pgbench: statements | WAL, bytes | CPU of PostgreSQL | of pgbench |"
        )?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for Line { method, in_flight, docket, reference, .. } in &lines {
            writeln!(
                text,
                "| {} | {in_flight} | {:.3} | {:.0} | {:.0} | {:.0} | {:.0} | {:.3} | {:.0} | {:.0} | {:.0} |",
                method.name(),
                docket.statements,
                docket.wal,
                docket.docket,
                docket.postgres,
                docket.client,
                reference.statements,
                reference.wal,
                reference.postgres,
                reference.client
            )?;
        }
        writeln!(text, "\npgbench, transactions/s (mean latency, ms):\n")?;
        writeln!(text, "| call | {} |", CLIENTS.map(|clients| format!("{clients} clients")).join(" | "))?;
        writeln!(text, "|---|{}", "---:|".repeat(CLIENTS.len()))?;
        for method in Method::ALL {
            let cells = CLIENTS.map(|clients| match self.median(method, Side::Reference, clients) {
                Some(figures) => format!("{:.0} ({:.2})", figures.per_second, figures.p50),
                None => String::new(),
            });
            if cells.iter().any(|cell| !cell.is_empty()) {
                writeln!(text, "| {} | {} |", method.name(), cells.join(" | "))?;
            }
        }
        Ok(text)
    }
}

/// The one in the middle; none of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { (values[middle - 1] + upper) / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(cells: &[(usize, Side, usize, f64)]) -> Results {
        let figures = |per_second| Figures {
            per_second,
            p50: 1.0,
            p99: 2.0,
            statements: 1.0,
            wal: 0.0,
            docket: 0.0,
            postgres: 0.0,
            client: 0.0,
            noisy: false,
        };
        let cell = |&(round, side, in_flight, per_second): &(usize, Side, usize, f64)| {
            (round, Cell { method: Method::Get, side, in_flight }, figures(per_second))
        };
        Results(cells.iter().map(cell).collect())
    }

    #[test]
    fn ratio_is_of_the_same_round_and_of_the_best_reference() {
        let results = results(&[
            (0, Side::Docket, 256, 10.0),
            (0, Side::Reference, 8, 40.0),
            (0, Side::Reference, 256, 20.0),
            (1, Side::Docket, 256, 30.0),
            (1, Side::Reference, 8, 60.0),
            (1, Side::Reference, 256, 20.0),
        ]);
        let [line] = results.lines().try_into().unwrap();
        assert_eq!((line.in_flight, line.clients, line.ratio), (256, 8, [0.25, 0.375, 0.5]));
        assert!(
            results
                .tables()
                .unwrap()
                .contains("| GetTask | 256 | 20 | 1.00 | 2.00 | 50 | 8 | 0.38 (0.25 to 0.50) | 0.2 |")
        );
    }
}
