//! Where a member may be: what the catalog says, and where it was heard or others say it is.
//!
//! None of it is believed: the handshake proves who is there. So an address more costs an attempt, and one less may
//! cost the connection; a few of the latest are kept.

use std::collections::VecDeque;

/// Addresses beside the announced one that are kept.
const SUGGESTED_MAX: usize = 3;

/// The addresses at which a member may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// What the catalog said last; empty: it knows none.
    announced: String,
    /// The latest first.
    suggested: VecDeque<String>,
}

impl Addresses {
    /// The one that the catalog knows.
    pub fn new(announced: &str) -> Self {
        Self { announced: announced.to_owned(), suggested: VecDeque::new() }
    }

    /// Takes what the catalog says; whether that is another address than before, and one at all.
    pub fn announce(&mut self, address: &str) -> bool {
        if self.announced == address {
            return false;
        }
        // Where it was it is no more.
        address.clone_into(&mut self.announced);
        self.suggested.retain(|suggested| suggested != address);
        !address.is_empty()
    }

    /// Whether the catalog says this address.
    pub fn is_announced(&self, address: &str) -> bool {
        self.announced == address
    }

    /// Takes an address where it may be.
    pub fn suggest(&mut self, address: &str) {
        self.suggested.retain(|suggested| suggested != address);
        if address != self.announced && !address.is_empty() {
            self.suggested.push_front(address.to_owned());
            self.suggested.truncate(SUGGESTED_MAX);
        }
    }

    /// Where to try after this one; `None`: nowhere else.
    pub fn after(&self, tried: &str) -> Option<String> {
        let known = std::iter::once(&self.announced).filter(|address| !address.is_empty());
        let all: Vec<&String> = known.chain(&self.suggested).collect();
        let next = match all.iter().position(|address| *address == tried) {
            Some(at) => all[(at + 1) % all.len()],
            None => all.first()?,
        };
        (next != tried).then(|| next.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(addresses: &Addresses, from: &str) -> Vec<String> {
        let mut tried = vec![from.to_owned()];
        while let Some(next) = addresses.after(tried.last().expect("never empty")) {
            if tried.contains(&next) {
                break;
            }
            tried.push(next);
        }
        tried
    }

    #[test]
    fn each_place_is_tried_in_turn() {
        let mut addresses = Addresses::new("a:1");
        assert_eq!(addresses.after("a:1"), None, "nowhere else");
        addresses.suggest("b:1");
        addresses.suggest("c:1");
        addresses.suggest("b:1");
        assert_eq!(rounds(&addresses, "a:1"), ["a:1", "b:1", "c:1"]);
        assert_eq!(addresses.after("c:1"), Some("a:1".into()), "and again");
        for number in 1..=5 {
            addresses.suggest(&format!("d:{number}"));
        }
        assert_eq!(rounds(&addresses, "a:1"), ["a:1", "d:5", "d:4", "d:3"], "the latest are kept");
    }

    #[test]
    fn a_member_without_an_announced_address_is_dialed_where_it_was_heard() {
        let mut addresses = Addresses::new("a:1");
        assert!(!addresses.announce(""), "no address is none to move to");
        assert_eq!(addresses.after("a:1"), None);
        addresses.suggest("b:1");
        assert_eq!(addresses.after("a:1"), Some("b:1".into()));
        assert!(addresses.announce("b:1"));
        assert_eq!(rounds(&addresses, "b:1"), ["b:1"], "it is the announced one now");
        assert!(!addresses.announce("b:1"));
    }
}
