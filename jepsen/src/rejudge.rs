//! Judging a history file again: `quorate-jepsen judge HISTORY.jsonl --workload register`.
//!
//! A history is all that a judge needs. So a file that was kept can be judged again after a checker was changed, and
//! one that another wrote in this shape can be judged too. What was found by looking at the nodes rather than by
//! reading, and the load that a run demands, are not in the file, and are not judged again.

use std::path::Path;

use crate::recorder;
use crate::run::Verdict;
use crate::workload::{Options, WORKLOADS};
use quorate_checkers::history::ReadError;
use quorate_checkers::judgement::{self, Judgement};

/// Why nothing was judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such workload.
    #[error("no workload is called {name:?}; there are {}", workload_names())]
    NoSuchWorkload {
        /// What it was called.
        name: String,
    },
    /// The file cannot be read, or is no history.
    #[error("{0}; nothing was judged")]
    Unreadable(ReadError),
}

fn workload_names() -> String {
    WORKLOADS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

/// Judges a history file as this workload would.
pub fn judge_file(path: &Path, workload: &str) -> Result<Judgement, Error> {
    let entry = WORKLOADS.iter().find(|entry| entry.name == workload);
    let entry = entry.ok_or_else(|| Error::NoSuchWorkload { name: workload.to_owned() })?;
    let history = recorder::read_file(path).map_err(Error::Unreadable)?;
    Ok((entry.make)(Options::default()).judge(&history).bounded())
}

/// The verdict of a judgement alone.
pub fn verdict(judgement: &Judgement) -> Verdict {
    match judgement.verdict {
        judgement::Verdict::Violation => Verdict::Violated,
        judgement::Verdict::Passed | judgement::Verdict::Undecided if !judgement.void.is_empty() => {
            Verdict::Void
        }
        judgement::Verdict::Undecided => Verdict::Undecided,
        judgement::Verdict::Passed => Verdict::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"client":1,"key":"k","op":"write","value":"a","call":1,"ret":2,"status":"ok"}
{"client":1,"key":"k","op":"read","value":"a","call":3,"ret":4,"status":"ok"}
"#;

    #[test]
    fn a_file_is_judged_as_its_workload_would() {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let path = folder.path().join("history.jsonl");
        let judged = |text: &str, workload| {
            std::fs::write(&path, text).expect("writable");
            judge_file(&path, workload).map(|judgement| verdict(&judgement))
        };
        assert_eq!(judged(GOOD, "register"), Ok(Verdict::Passed));
        assert_eq!(
            judged(&GOOD.replace("\"a\",\"call\":3", "\"b\",\"call\":3"), "register"),
            Ok(Verdict::Violated)
        );
        assert_eq!(judged(GOOD, "churn"), Ok(Verdict::Void), "nothing was deleted");
        assert_eq!(judged(GOOD, "nothing"), Err(Error::NoSuchWorkload { name: "nothing".into() }));
        assert!(matches!(judged("{}", "register"), Err(Error::Unreadable(_))));
    }
}
