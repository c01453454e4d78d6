//! How two owners find out where they differ, and bring each other up to date: the parts of the range requests for that.
//!
//! ```text
//!   Sums    what do these intervals add up to?              16 bytes each, from memory
//!   Parts   what do the parts of this one add up to?         8 bytes each
//!   List    which records are there?                         8 bytes each: what a record adds to its sum
//!   Fetch   these records, please                            or all of a range, page by page
//!   Merge   take these records
//! ```
//!
//! A record's *item* is a hash of its key and of all that tells it from another record of the key: version, kind, digest,
//! operation ids. Sums are additions of items (`storage/src/sums`), so the 64-bit sum of a part is the sum of its 64-bit
//! items. Equality is proven by whole sums of 128 bits; what is shorter only finds the way.

use crate::key::SortKey;
use crate::message::Refusal;
use crate::record::Record;
use minicbor::{Decode, Encode};

/// Most intervals of one `Sums`, and most parts of one `Parts`.
pub const PARTS_MAX: usize = 1_024;

/// Most items of one list, and most wanted of one fetch.
pub const ITEMS_MAX: usize = 10_000;

/// Most records of one fetch, and of one merge.
pub const RECORDS_MAX: usize = 1_000;

/// 64-bit items or sums, in order; on the wire 8 bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items(pub Vec<u64>);

/// What the records of an interval add up to, modulo 2^128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(pub u128);

/// Where an interval is cut into parts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Cuts {
    /// At these sort keys, in order, all of them inside.
    #[n(0)]
    At {
        /// The first sort key of each part but the first.
        #[n(0)]
        keys: Vec<SortKey>,
        /// Whether the owner keeps sums of these parts from now on, so that it need not read them the next time.
        #[n(1)]
        adopt: bool,
    },
    /// Where the owner's own chunks end; so many parts at most.
    #[n(1)]
    Own(#[n(0)] u32),
}

/// What an owner knows of the sum of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Proof {
    /// It is this.
    #[n(0)]
    Counted(#[n(0)] Sum),
    /// Its records are not all counted yet.
    #[n(1)]
    NotCounted,
    /// It does not answer for that interval.
    #[n(2)]
    Refused(#[cbor(n(0), with = "crate::message::refusal")] Refusal),
}

/// Sums of the parts of an interval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Parted {
    /// One for each part from the first on. Fewer than there are parts: ask again for the rest. None: the first part is too
    /// large to be counted now.
    #[n(0)]
    pub sums: Items,
    /// The first sort key behind each part, where the owner chose the cuts; the last part that reaches to the end of the
    /// interval has none.
    #[n(1)]
    pub ends: Vec<SortKey>,
}

/// What an owner holds in a range, by its items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Listed {
    /// One for each record, in the order of their keys.
    #[n(0)]
    pub items: Items,
    /// The keys, if they were wanted.
    #[n(1)]
    pub keys: Vec<SortKey>,
    /// The first sort key behind what is listed; `None`: the end of the interval.
    #[n(2)]
    pub until: Option<SortKey>,
}

/// A record and its key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Keyed {
    /// The key.
    #[n(0)]
    pub sort_key: SortKey,
    /// The record.
    #[n(1)]
    pub record: Record,
}

/// Whole records of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Fetched {
    /// In the order of their keys.
    #[n(0)]
    pub records: Vec<Keyed>,
    /// The first sort key behind what was looked through; `None`: the end of the interval.
    #[n(1)]
    pub until: Option<SortKey>,
}

impl Keyed {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        const HEAD: usize = 80;
        HEAD + self.sort_key.as_bytes().len() + self.record.body.value_bytes()
    }
}

impl<C> Encode<C> for Items {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|item| item.to_be_bytes()).collect();
        e.bytes(&bytes)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Items {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        let (items, []) = bytes.as_chunks::<8>() else {
            return Err(minicbor::decode::Error::message("items have eight bytes each"));
        };
        if items.len() > ITEMS_MAX {
            return Err(minicbor::decode::Error::message("more items than one answer may have"));
        }
        Ok(Self(items.iter().map(|item| u64::from_be_bytes(*item)).collect()))
    }
}

impl<C> Encode<C> for Sum {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0.to_be_bytes())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Sum {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?.try_into();
        let bytes = bytes.map_err(|_| minicbor::decode::Error::message("a sum has sixteen bytes"))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}
