//! Words on a screen: what they mean, and what of a stranger's text may stand there.

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
    /// What it says.
    pub text: String,
    /// What it means.
    pub tone: Option<Tone>,
}

impl Word {
    /// A word in a colour.
    pub fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Some(tone) }
    }

    /// A column's title.
    pub fn title(text: &str) -> Self {
        Self::toned(Tone::Faint, text)
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<T: Into<String>> From<T> for Word {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: None }
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
