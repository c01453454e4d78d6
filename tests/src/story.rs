//! The story of a history: one line for each thing that happened, told only when it is listened to.
//!
//! Running a seed is cheap and telling it is not, so the suite runs silently and tells a failing seed once more. The
//! same seed tells the same story, byte for byte.

use std::fmt::Write;

/// Whether a history is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Nothing is told.
    Silent,
    /// Every event becomes a line.
    Aloud,
}

/// What has been told so far.
#[derive(Debug)]
pub struct Story {
    lines: Option<String>,
}

impl Story {
    /// An empty story.
    pub fn new(telling: Telling) -> Self {
        Self {
            lines: match telling {
                Telling::Silent => None,
                Telling::Aloud => Some(String::new()),
            },
        }
    }

    /// Adds a line, made only if it is told. `at` is in microseconds.
    pub fn tell(&mut self, at: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let (millis, micros) = (at / 1_000, at % 1_000);
            let _ = writeln!(lines, "{millis:>6}.{micros:03} {}", line());
        }
    }

    /// All lines, empty if nothing was told.
    pub fn into_text(self) -> String {
        self.lines.unwrap_or_default()
    }
}
