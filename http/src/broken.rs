//! A build that is broken on purpose says so.

use quorate_api::Word;
use std::sync::Arc;

/// The rule of the protocol that this build breaks on purpose; `None`: all hold. Such a build says so on each of its
/// health pages.
#[derive(Clone, Debug, Default)]
pub struct Broken(pub Option<Arc<str>>);

impl Broken {
    /// The rule, as it stands in a document.
    pub fn word(&self) -> Option<Word> {
        self.0.as_deref().map(|rule| rule.to_owned().into())
    }
}
