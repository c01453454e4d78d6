//! Frames: a fixed header, then the payload. Integers are big-endian.
//!
//! ```text
//! 0        4        5     6            14              18
//! length   version  kind  request id   remaining ms    payload ...
//! u32      u8       u8    u64          u32
//! ```
//!
//! `length` counts everything behind itself. `remaining` is how long the sender will still wait, since two nodes
//! share no clock: the receiver adds it to its own. The decoder is total: any bytes are a frame, an incomplete one, or
//! a [`FrameError`]. A frame of a kind that this version does not have is taken off the buffer whole, so that the
//! connection can go on; every other error ends it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quorate_model::Protocol;
use std::time::Duration;
use thiserror::Error;

/// The version of this layout.
pub const VERSION: u8 = 1;

/// Bytes of the length field.
const LENGTH_BYTES: usize = 4;

/// Where the request id stands, so that it can be put into a frame that is encoded already.
pub const ID_AT: std::ops::Range<usize> = 6..14;

/// Bytes of the header behind the length field.
const REST_BYTES: usize = 14;

/// What a frame is. The numbers are pinned: they are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An answer; its id is that of the request.
    Answer = 1,
    /// "I am here": each end says so now and then, whatever the other one says.
    Alive = 2,
    /// One step of the handshake.
    Handshake = 3,
    /// "I do not have this request": its id is that of the request, of which nothing was done.
    NotUnderstood = 4,
    /// A request for the replica.
    Data = 16,
    /// Several requests for the replica, answered together.
    Batch = 17,
    /// A message of the consensus.
    Consensus = 18,
    /// A small question about the catalog, or a request to change it.
    Control = 19,
    /// A request for the replica about a range of keys.
    Range = 20,
}

/// What a peer is asked: the kind of its frame, and since which version of the protocol the request exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The kind of the frame.
    pub kind: Kind,
    /// Since when it exists.
    pub since: Protocol,
}

impl From<Kind> for Asked {
    fn from(kind: Kind) -> Self {
        Self { kind, since: kind.since() }
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// Pairs an answer with its request; unique among the calls of one connection.
    pub id: u64,
    /// How long the sender will still wait, in milliseconds.
    pub remaining_ms: u32,
}

/// Bytes that are not a frame. The connection ends: nothing behind them can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Longer than the limit, or shorter than a header.
    #[error("a frame of {0} bytes is not within the limits")]
    Length(usize),
    /// Another layout.
    #[error("frame version {0} is not known")]
    Version(u8),
    /// A kind of frame that this version does not have. The frame is off the buffer, and the next one can be read.
    #[error("frame kind {number} is not known")]
    Kind {
        /// Its number.
        number: u8,
        /// The request's id; 0: it asks for nothing.
        id: u64,
    },
}

