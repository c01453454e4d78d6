//! A line on standard error that says how far something is: drawn over and over on a terminal, else JSON, a line each.

use crate::columns::cut;
use crate::output::{Output, WIDTH, printable};
use serde_json::Value as Json;
use std::cell::Cell;
use std::io::{IsTerminal, Write};

/// Characters of a bar.
const BAR_WIDTH: usize = 24;

/// See the module's sentence.
pub struct Line<'a> {
    output: &'a Output,
    /// The width of the terminal; `None`: it is none.
    terminal: Option<usize>,
    /// Whether something stands on the terminal's line.
    is_written: Cell<bool>,
}

impl<'a> Line<'a> {
    /// A line on which nothing stands yet.
    pub fn new(output: &'a Output) -> Self {
        let stderr = std::io::stderr();
        let width = || {
            let size = rustix::termios::tcgetwinsize(&stderr).ok().filter(|size| size.ws_col > 0);
            size.map_or(WIDTH, |size| usize::from(size.ws_col))
        };
        let terminal = stderr.is_terminal().then(width);
        Self { output, terminal, is_written: Cell::new(false) }
    }

    /// Whether a person sees it.
    pub fn is_drawn(&self) -> bool {
        self.terminal.is_some()
    }

    /// Says this: the sentence to a person, the document to a program; to one who asked for quiet, nothing.
    pub fn write(&self, sentence: &str, document: &Json) {
        if self.output.quiet {
            return;
        }
        let mut stderr = std::io::stderr().lock();
        // A standard error that can't be written can't be told so.
        let _unread = match self.terminal {
            // A line that is wrapped could not be drawn over.
            Some(width) => {
                self.is_written.set(true);
                let shown = cut(&printable(sentence), width.saturating_sub(1));
                write!(stderr, "\r\x1b[K{shown}").and_then(|()| stderr.flush())
            }
            None => writeln!(stderr, "{document}"),
        };
    }

    /// Leaves the line of the terminal empty.
    pub fn clear(&self) {
        if self.is_written.take() {
            let _unread = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Drop for Line<'_> {
    /// What comes next begins a line of its own.
    fn drop(&mut self) {
        self.clear();
    }
}

/// A bar, full only if `is_done`.
pub fn bar(done: u64, all: u64, is_done: bool) -> String {
    let part = u128::from(done) * BAR_WIDTH as u128 / u128::from(all.max(1));
    let part = usize::try_from(part).unwrap_or(BAR_WIDTH);
    let filled = if is_done { BAR_WIDTH } else { part.min(BAR_WIDTH - 1) };
    format!("[{}{}]", "=".repeat(filled), " ".repeat(BAR_WIDTH - filled))
}
