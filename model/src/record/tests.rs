use super::*;
use crate::operation::{Operation, OperationId};
use crate::{Boot, NodeId, Stamps};
use proptest::prelude::*;
use std::fmt::Write as _;

fn any_record() -> impl Strategy<Value = Record> {
    let body = prop_oneof![
        Just(Body::Tombstone),
        Just(Body::Expired),
        ("[a-z/]{0,12}", prop::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(content_type, payload)| Body::Value { content_type, payload: payload.into() }),
    ];
    (1u64..5, 0u64..2, body, prop::option::of(1u64..100), prop::option::of(0u8..4)).prop_map(
        |(seq, node, body, expires, client)| {
            let mut stamps = Stamps::new(NodeId(node), Boot(1));
            let version = (0..seq).fold(None, |seen, _| stamps.draw().above(seen).ok());
            let version = version.expect("seq counts from 1");
            let operations = client.map_or_else(Operations::default, |client| {
                Operations::of(Operation {
                    id: OperationId { client: format!("c{client}"), sequence: seq * 2 + node },
                    version,
                    digest: 1,
                })
            });
            // One version, one content: what the protocol guarantees and the laws assume.
            let body = match body {
                Body::Value { .. } | Body::Tombstone => {
                    Body::Value { content_type: "text/plain".into(), payload: format!("{version}").into() }
                }
                Body::Expired => Body::Expired,
            };
            Record {
                version,
                written_at: WallTime(seq),
                expires_at: expires.map(|_| WallTime(seq)),
                body,
                operations,
            }
        },
    )
}

/// What must agree between replicas (ids and content; the expiry above varies with the generator).
fn state(record: &Record) -> (Held, Operations) {
    (record.held(), record.operations.clone())
}

proptest! {
    #[test]
    fn bytes_round_trip(record in any_record()) {
        prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn merge_is_a_join(a in any_record(), b in any_record(), c in any_record()) {
        let ab = merge(a.clone(), b.clone());
        prop_assert_eq!(state(&ab), state(&merge(b.clone(), a.clone())));
        let left = merge(ab, c.clone());
        let right = merge(a.clone(), merge(b, c));
        prop_assert_eq!(state(&left), state(&right));
        prop_assert_eq!(merge(a.clone(), a.clone()), a);
    }

    #[test]
    fn any_flipped_bit_is_noticed(record in any_record(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = record.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Record::decode(&bytes).is_err());
    }

    #[test]
    fn decoding_is_total(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Record::decode(&bytes).is_err());
    }
}

#[test]
fn an_expired_record_beats_its_version_and_drops_the_payload() {
    let version = Stamps::new(NodeId(1), Boot(1)).draw().above(None).expect("first");
    let record = Record {
        version,
        written_at: WallTime(5),
        expires_at: Some(WallTime(10)),
        body: Body::Value { content_type: String::new(), payload: Bytes::from_static(b"x") },
        operations: Operations::default(),
    };
    assert!(!record.is_due(WallTime(9)) && record.is_due(WallTime(10)));
    let expired = record.clone().into_expired();
    assert!(!expired.is_due(WallTime(10)), "it is flagged already");
    assert_eq!(merge(record, expired.clone()), expired);
}

#[test]
fn golden_bytes_never_change() {
    let version = Stamps::new(NodeId(3), Boot(0xab)).draw().above(None).expect("first");
    let record = Record {
        version,
        written_at: WallTime(1_000),
        expires_at: Some(WallTime(2_000)),
        body: Body::Value { content_type: "t".into(), payload: Bytes::from_static(b"v") },
        operations: Operations::default(),
    };
    let hex = record.encode().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing into memory cannot fail");
        hex
    });
    assert_eq!(
        hex,
        "010000000000000000000001000000000000000300000000000000ab000000000000000000000000000007d000000000000003e824b5438710cbbabf000000010000000174765f40df1d"
    );
}
