//! What a member that comes back from a loss by itself says of that.

use minicbor::{Decode, Encode};
use quorate_model::ShardId;

/// So many shards that are not whole are named. Where there are more, none is, and the member counts for no shard.
pub const LACKS_MAX: usize = 256;

/// How far a member has come back from a loss, by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Healing {
    /// Shards that it owns.
    #[n(0)]
    pub shards: u64,
    /// Those of them of which it holds everything.
    #[n(1)]
    pub whole: u64,
    /// Records that it has merged since it was started.
    #[n(2)]
    pub records: u64,
    /// What it waits for, as half a sentence; `None`: it goes on.
    #[n(3)]
    pub waits_for: Option<String>,
    /// The shards that are not whole; empty if there are more than [`LACKS_MAX`].
    #[n(4)]
    pub lacks: Vec<ShardLack>,
}

/// A shard of which an owner does not hold everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShardLack {
    /// The shard.
    #[n(0)]
    pub shard: ShardId,
    /// Whether the owner takes writes for it already.
    #[n(1)]
    pub takes_writes: bool,
}

impl Healing {
    /// Whether a shard that the member owns is answered for.
    pub fn answers(&self, shard: ShardId) -> bool {
        self.are_named() && self.lack(shard).is_none()
    }

    /// Whether it takes writes for a shard that it owns: it does before it answers for it.
    pub fn takes_writes(&self, shard: ShardId) -> bool {
        self.are_named() && self.lack(shard).is_none_or(|lack| lack.takes_writes)
    }

    fn lack(&self, shard: ShardId) -> Option<&ShardLack> {
        self.lacks.iter().find(|lack| lack.shard == shard)
    }

    fn are_named(&self) -> bool {
        self.whole.checked_add(self.lacks.len() as u64) == Some(self.shards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::DiskState;
    use quorate_model::TableId;

    fn shard(index: u32) -> ShardId {
        ShardId { table: TableId(1), index }
    }

    #[test]
    fn a_member_counts_for_what_it_does_not_name_as_lacking() {
        let lacks = [(1, false), (2, true)];
        let lacks = lacks.map(|(index, takes_writes)| ShardLack { shard: shard(index), takes_writes });
        let said = Healing { shards: 8, whole: 6, lacks: lacks.to_vec(), ..Healing::default() };
        let of = |index| (said.answers(shard(index)), said.takes_writes(shard(index)));
        assert_eq!([of(0), of(1), of(2)], [(true, true), (false, false), (false, true)]);
        // It lacks too many to name them.
        let said = Healing { lacks: Vec::new(), ..said };
        assert!(!said.answers(shard(0)) && !said.takes_writes(shard(0)));
    }

    #[test]
    fn a_member_of_an_earlier_version_says_nothing_of_it() {
        // As versions before it wrote it: an array of three.
        let bytes = [0x83, 0xf6, 0xf6, 0xf4];
        let read = minicbor::decode::<DiskState>(&bytes).expect("understood");
        assert_eq!(read, DiskState::default());
    }
}
