//! What one record adds to the sum of its chunk, and what many add up to.
//!
//! An item is a hash of all that tells a record from another one of its key: sort key, version, kind, digest and the
//! operation ids. Sums are additions modulo 2^128, so that a change is a subtraction and an addition, and the sum of two
//! neighbours is the sum of their sums (incremental hashing: Bellare and Micciancio 1997). The hash is keyed with a seed
//! of the cluster, so that no client can choose records whose items cancel each other.

use crate::rules::sums;
use minicbor::{Decode, Encode};
use quorate_model::record::Outline;
use quorate_model::{ClusterId, Rules};
use std::ops::{AddAssign, SubAssign};
use xxhash_rust::xxh3;

/// What one record adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    hash: u128,
    bytes: u64,
    is_removal: bool,
    expires: bool,
}

/// What the records of an interval add up to. Equal sums of two replicas mean equal records, but for a chance of 2^-128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// The items, added modulo 2^128.
    pub sum: u128,
    /// Records, removals too.
    pub records: u64,
    /// Bytes of their sort keys and of the records, as they are before they are compressed.
    pub bytes: u64,
    /// Those that say that there is no value: tombstones and expired flags.
    pub removals: u64,
    /// Values that have an expiry, due or not.
    pub expiring: u64,
}

/// Makes items, all of one cluster in the same way.
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    seed: u64,
    rules: Rules,
}

/// Bytes of an item's input before the sort key: version, kind, digest, digest of the ids.
const HEAD: usize = 32 + 1 + 8 + 8;
/// Longest input that takes no memory from the heap.
const SHORT: usize = 256;

impl Hasher {
    /// The one of a cluster.
    pub fn new(cluster: ClusterId, rules: Rules) -> Self {
        Self { seed: xxh3::xxh3_64(&cluster.0.to_be_bytes()), rules }
    }

    /// The item of a record, by its bytes as they lie on the disk; `None`: they are no record's.
    pub fn item(self, sort_key: &[u8], record: &[u8]) -> Option<Item> {
        let outline = Outline::of(record)?;
        let ids = xxh3::xxh3_64_with_seed(sums::counted_ids(self.rules, outline.ids), self.seed);
        let length = HEAD + sort_key.len();
        let (mut short, mut long) = ([0; SHORT], Vec::new());
        let input = if length <= SHORT {
            &mut short[..length]
        } else {
            long.resize(length, 0);
            &mut long[..]
        };
        input[..32].copy_from_slice(outline.version);
        input[32] = outline.kind;
        input[33..41].copy_from_slice(&outline.digest.to_be_bytes());
        input[41..HEAD].copy_from_slice(&ids.to_be_bytes());
        input[HEAD..].copy_from_slice(sort_key);
        Some(Item {
            hash: xxh3::xxh3_128_with_seed(input, self.seed),
            bytes: (sort_key.len() + record.len()) as u64,
            is_removal: outline.is_removal(),
            expires: outline.expires,
        })
    }
}

impl Item {
    /// Its low 64 bits: the low 64 bits of a sum are the sum of these.
    pub fn short(self) -> u64 {
        self.hash as u64
    }
}

impl Total {
    /// Adds one record.
    pub fn add(&mut self, item: Item) {
        self.sum = self.sum.wrapping_add(item.hash);
        self.records += 1;
        self.bytes += item.bytes;
        self.removals += u64::from(item.is_removal);
        self.expiring += u64::from(item.expires);
    }

    /// Takes one record away that was added before.
    pub fn take(&mut self, item: Item) {
        self.sum = self.sum.wrapping_sub(item.hash);
        // Wrapping: a broken rule may take what was never added, and is found by its sum.
        self.records = self.records.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(item.bytes);
        self.removals = self.removals.wrapping_sub(u64::from(item.is_removal));
        self.expiring = self.expiring.wrapping_sub(u64::from(item.expires));
    }

    /// A record became another, or came, or went.
    pub fn replace(&mut self, before: Option<Item>, after: Option<Item>) {
        if let Some(item) = before {
            self.take(item);
        }
        if let Some(item) = after {
            self.add(item);
        }
    }

    /// Records with a value, due or not.
    pub fn values(&self) -> u64 {
        self.records.wrapping_sub(self.removals)
    }
}

impl AddAssign for Total {
    fn add_assign(&mut self, other: Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.records = self.records.wrapping_add(other.records);
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.removals = self.removals.wrapping_add(other.removals);
        self.expiring = self.expiring.wrapping_add(other.expiring);
    }
}

impl SubAssign for Total {
    fn sub_assign(&mut self, other: Self) {
        self.sum = self.sum.wrapping_sub(other.sum);
        self.records = self.records.wrapping_sub(other.records);
        self.bytes = self.bytes.wrapping_sub(other.bytes);
        self.removals = self.removals.wrapping_sub(other.removals);
        self.expiring = self.expiring.wrapping_sub(other.expiring);
    }
}

/// On the disk: the sum as two halves, since CBOR has no integer of 128 bits.
impl<C> Encode<C> for Total {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(6)?.u64((self.sum >> 64) as u64)?.u64(self.sum as u64)?;
        e.u64(self.records)?.u64(self.bytes)?.u64(self.removals)?.u64(self.expiring)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Total {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        // One of an earlier version has five: its records are counted again.
        if d.array()? != Some(6) {
            return Err(minicbor::decode::Error::message("a sum has six parts"));
        }
        let (high, low) = (d.u64()?, d.u64()?);
        let sum = u128::from(high) << 64 | u128::from(low);
        Ok(Self { sum, records: d.u64()?, bytes: d.u64()?, removals: d.u64()?, expiring: d.u64()? })
    }
}
