//! Small ordered sets: the nodes, or the copies, that an operation has to do with.

use quorate_model::{NodeId, Owner};
use smallvec::SmallVec;

/// A small set in the order of its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<T>(SmallVec<[T; 5]>);

/// Some nodes.
pub type Nodes = Few<NodeId>;

/// Some copies: each is a node's, since some epoch.
pub type Copies = Few<Owner>;

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T: Copy + Ord> Few<T> {
    /// Adds an item; false if it was there.
    pub fn insert(&mut self, item: T) -> bool {
        match self.0.binary_search(&item) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, item);
                true
            }
        }
    }

    /// Takes an item out; false if it was not there.
    pub fn remove(&mut self, item: T) -> bool {
        match self.0.binary_search(&item) {
            Ok(at) => {
                self.0.remove(at);
                true
            }
            Err(_) => false,
        }
    }

    /// Whether an item is in.
    pub fn contains(&self, item: T) -> bool {
        self.0.binary_search(&item).is_ok()
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The items in their order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.0.iter().copied()
    }
}

impl<T: Copy + Ord> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut all = Self::default();
        for item in items {
            all.insert(item);
        }
        all
    }
}
