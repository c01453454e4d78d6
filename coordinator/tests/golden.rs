//! Golden stories: one file per behaviour, whose name is the specification.
//!
//! Each story is a comment, commands, and the messages that flowed. After a deliberate change of the protocol
//! `UPDATE_GOLDENFILES=1 cargo test -p quorate-coordinator --test golden` writes them anew; read the difference.

#[path = "golden/table.rs"]
mod table;
#[path = "golden/world.rs"]
mod world;

use std::path::{Path, PathBuf};

fn stories(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories").join(folder);
    let entries = std::fs::read_dir(&root).expect("the folder of stories");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a story").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no stories in {}", root.display());
    paths
}

fn tell(folder: &str) {
    tell_in(folder, world::World::default);
}

fn tell_in<W: goldenscript::Runner<Command = goldenscript::Command>>(folder: &str, world: impl Fn() -> W) {
    for path in stories(folder) {
        println!("{}", path.display());
        goldenscript::run(&mut world(), &path).expect("a story that can be read");
    }
}

#[test]
fn put() {
    tell("put");
}

#[test]
fn joint() {
    tell("joint");
}

#[test]
fn get() {
    tell("get");
}

#[test]
fn delete() {
    tell("delete");
}

#[test]
fn repair() {
    tell("repair");
}

#[test]
fn hint() {
    tell("hint");
}

#[test]
fn retry() {
    tell("retry");
}

#[test]
fn replan() {
    tell("replan");
}

#[test]
fn expiry() {
    tell("expiry");
}

#[test]
fn scan() {
    tell_in("scan", table::World::default);
}
