//! What came of a run: as JSON, as a page, as plots.

use crate::Outcome;
use crate::case::BARE;
use crate::figure::Figure;
use crate::plot::{self, Line};
use serde::Serialize;
use std::path::Path;

/// The goals: CPU time of servers for a request, in times that of the bare server.
const GOALS: [(&str, f64); 3] = [("GET one", 1.7), ("GET quorum", 2.6), ("PUT quorum, os", 5.1)];

/// All of a run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    keys: u64,
    seconds: u64,
    cores: usize,
    /// The same load again and again, as much as can be.
    pub rounds: Vec<Figure>,
    /// Over more and more connections.
    pub sweep: Vec<Figure>,
    /// At rates below what can be.
    pub open: Vec<Figure>,
    /// Bytes of memory of each node at the end.
    pub memory: Vec<u64>,
}

/// The least, the median and the most of some figures.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(0.0);
        let last = sorted.len().saturating_sub(1);
        Self { least: at(0), median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), most: at(last) }
    }
}

impl Report {
    /// Of a run that begins.
    pub fn of(keys: u64, seconds: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Self { keys, seconds, cores, ..Self::default() }
    }

    fn of_rounds(&self, case: &str, figure: fn(&Figure) -> f64) -> Spread {
        Spread::of(self.rounds.iter().filter(|one| one.case == case).map(figure))
    }

    /// Requests a second of a case, as many as could be.
    pub fn peak(&self, case: &str) -> f64 {
        self.of_rounds(case, |figure| figure.per_second).median
    }

    /// The same as a page.
    pub fn markdown(&self) -> String {
        let hyper = self.of_rounds(BARE.name, |figure| figure.server_us).median;
        let mut page = format!(
            "Three nodes, load and a bare HTTP server on {} cores; {} keys, values of 100 B, 64 connections with one request in \
             flight each. Medians of {} rounds of {} s, in brackets the least and the most.\n\n\
             | request | CPU of servers, us | times hyper | goal | requests/s | failed | CPU of the client, us |\n\
             |---|---|---|---|---|---|---|\n",
            self.cores,
            self.keys,
            self.rounds.iter().filter(|one| one.case == BARE.name).count(),
            self.seconds,
        );
        for case in cases(&self.rounds) {
            let server = self.of_rounds(case, |figure| figure.server_us);
            let client = self.of_rounds(case, |figure| figure.client_us).median;
            let failed: u64 = self.rounds.iter().filter(|one| one.case == case).map(|one| one.failed).sum();
            let goal =
                GOALS.iter().find(|(of, _)| *of == case).map_or("-".to_owned(), |(_, goal)| goal.to_string());
            page.push_str(&format!(
                "| {case} | {:.1} ({:.1} to {:.1}) | {:.1} | {goal} | {:.0} | {failed} | {client:.1} |\n",
                server.median,
                server.least,
                server.most,
                server.median / hyper,
                self.peak(case),
            ));
        }
        page.push_str(
            "\n| request | due, a second | answered | p50, us | p99, us | p99.9, us | longest, us | failed | not sent |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for one in &self.open {
            page.push_str(&format!(
                "| {} | {:.0} | {:.0} | {} | {} | {} | {} | {} | {} |\n",
                one.case,
                one.rate.unwrap_or(0.0),
                one.per_second,
                one.p50_us,
                one.p99_us,
                one.p99_9_us,
                one.longest_us,
                one.failed,
                one.unsent
            ));
        }
        let memory: Vec<String> = self.memory.iter().map(|bytes| format!("{} MiB", bytes >> 20)).collect();
        page.push_str(&format!("\nMemory of the nodes at the end: {}.\n", memory.join(", ")));
        page
    }

    /// Writes all of it into a folder.
    pub fn write(&self, folder: &Path) -> Outcome<()> {
        std::fs::write(folder.join("results.json"), serde_json::to_vec_pretty(self)?)?;
        std::fs::write(folder.join("results.md"), self.markdown())?;
        let lines = |of: &[Figure], x: fn(&Figure) -> f64, y: fn(&Figure) -> f64| -> Vec<Line> {
            let line = |case: &&'static str| Line {
                name: case,
                points: of.iter().filter(|one| one.case == *case).map(|one| (x(one), y(one))).collect(),
            };
            cases(of).iter().map(line).collect()
        };
        let sweep = lines(&self.sweep, |one| one.connections as f64, |one| one.server_us);
        plot::draw(&folder.join("sweep.svg"), "CPU of servers for a request, us", "connections", &sweep)?;
        let open = lines(&self.open, |one| one.per_second, |one| one.p99_us as f64);
        plot::draw(&folder.join("latency.svg"), "latency, p99, us", "requests a second", &open)
    }
}

/// The cases of some figures, each once, as they come.
fn cases(figures: &[Figure]) -> Vec<&'static str> {
    let mut cases = Vec::new();
    for figure in figures {
        if !cases.contains(&figure.case) {
            cases.push(figure.case);
        }
    }
    cases
}
