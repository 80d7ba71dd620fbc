//! What the cells of all rounds come to.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::share::Share;
use crate::report::median;

/// What came out of a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Calls per second.
    pub(crate) per_second: f64,
    /// Median latency in milliseconds.
    pub(crate) p50: f64,
    /// 99th percentile in milliseconds.
    pub(crate) p99: f64,
    /// CPU microseconds of Docket, per call.
    pub(crate) docket: f64,
    /// CPU microseconds of its sidecar, per call.
    pub(crate) sidecar: f64,
    /// Spans that arrived, per call.
    pub(crate) spans: f64,
    /// Whether others were using the machine.
    pub(crate) noisy: bool,
}

/// All cells, with the number of their round.
#[derive(Debug, Default)]
pub(crate) struct Results(pub(crate) Vec<(usize, Share, Figures)>);

impl Results {
    fn of(&self, share: Share) -> impl Iterator<Item = (usize, Figures)> + '_ {
        let of = self.0.iter().filter(move |(_, other, _)| *other == share);
        of.map(|(round, _, figures)| (*round, *figures))
    }

    /// The throughput over that without traces in the same round: the least, the median, the most.
    fn ratio(&self, share: Share) -> Option<[f64; 3]> {
        let ratios = self.of(share).filter_map(|(round, figures)| {
            let (_, without) = self.of(Share::None).find(|(other, _)| *other == round)?;
            Some(figures.per_second / without.per_second)
        });
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        Some([*ratios.first()?, median(ratios.clone())?, *ratios.last()?])
    }

    /// The figures as a table.
    pub(crate) fn tables(&self) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "| traces | calls/s | p50, ms | p99, ms | ratio (least to most) | goal | CPU of Docket per call, us | of its sidecar | spans that arrived per call |"
        )?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for share in Share::EACH {
            let middle = |field: fn(&Figures) -> f64| {
                median(self.of(share).map(|(_, figures)| field(&figures)).collect()).context("no cell")
            };
            let ratio = match self.ratio(share).filter(|_| share != Share::None) {
                Some([least, median, most]) => format!("{median:.2} ({least:.2} to {most:.2})"),
                None => String::new(),
            };
            let noisy = if self.of(share).any(|(_, figures)| figures.noisy) { " *" } else { "" };
            let goal = share.goal().map(|goal| goal.to_string()).unwrap_or_default();
            writeln!(
                text,
                "| {}{noisy} | {:.0} | {:.2} | {:.2} | {ratio} | {goal} | {:.0} | {:.0} | {:.3} |",
                share.name(),
                middle(|figures| figures.per_second)?,
                middle(|figures| figures.p50)?,
                middle(|figures| figures.p99)?,
                middle(|figures| figures.docket)?,
                middle(|figures| figures.sidecar)?,
                middle(|figures| figures.spans)?
            )?;
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_is_of_the_same_round() {
        let figures = |per_second| Figures {
            per_second,
            p50: 1.0,
            p99: 2.0,
            docket: 100.0,
            sidecar: 10.0,
            spans: 3.0,
            noisy: false,
        };
        let results = Results(vec![
            (0, Share::None, figures(1_000.0)),
            (0, Share::Hundredth, figures(990.0)),
            (0, Share::All, figures(800.0)),
            (1, Share::All, figures(450.0)),
            (1, Share::None, figures(500.0)),
            (1, Share::Hundredth, figures(495.0)),
        ]);
        let tables = results.tables().unwrap();
        assert!(
            tables.contains("| 100 % | 625 | 1.00 | 2.00 | 0.85 (0.80 to 0.90) | 0.8 | 100 | 10 | 3.000 |"),
            "{tables}"
        );
        assert!(tables.contains("| none | 750 | 1.00 | 2.00 |  |  |"), "{tables}");
    }
}
