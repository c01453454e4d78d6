//! Segments: files of records.
//!
//! ```text
//!   head    "QRTSEG\r\n" | format u32 | crc32 of these 12 bytes
//!   block   kind u8, 3 zeros | bytes u32 | stored u32 | records u32 | crc32 of what is stored | crc32 of this head
//!           what is stored: records one after the other as CBOR, as they are (kind 1) or compressed by zstd (kind 2)
//!   ..
//!   end     a block of kind 3 that stores: records u64 | bytes u64 | expiring u64 | content sum u128
//! ```
//!
//! Numbers are big-endian. A record is an array of key, value, media type, version, and milliseconds since 1970 if it
//! expires (RFC 8949 has the encoding). Behind the end there is nothing. A file is named by the SHA-256 of all its
//! bytes.

use crate::FORMAT;
use crate::fault::Fault;
use crate::record::{ContentSum, Record, Totals};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// How a segment begins. The line end shows a transfer that has changed line ends.
const MAGIC: &[u8; 8] = b"QRTSEG\r\n";

/// Bytes of the head.
const HEAD: usize = 16;

/// Bytes in front of what a block stores.
const BLOCK_HEAD: usize = 24;

/// Records are gathered into blocks of about so many bytes.
const BLOCK_BYTES: usize = 256 * 1024;

/// Most bytes of a block before compression: a block with one record of the largest value that there is.
const BLOCK_BYTES_MAX: usize = 32 << 20;

/// Bytes that the end stores.
const END: usize = 40;

/// Most bytes of a segment.
pub const BYTES_MAX: u64 = 256 << 20;

const PLAIN: u8 = 1;
const ZSTD: u8 = 2;
const LAST: u8 = 3;

/// How hard zstd tries: its own default.
const ZSTD_LEVEL: i32 = 3;

/// What a segment is called in a sentence.
const WANTED: &str = "segment";

/// A segment that is being written, in memory.
#[derive(Debug)]
pub struct Writer {
    file: Vec<u8>,
    block: Vec<u8>,
    in_block: u32,
    totals: Totals,
}

/// A segment that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// SHA-256 of its bytes, as text: its name.
    pub digest: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub totals: Totals,
}

/// Reads a segment block by block.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    found: Totals,
    is_over: bool,
}

/// The head of a block.
struct Head {
    kind: u8,
    bytes: usize,
    stored: usize,
    records: u32,
    crc: u32,
}

/// SHA-256 as text.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into memory");
        text
    })
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&FORMAT.to_be_bytes());
        file.extend_from_slice(&crc32fast::hash(&file).to_be_bytes());
        Self { file, block: Vec::new(), in_block: 0, totals: Totals::default() }
    }

    /// Adds a record.
    pub fn push(&mut self, record: &Record) {
        let before = self.block.len();
        minicbor::encode(record, &mut self.block).expect("encoding into memory cannot fail");
        self.in_block += 1;
        self.totals.add(record);
        // A record that would make the block too large begins another one.
        if self.block.len() > BLOCK_BYTES_MAX && before > 0 {
            let last = self.block.split_off(before);
            self.in_block -= 1;
            self.end_block();
            self.block = last;
            self.in_block = 1;
        }
        if self.block.len() >= BLOCK_BYTES {
            self.end_block();
        }
    }

    /// What is in it so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Ends it.
    pub fn finish(mut self) -> Sealed {
        self.end_block();
        let Totals { records, bytes, expiring, content } = self.totals;
        let mut end = Vec::with_capacity(END);
        for number in [records, bytes, expiring] {
            end.extend_from_slice(&number.to_be_bytes());
        }
        end.extend_from_slice(&content.0.to_be_bytes());
        self.put(LAST, END, 0, &end);
        Sealed { digest: digest(&self.file), bytes: self.file, totals: self.totals }
    }

    fn end_block(&mut self) {
        if self.in_block == 0 {
            return;
        }
        let (block, records) = (std::mem::take(&mut self.block), std::mem::take(&mut self.in_block));
        let smaller = zstd::bulk::compress(&block, ZSTD_LEVEL).ok().filter(|it| it.len() < block.len());
        match smaller {
            Some(stored) => self.put(ZSTD, block.len(), records, &stored),
            None => self.put(PLAIN, block.len(), records, &block),
        }
    }

    fn put(&mut self, kind: u8, bytes: usize, records: u32, stored: &[u8]) {
        let mut head = vec![kind, 0, 0, 0];
        let length = |length: usize| u32::try_from(length).expect("blocks are far smaller");
        for number in [length(bytes), length(stored.len()), records, crc32fast::hash(stored)] {
            head.extend_from_slice(&number.to_be_bytes());
        }
        head.extend_from_slice(&crc32fast::hash(&head).to_be_bytes());
        self.file.extend_from_slice(&head);
        self.file.extend_from_slice(stored);
    }
}

