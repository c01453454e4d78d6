//! A build that is broken on purpose says so.

use serde_json::Value as Json;
use std::sync::Arc;

/// The rule of the protocol that this build breaks on purpose; `None`: all hold. Such a build says so on each of its
/// health pages.
#[derive(Clone, Debug, Default)]
pub struct Broken(pub Option<Arc<str>>);

impl Broken {
    /// The document, which says of such a build what it is.
    pub fn truthful(&self, mut document: Json) -> Json {
        if let Some(rule) = self.0.as_deref() {
            document["broken_on_purpose"] = rule.into();
        }
        document
    }
}
