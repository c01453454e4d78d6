//! The decoders of this crate: every file of a repository. What one takes is written as it was read.

use crate::notes::{Restore, Unfinished};
use crate::sealed::{self, Document};
use crate::segment::{self, Reader, Writer};
use crate::snapshot::{Page, Snapshot};

quorate_model::decoders! {
    "backup-segment" => file,
    "backup-segment-block" => block,
    "backup-page" => document::<Page>,
    "backup-snapshot" => document::<Snapshot>,
    "backup-snapshot-resealed" => |bytes| document::<Snapshot>(&resealed(bytes)),
    "backup-unfinished" => |bytes| document::<Unfinished>(&resealed(bytes)),
    "backup-restore" => |bytes| document::<Restore>(&resealed(bytes)),
}

fn file(bytes: &[u8]) -> bool {
    let Ok(mut reader) = Reader::new(bytes) else { return false };
    let mut writer = Writer::new();
    loop {
        match reader.block() {
            Ok(Some(records)) => records.iter().for_each(|record| writer.push(record)),
            Ok(None) => break,
            Err(_) => return false,
        }
    }
    assert_eq!(writer.finish().totals, *reader.totals());
    true
}

/// What a block holds, behind the number of its records in two bytes.
fn block(bytes: &[u8]) -> bool {
    let [high, low, block @ ..] = bytes else { return false };
    let count = u16::from_be_bytes([*high, *low]);
    let Ok(records) = segment::records(block, count.into()) else { return false };
    let mut again = Vec::new();
    for record in &records {
        minicbor::encode(record, &mut again).expect("encoding into memory cannot fail");
    }
    assert_eq!(segment::records(&again, count.into()), Ok(records));
    true
}

/// The same bytes with the digest that they should have, so that a mutation gets past it.
fn resealed(bytes: &[u8]) -> Vec<u8> {
    let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    sealed::seal(line.to_vec())
}

fn document<T: Document + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    let Ok(document) = sealed::decode::<T>(bytes) else { return false };
    assert_eq!(sealed::decode::<T>(&sealed::encode(&document)), Ok(document));
    true
}
