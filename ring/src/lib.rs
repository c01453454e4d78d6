//! Who owns a key, and what must move when the catalog changes.

pub mod catalog;
pub mod placement;
pub mod plan;
pub mod ring;
pub mod spread;
pub mod view;

pub use catalog::{
    Applied, Catalog, Command, Created, Found, NewNode, NewTable, Node, NodeUpdate, Receipt, Rejection,
    RequestId, Shard, TableChange, TableEntry, TtlChange, Weight,
};
pub use plan::{Candidate, OwnerSet, Plan};
pub use ring::Ring;
pub use view::{Liveness, Location, View};
