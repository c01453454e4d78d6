//! The house rules that a compiler does not check: who may depend on whom, what the pure crates may not know, and
//! that every folder has working code with an essay in front. The rules of the protocol have tests of their own.

#[path = "house/circles.rs"]
mod circles;
#[path = "house/pages.rs"]
mod pages;
#[path = "house/rules.rs"]
mod rules;
#[path = "house/words.rs"]
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which of our crates each of our crates may depend on, for its code or its tests.
const ORDER: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ports", &[]),
    ("ring", &["model"]),
    ("coordinator", &["model", "ring"]),
    ("storage", &["model"]),
    ("api", &["model"]),
    ("transport", &["model"]),
    ("consensus", &["model", "ring", "storage", "transport"]),
    ("node", &["model", "ring", "coordinator", "storage", "transport", "consensus", "ports"]),
    ("http", &["model", "ring", "coordinator", "api", "node"]),
    ("client", &["model", "api", "ports"]),
    ("load", &[]),
    ("backup", &["model"]),
    ("cli", &["model", "api", "client", "load", "backup"]),
    (
        "quorate",
        &[
            "model",
            "ring",
            "coordinator",
            "storage",
            "api",
            "transport",
            "consensus",
            "node",
            "http",
            "client",
            "backup",
            "cli",
            "ports",
        ],
    ),
    ("checkers", &[]),
    ("jepsen", &["checkers", "ports"]),
    ("bench", &["client", "load", "cli", "ports"]),
    (
        "tests",
        &[
            "model",
            "ring",
            "coordinator",
            "storage",
            "api",
            "transport",
            "node",
            "http",
            "client",
            "quorate",
            "checkers",
            "ports",
        ],
    ),
];

/// The crates that decide and never do.
const PURE: &[&str] = &["model", "ring", "coordinator"];

/// The judges: they decide too, and may have sets without an order, of which they only ask whether something is in them.
const JUDGES: &[&str] = &["checkers"];

/// What the judges may use from outside: the format of history files.
const JUDGES_DEPENDENCIES: &[&str] = &["serde", "serde_json", "smallvec", "thiserror"];

/// What a pure crate may use from outside: encoding, hashing and small containers.
const PURE_DEPENDENCIES: &[&str] =
    &["minicbor", "bytes", "crc32fast", "xxhash-rust", "smallvec", "thiserror"];

/// What the code of a pure crate may not say: clocks, randomness, sockets, files, processes and
/// threads.
const PURE_NEVER_SAYS: &[&str] = &[
    "tokio",
    "reqwest",
    "async fn",
    ".await",
    "std::time",
    "SystemTime",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "std::io::std",
    "getrandom",
    "rand::",
    "println!",
    "eprintln!",
];

/// What the code of a pure crate may not say either, but the judges may.
const WITHOUT_ORDER: &[&str] = &["HashMap", "HashSet"];

/// A file of the product has fewer lines, its tests not counted.
const LINES_MAX: usize = 450;

/// What no code of ours says, tests or not.
const NO_FILE_SAYS: &[&str] = &["todo!(", "unimplemented!(", "dbg!("];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above its members").to_owned()
}

fn manifest(folder: &str) -> toml::Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names under some tables of a manifest.
fn dependencies(folder: &str, tables: &[&str]) -> BTreeSet<String> {
    let manifest = manifest(folder);
    tables
        .iter()
        .filter_map(|table| manifest.get(*table)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// The folder of a crate of ours; `None`: another's.
fn ours(name: &str) -> Option<String> {
    if name == "quorate" { Some(name.to_owned()) } else { name.strip_prefix("quorate-").map(str::to_owned) }
}

/// Every Rust file under a folder, with its text.
fn sources(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a readable source");
                found.insert(path, text);
            }
        }
    }
    found
}

/// A file's lines of code that is no test, without comments, with their numbers.
fn code(path: &Path, text: &str) -> Vec<(usize, String)> {
    if path.file_name().is_some_and(|name| name == "tests.rs") || path.iter().any(|part| part == "tests") {
        return Vec::new();
    }
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("").to_owned()))
        .collect()
}

#[test]
fn the_members_are_the_ones_of_the_house() {
    let workspace = manifest(".");
    let members: BTreeSet<&str> = workspace["workspace"]["members"]
        .as_array()
        .expect("a list of members")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    assert_eq!(members, ORDER.iter().map(|(folder, _)| *folder).collect());
}

#[test]
fn crates_depend_downwards_only() {
    for (folder, allowed) in ORDER {
        let ours = dependencies(folder, &["dependencies", "dev-dependencies", "build-dependencies"])
            .into_iter()
            .filter_map(|name| ours(&name));
        for name in ours {
            // A crate's own tests may build it with other features.
            let is_itself = name == *folder;
            assert!(is_itself || allowed.contains(&name.as_str()), "{folder} must not depend on {name}");
        }
    }
}

#[test]
fn pure_crates_use_nothing_that_acts() {
    for folder in PURE {
        for name in dependencies(folder, &["dependencies", "build-dependencies"]) {
            let pure = ours(&name).is_some_and(|ours| PURE.contains(&ours.as_str()))
                || PURE_DEPENDENCIES.contains(&name.as_str());
            assert!(pure, "{folder} is pure and must not use {name}");
        }
        assert!(
            root().join(folder).join("clippy.toml").is_file(),
            "{folder} has no clippy.toml with its bans"
        );
    }
    for folder in JUDGES {
        for name in dependencies(folder, &["dependencies", "build-dependencies"]) {
            assert!(JUDGES_DEPENDENCIES.contains(&name.as_str()), "{folder} is pure and must not use {name}");
        }
    }
}

