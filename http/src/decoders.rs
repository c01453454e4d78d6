//! The decoders of this crate: what clients send behind the first line.

use super::app::understood;
use super::bulk::documents::{self, Item, distinct, few, key_argument, named_key};
use super::host::Hosts;
use super::{head, observe, tables};
use crate::limits::Limits;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use quorate_api::document::{AcceptLoss, Batch, JobSpec, Mget, TableChange, TableSpec};
use quorate_api::query;
use quorate_node::core::Expiry;
use std::net::{IpAddr, Ipv4Addr};

quorate_model::decoders! {
    "headers" => headers,
    "mget" => mget,
    "batch" => batch,
    "new-table" => new_table,
    "table-change" => table_change,
    "accept-loss" => accept_loss,
    "job-spec" => job_spec,
}

/// Lines of headers, looked at by everything that looks at any.
fn headers(bytes: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()))
        else {
            return false;
        };
        if headers.len() == 100 {
            return false;
        }
        headers.append(name, value);
    }
    let kept = head::content_type(&headers);
    assert!(kept.as_ref().is_ok_and(|kept| HeaderValue::from_str(kept).is_ok()) || kept.is_err());
    let known = head::none_match(&headers).is_ok_and(|known| known.names("\"1-1.6a1f.7\""));
    let checks = [
        kept.is_ok(),
        head::expect_json(&headers).is_ok() || !headers.is_empty(),
        head::expect_accepted(&headers, "text/plain").is_ok(),
        head::operation(&headers).is_ok(),
        head::expect_framing(&headers).is_ok(),
        head::refuse_conditions(&headers).is_ok() || known,
        Hosts::default().check(&Uri::from_static("/"), &headers, IpAddr::V4(Ipv4Addr::LOCALHOST)).is_ok(),
    ];
    let _ = (head::prefers_minimal(&headers), observe::trace_of(&headers));
    checks.into_iter().all(|fine| fine)
}

/// The document of an `mget`.
fn mget(bytes: &[u8]) -> bool {
    let limits = limits();
    let Ok(document) = understood::<Mget>(bytes) else { return false };
    let keys = document.keys.into_iter().enumerate();
    few(keys.map(|(at, key)| key_argument(at, key, limits.key_bytes_max)), &limits).is_ok()
}

/// The document of a `batch`.
fn batch(bytes: &[u8]) -> bool {
    let limits = limits();
    let Ok(document) = understood::<Batch>(bytes) else { return false };
    let mut keys = Vec::new();
    for (at, item) in document.items.into_iter().enumerate() {
        let Ok(Item { key, body, expiry, .. }) = documents::item(at, item, &limits) else { return false };
        assert!(body.value_bytes() <= limits.value_bytes_max);
        assert!(match expiry {
            Some(Expiry::After(ttl_ms)) => (1..=query::TTL_MS_MAX).contains(&ttl_ms),
            Some(Expiry::At(_) | Expiry::Never) | None => true,
        });
        keys.push(named_key(at, key, limits.key_bytes_max));
    }
    few(keys.into_iter(), &limits).and_then(distinct).is_ok()
}

/// The document of a new table.
fn new_table(bytes: &[u8]) -> bool {
    understood::<TableSpec>(bytes)
        .is_ok_and(|wanted| tables::new_table(wanted, Limits::default().key_bytes_max).is_ok())
}

/// The document of a change of a table.
fn table_change(bytes: &[u8]) -> bool {
    understood::<TableChange>(bytes).is_ok_and(|wanted| tables::expect_any(&wanted).is_ok())
}

/// The document that accepts a loss.
fn job_spec(bytes: &[u8]) -> bool {
    understood::<JobSpec>(bytes).is_ok()
}

fn accept_loss(bytes: &[u8]) -> bool {
    understood::<AcceptLoss>(bytes).is_ok()
}

/// The limits that the decoders of requests keep to here.
fn limits() -> Limits {
    Limits { key_bytes_max: 64, batch_items_max: 8, value_bytes_max: 256, ..Limits::default() }
}
