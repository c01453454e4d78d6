//! The ring as a picture: one circle of shards for each place in the order of owners, a colour for each node.

use crate::output::printable;
use quorate_api::document::{self, Bound, Ring};
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fmt::Write;

/// Half the picture's width and height.
const CENTRE: f64 = 300.0;

/// Width of one circle.
const BAND: f64 = 34.0;

/// A shard as a document of the ring has it.
struct Shard {
    /// From 0 to 1 around the ring.
    start: f64,
    end: f64,
    label: String,
    owners: Vec<String>,
}

/// Draws the ring's document.
pub fn svg(ring: &Ring) -> Result<String, String> {
    let shards = shards(ring)?;
    let mut colors: BTreeMap<&str, String> = BTreeMap::new();
    for owner in shards.iter().flat_map(|shard| &shard.owners) {
        colors.entry(owner).or_default();
    }
    let count = colors.len().max(1) as f64;
    for (at, color) in colors.values_mut().enumerate() {
        *color = format!("hsl({:.0} 60% {}%)", 360.0 * at as f64 / count, if at % 2 == 0 { 52 } else { 42 });
    }
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {0}\" font-family=\"sans-serif\" font-size=\"13\">\n",
        2.0 * CENTRE
    );
    for shard in &shards {
        for (place, owner) in shard.owners.iter().enumerate() {
            let radius = CENTRE - 20.0 - BAND * (place as f64 + 0.5);
            writeln!(
                text,
                "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{:.0}\"><title>{}, owner {}: {}</title></path>",
                arc(shard.start, shard.end, radius),
                colors[owner.as_str()],
                BAND - 3.0,
                escaped(&shard.label),
                place + 1,
                escaped(owner)
            )
            .expect("a String takes every write");
        }
    }
    let top = CENTRE - 10.0 * count;
    for (at, (owner, color)) in colors.iter().enumerate() {
        let y = top + 20.0 * at as f64;
        writeln!(
            text,
            "<rect x=\"{:.0}\" y=\"{y:.0}\" width=\"12\" height=\"12\" fill=\"{color}\"/><text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            CENTRE - 30.0,
            CENTRE - 12.0,
            y + 11.0,
            escaped(owner)
        )
        .expect("a String takes every write");
    }
    text.push_str("</svg>\n");
    Ok(text)
}

fn shards(ring: &Ring) -> Result<Vec<Shard>, String> {
    let mut shards: Vec<Shard> = ring.shards.iter().filter_map(shard).collect();
    shards.sort_by(|a, b| a.start.total_cmp(&b.start));
    if shards.is_empty() {
        Err("there is no shard to draw: make a table first".to_owned())
    } else {
        Ok(shards)
    }
}

fn shard(shard: &document::Shard) -> Option<Shard> {
    // The last interval ends where the ring closes. A shard between keys has no place on it.
    let position = |bound: &Bound| match bound {
        Bound::Token(token) => Some(u64::from_str_radix(token, 16).ok()? as f64 / 2f64.powi(64)),
        Bound::Key(_) => None,
    };
    Some(Shard {
        start: position(&shard.start)?,
        end: shard.end.as_ref().and_then(position).unwrap_or(1.0),
        label: printable(&shard.id),
        owners: shard.owners.clone(),
    })
}

/// A path along the circle, clockwise from the top.
fn arc(start: f64, end: f64, radius: f64) -> String {
    // A whole circle has equal ends, and an arc between equal points is nothing.
    let end = end.min(start + 0.9999);
    let point = |at: f64| (CENTRE + radius * (TAU * at).sin(), CENTRE - radius * (TAU * at).cos());
    let ((x, y), (to_x, to_y)) = (point(start), point(end));
    let large = u8::from(end - start > 0.5);
    format!("M{x:.2} {y:.2}A{radius:.2} {radius:.2} 0 {large} 1 {to_x:.2} {to_y:.2}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_owner_of_each_shard_is_an_arc() {
        let half = "8000000000000000";
        let shard = |index: u32, start: &str, end: Option<&str>, owners: [&str; 2]| document::Shard {
            id: format!("demo/{index}"),
            index,
            start: Bound::Token(start.to_owned()),
            end: end.map(|end| Bound::Token(end.to_owned())),
            position: start.to_owned(),
            epoch: 1,
            owners: owners.map(str::to_owned).to_vec(),
            next: Vec::new(),
        };
        let of = |shards| Ring { epoch: 1, nodes: Vec::new(), shards };
        let ring = of(vec![
            shard(0, "0000000000000000", Some(half), ["n1", "n2"]),
            shard(1, half, None, ["<n3>", "n1"]),
        ]);
        let picture = svg(&ring).expect("a picture");
        assert_eq!(picture.matches("<path").count(), 4);
        assert_eq!(picture.matches("<rect").count(), 3);
        assert!(picture.contains("&lt;n3&gt;") && !picture.contains("<n3>"));
        assert!(svg(&of(Vec::new())).is_err());
    }
}
