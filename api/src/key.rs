//! Keys in paths and in documents: any bytes, decoded exactly once.
//!
//! In a path a key is everything behind its verb, as it came over the wire: `/` may be raw or `%2F`, dots mean nothing,
//! and any byte is legal. A client percent-encodes everything but letters, digits and `-_.~`, `/` too; a key with a
//! segment `.` or `..`, which every URL library resolves (even written `%2e`), goes as base64url with `enc=b64`.

use crate::code::Code;
use crate::text;
use quorate_model::Key;
use thiserror::Error;

/// Why no key could be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Nothing behind the last slash.
    #[error("the key is empty: a key has at least one byte")]
    Empty,
    /// A percent sign that does not begin an escape.
    #[error(
        "the key has a broken percent-escape: write a percent sign as %25, or send the key with ?enc=b64"
    )]
    Escape,
    /// Not base64url.
    #[error("the key is not base64url, which ?enc=b64 says it is")]
    Base64,
    /// Over the limit.
    #[error("the key has {got} bytes, the limit is {limit}")]
    TooLong {
        /// The key's bytes.
        got: usize,
        /// The most there may be.
        limit: usize,
    },
}

impl KeyError {
    /// The code that a program sees.
    pub fn code(&self) -> Code {
        match self {
            KeyError::Empty | KeyError::Escape | KeyError::Base64 => Code::InvalidKey,
            KeyError::TooLong { .. } => Code::KeyTooLong,
        }
    }
}

/// The key that the end of a path names.
pub fn from_path(raw: &str, base64: bool, bytes_max: usize) -> Result<Key, KeyError> {
    let mut bytes = text::decode_bytes(raw.as_bytes()).ok_or(KeyError::Escape)?;
    if base64 {
        bytes = text::from_base64url(&bytes).ok_or(KeyError::Base64)?;
    }
    checked(bytes, bytes_max)
}

/// A key as it stands at the end of a path, and whether the query must say `enc=b64`.
pub fn to_path(key: &[u8]) -> (String, bool) {
    let resolved = key.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."));
    (if resolved { text::to_base64url(key) } else { text::encode(key) }, resolved)
}

/// A key of these bytes, if a key may have them.
pub fn checked(bytes: Vec<u8>, bytes_max: usize) -> Result<Key, KeyError> {
    if bytes.is_empty() {
        return Err(KeyError::Empty);
    }
    if bytes.len() > bytes_max {
        return Err(KeyError::TooLong { got: bytes.len(), limit: bytes_max });
    }
    Ok(Key::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_decoded_once() {
        let read = |raw: &str| from_path(raw, false, 100).expect(raw).as_bytes().to_vec();
        assert_eq!(read("a"), b"a");
        assert_eq!(read("a/b"), b"a/b");
        assert_eq!(read("a%2Fb"), b"a/b");
        assert_eq!(read("/"), b"/");
        assert_eq!(read("a//b/"), b"a//b/");
        assert_eq!(read("../x/./y"), b"../x/./y");
        assert_eq!(read("%00%0d%0A%ff"), b"\0\r\n\xff");
        assert_eq!(read("%2525"), b"%25", "once, not twice");
        assert_eq!(read("a+b"), b"a+b", "a plus is a plus");
    }

    #[test]
    fn a_key_in_base64url_is_any_bytes() {
        assert_eq!(from_path("AP8", true, 9).expect("valid").as_bytes(), b"\0\xff");
        assert_eq!(from_path("AP8%3D", true, 9).expect("padded").as_bytes(), b"\0\xff");
        assert_eq!(from_path("a b", true, 9), Err(KeyError::Base64));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(from_path("", false, 9), Err(KeyError::Empty));
        assert_eq!(from_path("%", false, 9), Err(KeyError::Escape));
        assert_eq!(from_path("abc", false, 2), Err(KeyError::TooLong { got: 3, limit: 2 }));
        assert_eq!(from_path("%41%41", false, 2).expect("two bytes").as_bytes(), b"AA");
    }

    #[test]
    fn keys_reach_the_path_as_bytes() {
        for (key, path, b64) in [
            (&b"user-17"[..], "user-17", false),
            (b"a/b c", "a%2Fb%20c", false),
            (b"\0\r\n\xff%", "%00%0D%0A%FF%25", false),
            (b"..", "Li4", true),
            (b"a/./b", "YS8uL2I", true),
            (b"...", "...", false),
        ] {
            assert_eq!(to_path(key), (path.to_owned(), b64));
        }
    }

    proptest! {
        #[test]
        fn any_key_survives_its_way_through_a_path(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
            let (path, base64) = to_path(&bytes);
            prop_assert_eq!(from_path(&path, base64, 40), Ok(Key::new(bytes.clone())));
            let path = text::to_base64url(&bytes);
            prop_assert_eq!(from_path(&path, true, 40), Ok(Key::new(bytes)));
        }

        #[test]
        fn reading_a_path_is_total(path: String) {
            let _ = (from_path(&path, false, 40), from_path(&path, true, 40));
        }
    }
}
