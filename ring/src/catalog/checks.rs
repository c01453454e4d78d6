//! What a command must keep to whatever the catalog is: forms of names and addresses, ranges of numbers.

use super::{NewNode, Rejection, TTL_MS_MAX, is_address, is_label};
use quorate_model::Level;
use quorate_model::table::SHARD_BYTES_MIN;

pub(super) fn check_new_node(new: &NewNode) -> Result<(), Rejection> {
    check_label("node", &new.name)?;
    check_label("zone", &new.zone)?;
    if !new.weight.is_in_range() {
        return Err(Rejection::WeightOutOfRange { thousandths: new.weight.thousandths() });
    }
    check_address("http", &new.http_address)?;
    check_address("peer", &new.peer_address)
}

pub(super) fn check_label(what: &str, name: &str) -> Result<(), Rejection> {
    if is_label(name) {
        return Ok(());
    }
    Err(Rejection::InvalidLabel { what: what.to_owned(), name: name.to_owned() })
}

pub(super) fn check_address(what: &str, address: &str) -> Result<(), Rejection> {
    if is_address(address) {
        return Ok(());
    }
    Err(Rejection::InvalidAddress { what: what.to_owned(), address: address.to_owned() })
}

pub(super) fn check_level(side: &str, level: Level, n: u8) -> Result<(), Rejection> {
    let asked = match level.required(n) {
        Ok(_) => return Ok(()),
        Err(error) => error.asked,
    };
    Err(Rejection::LevelOutOfRange { side: side.to_owned(), asked, n })
}

/// Whether a table may say itself how large its shards become, and that large.
pub(super) fn check_shard_bytes(bytes: Option<u64>, level: u32) -> Result<(), Rejection> {
    match bytes {
        Some(_) if level < 5 => Err(Rejection::ShardBytesNotEnabled { level }),
        Some(bytes) if bytes < SHARD_BYTES_MIN => Err(Rejection::ShardBytesOutOfRange { bytes }),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn check_ttl(ttl_ms: Option<u64>) -> Result<(), Rejection> {
    match ttl_ms {
        Some(ttl_ms) if !(1..=TTL_MS_MAX).contains(&ttl_ms) => Err(Rejection::TtlOutOfRange { ttl_ms }),
        Some(_) | None => Ok(()),
    }
}
