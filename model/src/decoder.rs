//! One decoder of bytes that come from outside, as the fuzzer and the tests see it.
//!
//! Bytes come from outside over a socket, from a disk that may have changed them, from a file or a command line that a
//! person wrote. Whatever they are, a decoder answers: it takes them or it refuses them. It never panics, never takes
//! memory beyond a small multiple of what it was given, and what it takes it can write and read again.
//!
//! Each crate lists its own in its module `decoders`; the program joins the lists. The functions here are what most of
//! them need: they decode, encode what came out, decode that, and insist that it is the same.

use minicbor::{Decode, Encode};
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// One decoder.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Its name: of its folder in the corpus, and for the fuzzer.
    pub name: &'static str,
    /// Whether it takes these bytes. Panics where the decoder breaks a promise of the module's essay.
    pub takes: fn(&[u8]) -> bool,
}

/// The list of a crate's decoders, `ALL`.
#[macro_export]
macro_rules! decoders {
    ($($name:literal => $takes:expr),* $(,)?) => {
        /// Every decoder of this crate.
        pub const ALL: &[$crate::decoder::Decoder] =
            &[$($crate::decoder::Decoder { name: $name, takes: $takes }),*];
    };
}

/// A value with numbered fields.
pub fn cbor<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> bool {
    let Ok(value) = minicbor::decode::<T>(bytes) else { return false };
    let once = minicbor::to_vec(&value).expect("encoding into memory cannot fail");
    let again: T = minicbor::decode(&once).expect("what was written can be read");
    assert_eq!(minicbor::to_vec(again).expect("encoding into memory cannot fail"), once);
    true
}

/// A word or a number in text.
pub fn text<T: FromStr + Display + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Some(value) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<T>().ok()) else {
        return false;
    };
    let Ok(again) = value.to_string().parse::<T>() else { panic!("{value} can be read again") };
    assert_eq!(again, value);
    true
}

/// The same bytes with the checksum they should have, so that a mutation gets past it.
pub fn resealed(bytes: &[u8]) -> Vec<u8> {
    let content = &bytes[..bytes.len().saturating_sub(4)];
    [content, &crc32fast::hash(content).to_be_bytes()].concat()
}

/// The same of a text that ends with its checksum in a line.
pub fn resealed_text(bytes: &[u8]) -> Vec<u8> {
    let at = bytes.windows(6).rposition(|window| window == b"crc32 ").unwrap_or(bytes.len());
    let content = &bytes[..at];
    [content, format!("crc32 {:08x}\n", crc32fast::hash(content)).as_bytes()].concat()
}
