//! What is answered of a record that is held, or is not.

use quorate_model::message::SMALL_BYTES;
use quorate_model::{Floors, Record, Reply};

/// What round one of a write is answered.
pub fn known(record: Option<Record>, floors: Floors) -> Reply {
    let held = record.as_ref().map(Record::held);
    let operations = record.map(|record| record.operations).unwrap_or_default();
    Reply::Known { held, operations, floor: floors.highest(), forgot: floors.forgot_ids(held) }
}

/// What a read is answered: the record itself where it is small, too. That is cheaper than being asked for it a second
/// time.
pub fn shown(record: Option<Record>, floors: Floors, whole: bool) -> Reply {
    if let (None, Some(sealed)) = (&record, floors.sealed) {
        return Reply::Absent { sealed };
    }
    if whole {
        return Reply::Record(record);
    }
    if record.as_ref().is_some_and(|record| record.body.value_bytes() <= SMALL_BYTES) {
        return Reply::Record(record);
    }
    Reply::Digest {
        held: record.as_ref().map(Record::held),
        digest: record.as_ref().map_or(0, Record::digest),
        operations: record.map(|record| record.operations).unwrap_or_default(),
    }
}
