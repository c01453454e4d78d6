//! The token: where a key stands on the ring.

use minicbor::{Decode, Encode};
use std::fmt;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The seed of every token. It can never change: tokens are in every record key on every disk.
const TOKEN_SEED: u64 = 0x5175_6f72_6174_6531; // "Quorate1"

/// 64-bit xxh3 of a key with a fixed seed: a position on the ring, which wraps around at 2^64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Token(#[n(0)] pub u64);

impl Token {
    /// The token of a key (or of any other name that has a place on the ring).
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxh3_64_with_seed(bytes, TOKEN_SEED))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change here would strand every stored key.
    #[test]
    fn golden_tokens_never_change() {
        let golden = [
            (&b""[..], 0xff6b_85ec_dcbb_1c08),
            (b"a", 0x4681_852e_40bc_dd3a),
            (b"user-17", 0x9432_be5f_4058_5227),
            (b"\0\xff\r\n", 0xe941_3592_a133_bac6),
            (&[0x71; 300], 0x13f7_2358_8951_332d),
        ];
        for (key, token) in golden {
            assert_eq!(Token::of(key), Token(token), "{}", key.escape_ascii());
        }
    }
}