impl<'a> Reader<'a> {
    /// Looks at the head.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let begins = bytes.len().min(MAGIC.len());
        if bytes[..begins] != MAGIC[..begins] {
            return Err(Fault::Foreign { wanted: WANTED });
        }
        let head = bytes.get(..HEAD).ok_or(Fault::CutOff)?;
        if crc32fast::hash(&head[..12]) != number(head, 12) {
            return Err(Fault::Damaged { at: 0 });
        }
        match number(head, 8) {
            FORMAT => Ok(Self { bytes, at: HEAD, found: Totals::default(), is_over: false }),
            other => Err(Fault::OtherVersion { found: other.into() }),
        }
    }

    /// The records of the next block; `None`: that was the last one, all that was read is what the end says, and
    /// nothing stands behind it.
    pub fn block(&mut self) -> Result<Option<Vec<Record>>, Fault> {
        if self.is_over {
            return Ok(None);
        }
        let begins = self.at as u64;
        let head = self.head()?;
        let at = self.at + BLOCK_HEAD;
        let stored = self.bytes.get(at..at + head.stored).ok_or(Fault::CutOff)?;
        if crc32fast::hash(stored) != head.crc {
            return Err(Fault::Damaged { at: begins });
        }
        self.at = at + head.stored;
        match head.kind {
            LAST => {
                self.end(stored)?;
                self.is_over = true;
                Ok(None)
            }
            PLAIN if head.bytes == head.stored => self.take(stored, head.records).map(Some),
            ZSTD => {
                let bytes = zstd::bulk::decompress(stored, head.bytes);
                let bytes = bytes.ok().filter(|bytes| bytes.len() == head.bytes);
                let bytes = bytes.ok_or_else(|| impossible("a block can't be decompressed"))?;
                self.take(&bytes, head.records).map(Some)
            }
            _ => Err(impossible("a block is of no known kind")),
        }
    }

    /// What all blocks come to, once there is none left.
    pub fn totals(&self) -> &Totals {
        &self.found
    }

    fn head(&self) -> Result<Head, Fault> {
        let head = self.bytes.get(self.at..self.at + BLOCK_HEAD).ok_or(Fault::CutOff)?;
        if crc32fast::hash(&head[..20]) != number(head, 20) {
            return Err(Fault::Damaged { at: self.at as u64 });
        }
        let [bytes, stored] = [4, 8].map(|at| number(head, at) as usize);
        if bytes > BLOCK_BYTES_MAX || stored > BLOCK_BYTES_MAX || head[1..4] != [0; 3] {
            return Err(impossible("a block is larger than any"));
        }
        Ok(Head { kind: head[0], bytes, stored, records: number(head, 12), crc: number(head, 16) })
    }

    fn take(&mut self, bytes: &[u8], count: u32) -> Result<Vec<Record>, Fault> {
        let records = records(bytes, count)?;
        for record in &records {
            self.found.add(record);
        }
        Ok(records)
    }

    fn end(&self, stored: &[u8]) -> Result<(), Fault> {
        let end: &[u8; END] = stored.try_into().map_err(|_| impossible("its end is none"))?;
        let long = |at: usize| u64::from_be_bytes(end[at..at + 8].try_into().expect("eight bytes"));
        let content = u128::from_be_bytes(end[24..].try_into().expect("sixteen bytes"));
        let (records, bytes, expiring, content) = (long(0), long(8), long(16), ContentSum(content));
        if self.found != (Totals { records, bytes, expiring, content }) {
            return Err(impossible("its records are others than its end says"));
        }
        if self.at != self.bytes.len() {
            return Err(impossible("something stands behind its end"));
        }
        Ok(())
    }
}

/// The records of a block: so many, and nothing else.
pub(crate) fn records(bytes: &[u8], count: u32) -> Result<Vec<Record>, Fault> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let mut records = Vec::new();
    for _ in 0..count {
        records.push(decoder.decode().map_err(|_| impossible("a record can't be read"))?);
    }
    if count == 0 || decoder.position() != bytes.len() {
        return Err(impossible("a block has other records than it says"));
    }
    Ok(records)
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn impossible(why: &str) -> Fault {
    Fault::Impossible(why.to_owned())
}

