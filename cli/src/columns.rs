//! Tables of plain text: a title over each column, numbers to the right, two blanks between columns, no lines drawn.
//!
//! A table is no wider than it is told to be. What gives way is the middle of names: both ends of
//! `rel-production-eu-west-1-quorate-db-0` say more than its middle does. Numbers and states are never cut.

use crate::word::Word;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Blanks between two columns.
const GAP: usize = 2;

/// A name is cut to no less than this.
const NAME_WIDTH_MIN: usize = 6;

/// How a column stands, and whether it may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// To the left, cut in the middle if the table would be too wide.
    Name,
    /// To the left, never cut.
    Left,
    /// To the right, never cut.
    Right,
}

/// A column's title and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    title: String,
    align: Align,
}

impl Column {
    /// A column under this title.
    pub fn new(title: impl Into<String>, align: Align) -> Self {
        Self { title: title.into(), align }
    }
}

/// Names and other long words.
pub fn name(title: &str) -> Column {
    Column::new(title, Align::Name)
}

/// States and other short words.
pub fn left(title: &str) -> Column {
    Column::new(title, Align::Left)
}

/// Numbers.
pub fn right(title: &str) -> Column {
    Column::new(title, Align::Right)
}

/// The table's lines, the title first, in at most `width` columns of the terminal. `paint` shows a word's tone.
pub fn render(
    columns: &[Column],
    rows: &[Vec<Word>],
    width: usize,
    paint: impl Fn(&Word, &str) -> String,
) -> String {
    let titles: Vec<Word> = columns.iter().map(|column| Word::title(&column.title)).collect();
    let widths = widths(columns, rows, width);
    let lines = std::iter::once(&titles).chain(rows).map(|row| {
        let mut line = String::new();
        let mut blanks = 0;
        for ((word, column), width) in row.iter().zip(columns).zip(&widths) {
            let text = cut(word.text(), *width);
            let missing = width - text.width();
            let (before, after) = match column.align {
                Align::Right => (missing, 0),
                Align::Name | Align::Left => (0, missing),
            };
            if text.is_empty() {
                blanks += missing + GAP;
            } else {
                line.push_str(&" ".repeat(blanks + before));
                line.push_str(&paint(word, &text));
                blanks = after + GAP;
            }
        }
        line
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How wide each column is.
fn widths(columns: &[Column], rows: &[Vec<Word>], width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|column| column.title.width()).collect();
    for row in rows {
        for (widest, word) in widths.iter_mut().zip(row) {
            *widest = word.text().width().max(*widest);
        }
    }
    let most = width.saturating_sub(GAP * columns.len().saturating_sub(1));
    let mut surplus = widths.iter().sum::<usize>().saturating_sub(most);
    while surplus > 0 {
        let least = |column: &Column| column.title.width().max(NAME_WIDTH_MIN);
        let widest = columns
            .iter()
            .zip(&mut widths)
            .filter(|(column, width)| column.align == Align::Name && **width > least(column))
            .max_by_key(|(_, width)| **width);
        let Some((_, widest)) = widest else { break };
        *widest -= 1;
        surplus -= 1;
    }
    widths
}

/// The text in at most `width` columns of the terminal: its middle gives way to an ellipsis.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let head = fitting(text.chars(), room.div_ceil(2));
    let tail: String = fitting(text.chars().rev(), room / 2).chars().rev().collect();
    format!("{head}…{tail}")
}

/// As many of the characters as fit.
fn fitting(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut room = width;
    chars
        .take_while(|c| {
            let wide = c.width().unwrap_or(0);
            let fits = wide <= room;
            room = room.saturating_sub(wide);
            fits
        })
        .collect()
}

/// A sentence over several lines of at most `width`, the later ones indented. A command in backticks stays whole.
pub fn wrap(text: &str, width: usize, indent: &str) -> String {
    let words = text.trim_start_matches(' ');
    let mut lines = vec![" ".repeat(text.len() - words.len())];
    let mut in_backticks = false;
    let words = words.split(|c| {
        in_backticks ^= c == '`';
        c == ' ' && !in_backticks
    });
    for word in words {
        let line = lines.last_mut().expect("there is one from the start");
        if line.trim_start().is_empty() || line.width() + 1 + word.width() <= width {
            if !line.trim_start().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(format!("{indent}{word}"));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(columns: &[Column], rows: &[Vec<Word>], width: usize) -> String {
        render(columns, rows, width, |_, text| text.to_owned())
    }

    #[test]
    fn numbers_stand_to_the_right_and_no_line_ends_in_blanks() {
        let rows =
            [vec!["n1".into(), "7".into(), "ready".into()], vec!["n10".into(), "1,024".into(), "".into()]];
        assert_eq!(
            plain(&[name("NODE"), right("SHARDS"), left("STATE")], &rows, 100),
            "NODE  SHARDS  STATE\nn1         7  ready\nn10    1,024"
        );
    }

    #[test]
    fn the_middle_of_the_longest_names_gives_way() {
        let row = |name: &str, zone: &str| vec![name.into(), zone.into(), "12".into()];
        let rows = [row("rel-production-eu-west-1-quorate-db-0", "eu-west-1a")];
        let table = plain(&[name("NAME"), name("ZONE"), right("N")], &rows, 34);
        assert_eq!(table.lines().nth(1), Some("rel-produ…ate-db-0  eu-west-1a  12"));
        assert!(table.lines().all(|line| line.width() <= 34), "{table}");
        assert!(table.contains("eu-west-1a") && table.contains("-db-0"), "{table}");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("数据库数据库", 7), "数…库");
        assert_eq!(cut("abcdefgh", 5), "ab…gh");
        assert_eq!(cut("abc", 3), "abc");
    }

    #[test]
    fn sentences_wrap_between_words() {
        assert_eq!(wrap("one two three", 7, "  "), "one two\n  three");
        assert_eq!(wrap("averylongword b", 4, " "), "averylongword\n b");
        assert_eq!(wrap("  - one two", 7, "    "), "  - one\n    two");
        assert_eq!(wrap("one; `two three`", 8, ""), "one;\n`two three`");
    }
}
