//! The decoders of this crate: what comes over a connection between nodes.

use crate::contact::Alive;
use crate::frame;
use crate::hello::Step;
use bytes::BytesMut;
use quorate_model::decoder::cbor;

quorate_model::decoders! {
    "frame" => frames,
    "handshake" => cbor::<Step>,
    "alive" => cbor::<Alive>,
}

fn frames(bytes: &[u8]) -> bool {
    // As large as those that are read before the handshake.
    const BYTES_MAX: usize = 4_096;
    let mut buffer = BytesMut::from(bytes);
    let mut any = false;
    while let Ok(Some((header, payload))) = frame::decode(&mut buffer, BYTES_MAX) {
        let again = frame::encode(header, |out| out.extend_from_slice(&payload));
        assert_eq!(frame::decode(&mut BytesMut::from(&again[..]), BYTES_MAX), Ok(Some((header, payload))));
        any = true;
    }
    any
}
