//! What many examples are made of.

use bytes::Bytes;
use quorate_model::{
    Body, Boot, Epoch, Held, NodeId, Operation, OperationId, Operations, Place, Record, SortKey, Stamps,
    TableId, Version, WallTime,
};

pub fn version() -> Version {
    Stamps::new(NodeId(3), Boot(0x6a1f_0c3b)).draw().above(None).expect("a first version")
}

pub fn place() -> Place {
    Place {
        table: TableId(2),
        epoch: Epoch(7),
        sort_key: SortKey::hashed(&quorate_model::Key::new(&b"a"[..])),
    }
}

pub fn a_record(body: Body) -> Record {
    let id: OperationId = "shop:17".parse().expect("an operation id");
    Record {
        version: version(),
        written_at: WallTime(1_700_000_000_000),
        expires_at: Some(WallTime(1_800_000_000_000)),
        body,
        operations: Operations::of(Operation { id, version: version(), digest: 5 }),
    }
}

pub fn value() -> Body {
    Body::Value { content_type: "text/plain".to_owned(), payload: Bytes::from_static(b"hello") }
}

pub fn held() -> Held {
    Held { version: version(), expired: false }
}
