//! Who a client is, as its TLS certificate says.

use std::sync::Arc;

/// The name in a client certificate that was verified against the authorities of this node. An extension of each request
/// that came over such a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate(pub Arc<str>);
