//! What tests of several modules make catalogs of.

use quorate_model::Boot;
use quorate_ring::{NewNode, RequestId, Weight};

/// A node with a name, addresses and a start of its own.
pub fn new_node(number: u16) -> NewNode {
    NewNode {
        request: RequestId(u128::from(number)),
        name: format!("n{number}"),
        zone: "z".into(),
        weight: Weight::ONE,
        http_address: format!("127.0.0.1:{}", 10_000 + number),
        peer_address: format!("127.0.0.1:{}", 20_000 + number),
        boot: Boot(u64::from(number)),
    }
}
