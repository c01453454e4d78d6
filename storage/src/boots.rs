//! The boot ids that a folder has had: which processes were this node, as far as its own folder knows.
//!
//! A peer remembers of a node how far which process of it had come. A process that the folder does not know is either
//! a later one (the folder is an old copy, and misses what that process acknowledged) or one that ran elsewhere, on a copy
//! of the folder. Only the folder can say which processes were its own; so each start notes its boot id in the file `boots`
//! before any peer can hear it:
//!
//! ```text
//! quorate boots
//! 00c0ffee00c0ffee        one line for each start, the latest last
//! crc32 89abcdef
//! ```
//!
//! A file that is damaged or missing counts as empty: it makes nothing trusted that was not, since a loss is judged by
//! commit counters (`replica/recollection.rs`). Only the latest [`BOOTS_MAX`] are kept: a late message names no older one.

use crate::file;
use quorate_model::Boot;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

const FILE: &str = "boots";
const FIRST_LINE: &str = "quorate boots";

/// Boot ids that are kept.
pub const BOOTS_MAX: usize = 1_024;

/// Notes the boot id of this start, durably; the boot ids of the folder, this one too.
pub fn note_boot(folder: &Path, boot: Boot) -> io::Result<BTreeSet<Boot>> {
    let mut boots = match std::fs::read(folder.join(FILE)) {
        Ok(bytes) => decode(&bytes).unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    if boots.last() != Some(&boot) {
        boots.push(boot);
        boots.drain(..boots.len().saturating_sub(BOOTS_MAX));
        file::replace(folder, FILE, encode(&boots).as_bytes())?;
    }
    Ok(boots.into_iter().collect())
}

/// The boot id of the latest start that the folder knows; `None`: it knows of none.
pub fn last_boot(folder: &Path) -> Option<Boot> {
    std::fs::read(folder.join(FILE)).ok().and_then(|bytes| decode(&bytes)?.pop())
}

fn encode(boots: &[Boot]) -> String {
    let lines: String = boots.iter().map(|boot| format!("{:016x}\n", boot.0)).collect();
    file::sealed(&format!("{FIRST_LINE}\n{lines}"))
}

fn decode(bytes: &[u8]) -> Option<Vec<Boot>> {
    let mut lines = file::unsealed(bytes)?.lines();
    (lines.next()? == FIRST_LINE).then_some(())?;
    let boot = |line: &str| (line.len() == 16).then(|| u64::from_str_radix(line, 16).ok().map(Boot))?;
    lines.take(BOOTS_MAX).map(boot).collect()
}

/// Whether these bytes are such a file; for the table of all decoders of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(boots) = decode(bytes) else { return false };
    assert_eq!(decode(encode(&boots).as_bytes()), Some(boots));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_knows_the_boots_that_it_has_had() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(note_boot(folder.path(), Boot(7)).expect("noted"), BTreeSet::from([Boot(7)]));
        let both = BTreeSet::from([Boot(7), Boot(8)]);
        assert_eq!(note_boot(folder.path(), Boot(8)).expect("noted"), both);
        assert_eq!(note_boot(folder.path(), Boot(8)).expect("again"), both);
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).expect("readable");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            std::fs::write(&path, &flipped).expect("written");
            assert_eq!(
                note_boot(folder.path(), Boot(9)).expect("noted"),
                BTreeSet::from([Boot(9)]),
                "byte {at}"
            );
        }
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let many: Vec<Boot> = (0..BOOTS_MAX as u64).map(Boot).collect();
        std::fs::write(folder.path().join(FILE), encode(&many)).expect("written");
        let boots = note_boot(folder.path(), Boot(u64::MAX)).expect("noted");
        assert_eq!(boots.len(), BOOTS_MAX);
        assert!(!boots.contains(&Boot(0)) && boots.contains(&Boot(1)) && boots.contains(&Boot(u64::MAX)));
    }
}
