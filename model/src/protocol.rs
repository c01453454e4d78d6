//! Versions of what nodes say to each other, so that a cluster can run two of them while it is upgraded.
//!
//! Two nodes speak the newest version that both know; it is settled when they connect and stays with the connection.
//! Every message says since which version it exists ([`Request::since`](crate::Request::since)). What the other end
//! does not have is not sent to it: the caller is told so at once, with the certainty that nothing was done. A new
//! *field* needs no version where it is optional: older decoders skip fields that they do not know.

/// A version of what nodes say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u32);

impl Protocol {
    /// The oldest that this build speaks.
    pub const OLDEST: Protocol = Protocol(1);
    /// The newest that this build speaks.
    pub const NEWEST: Protocol = Protocol(7);

    /// The newest version that two ends have in common, of which each speaks all from its first to its second; `None`:
    /// there is none.
    pub fn common(one: (Protocol, Protocol), other: (Protocol, Protocol)) -> Option<Protocol> {
        let newest = one.1.min(other.1);
        (newest >= one.0.max(other.0)).then_some(newest)
    }

    /// Whether this version has a message that exists since `since`.
    pub fn has(self, since: Protocol) -> bool {
        since <= self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ends_speak_the_newest_version_that_both_know() {
        let ends = |oldest, newest| (Protocol(oldest), Protocol(newest));
        assert_eq!(Protocol::common(ends(1, 1), ends(1, 2)), Some(Protocol(1)));
        assert_eq!(Protocol::common(ends(2, 4), ends(1, 3)), Some(Protocol(3)));
        assert_eq!(Protocol::common(ends(1, 1), ends(2, 3)), None, "a version was skipped");
        assert!(Protocol(2).has(Protocol(1)) && !Protocol(1).has(Protocol(2)));
    }
}