impl Kind {
    /// The kind of this number.
    fn of(number: u8) -> Option<Self> {
        let all = [
            Kind::Answer,
            Kind::Alive,
            Kind::Handshake,
            Kind::NotUnderstood,
            Kind::Data,
            Kind::Batch,
            Kind::Consensus,
            Kind::Control,
            Kind::Range,
        ];
        all.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Since which version of the protocol it exists.
    pub fn since(self) -> Protocol {
        match self {
            Kind::Answer
            | Kind::Alive
            | Kind::Handshake
            | Kind::NotUnderstood
            | Kind::Data
            | Kind::Consensus
            | Kind::Control => Protocol(1),
            Kind::Range => Protocol(2),
            Kind::Batch => Protocol(6),
        }
    }

    /// A request of this kind, which exists since the later of the two.
    pub fn asked_since(self, since: Protocol) -> Asked {
        Asked { kind: self, since: since.max(self.since()) }
    }
}

impl Header {
    /// The time the sender will still wait.
    pub fn remaining(&self) -> Duration {
        Duration::from_millis(u64::from(self.remaining_ms))
    }
}

/// A frame's bytes. The payload is written by `fill` straight behind the header, so it is copied once.
pub fn encode(header: Header, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.put_u32(0);
    out.put_u8(VERSION);
    out.put_u8(header.kind as u8);
    out.put_u64(header.id);
    out.put_u32(header.remaining_ms);
    fill(&mut out);
    // A frame past the receiver's limit is refused there; one past u32 cannot be made from bounded values.
    let length = u32::try_from(out.len() - LENGTH_BYTES).expect("values are bounded far below 4 GiB");
    out[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    out
}

/// Takes the first frame off the buffer; `None`: it is not complete yet.
pub fn decode(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<(Header, Bytes)>, FrameError> {
    let Some(length) = buffer.get(..LENGTH_BYTES) else { return Ok(None) };
    let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
    if !(REST_BYTES..=bytes_max).contains(&length) {
        return Err(FrameError::Length(length));
    }
    // A wrong version is refused before its payload is waited for.
    if let Some(version) = buffer.get(LENGTH_BYTES).copied().filter(|version| *version != VERSION) {
        return Err(FrameError::Version(version));
    }
    if buffer.len() < LENGTH_BYTES + length {
        buffer.reserve(LENGTH_BYTES + length - buffer.len());
        return Ok(None);
    }
    buffer.advance(LENGTH_BYTES + 1);
    let number = buffer.get_u8();
    let (id, remaining_ms) = (buffer.get_u64(), buffer.get_u32());
    let payload = buffer.split_to(length - REST_BYTES).freeze();
    let kind = Kind::of(number).ok_or(FrameError::Kind { number, id })?;
    Ok(Some((Header { kind, id, remaining_ms }, payload)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1_024;

    fn any_kind() -> impl Strategy<Value = Kind> {
        prop::sample::select(vec![Kind::Answer, Kind::Alive, Kind::Data, Kind::Batch, Kind::Control])
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_an_incomplete_one_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some((_, payload))) = decode(&mut buffer, LIMIT) {
                prop_assert!(payload.len() <= LIMIT);
            }
        }

        #[test]
        fn frames_round_trip_however_they_are_cut(
            kind in any_kind(), id: u64, remaining_ms: u32,
            payload in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..318,
        ) {
            let header = Header { kind, id, remaining_ms };
            let frame = encode(header, |out| out.extend_from_slice(&payload));
            let cut = cut.min(frame.len() - 1);
            let mut buffer = BytesMut::from(&frame[..cut]);
            prop_assert_eq!(decode(&mut buffer, LIMIT), Ok(None));
            buffer.extend_from_slice(&frame[cut..]);
            prop_assert_eq!(decode(&mut buffer, LIMIT), Ok(Some((header, Bytes::from(payload)))));
            prop_assert!(buffer.is_empty());
        }
    }

    #[test]
    fn a_length_outside_the_limits_is_refused_before_its_payload_is_awaited() {
        for length in [0u32, 13, 1_025, u32::MAX] {
            let mut buffer = BytesMut::from(&length.to_be_bytes()[..]);
            assert_eq!(decode(&mut buffer, LIMIT), Err(FrameError::Length(length as usize)));
        }
    }

    #[test]
    fn another_version_and_an_unknown_kind_are_refused() {
        let frame = encode(Header { kind: Kind::Alive, id: 1, remaining_ms: 0 }, |_| ());
        let mut other = BytesMut::from(&frame[..]);
        other[4] = 2;
        assert_eq!(decode(&mut other, LIMIT), Err(FrameError::Version(2)));
        let mut other = BytesMut::from(&frame[..]);
        other[5] = 99;
        other.extend_from_slice(&frame);
        assert_eq!(decode(&mut other, LIMIT), Err(FrameError::Kind { number: 99, id: 1 }));
        let next = decode(&mut other, LIMIT).map(|frame| frame.map(|(header, _)| header.kind));
        assert_eq!(next, Ok(Some(Kind::Alive)), "the frame behind it can be read");
    }
}
