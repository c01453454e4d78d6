//! The decoders of this crate: the catalog, and what changes it.

use crate::{Catalog, Command};

quorate_model::decoders! {
    "catalog" => catalog,
    "command" => command,
}

fn catalog(bytes: &[u8]) -> bool {
    let Ok(catalog) = Catalog::decode(bytes) else { return false };
    let once = catalog.encode();
    assert_eq!(Catalog::decode(&once).expect("what was written can be read").encode(), once);
    true
}

/// A command, and what the empty catalog says to it: `apply` is total too.
fn command(bytes: &[u8]) -> bool {
    let Ok(command) = Command::decode(bytes) else { return false };
    assert_eq!(Command::decode(&command.encode()), Ok(command.clone()));
    drop(Catalog::empty().apply(&command));
    true
}