/// Reads all of a segment whose digest is known; `Err`: what is wrong with it.
pub fn check(bytes: &[u8], wanted: &str) -> Result<Totals, Fault> {
    let mut reader = Reader::new(bytes)?;
    while reader.block()?.is_some() {}
    if digest(bytes) == wanted { Ok(*reader.totals()) } else { Err(Fault::Exchanged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, value: usize) -> Record {
        Record {
            key: format!("key-{number}").into_bytes(),
            value: (0..value).map(|at| (at as u64 * number % 251) as u8).collect(),
            content_type: "application/octet-stream".to_owned(),
            version: format!("{number}-1.1.1"),
            expires_at: number.is_multiple_of(2).then_some(number),
        }
    }

    fn sealed(records: &[Record]) -> Sealed {
        let mut writer = Writer::new();
        for record in records {
            writer.push(record);
        }
        writer.finish()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Record>, Fault> {
        let mut reader = Reader::new(bytes)?;
        let mut all = Vec::new();
        while let Some(records) = reader.block()? {
            all.extend(records);
        }
        Ok(all)
    }

    #[test]
    fn what_is_written_is_read() {
        for records in [
            Vec::new(),
            vec![record(1, 0)],
            (0..50).map(|number| record(number, 20_000)).collect(),
            vec![record(1, 10), record(2, 17 << 20), record(3, 17 << 20), record(4, 10)],
        ] {
            let sealed = sealed(&records);
            assert_eq!(sealed.totals.records, records.len() as u64);
            assert_eq!(check(&sealed.bytes, &sealed.digest), Ok(sealed.totals));
            assert!(read(&sealed.bytes) == Ok(records), "all of them, in their order");
        }
    }

    #[test]
    fn what_repeats_is_compressed_and_what_does_not_is_stored_as_it_is() {
        let zeros = Record { value: vec![0; 100_000], ..record(1, 0) };
        assert!(sealed(&[zeros]).bytes.len() < 1_000);
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
        let noise = Record { value: noise.take(100_000).collect(), ..record(1, 0) };
        assert!(sealed(&[noise]).bytes.len() < 100_200, "no more than its heads");
    }

    #[test]
    fn each_byte_that_is_missing_and_each_bit_that_is_flipped_has_a_name() {
        let whole = sealed(&[record(1, 5), record(2, 400), record(3, 0)]);
        assert!(whole.bytes.len() < 1_000, "small enough to try all of it");
        for length in 0..whole.bytes.len() {
            assert_eq!(read(&whole.bytes[..length]), Err(Fault::CutOff), "of {length} bytes");
        }
        for at in 0..whole.bytes.len() {
            for bit in 0..8 {
                let mut flipped = whole.bytes.clone();
                flipped[at] ^= 1 << bit;
                let fault = read(&flipped).expect_err("a flipped bit is found");
                let is_named = match fault {
                    Fault::Foreign { .. } => at < MAGIC.len(),
                    Fault::Damaged { at: begins } => begins <= at as u64,
                    Fault::CutOff
                    | Fault::Exchanged
                    | Fault::OtherVersion { .. }
                    | Fault::TooLarge { .. }
                    | Fault::Impossible(_) => false,
                };
                assert!(is_named, "bit {bit} of byte {at}: {fault}");
            }
        }
        let more = [&whole.bytes[..], b"x"].concat();
        assert!(matches!(read(&more), Err(Fault::Impossible(_))));
        assert_eq!(check(&sealed(&[record(1, 5)]).bytes, &whole.digest), Err(Fault::Exchanged));
    }

    #[test]
    fn another_version_and_another_file_are_told_apart() {
        let mut other = sealed(&[]).bytes;
        other[8..12].copy_from_slice(&7_u32.to_be_bytes());
        let crc = crc32fast::hash(&other[..12]);
        other[12..16].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(read(&other), Err(Fault::OtherVersion { found: 7 }));
        assert_eq!(read(b"{\"kind\":"), Err(Fault::Foreign { wanted: WANTED }));
    }

    #[test]
    fn sound_checksums_are_not_believed_for_what_they_hold() {
        let mut writer = Writer::new();
        writer.put(PLAIN, 3, 1, b"\x81\x41");
        assert!(matches!(read(&writer.finish().bytes), Err(Fault::Impossible(_))), "no length as it says");
        for (kind, bytes, records, stored) in [
            (PLAIN, 2, 1, &b"\x81\x41"[..]),
            (PLAIN, 1, 4_000_000_000, b"\x80"),
            (PLAIN, 0, 0, b""),
            (ZSTD, BLOCK_BYTES_MAX, 1, b"no frame"),
            (ZSTD, BLOCK_BYTES_MAX + 1, 1, b""),
            (9, 0, 0, b""),
        ] {
            let mut writer = Writer::new();
            writer.put(kind, bytes, records, stored);
            assert!(matches!(read(&writer.finish().bytes), Err(Fault::Impossible(_))), "{kind} {bytes}");
        }
    }
}
