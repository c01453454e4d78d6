//! The pages for readers: how wide their lines are.

use super::root;

/// Most characters of a line; a table's row and what stands in a fence are as wide as they are.
const COLUMNS_MAX: usize = 120;

/// The folders of the pages.
const FOLDERS: &[&str] = &[".", "docs", "fuzz", "python"];

#[test]
fn pages_are_read_in_a_window_of_ordinary_width() {
    let mut wide = Vec::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            let mut is_fenced = false;
            for (number, line) in text.lines().enumerate() {
                is_fenced ^= line.trim_start().starts_with("```");
                if !is_fenced && !line.starts_with('|') && line.chars().count() > COLUMNS_MAX {
                    wide.push(format!("{}:{}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wide.is_empty(), "more than {COLUMNS_MAX} columns:\n{}", wide.join("\n"));
}
