//! The ratios as a picture.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::report::Line;
use crate::plot::{GOAL, INK, MIDDLE};

const SIZE: (u32, u32) = (700, 300);

/// Bars of the medians, with lines from the least to the most, and the goals.
pub(crate) fn svg(lines: &[Line]) -> Result<String> {
    let mut text = String::new();
    draw(lines, &mut text).map_err(|error| anyhow!("the plot: {error}"))?;
    Ok(text)
}

fn draw(lines: &[Line], text: &mut String) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    let top = lines.iter().map(|line| line.ratio[2]).fold(0.8, f64::max) * 1.2;
    let font = |size: i32| ("sans-serif", size).into_font().color(&INK);
    let mut chart = ChartBuilder::on(&root)
        .caption("Rate of Docket over that of the bare echo", font(16))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..lines.len() as f64, 0.0..top)?;
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
    let places = || lines.iter().enumerate().map(|(place, line)| (place as f64, line));
    chart.draw_series(places().map(|(place, line)| {
        Rectangle::new([(place + 0.3, 0.0), (place + 0.7, line.ratio[1])], MIDDLE.filled())
    }))?;
    chart.draw_series(places().map(|(place, line)| {
        PathElement::new([(place + 0.5, line.ratio[0]), (place + 0.5, line.ratio[2])], INK.stroke_width(2))
    }))?;
    chart.draw_series(places().map(|(place, line)| {
        Text::new(format!("{:.2}", line.ratio[1]), (place + 0.53, line.ratio[2] + top * 0.08), font(13))
    }))?;
    chart
        .draw_series(places().map(|(place, line)| {
            let goal = line.cell.goal();
            PathElement::new([(place + 0.15, goal), (place + 0.85, goal)], GOAL.stroke_width(2))
        }))?
        .label("goal")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 12, y)], GOAL.stroke_width(2)));
    chart.configure_series_labels().position(SeriesLabelPosition::UpperRight).label_font(font(12)).draw()?;
    for (place, line) in places() {
        let (x, _) = chart.backend_coord(&(place + 0.3, 0.0));
        root.draw(&Text::new(line.cell.name(), (x, SIZE.1.cast_signed() - 32), font(13)))?;
    }
    root.present()?;
    Ok(())
}
