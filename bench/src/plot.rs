//! Plots: some lines over one axis that grows by factors.

use crate::Outcome;
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (720, 420);

/// One line and its name.
pub struct Line {
    /// Beside it.
    pub name: &'static str,
    /// Where it goes through.
    pub points: Vec<(f64, f64)>,
}

/// Draws them into a file; both axes grow by factors.
pub fn draw(file: &Path, title: &str, across: &str, lines: &[Line]) -> Outcome<()> {
    let all = || lines.iter().flat_map(|line| line.points.iter().copied());
    let range = |of: fn((f64, f64)) -> f64| {
        let least = all().map(of).fold(f64::INFINITY, f64::min).max(0.1);
        let most = all().map(of).fold(least, f64::max);
        (least * 0.9..most * 1.2).log_scale()
    };
    if all().next().is_none() {
        return Ok(());
    }
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
    chart.configure_mesh().x_desc(across).light_line_style(BLACK.mix(0.06)).draw()?;
    for (at, line) in lines.iter().enumerate() {
        let color = Palette99::pick(at).to_rgba();
        let mut points = line.points.clone();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    root.present()?;
    Ok(())
}
