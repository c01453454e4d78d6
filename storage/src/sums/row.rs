//! A chunk as it lies on the disk, and the notice of whose rows these are.
//!
//! A row says what the records from its key up to its `end` add up to. It is deleted by the same batch that changes a
//! record of the chunk for the first time since, so a row that is there is right, whatever happened to the process or the
//! machine. Each has a checksum.

use super::item::Total;
use bytes::Bytes;
use minicbor::{Decode, Encode};
use quorate_model::{SortKey, TableId};

/// What is under a chunk's start.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Row {
    /// The first sort key behind the chunk; `None`: it reaches to the end of the table.
    #[n(0)]
    pub end: Option<SortKey>,
    /// What its records add up to.
    #[n(1)]
    pub total: Total,
}

/// Rows, by table and where their chunks begin.
pub type Rows = Vec<(TableId, Bytes, Row)>;

const CHECKSUM_BYTES: usize = 4;

impl Row {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = minicbor::to_vec(self).expect("encoding into memory cannot fail");
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Inverse of [`Row::encode`]; `None` for anything else.
    pub fn decode(sealed: &[u8]) -> Option<Self> {
        let (bytes, checksum) = sealed.split_last_chunk::<CHECKSUM_BYTES>()?;
        let is_whole = crc32fast::hash(bytes).to_be_bytes() == *checksum;
        is_whole.then(|| minicbor::decode(bytes).ok()).flatten()
    }
}

/// Whether these bytes are a row; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(row) = Row::decode(bytes) else { return false };
    assert_eq!(Row::decode(&row.encode()), Some(row));
    true
}
