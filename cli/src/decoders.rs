//! The decoder of this crate: a key, as a person types it.

use crate::key;

quorate_model::decoders! {
    "cli-key" => key::takes_key,
}
