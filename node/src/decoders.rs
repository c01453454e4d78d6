//! Decoders of what a node reads from outside, for the table of all decoders: whether each takes some bytes.

pub use crate::control::{find::takes as nodes_page, found::takes as cluster_page};
pub use crate::node::folder::takes as join_request;
