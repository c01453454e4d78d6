//! Words that were given up: `docs/glossary.md` has the one that each thing goes by.

use super::{ORDER, root, sources};
use std::path::PathBuf;

/// Words that nothing of ours says any more, in lower case, with the word of the glossary.
const RETIRED: &[(&str, &str)] = &[
    ("poisoned", "doubtful"),
    ("poisons", "makes doubtful"),
    ("suspect", "doubtful"),
    ("life", "run, told apart by its boot id"),
    ("lifenote", "run note"),
    ("rides along", "piggybacked"),
    ("pulse", "connection timers"),
    ("fate", "outcome; delivery, of a message"),
    ("mood", "profile"),
    ("parcel", "message, event"),
    ("owed to", "due to"),
    ("spreading", "round two"),
    ("respread", "round two"),
    ("purge_table", "clear"),
    ("timing.again", "timing.resend_after"),
    ("timing.patience", "timing.give_up_after"),
    ("whoever", "the term for who acts"),
];

/// Words that hide who acts, where it is a client, an operator, a node or a reader.
const NAMELESS: &[&str] = &["nobody", "somebody", "anybody", "everybody"];

/// Where they may still stand: what tests the product, and is no part of it.
const BESIDE: &[&str] = &["checkers", "jepsen"];

/// Where an old word is still right: the end of a path, and a part of the line.
const RIGHT: &[(&str, &str)] = &[
    // A name on disks, and the words of its decoder.
    ("storage/src/run_note.rs", "life"),
    ("storage/src/identity.rs", "life"),
    ("storage/src/decoders.rs", "\"life"),
    ("jepsen/src/nemesis/damage.rs", "life\""),
    ("docs/operations.md", "`life`"),
    ("docs/glossary.md", "`life`"),
    // Of a value, from its write to its end.
    ("checkers/src/no_return.rs", "life of a value"),
    // What the standard library calls a lock.
    (".rs", "|poisoned|"),
    (".rs", "poisoned.into_inner()"),
    (".rs", "TryLockError::Poisoned"),
    // The names that are refused with the new one.
    ("quorate/src/config/settings.rs", "(\"timing."),
];

/// Our sources and documents; not the words' own test.
fn texts() -> Vec<(PathBuf, String)> {
    let mut all: Vec<(PathBuf, String)> = ORDER.iter().flat_map(|(folder, _)| sources(folder)).collect();
    all.retain(|(path, _)| !path.ends_with("house/words.rs"));
    for folder in [root(), root().join("docs")] {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                all.push((path.clone(), std::fs::read_to_string(path).expect("text")));
            }
        }
    }
    all
}

/// Whether a line has a word that is not a part of a longer one.
fn has(line: &str, word: &str) -> bool {
    let is_edge = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        is_edge(line[..at].chars().next_back()) && is_edge(line[at + word.len()..].chars().next())
    })
}

#[test]
fn retired_words_stay_away() {
    let mut said = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            let is_right =
                |(end, part): &(&str, &str)| path.to_string_lossy().ends_with(end) && line.contains(part);
            if RIGHT.iter().any(is_right) {
                continue;
            }
            let lower = line.to_lowercase();
            let is_beside = BESIDE.iter().any(|folder| path.starts_with(root().join(folder)));
            let nameless = NAMELESS.iter().filter(|_| !is_beside).map(|word| (*word, "the noun of who acts"));
            for (word, better) in
                RETIRED.iter().copied().chain(nameless).filter(|(word, _)| has(&lower, word))
            {
                said.push(format!("{}:{}: {word} (say: {better})", path.display(), number + 1));
            }
        }
    }
    assert!(said.is_empty(), "{}", said.join("\n"));
}

#[test]
fn a_word_is_found_wherever_it_stands_alone() {
    assert!(has("a life.", "life") && has("life", "life") && has("of its life:", "life"));
    assert!(!has("lifetime", "life") && !has("half_life", "life") && !has("alife", "life"));
}

#[test]
fn the_glossary_is_where_readers_look() {
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root().join(document)).expect("text");
        assert!(text.contains("docs/glossary.md"), "{document} names no glossary");
    }
}
