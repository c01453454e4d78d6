//! Where the records of a RocksDB log are: enough of its format to know what a cut or a flipped bit has hit.
//!
//! ```text
//!   file    blocks of 32 KiB, each with fragments; a record is one or several of them
//!   fragment  crc32 u32 | length u16 | kind u8 | payload       (and a log number u32 in recycled logs)
//!   payload   of a write: first sequence u64 | count u32 | ...
//! ```
//!
//! All numbers are little-endian. The manifest has the same fragments, with other payloads. Checksums are not looked at:
//! what was written by a process that was killed is whole.

/// The length of a block.
const BLOCK: usize = 32 << 10;

/// The bytes before a fragment's payload; recycled logs have four more.
const HEAD: usize = 7;

/// So much of a write's payload says which sequence numbers it has.
const NUMBERS: usize = 12;

/// One whole record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where its first fragment begins.
    pub start: usize,
    /// Where its last fragment ends.
    pub end: usize,
    /// The beginning of its payload.
    numbers: Vec<u8>,
}

impl Record {
    /// The first sequence number of a write.
    pub fn sequence(&self) -> Option<u64> {
        self.numbers.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

/// The whole records of a log, in their order. What is torn at the end is none.
pub(super) fn records(log: &[u8]) -> Vec<Record> {
    let (mut records, mut at) = (Vec::new(), 0);
    let mut begun: Option<Record> = None;
    loop {
        let left = BLOCK - at % BLOCK;
        if left < HEAD {
            at += left;
            continue;
        }
        let Some(head) = log.get(at..at + HEAD) else { return records };
        let (length, kind) = (usize::from(u16::from_le_bytes([head[4], head[5]])), head[6]);
        if kind == 0 && length == 0 {
            // Space that was taken beforehand.
            return records;
        }
        let payload = at + HEAD + if matches!(kind, 5..=8) { 4 } else { 0 };
        let end = payload + length;
        let Some(bytes) = log.get(payload..end) else { return records };
        let is_first = matches!(kind, 1 | 2 | 5 | 6);
        let is_last = matches!(kind, 1 | 4 | 5 | 8);
        if is_first {
            begun = Some(Record { start: at, end, numbers: Vec::new() });
        }
        if let Some(mut record) = begun.take_if(|_| matches!(kind, 1..=8)) {
            let wanted = NUMBERS - record.numbers.len();
            record.numbers.extend(bytes.iter().take(wanted));
            record.end = end;
            if is_last {
                records.push(record);
            } else {
                begun = Some(record);
            }
        }
        at = end;
    }
}

/// The log of a test: a record for each of these payloads.
#[cfg(test)]
pub(super) fn log_of(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut log = Vec::new();
    for payload in payloads {
        let (mut rest, mut is_first) = (&payload[..], true);
        loop {
            let left = BLOCK - log.len() % BLOCK;
            if left < HEAD {
                log.resize(log.len() + left, 0);
                continue;
            }
            let now = rest.len().min(left - HEAD);
            let kind = match (is_first, now == rest.len()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            log.extend([0; 4]);
            log.extend(u16::try_from(now).expect("a block is short").to_le_bytes());
            log.push(kind);
            log.extend(&rest[..now]);
            rest = &rest[now..];
            is_first = false;
            if kind == 1 || kind == 4 {
                break;
            }
        }
    }
    log
}

/// The payload of a write of a test, of so many bytes in all.
#[cfg(test)]
pub(super) fn write_of(sequence: u64, bytes: usize) -> Vec<u8> {
    let mut payload = sequence.to_le_bytes().to_vec();
    payload.extend(1_u32.to_le_bytes());
    payload.resize(bytes.max(NUMBERS), 7);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_also_across_blocks() {
        let log = log_of(&[write_of(5, 100), write_of(6, 100_000), write_of(7, 20)]);
        let found = records(&log);
        let sequences: Vec<_> = found.iter().map(Record::sequence).collect();
        assert_eq!(sequences, [Some(5), Some(6), Some(7)]);
        assert_eq!((found[0].start, found[2].end), (0, log.len()));
        assert!(found[1].end - found[1].start > 100_000);
    }

    #[test]
    fn a_torn_record_and_empty_space_are_none() {
        let mut log = log_of(&[write_of(5, 100), write_of(6, 100)]);
        assert_eq!(records(&log[..log.len() - 1]).len(), 1);
        assert_eq!(records(&log[..3]).len(), 0);
        log.extend([0; 50]);
        assert_eq!(records(&log).len(), 2);
        assert!(records(&[]).is_empty());
    }
}
