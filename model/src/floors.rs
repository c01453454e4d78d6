//! Floors: what an owner promises of keys of which it holds nothing, so that removals may go.
//!
//! A removal (a tombstone, or what was found expired) stands in the way of whatever is older and comes late. Once it is
//! gone, a version stands there instead, for a whole piece of a table:
//!
//! ```text
//!   closing G   nothing new up to it is taken any more, where nothing or a removal is held
//!   sealed F    what is absent was removed, as far as it was ever written up to it;  F <= G
//! ```
//!
//! Versions are ordered over all keys, so a floor is a cut of versions, not of time. Both only grow. An owner is asked for
//! its floors, and to raise them, by [`RangeRequest::Floors`](crate::RangeRequest::Floors); what it is asked for to find
//! the removals that may go is here too.

use crate::key::{Interval, SortKey};
use crate::sync::Keyed;
use crate::time::WallTime;
use crate::version::{Held, Version};
use minicbor::{Decode, Encode};

/// Most removals of one answer, and of one request.
pub const REMOVALS_MAX: usize = 4_096;

/// The floors of a piece of a table. None of them: no removal was ever dropped there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Floors {
    /// No new write gets a version up to it.
    #[n(0)]
    pub closing: Option<Version>,
    /// An absent key was removed at it, to a reader.
    #[n(1)]
    pub sealed: Option<Version>,
    /// From where on operation ids may be forgotten: of what is absent, and of what was written above this since.
    #[n(2)]
    pub forgot: Option<Version>,
    /// Up to which version they may be.
    #[n(3)]
    pub forgot_to: Option<Version>,
}

/// How floors are raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Raise {
    /// Not at all.
    #[n(0)]
    Nothing,
    /// No new write gets a version up to this any more.
    #[n(1)]
    Close(#[n(0)] Version),
    /// What is absent was removed, up to this. It changes nothing where that is not closed.
    #[n(2)]
    Seal {
        /// Up to which version.
        #[n(0)]
        up_to: Version,
        /// Whether operation ids go with removals.
        #[n(1)]
        forgets: bool,
    },
}

/// A piece of a table, and its floors.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Floored {
    /// The piece.
    #[n(0)]
    pub interval: Interval,
    /// Its floors.
    #[n(1)]
    pub floors: Floors,
}

/// Which removals are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Wanted {
    /// Up to this version; `None`: any.
    #[n(0)]
    pub up_to: Option<Version>,
    /// Those that were written, or whose value expired, at or before this.
    #[n(1)]
    pub before: WallTime,
    /// The same of those that have operation ids.
    #[n(2)]
    pub with_ids_before: WallTime,
    /// Most of them in one answer, at most [`REMOVALS_MAX`].
    #[n(3)]
    pub items: u32,
}

/// A removal that may go.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Removal {
    /// Of this key.
    #[n(0)]
    pub sort_key: SortKey,
    /// What is held.
    #[n(1)]
    pub held: Held,
    /// Whether it has operation ids.
    #[n(2)]
    pub has_ids: bool,
}

/// The removals of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Removals {
    /// Those that are looked for, in the order of their keys.
    #[n(0)]
    pub found: Vec<Removal>,
    /// Values whose time had come by then and that are not flagged, with the flag.
    #[n(1)]
    pub due: Vec<Keyed>,
    /// The first sort key behind what was looked through; `None`: the end of the range.
    #[n(2)]
    pub until: Option<SortKey>,
}

impl Floors {
    /// What a new version must be above.
    pub fn highest(self) -> Option<Version> {
        self.closing.max(self.sealed)
    }

