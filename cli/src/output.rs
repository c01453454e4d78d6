//! Where output goes: data to standard output, words to standard error.

use crate::exit::{Exit, Failure};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde_json::Value as Json;
use std::io::{IsTerminal, Write};

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
    /// Whether standard output shows colours.
    color: bool,
}

/// What a word means, where colours can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something is broken.
    Bad,
    /// A title.
    Strong,
    /// Less important.
    Faint,
}

/// A word of a table, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    text: String,
    tone: Option<Tone>,
}

impl Word {
    /// A word in a colour.
    pub fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Some(tone) }
    }

    fn into_cell(self) -> Cell {
        let cell = Cell::new(self.text);
        match self.tone {
            None => cell,
            Some(Tone::Good) => cell.fg(Color::Green),
            Some(Tone::Bad) => cell.fg(Color::Red),
            Some(Tone::Strong) => cell.add_attribute(Attribute::Bold),
            Some(Tone::Faint) => cell.add_attribute(Attribute::Dim),
        }
    }
}

impl<T: Into<String>> From<T> for Word {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: None }
    }
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
    /// Colours only on a terminal, and not if `NO_COLOR` is set to anything.
    pub fn new(format: Format, quiet: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { format, quiet, color: !refused && std::io::stdout().is_terminal() }
    }

    /// Whether data is JSON.
    pub fn is_json(&self) -> bool {
        match self.format {
            Format::Table => false,
            Format::Json | Format::Jsonl => true,
        }
    }

    /// Bytes to standard output.
    #[expect(clippy::unused_self, reason = "whoever writes must hold the value that says how")]
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| {
            // Whoever reads has seen enough: `quorate ... | head` is no failure worth a word. It is no success either:
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
            // Nobody reads standard error: there is nobody to tell that, either.
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
    pub fn table(&self, titles: &[&str], rows: Vec<Vec<Word>>) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(titles.iter().map(|title| Word::toned(Tone::Faint, *title).into_cell()));
        for row in rows {
            table.add_row(row.into_iter().map(Word::into_cell).collect::<Vec<_>>());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.trim_fmt()
    }

    /// Says why a command failed, on standard error; as JSON if data is JSON.
    pub fn failure(&self, failure: &Failure) {
        if failure.exit == Exit::ReaderGone {
            return;
        }
        let text = if self.is_json() {
            failure.json().to_string()
        } else {
            let next = failure.next.as_ref().map(|next| format!("\n  next: {next}")).unwrap_or_default();
            format!("error: {}{next}", failure.sentence)
        };
        let _unread = writeln!(std::io::stderr().lock(), "{text}");
    }
}

/// Bytes as a person can read them on one line: UTF-8 as it is, control characters and other bytes escaped.
pub fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        Ok(_) | Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// Text of a server, which may be hostile: without control characters a terminal would obey.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
