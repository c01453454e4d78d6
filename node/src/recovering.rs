//! The note of a recovery in the data folder: what an operator has decided, until the catalog tells of it.
//!
//! The decision is made by a node that runs, and carried out by its next start, as that of a loss is. First the node becomes
//! the only voter, once: a second time would cut off those that vote with it by then, so that it is noted before consensus
//! begins. Then it writes the command that gives the lost members up, and the note goes.
//!
//! ```text
//! quorate recovery
//! request 3f9c0b6e58a14d2790c1e4b7a6d85f23
//! at 1764422400000
//! lost 2 3
//! decided               or alone
//! ```

use quorate_model::{NodeId, WallTime};
use quorate_ring::RequestId;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// The file.
const FILE: &str = "recovering";

/// Its first line.
const HEAD: &str = "quorate recovery";

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovering {
    /// Names the decision.
    pub request: RequestId,
    /// When it was made, by this node's clock.
    pub at: WallTime,
    /// The members that are given up.
    pub lost: Vec<NodeId>,
    /// Whether this node has become the only voter already.
    pub is_alone: bool,
}

impl Recovering {
    /// The one in a folder; `None`: there is none.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let damaged = || {
            io::Error::other(format!(
                "{} is damaged: remove it, start the node and decide again",
                path.display()
            ))
        };
        Self::of(&text).map(Some).ok_or_else(damaged)
    }

    /// Writes it, beside and renamed: durable when this returns.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let beside = folder.join(format!("{FILE}.new"));
        let mut file = File::create(&beside)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, folder.join(FILE))?;
        File::open(folder)?.sync_all()
    }

    /// It is carried out: the folder says nothing of it any more.
    pub fn forget(folder: &Path) -> io::Result<()> {
        match std::fs::remove_file(folder.join(FILE)) {
            Ok(()) => File::open(folder)?.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn text(&self) -> String {
        let lost: Vec<String> = self.lost.iter().map(|node| node.0.to_string()).collect();
        let stage = if self.is_alone { "alone" } else { "decided" };
        format!("{HEAD}\nrequest {}\nat {}\nlost {}\n{stage}\n", self.request, self.at.0, lost.join(" "))
    }

    fn of(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != HEAD {
            return None;
        }
        let request = u128::from_str_radix(lines.next()?.strip_prefix("request ")?, 16).ok()?;
        let at = lines.next()?.strip_prefix("at ")?.parse().ok()?;
        let lost = lines.next()?.strip_prefix("lost ")?.split(' ');
        let lost: Vec<NodeId> = lost.map(|node| node.parse().ok().map(NodeId)).collect::<Option<_>>()?;
        let is_alone = match lines.next()? {
            "decided" => false,
            "alone" => true,
            _ => return None,
        };
        let read = Self { request: RequestId(request), at: WallTime(at), lost, is_alone };
        // A file that was cut short says something else.
        (read.text() == text).then_some(read)
    }
}

/// Whether these bytes are such a note; for the tests of the decoders.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(note) = std::str::from_utf8(bytes).ok().and_then(Recovering::of) else { return false };
    assert_eq!(Recovering::of(&note.text()).as_ref(), Some(&note));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_until_it_is_forgotten_and_half_of_it_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Recovering::read(folder.path()).expect("readable"), None);
        let decided = Recovering {
            request: RequestId(7),
            at: WallTime(5),
            lost: vec![NodeId(2), NodeId(3)],
            is_alone: false,
        };
        let alone = Recovering { is_alone: true, ..decided.clone() };
        for note in [decided, alone] {
            note.write(folder.path()).expect("written");
            assert_eq!(Recovering::read(folder.path()).expect("readable").as_ref(), Some(&note));
        }
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).expect("there");
        for length in 0..text.len() {
            std::fs::write(&path, &text[..length]).expect("written");
            let error = Recovering::read(folder.path()).expect_err("cut short").to_string();
            assert!(error.contains("is damaged: remove it"), "{error}");
        }
        Recovering::forget(folder.path()).expect("removed");
        Recovering::forget(folder.path()).expect("it is gone");
        assert_eq!(Recovering::read(folder.path()).expect("readable"), None);
    }
}
