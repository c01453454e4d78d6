//! Records as they lie on a disk, in order of their keys: what a page of a shard brings to a node that fills its copy.
//!
//! They are passed on as bytes: the one that sends them has only looked at their checksums, and the one that takes them
//! need not make records of them and bytes again. On the wire they are one string of bytes, without a word for each:
//!
//! ```text
//! 0         2      2+k       6+k        one after the other
//! key len   key    len       record
//! u16       k      u32
//! ```

use crate::key::{Interval, SortKey};
use crate::record::Record;
use bytes::Bytes;
use minicbor::{Decode, Encode};

/// A record as it lies on the disk, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// The key.
    pub sort_key: SortKey,
    /// [`Record::encode`].
    pub record: Bytes,
}

/// What an owner holds in a range, from its beginning on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Paged {
    /// All of it, in the order of the keys, removals too.
    #[cbor(n(0), with = "wire")]
    pub records: Vec<Raw>,
    /// The first sort key behind what was looked through; `None`: the end of the table.
    #[n(1)]
    pub until: Option<SortKey>,
}

impl Raw {
    /// Bytes of its key and of its record.
    pub fn bytes(&self) -> usize {
        self.sort_key.as_bytes().len() + self.record.len()
    }
}

impl Paged {
    /// Whether it goes on from the beginning of a range and stays within it, in order, and each record is whole. It comes
    /// from outside.
    pub fn is_sound(&self, range: &Interval) -> bool {
        let goes_on = self.until.as_ref().is_none_or(|until| *until > range.start);
        let keys = || self.records.iter().map(|raw| &raw.sort_key);
        goes_on
            && keys().is_sorted_by(|a, b| a < b)
            && keys().all(|key| range.contains(key))
            && keys().next_back().is_none_or(|last| self.until.as_ref().is_none_or(|until| last < until))
            && self.records.iter().all(|raw| Record::check(&raw.record).is_ok())
    }
}

/// The string of bytes.
mod wire {
    use super::{Bytes, Raw, SortKey};
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    const KEY_HEAD: usize = 2;
    const RECORD_HEAD: usize = 4;

    pub fn encode<C, W: Write>(
        records: &[Raw],
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let length: usize = records.iter().map(|raw| KEY_HEAD + RECORD_HEAD + raw.bytes()).sum();
        let mut bytes = Vec::with_capacity(length);
        for Raw { sort_key, record } in records {
            let key = sort_key.as_bytes();
            let too_long = |_| EncodeError::message("a record that is longer than any may be");
            bytes.extend_from_slice(&u16::try_from(key.len()).map_err(too_long)?.to_be_bytes());
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&u32::try_from(record.len()).map_err(too_long)?.to_be_bytes());
            bytes.extend_from_slice(record);
        }
        e.bytes(&bytes)?;
        Ok(())
    }

    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Raw>, DecodeError> {
        // One copy of all; keys and records are parts of it.
        let mut rest = Bytes::copy_from_slice(d.bytes()?);
        let mut records = Vec::new();
        while !rest.is_empty() {
            let short = || DecodeError::message("a record that ends too early");
            let key = part(&mut rest, KEY_HEAD).ok_or_else(short)?;
            let record = part(&mut rest, RECORD_HEAD).ok_or_else(short)?;
            records.push(Raw { sort_key: SortKey(key), record });
        }
        Ok(records)
    }

    /// The next part, behind its length of so many bytes.
    fn part(rest: &mut Bytes, head: usize) -> Option<Bytes> {
        let known = rest.get(..head)?;
        let length = known.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
        let end = head.checked_add(length).filter(|end| *end <= rest.len())?;
        let part = rest.split_to(end);
        Some(part.slice(head..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Body;
    use crate::{Boot, NodeId, Operations, Stamps, WallTime};

    fn raw(key: &'static str) -> Raw {
        let version = Stamps::new(NodeId(9), Boot(1)).draw().above(None).expect("room");
        let body = Body::Value { content_type: String::new(), payload: Bytes::from_static(b"value") };
        let operations = Operations::default();
        let record = Record { version, written_at: WallTime(1), expires_at: None, body, operations };
        Raw { sort_key: SortKey::new(key.as_bytes()), record: record.encode().into() }
    }

    fn range() -> Interval {
        Interval { start: SortKey::new(&b"a"[..]), end: Some(SortKey::new(&b"m"[..])) }
    }

    #[test]
    fn a_page_survives_the_wire_and_a_cut_one_is_none() {
        let page = Paged { records: vec![raw("a"), raw("b")], until: Some(SortKey::new(&b"c"[..])) };
        let bytes = minicbor::to_vec(&page).expect("memory");
        assert_eq!(minicbor::decode::<Paged>(&bytes).expect("ours"), page);
        let mut cut = bytes.clone();
        // One byte of the string less, and its length one less.
        let string: Vec<u8> = minicbor::Decoder::new(&bytes[1..]).bytes().expect("the records").to_vec();
        cut.clear();
        let mut encoder = minicbor::Encoder::new(&mut cut);
        encoder.array(2).and_then(|e| e.bytes(&string[..string.len() - 1])).expect("memory");
        encoder.encode(&page.until).expect("memory");
        assert!(minicbor::decode::<Paged>(&cut).is_err());
    }

    #[test]
    fn a_page_must_go_on_in_order_and_its_records_be_whole() {
        let page = |records: Vec<Raw>, until: Option<&'static str>| Paged {
            records,
            until: until.map(|until| SortKey::new(until.as_bytes())),
        };
        assert!(page(vec![raw("a"), raw("b")], Some("c")).is_sound(&range()));
        assert!(page(Vec::new(), None).is_sound(&range()));
        assert!(!page(vec![raw("b"), raw("a")], None).is_sound(&range()), "not in order");
        assert!(!page(vec![raw("m")], None).is_sound(&range()), "outside");
        assert!(!page(vec![raw("b")], Some("b")).is_sound(&range()), "it says that it has not come to b");
        assert!(!page(Vec::new(), Some("a")).is_sound(&range()), "it would never end");
        let mut damaged = raw("b");
        let mut bytes = damaged.record.to_vec();
        bytes[70] ^= 1;
        damaged.record = bytes.into();
        assert!(!page(vec![damaged], None).is_sound(&range()), "a bit is wrong");
    }
}
