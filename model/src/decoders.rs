//! The decoders of this crate: what replicas say to each other, what they store, and the texts that clients name.

use crate::decoder::{cbor, resealed, text};
use crate::{Answer, Level, OperationId, RangeReply, RangeRequest, Record, Reply, Request, Version};

crate::decoders! {
    "request" => cbor::<Request>,
    "answer" => cbor::<Answer<Reply>>,
    "range-request" => cbor::<RangeRequest>,
    "range-answer" => cbor::<Answer<RangeReply>>,
    "record" => record,
    "record-resealed" => |bytes| record(&resealed(bytes)),
    "operation-id" => text::<OperationId>,
    "level" => text::<Level>,
    "version" => text::<Version>,
}

fn record(bytes: &[u8]) -> bool {
    let Ok(record) = Record::decode(bytes) else { return false };
    assert_eq!(Record::decode(&record.encode()), Ok(record));
    true
}
