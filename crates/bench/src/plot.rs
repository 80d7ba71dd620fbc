//! The ratios as a picture.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::report::Line;

const SIZE: (u32, u32) = (860, 360);

/// Greys and colours that can be read on white and on black.
pub(crate) const INK: RGBColor = RGBColor(128, 128, 128);
pub(crate) const MIDDLE: RGBColor = RGBColor(59, 130, 246);
pub(crate) const GOAL: RGBColor = RGBColor(245, 130, 30);
const COLOURS: [RGBColor; 3] = [RGBColor(120, 170, 230), MIDDLE, RGBColor(30, 90, 200)];

/// Bars of the medians, with lines from the least to the most, and the goals.
pub(crate) fn svg(lines: &[Line]) -> Result<String> {
    let mut text = String::new();
    draw(lines, &mut text).map_err(|error| anyhow!("the plot: {error}"))?;
    Ok(text)
}

fn draw(lines: &[Line], text: &mut String) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    let top = lines.iter().map(|line| line.ratio[2]).fold(1.0, f64::max) * 1.15;
    let mut methods: Vec<_> = lines.iter().map(|line| line.method).collect();
    methods.dedup();
    let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
    let mut chart = ChartBuilder::on(&root)
        .caption("Throughput of Docket over that of pgbench with the same statements", font(16))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..methods.len() as f64, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.35))
        .axis_style(INK)
        .x_labels(0)
        .y_desc("ratio")
        .axis_desc_style(font(13))
        .y_label_style(font(13))
        .draw()?;
    let mut seen: Vec<usize> = lines.iter().map(|line| line.in_flight).collect();
    seen.sort_unstable();
    seen.dedup();
    let width = 0.8 / seen.len() as f64;
    for (place, in_flight) in seen.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let of = lines.iter().filter(|line| line.in_flight == *in_flight);
        let bars: Vec<(f64, &Line)> = of
            .map(|line| {
                let method = methods.iter().position(|method| *method == line.method).unwrap_or_default();
                (method as f64 + 0.1 + place as f64 * width, line)
            })
            .collect();
        chart
            .draw_series(bars.iter().map(|(left, line)| {
                Rectangle::new([(left + 0.01, 0.0), (left + width - 0.01, line.ratio[1])], colour.filled())
            }))?
            .label(format!("{in_flight} in flight"))
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
        let spans = bars.iter().map(|(left, line)| {
            let middle = left + width / 2.0;
            PathElement::new([(middle, line.ratio[0]), (middle, line.ratio[2])], INK.stroke_width(2))
        });
        chart.draw_series(spans)?;
        let numbers = bars.iter().map(|(left, line)| {
            Text::new(format!("{:.2}", line.ratio[1]), (left + 0.02, line.ratio[2] + top * 0.05), font(12))
        });
        chart.draw_series(numbers)?;
    }
    let goals = methods.iter().enumerate().filter_map(|(place, method)| Some((place as f64, method.goal()?)));
    chart
        .draw_series(goals.map(|(place, goal)| {
            PathElement::new([(place + 0.05, goal), (place + 0.95, goal)], GOAL.stroke_width(2))
        }))?
        .label("goal with 256 in flight")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 12, y)], GOAL.stroke_width(2)));
    chart.configure_series_labels().position(SeriesLabelPosition::UpperRight).label_font(font(12)).draw()?;
    for (place, method) in methods.iter().enumerate() {
        let (x, _) = chart.backend_coord(&(place as f64 + 0.3, 0.0));
        root.draw(&Text::new(method.name(), (x, SIZE.1.cast_signed() - 32), font(13)))?;
    }
    root.present()?;
    Ok(())
}
