//! Why a shard was not split, merged or moved.

use super::Fault;
use quorate_node::core::ShardError;

impl From<ShardError> for Fault {
    fn from(error: ShardError) -> Self {
        match error {
            ShardError::None { .. } => Fault::NoSuchShard { why: error.to_string() },
            ShardError::NoHalf { .. } | ShardError::Last { .. } | ShardError::NoMove { .. } => {
                Fault::ShardRefused { why: error.to_string() }
            }
            ShardError::Propose(error) => Fault::Propose(error),
            ShardError::NoRandomness => Fault::NoRandomness,
        }
    }
}
