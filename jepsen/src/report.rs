//! The report of a run: one HTML file that says what was proved, what was not, and why.
//!
//! It is made from the run's folder alone (see [`crate::record`]), at the end of a run or at any other time, also of a
//! run that was broken off. It needs nothing from anywhere: styles and plots are in it, and there are no scripts.
//!
//! What comes first is what matters most: the verdict, then each segment's, then what was left out and what was void;
//! then what each kind of fault cost; and then, for each segment, the faults over throughput, latency and the
//! availability of each node, with the violations and the few operations that show them.
//!
//! **Left out**: the histories themselves, which are too large, and the nodes' logs.

mod finding;
mod overview;
mod segment;
mod text;
mod timeline;

use std::path::PathBuf;

use crate::campaign::Outcome;
use crate::record::{Error, EventRecord, RunFolder, RunRecord, SecondRecord, SegmentRecord};

const STYLE: &str = include_str!("report/style.css");

/// So many segments that passed are drawn; of the others only the figures are told, so that the file of a long night
/// can still be opened on a phone. What did not pass is always drawn.
const DRAWN_MAX: usize = 150;

/// All that a report is made of.
struct Run {
    outcome: Outcome,
    segments: Vec<Segment>,
}

/// One segment, with what happened when.
struct Segment {
    record: SegmentRecord,
    events: Vec<EventRecord>,
    seconds: Vec<SecondRecord>,
}

impl Run {
    fn read(folder: &RunFolder) -> Result<Run, Error> {
        let mut segments = Vec::new();
        for (record, folder) in folder.read_segments()? {
            let (events, seconds) = (folder.read_events()?, folder.read_seconds()?);
            segments.push(Segment { record, events, seconds });
        }
        Ok(Run { outcome: Outcome::read(folder)?, segments })
    }

    fn record(&self) -> &RunRecord {
        &self.outcome.run
    }
}

/// Writes the report of a run into its folder, and says where it is.
pub fn write(folder: &RunFolder) -> Result<PathBuf, Error> {
    let page = page(&Run::read(folder)?);
    let path = folder.report_path();
    folder.write_report(&page)?;
    Ok(path)
}

fn page(run: &Run) -> String {
    let title = format!("Quorate: {}", overview::title(run));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n",
        text::escape(&title)
    );
    page += &overview::of(run);
    page += "<h2 id=\"segments\">Segment by segment</h2>\n";
    let mut drawn = 0;
    for one in &run.segments {
        let passed = one.record.verdict == crate::run::Verdict::Passed;
        drawn += usize::from(passed);
        page += &segment::section(one, !passed || drawn <= DRAWN_MAX);
    }
    page += overview::HOW_TO_READ;
    page += "</main>\n</body>\n</html>\n";
    page
}

#[cfg(test)]
mod tests;
