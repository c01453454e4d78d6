//! Where output goes: data to standard output, words to standard error.

use crate::columns::{Column, render, wrap};
use crate::exit::{Exit, Failure};
pub use crate::word::{Tone, Word, printable, readable};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::Value as Json;
use std::io::{IsTerminal, Write};

/// How wide tables and sentences are where there is no terminal to ask.
pub const WIDTH: usize = 100;

/// No terminal is taken for narrower than this.
const WIDTH_MIN: usize = 60;

/// How data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
}

/// The two streams, and how to use them.
#[derive(Clone, Debug)]
pub struct Output {
    /// How data is written.
    pub format: Format,
    /// Nothing but data and errors.
    pub quiet: bool,
    /// Whether tables show every column, and nothing cut.
    pub wide: bool,
    /// Whether standard output shows colours.
    color: bool,
    /// How wide lines may be.
    width: usize,
}

impl Format {
    /// Reads it on the command line.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        PossibleValuesParser::new(["table", "json", "jsonl"])
            .map(|name| Self::parse(&name).expect("one of these three"))
    }

    /// The format of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "table" => Some(Format::Table),
            "json" => Some(Format::Json),
            "jsonl" => Some(Format::Jsonl),
            _ => None,
        }
    }
}

impl Output {
    /// Colours only on a terminal that knows them, and not if `NO_COLOR` is set to anything.
    pub fn new(format: Format, quiet: bool, wide: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let stdout = std::io::stdout();
        let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0);
        let width = size.map_or(WIDTH, |size| usize::from(size.ws_col).max(WIDTH_MIN));
        Self { format, quiet, wide, color: !refused && stdout.is_terminal(), width }
    }

    /// Tables without a terminal, whatever the test runs in.
    #[cfg(test)]
    pub fn piped(wide: bool) -> Self {
        Self { format: Format::Table, quiet: false, wide, color: false, width: WIDTH }
    }

    /// Whether data is JSON.
    pub fn is_json(&self) -> bool {
        match self.format {
            Format::Table => false,
            Format::Json | Format::Jsonl => true,
        }
    }

    /// Bytes to standard output.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| {
            // The reader has seen enough: `quorate ... | head` is no failure worth a word. It is no success either:
            // `status --check` may have had bad news.
            let gone = error.kind() == std::io::ErrorKind::BrokenPipe;
            let exit = if gone { Exit::ReaderGone } else { Exit::Other };
            Failure::new(exit, format!("standard output cannot be written: {error}"))
        })
    }

    /// A line to standard output.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// One JSON document: over several lines for `json`, on one for `jsonl`.
    pub fn json(&self, value: &Json) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Json => self.line(&format!("{value:#}")),
            Format::Jsonl => self.line(&value.to_string()),
        }
    }

    /// Many JSON documents: an array for `json`, a line each for `jsonl`.
    pub fn jsons(&self, values: &[Json]) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Json => self.line(&format!("{:#}", Json::from(values))),
            Format::Jsonl => values.iter().try_for_each(|value| self.line(&value.to_string())),
        }
    }

    /// Words for a person, unless they asked for quiet.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            // A standard error that can't be written can't be told so.
            let _unread = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// A word in its colour.
    pub fn toned(&self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Strong => "1",
            Tone::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Columns under their titles.
    pub fn table(&self, columns: &[Column], rows: &[Vec<Word>]) -> String {
        let width = if self.wide { usize::MAX } else { self.width };
        render(columns, rows, width, |word, text| match word.tone {
            Some(tone) => self.toned(tone, text),
            None => text.to_owned(),
        })
    }

    /// A sentence, over as many lines as it needs; the later ones are indented.
    pub fn wrapped(&self, text: &str, indent: &str) -> String {
        wrap(text, self.width, indent)
    }

    /// Says why a command failed, on standard error; as JSON if data is JSON. A terminal gets lines that fit.
    pub fn failure(&self, failure: &Failure) {
        if failure.exit == Exit::ReaderGone || failure.is_said {
            return;
        }
        let stderr = std::io::stderr();
        let text = match (self.is_json(), stderr.is_terminal()) {
            (true, _) => failure.json().to_string(),
            (false, false) => failure.text(),
            (false, true) => {
                let text = failure.text();
                let lines: Vec<String> = text.lines().map(|line| self.wrapped(line, "    ")).collect();
                lines.join("\n")
            }
        };
        let _unread = writeln!(stderr.lock(), "{text}");
    }
}
