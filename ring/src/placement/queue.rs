//! Nodes in an order that changes with every exchange, read from the front.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Nodes by a key, the least first; of equals the one with the greater index.
///
/// Whenever a node's key changes, or it comes to belong here, it is pushed again. What is out of date stays until it comes
/// to the front, and is dropped there. So nothing is sorted, and nothing goes over all nodes.
#[derive(Default)]
pub(super) struct Queue(BinaryHeap<Reverse<(u128, Reverse<usize>)>>);

impl Queue {
    pub(super) fn of(nodes: impl Iterator<Item = (u128, usize)>) -> Self {
        Self(nodes.map(|(key, node)| Reverse((key, Reverse(node)))).collect::<Vec<_>>().into())
    }

    pub(super) fn push(&mut self, key: u128, node: usize) {
        self.0.push(Reverse((key, Reverse(node))));
    }

    /// The first thing that is found at a node, in order; `key` is what each node's is now, `None` for one that does not
    /// belong here. All that belong here stay.
    pub(super) fn find<T>(
        &mut self,
        key: impl Fn(usize) -> Option<u128>,
        mut at: impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        let (mut found, mut seen) = (None, Vec::new());
        while let Some(entry) = self.0.pop() {
            let Reverse((known, Reverse(node))) = entry;
            if key(node) != Some(known) || seen.last() == Some(&entry) {
                continue;
            }
            seen.push(entry);
            found = at(node);
            if found.is_some() {
                break;
            }
        }
        self.0.extend(seen);
        found
    }

    /// All that belong here, in order.
    pub(super) fn all(&mut self, key: impl Fn(usize) -> Option<u128>) -> Vec<usize> {
        let mut all = Vec::new();
        let none: Option<()> = self.find(key, |node| {
            all.push(node);
            None
        });
        debug_assert!(none.is_none(), "every node was passed by");
        all
    }
}