    /// What both say together: the higher of both, and the earlier one of which ids may be forgotten.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            closing: self.closing.max(other.closing),
            sealed: self.sealed.max(other.sealed),
            forgot: self.forgot.into_iter().chain(other.forgot).min(),
            forgot_to: self.forgot_to.max(other.forgot_to),
        }
    }

    /// Up to which version operation ids may be forgotten of a key of which this is held, if it is absent or was written
    /// since.
    pub fn forgot_ids(self, held: Option<Held>) -> Option<Version> {
        let forgets = |forgot: &Version| held.is_none_or(|held| held.version > *forgot);
        self.forgot.filter(forgets).and(self.forgot_to)
    }

    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl Raise {
    /// The floors after it.
    pub fn over(self, floors: Floors) -> Floors {
        match self {
            Raise::Nothing => floors,
            Raise::Close(up_to) => floors.join(Floors { closing: Some(up_to), ..Floors::default() }),
            Raise::Seal { up_to, .. } if floors.closing < Some(up_to) => floors,
            Raise::Seal { up_to, forgets } => {
                let forgot = forgets.then_some(up_to);
                floors.join(Floors { sealed: Some(up_to), forgot, forgot_to: forgot, ..Floors::default() })
            }
        }
    }
}

/// Whether pieces, in order, cover an interval, and each one's floors are as wanted.
pub fn all(pieces: &[Floored], over: &Interval, is_so: impl Fn(Floors) -> bool) -> bool {
    let mut at = Some(over.start.clone());
    for piece in pieces {
        if at.as_ref() != Some(&piece.interval.start) || !is_so(piece.floors) {
            return false;
        }
        at.clone_from(&piece.interval.end);
    }
    !pieces.is_empty() && at == over.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Boot, NodeId, Stamps};

    fn version(seq: u64) -> Version {
        let mut stamps = Stamps::new(NodeId(1), Boot(1));
        let below = (1..seq).fold(None, |below, _| stamps.draw().above(below).ok());
        stamps.draw().above(below).expect("room")
    }

    #[test]
    fn floors_only_grow_and_a_seal_needs_its_closing() {
        let floors = Raise::Close(version(3)).over(Floors::default());
        assert_eq!(Raise::Close(version(2)).over(floors), floors);
        let seal = |seq| Raise::Seal { up_to: version(seq), forgets: true };
        assert_eq!(seal(4).over(floors), floors, "not closed so far");
        let sealed = seal(3).over(floors);
        assert_eq!((sealed.sealed, sealed.forgot), (Some(floors.closing.expect("closed")), sealed.sealed));
        assert_eq!(Raise::Nothing.over(sealed), sealed);
        assert_eq!(sealed.join(Floors::default()), sealed);
    }

    #[test]
    fn ids_are_forgotten_of_what_is_absent_or_was_written_since() {
        let forgets = |seq| {
            let closed = Floors { closing: Some(version(9)), ..Floors::default() };
            Raise::Seal { up_to: version(seq), forgets: true }.over(closed)
        };
        let twice = forgets(3).join(forgets(7));
        assert_eq!(
            twice.forgot_ids(Some(Held::live(version(5)))),
            Some(version(7)),
            "it was written after the first time"
        );
        let floors = forgets(3);
        assert_eq!(floors.forgot_ids(None), Some(version(3)));
        assert_eq!(floors.forgot_ids(Some(Held::live(version(4)))), Some(version(3)));
        assert_eq!(floors.forgot_ids(Some(Held::live(version(2)))), None, "it was there all the time");
        assert_eq!(Floors::default().forgot_ids(None), None);
    }

    #[test]
    fn pieces_must_cover_all_of_an_interval() {
        let at = |text: &'static str| SortKey::new(text.as_bytes());
        let piece = |start, end: Option<&'static str>| Floored {
            interval: Interval { start: at(start), end: end.map(at) },
            floors: Floors { sealed: Some(version(1)), ..Floors::default() },
        };
        let is_sealed = |floors: Floors| floors.sealed.is_some();
        let over = Interval { start: at("a"), end: Some(at("m")) };
        assert!(all(&[piece("a", Some("c")), piece("c", Some("m"))], &over, is_sealed));
        assert!(!all(&[piece("a", Some("c"))], &over, is_sealed), "the end is missing");
        assert!(!all(&[piece("b", Some("m"))], &over, is_sealed), "the beginning is missing");
        assert!(!all(&[piece("a", None)], &over, is_sealed), "it is another one");
        assert!(!all(&[], &over, is_sealed));
        assert!(!all(&[piece("a", Some("m"))], &over, |floors| floors.closing.is_some()));
    }
}
