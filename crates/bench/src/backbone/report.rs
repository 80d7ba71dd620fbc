//! What the cells of all rounds come to.

use std::fmt::Write as _;

use anyhow::Result;

use super::cell::{Cell, Figures};
use super::meter::Cost;
use crate::report::median;

/// All cells, with the number of their round.
#[derive(Debug, Default)]
pub(crate) struct Results(pub(crate) Vec<(usize, Cell, Figures)>);

/// A way of Docket's events, against the echo's.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) cell: Cell,
    /// Docket's rate over the echo's in the same round: the least, the median, the most.
    pub(crate) ratio: [f64; 3],
    pub(crate) docket: Figures,
    pub(crate) echo: Figures,
}

impl Results {
    fn of(&self, cell: Cell) -> Vec<(usize, Figures)> {
        let of = self.0.iter().filter(|(_, other, _)| *other == cell);
        of.map(|(round, _, figures)| (*round, *figures)).collect()
    }

    fn median(&self, cell: Cell) -> Option<Figures> {
        let all = self.of(cell);
        let of = |field: fn(&Figures) -> f64| median(all.iter().map(|(_, figures)| field(figures)).collect());
        Some(Figures {
            per_second: of(|figures| figures.per_second)?,
            batch: of(|figures| figures.batch)?,
            cost: Cost {
                app: of(|figures| figures.cost.app)?,
                daprd: of(|figures| figures.cost.daprd)?,
                kafka: of(|figures| figures.cost.kafka)?,
                postgres: of(|figures| figures.cost.postgres)?,
                statements: of(|figures| figures.cost.statements)?,
                noisy: all.iter().any(|(_, figures)| figures.cost.noisy),
            },
        })
    }

    /// One for each way of Docket's that was measured.
    pub(crate) fn lines(&self) -> Vec<Line> {
        Cell::round(0).into_iter().filter_map(|cell| self.line(cell)).collect()
    }

    fn line(&self, cell: Cell) -> Option<Line> {
        let reference = cell.reference()?;
        let references = self.of(reference);
        let ratio = |(round, figures): (usize, Figures)| {
            let (_, reference) = references.iter().find(|(other, _)| *other == round)?;
            Some(figures.per_second / reference.per_second)
        };
        let mut ratios: Vec<f64> = self.of(cell).into_iter().filter_map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = [*ratios.first()?, median(ratios.clone())?, *ratios.last()?];
        Some(Line { cell, ratio, docket: self.median(cell)?, echo: self.median(reference)? })
    }

    /// The figures as tables.
    pub(crate) fn tables(&self) -> Result<String> {
        let mut text = String::new();
        writeln!(text, "| Docket | events/s | the echo | events/s | ratio (least to most) | goal |")?;
        writeln!(text, "|---|---:|---|---:|---:|---:|")?;
        for Line { cell, ratio: [least, median, most], docket, echo } in self.lines() {
            let noisy = if docket.cost.noisy || echo.cost.noisy { " *" } else { "" };
            writeln!(
                text,
                "| {} | {:.0} | {} | {:.0} | {median:.2} ({least:.2} to {most:.2}){noisy} | {} |",
                cell.name(),
                docket.per_second,
                cell.reference().map_or("", Cell::name),
                echo.per_second,
                cell.goal()
            )?;
        }
        writeln!(text, "\nPer event; CPU in microseconds:\n")?;
        writeln!(
            text,
            "| | events of a call or transaction | statements | CPU of the app | of its sidecars | of Kafka | of PostgreSQL | together |"
        )?;
        writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|")?;
        for cell in Cell::round(0) {
            let Some(Figures { batch, cost, .. }) = self.median(cell) else { continue };
            let statements = match cell.reference() {
                Some(_) => format!("{:.4}", cost.statements),
                None => String::new(),
            };
            writeln!(
                text,
                "| {} | {batch:.0} | {statements} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
                cell.name(),
                cost.app,
                cost.daprd,
                cost.kafka,
                cost.postgres,
                cost.sum()
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
        let figures = |per_second| Figures { per_second, batch: 400.0, cost: Cost::default() };
        let results = Results(vec![
            (0, Cell::EchoPublish, figures(40_000.0)),
            (0, Cell::Relay, figures(20_000.0)),
            (1, Cell::Relay, figures(9_000.0)),
            (1, Cell::EchoPublish, figures(10_000.0)),
            // Of a round that has no echo: nothing to compare it with.
            (2, Cell::Relay, figures(1.0)),
        ]);
        let [line] = results.lines().try_into().unwrap();
        assert_eq!(line.cell, Cell::Relay);
        for (got, expect) in line.ratio.into_iter().zip([0.5, 0.7, 0.9]) {
            assert!((got - expect).abs() < 1e-9, "{:?}", line.ratio);
        }
        let expect = "| relay | 9000 | bulk publish | 25000 | 0.70 (0.50 to 0.90) | 0.5 |";
        assert!(results.tables().unwrap().contains(expect));
    }
}
