//! No phantom: every record that a client sees, or a replica holds, was written so by a client that asked for it
//! before, and one version has one content.

use super::{Evidence, Findings};
use crate::history::{Asked, AttemptId, Spot, seen};
use quorate_model::{Body, Record};
use std::collections::BTreeMap;

/// Bytes of a version's number, with which it begins; the others are its writer's alone.
const SEQ_BYTES: usize = 8;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (read, answer) in evidence.history.answered() {
        let Some(record) = &answer.record else { continue };
        known(evidence, findings, read.spot, record);
        let maker = evidence.history.makers.get(&(read.spot, record.version));
        let call = maker.map(|maker| evidence.history.attempts[maker.0].call);
        if call.is_some_and(|call| read.ret.is_some_and(|ret| ret < call)) {
            findings.broken(read.spot, format!("{} was seen before it was asked for", record.version));
        }
    }
    for ((spot, _), record) in evidence.ending.at_end.iter().chain(&evidence.ending.after_hints) {
        if let Some(record) = record {
            known(evidence, findings, *spot, record);
        }
    }
    // A version's number may repeat by right; what makes it unique may not.
    let mut drawn: BTreeMap<&[u8], AttemptId> = BTreeMap::new();
    let bytes: Vec<_> =
        evidence.history.makers.iter().map(|(key, maker)| (key, key.1.to_bytes(), *maker)).collect();
    for ((spot, version), bytes, maker) in &bytes {
        if drawn.insert(&bytes[SEQ_BYTES..], *maker).is_some_and(|other| other != *maker) {
            findings.broken(*spot, format!("another write was stamped like {version}"));
        }
    }
    for (spot, version) in &evidence.history.torn {
        findings.broken(*spot, format!("{version} was sent with two contents"));
    }
}

fn known(evidence: &Evidence<'_>, findings: &mut Findings, spot: Spot, record: &Record) {
    let version = record.version;
    let Some(maker) = evidence.history.makers.get(&(spot, version)) else {
        return findings.broken(spot, format!("no write made {version}"));
    };
    let Asked::Write(write) = &evidence.history.attempts[maker.0].asked else {
        return findings.broken(spot, format!("a read made {version}"));
    };
    let fits = match &record.body {
        Body::Value { content_type, .. } => {
            seen(Some(record)) == write.value && write.value.is_some() && content_type == "text/plain"
        }
        Body::Tombstone => write.value.is_none(),
        Body::Expired => {
            write.expires_at.is_some_and(|at| evidence.expired_since(spot, version, at).is_some())
        }
    };
    if !fits || record.expires_at != write.expires_at {
        findings.broken(spot, format!("{version} is {record:?}, but was asked for as {write:?}"));
    }
}
