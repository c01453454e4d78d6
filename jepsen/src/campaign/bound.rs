//! What a run's folder may take on the disk, so that a night does not fill it.
//!
//! Verdicts, figures, events and reports stay for ever; they are small. Histories of segments that passed go first, the
//! oldest before the others, once they take too much room together. What nodes left behind in segments that did not pass
//! is evidence and may take more; past its own limit the oldest goes, of void segments before those of violated ones.

use std::path::{Path, PathBuf};

use crate::record::{Error, RunFolder};
use crate::run::Verdict;

/// Histories of segments that passed take no more room than this, in all.
pub const HISTORIES_BYTES_MAX: u64 = 1 << 30;

/// What nodes left behind, and the histories, of segments that did not pass take no more room than this, in all.
pub const EVIDENCE_BYTES_MAX: u64 = 4 << 30;

/// Something that may go, and the room that it takes.
struct Piece {
    path: PathBuf,
    bytes: u64,
}

/// Removes what takes too much room.
pub(super) fn keep_bounded(folder: &RunFolder) -> Result<(), Error> {
    let (mut passed, mut void, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (segment, folder) in folder.read_segments()? {
        let history = piece(folder.history_path());
        match segment.verdict {
            Verdict::Passed => passed.extend(history),
            Verdict::Void => void.extend(piece(folder.nodes_path()).into_iter().chain(history)),
            Verdict::Violated | Verdict::Undecided => {
                others.extend(piece(folder.nodes_path()).into_iter().chain(history));
            }
        }
    }
    void.extend(others);
    remove_first(&passed, HISTORIES_BYTES_MAX);
    remove_first(&void, EVIDENCE_BYTES_MAX);
    Ok(())
}

fn piece(path: PathBuf) -> Option<Piece> {
    let bytes = room(&path);
    (bytes > 0).then_some(Piece { path, bytes })
}

/// The room that a file takes, or all files below a folder; 0 if there is nothing.
fn room(path: &Path) -> u64 {
    let Ok(facts) = std::fs::symlink_metadata(path) else { return 0 };
    if !facts.is_dir() {
        return facts.len();
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| room(&entry.path())).sum()
}

/// Removes pieces from the front until the others take no more than the limit.
fn remove_first(pieces: &[Piece], limit: u64) {
    let mut bytes: u64 = pieces.iter().map(|piece| piece.bytes).sum();
    for piece in pieces {
        if bytes <= limit {
            break;
        }
        // One that cannot be removed is met again after the next segment.
        let removed = if piece.path.is_dir() {
            std::fs::remove_dir_all(&piece.path)
        } else {
            std::fs::remove_file(&piece.path)
        };
        drop(removed);
        bytes -= piece.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pieces_go_until_the_rest_fits() {
        let place = tempfile::tempdir().expect("a folder for temporary files");
        let write = |name: &str, bytes: usize| {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("writable");
            std::fs::write(&path, vec![0; bytes]).expect("writable");
        };
        write("first/data/log", 600);
        write("first/data/table", 400);
        write("second", 500);
        write("third", 500);
        let pieces: Vec<Piece> = ["first", "second", "third", "none"]
            .iter()
            .filter_map(|name| piece(place.path().join(name)))
            .collect();
        assert_eq!(pieces.iter().map(|piece| piece.bytes).collect::<Vec<_>>(), [1_000, 500, 500]);
        remove_first(&pieces, 2_000);
        assert!(place.path().join("first").exists());
        remove_first(&pieces, 1_000);
        assert!(!place.path().join("first").exists() && place.path().join("second").exists());
    }
}
