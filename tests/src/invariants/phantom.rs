//! No phantom: every record that anybody sees, or any replica holds, was written so by somebody who asked for it
//! before, and one version has one content.

use super::{Evidence, Findings};
use crate::history::{Asked, Spot, seen};
use quorate_model::{Body, Record};

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
    for (spot, version) in &evidence.history.torn {
        findings.broken(*spot, format!("{version} was sent with two contents"));
    }
}

fn known(evidence: &Evidence<'_>, findings: &mut Findings, spot: Spot, record: &Record) {
    let version = record.version;
    let Some(maker) = evidence.history.makers.get(&(spot, version)) else {
        return findings.broken(spot, format!("nobody made {version}"));
    };
    let Asked::Write(write) = &evidence.history.attempts[maker.0].asked else {
        return findings.broken(spot, format!("a read made {version}"));
    };
    let fits = match &record.body {
        Body::Value { content_type, .. } => {
            seen(Some(record)) == write.value && write.value.is_some() && content_type == "text/plain"
        }
        Body::Tombstone => write.value.is_none(),
        Body::Expired => write.expires_at.is_some(),
    };
    if !fits || record.expires_at != write.expires_at {
        findings.broken(spot, format!("{version} is {record:?}, but was asked for as {write:?}"));
    }
}
