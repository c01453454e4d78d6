//! Bodies: read whole, within a size, a time and a common memory.
//!
//! A value is stored whole, so a body is read whole. Three bounds keep strangers from using that up: the body's own
//! limit (known before a byte is read where it names its length), the time for all of it and for each pause in it,
//! and one budget of memory for all bodies at work. Room in the budget is taken before the bytes are.

use super::budget::{Budget, Full, Share};
use crate::limits::Limits;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use quorate_api::Code;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

/// What kind of body it is: for the code of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    Value,
    /// Many items.
    Batch,
    /// A JSON document.
    Document,
}

/// Why a body could not be read. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Over its limit.
    #[error("the body is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What it would have been.
        kind: Kind,
        /// The limit.
        limit: usize,
    },
    /// Too slow.
    #[error(
        "the body did not arrive in time: at most {whole_s} s for all of it, {pause_s} s for a pause in it"
    )]
    Slow {
        /// The limit for all of it.
        whole_s: u64,
        /// The limit for a pause.
        pause_s: u64,
    },
    /// It ended early, or its chunks are malformed.
    #[error("the body is broken: it ended early, or its chunks are malformed")]
    Broken,
    /// No room left in the budget.
    #[error("the bodies at work on this node fill its memory for them; try again")]
    NoRoom,
}

impl BodyError {
    /// The code that a program sees.
    pub fn code(&self) -> Code {
        match self {
            BodyError::TooLarge { kind: Kind::Value, .. } => Code::ValueTooLarge,
            BodyError::TooLarge { kind: Kind::Batch, .. } => Code::BatchTooLarge,
            BodyError::TooLarge { kind: Kind::Document, .. } => Code::BodyTooLarge,
            BodyError::Slow { .. } => Code::RequestTimeout,
            BodyError::Broken => Code::InvalidBody,
            BodyError::NoRoom => Code::Overloaded,
        }
    }
}

/// A body and its share of the budget, given back when this is dropped.
#[derive(Debug)]
pub struct Received {
    /// The bytes.
    pub bytes: Bytes,
    /// Its share of the budget.
    pub room: Option<Share>,
}

impl From<Full> for BodyError {
    fn from(_: Full) -> Self {
        BodyError::NoRoom
    }
}

impl Budget {
    /// Reads a whole body of at most `bytes_max` bytes.
    pub async fn receive(
        &self,
        headers: &HeaderMap,
        mut body: Body,
        kind: Kind,
        bytes_max: usize,
        limits: &Limits,
    ) -> Result<Received, BodyError> {
        let too_large = BodyError::TooLarge { kind, limit: bytes_max };
        let mut room = None;
        let named = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let mut reserved = 0;
        if let Some(length) = named {
            if length > bytes_max as u64 {
                return Err(too_large);
            }
            reserved = length as usize;
            self.take(&mut room, reserved)?;
        }
        let slow = BodyError::Slow {
            whole_s: limits.body_timeout.as_secs(),
            pause_s: limits.stall_timeout.as_secs(),
        };
        let whole = Instant::now() + limits.body_timeout;
        // Most bodies arrive in one piece, which is then taken as it is.
        let mut only: Option<Bytes> = None;
        let mut joined = BytesMut::new();
        loop {
            let pause = Instant::now() + limits.stall_timeout;
            let frame = timeout_at(pause.min(whole), body.frame()).await.map_err(|_| slow.clone())?;
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            let total = only.as_ref().map_or(joined.len(), Bytes::len) + data.len();
            if total > bytes_max {
                return Err(too_large);
            }
            if total > reserved {
                // Twice what there is: few reservations for a body that does not name its length.
                let more = (total - reserved).max(reserved).min(bytes_max - reserved);
                self.take(&mut room, more)?;
                reserved += more;
            }
            match only.take() {
                None if joined.is_empty() => only = Some(data),
                first => {
                    joined.reserve(reserved - joined.len());
                    joined.extend_from_slice(&first.unwrap_or_default());
                    joined.extend_from_slice(&data);
                }
            }
        }
        let bytes = only.unwrap_or_else(|| joined.freeze());
        Ok(Received { bytes, room })
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::PIECE_BYTES;
    use super::*;
    use http_body::Frame;
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    /// Gives its chunks, then ends or stays silent.
    struct Chunks {
        chunks: VecDeque<&'static [u8]>,
        silent: bool,
    }

    impl http_body::Body for Chunks {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            match self.chunks.pop_front() {
                Some(chunk) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(chunk))))),
                None if self.silent => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    async fn receive(
        budget: &Budget,
        length: Option<&str>,
        chunks: &[&'static [u8]],
        silent: bool,
    ) -> Result<Received, BodyError> {
        let mut headers = HeaderMap::new();
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.parse().expect("a header value"));
        }
        let body = Body::new(Chunks { chunks: chunks.iter().copied().collect(), silent });
        let limits = Limits { stall_timeout: Duration::from_secs(5), ..Limits::default() };
        budget.receive(&headers, body, Kind::Value, 8, &limits).await
    }

    #[tokio::test]
    async fn a_body_is_its_chunks_joined() {
        let budget = Budget::new(64 * 1024);
        for chunks in [&[&b"abc"[..]][..], &[b"a", b"b", b"c"], &[b"a", b"", b"bc"], &[b"", b"abc"]] {
            for length in [None, Some("3")] {
                let received = receive(&budget, length, chunks, false).await.expect("within its limits");
                assert_eq!(received.bytes, "abc");
            }
        }
        assert_eq!(receive(&budget, Some("0"), &[], false).await.expect("empty").bytes, "");
    }

    #[tokio::test]
    async fn a_body_over_its_limit_is_refused_before_or_while_it_comes() {
        let budget = Budget::new(64 * 1024);
        let error = receive(&budget, Some("9"), &[], true).await.expect_err("named");
        assert_eq!(error.code(), Code::ValueTooLarge);
        let error = receive(&budget, None, &[b"12345", b"6789"], true).await.expect_err("counted");
        assert_eq!(error.code(), Code::ValueTooLarge);
        assert_eq!(
            receive(&budget, None, &[b"1234", b"5678"], false).await.expect("just fits").bytes.len(),
            8
        );
    }

    #[tokio::test]
    async fn room_is_taken_before_the_bytes_and_given_back() {
        let budget = Budget::new(PIECE_BYTES);
        let held = receive(&budget, Some("3"), &[b"abc"], false).await.expect("there is room");
        let error = receive(&budget, Some("3"), &[b"abc"], false).await.expect_err("no room");
        assert_eq!(error, BodyError::NoRoom);
        drop(held);
        assert!(receive(&budget, None, &[b"abc"], false).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_body_is_given_up() {
        let budget = Budget::new(64 * 1024);
        let error = receive(&budget, Some("3"), &[b"a"], true).await.expect_err("silent");
        assert_eq!(error.code(), Code::RequestTimeout);
    }
}
