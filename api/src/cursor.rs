//! Cursors: where a scan goes on, as opaque text.
//!
//! ```text
//! 0        1        2        6          14
//! version  flags    table    scan       position ...  check
//! u8       u8       u32      u64        any bytes     u32
//! ```
//!
//! A cursor names the table by its id, the direction, a digest of the bounds that its scan has, and a place in the table's
//! sort space. It knows no epoch and no shard, so that whatever becomes of those means nothing to it, and any member takes
//! it. Beside other bounds, on another table or with a byte changed it is refused.

use crate::text;
use quorate_model::{TableId, Token};

const VERSION: u8 = 1;
const REVERSE: u8 = 1;
const HEAD_BYTES: usize = 14;
const CHECK_BYTES: usize = 4;

/// Where a scan goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The table.
    pub table: TableId,
    /// Whether the scan goes downwards.
    pub reverse: bool,
    /// Digest of the scan's bounds.
    pub scan: u64,
    /// Forward the first sort key of the next page, in reverse the one right above its first.
    pub position: Vec<u8>,
}

/// Digest of the bounds of a scan.
pub fn digest(bounds: &[Option<&[u8]>]) -> u64 {
    let mut all = Vec::new();
    for bound in bounds {
        let length = bound.map_or(u64::MAX, |bound| bound.len() as u64);
        all.extend_from_slice(&length.to_be_bytes());
        all.extend_from_slice(bound.unwrap_or_default());
    }
    Token::of(&all).0
}

impl Cursor {
    /// As text.
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION, if self.reverse { REVERSE } else { 0 }];
        bytes.extend_from_slice(&self.table.0.to_be_bytes());
        bytes.extend_from_slice(&self.scan.to_be_bytes());
        bytes.extend_from_slice(&self.position);
        bytes.extend_from_slice(&check(&bytes));
        text::to_base64url(&bytes)
    }

    /// Inverse of [`Cursor::encode`]; `None`: it is none.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = text::from_base64url(text.as_bytes())?;
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
        let (head, position) = content.split_at_checked(HEAD_BYTES)?;
        let [version, flags, rest @ ..] = head else { return None };
        if sum != check(content) || *version != VERSION || flags & !REVERSE != 0 {
            return None;
        }
        let (table, scan) = rest.split_first_chunk::<4>()?;
        Some(Self {
            table: TableId(u32::from_be_bytes(*table)),
            reverse: *flags == REVERSE,
            scan: u64::from_be_bytes(scan.try_into().ok()?),
            position: position.to_vec(),
        })
    }
}

/// The end of a cursor: of its bytes and of nothing else.
fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let [.., a, b, c, d] = Token::of(&[b"cursor", bytes].concat()).0.to_be_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_and_a_changed_one_does_not() {
        let position = b"user/\x00\xff".to_vec();
        let scan = digest(&[Some(b"user/"), None, None]);
        let cursor = Cursor { table: TableId(7), reverse: true, scan, position };
        let text = cursor.encode();
        assert_eq!(Cursor::decode(&text), Some(cursor));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(Cursor::decode(&String::from_utf8(changed).expect("text")), None, "at {at}");
        }
        assert_ne!(scan, digest(&[None, Some(b"user/"), None]));
        assert_ne!(digest(&[Some(b"a"), Some(b"b"), None]), digest(&[Some(b"ab"), Some(b""), None]));
    }
}