#[test]
fn pure_crates_know_no_clock_no_chance_and_no_world() {
    for folder in PURE.iter().chain(JUDGES) {
        let unordered = if JUDGES.contains(folder) { &[] } else { WITHOUT_ORDER };
        for (path, text) in sources(&format!("{folder}/src")) {
            for (number, line) in code(&path, &text) {
                for word in PURE_NEVER_SAYS.iter().chain(unordered) {
                    assert!(
                        !line.contains(word),
                        "{}:{number} says {word}: it is an argument",
                        path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn only_storage_knows_rocksdb() {
    for (folder, _) in ORDER.iter().filter(|(folder, _)| *folder != "storage") {
        let all = dependencies(folder, &["dependencies", "dev-dependencies"]);
        assert!(!all.contains("rocksdb"), "{folder} must reach RocksDB through storage");
    }
}

#[test]
fn every_folder_has_working_code_with_an_essay_in_front() {
    for (folder, _) in ORDER {
        let sources = sources(&format!("{folder}/src"));
        let lines: usize = sources.iter().map(|(path, text)| code(path, text).len()).sum();
        assert!(lines > 0 || *folder == "tests", "{folder}/src has no code");
        for (path, text) in &sources {
            let is_test = path.file_name().is_some_and(|name| name == "tests.rs")
                || path.iter().any(|part| part == "tests" && *folder != "tests");
            assert!(text.starts_with("//!") || is_test, "{} does not say what it is for", path.display());
        }
    }
}

/// These panic where an output is closed or full. What a program says goes through its outputs, which do not.
#[test]
fn no_program_prints_in_a_way_that_can_end_it() {
    let printing = ["print!(", "println!(", "eprint!(", "eprintln!("];
    for (folder, _) in ORDER.iter().filter(|(folder, _)| !matches!(*folder, "tests" | "jepsen")) {
        for (path, text) in sources(&format!("{folder}/src")) {
            for (number, line) in code(&path, &text) {
                let says = printing.iter().find(|word| line.contains(**word));
                assert!(says.is_none(), "{}:{number} says {}", path.display(), says.unwrap_or(&""));
            }
        }
    }
}

#[test]
fn nothing_is_left_undone() {
    for (folder, _) in ORDER {
        for (path, text) in sources(folder) {
            // This file has to name them.
            if path.ends_with("tests/tests/house.rs") {
                continue;
            }
            for (at, line) in text.lines().enumerate() {
                for word in NO_FILE_SAYS {
                    assert!(!line.contains(word), "{}:{} says {word}", path.display(), at + 1);
                }
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_a_thought() {
    let mut long = Vec::new();
    for (folder, _) in ORDER.iter().filter(|(folder, _)| !["checkers", "jepsen", "tests"].contains(folder)) {
        for (path, text) in sources(&format!("{folder}/src")) {
            let lines = code(&path, &text).len();
            if lines >= LINES_MAX {
                long.push(format!("{}: {lines} lines without tests", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "split by thought what has {LINES_MAX} lines or more:\n{}", long.join("\n"));
}

#[test]
fn every_dependency_is_used() {
    let mut unused = Vec::new();
    for (folder, _) in ORDER {
        let said: Vec<String> = sources(folder).into_values().collect();
        let all = dependencies(folder, &["dependencies", "dev-dependencies", "build-dependencies"]);
        // A crate's own tests may build it with other features.
        for name in all.iter().filter(|name| ours(name).as_deref() != Some(folder)) {
            let word = name.replace('-', "_");
            if !said.iter().any(|text| says(text, &word)) {
                unused.push(format!("{folder}: {name}"));
            }
        }
    }
    assert!(unused.is_empty(), "named in a manifest and used by nothing:\n{}", unused.join("\n"));
}

/// Whether a source says a crate's name: followed by a path, or taken as a whole.
fn says(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = &text[at + word.len()..];
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
            && (after.starts_with("::")
                || after.starts_with(';')
                || after.starts_with(" as ")
                || after.starts_with('!'))
    })
}

#[test]
fn the_way_of_a_put_names_few_files_and_each_is_there() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    let way = text.split("## A PUT through the files").nth(1).expect("the way of a PUT");
    let way = way.split("\n## ").next().expect("a section");
    let files: Vec<&str> =
        way.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split('`').nth(1)).collect();
    assert!((20..=25).contains(&files.len()), "{} files from socket to disk", files.len());
    for file in files {
        assert!(root().join(file).is_file(), "{file} is not there");
    }
}

#[test]
fn whatever_builds_links_the_one_library_of_rocksdb() {
    let mut building = 0;
    for entry in std::fs::read_dir(root().join("scripts")).expect("readable").flatten() {
        let (name, text) = (entry.file_name(), std::fs::read_to_string(entry.path()).expect("text"));
        let builds = ["build", "test", "run", "clippy", "doc"].map(|verb| format!("cargo {verb} "));
        let first = text.lines().position(|line| {
            !line.trim_start().starts_with('#') && builds.iter().any(|verb| line.contains(verb.as_str()))
        });
        // They are what makes the library, and the place where the others get it.
        let Some(first) = first.filter(|_| name != "rocksdb" && name != "env") else { continue };
        let prepared = text.lines().position(|line| line.trim_start().starts_with("prepare_build"));
        assert!(
            prepared.is_some_and(|prepared| prepared < first),
            "scripts/{} compiles RocksDB",
            name.display()
        );
        building += 1;
    }
    assert!(building >= 5, "only {building} scripts build: does this test still see them?");
    let env = std::fs::read_to_string(root().join("scripts/env")).expect("text");
    assert!(
        env.contains("export ROCKSDB_LIB_DIR ROCKSDB_STATIC=1 JEMALLOC_OVERRIDE="),
        "each profile gets them"
    );
}
