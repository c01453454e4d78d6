//! What a path names: a table, and a key as raw bytes.
//!
//! A key is everything behind `/keys/` (or `/locate/`, `/explain/`), percent-decoded exactly once. It is taken from
//! the path as it came over the wire: `/` may be raw or `%2F`, dots mean nothing, and any byte is legal. The
//! router only chose the handler; what it decodes is not looked at.

use super::code::Code;
use super::text;
use quorate_model::Key;
use quorate_model::table::is_table_name;
use thiserror::Error;

const TABLES: &str = "/v1/tables/";

/// Why no key could be read from the path.
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

/// The table's name in a path below `/v1/tables/`; `None` if no table can have it.
pub fn table_name(path: &str) -> Option<String> {
    let name = path.strip_prefix(TABLES)?.split('/').next()?;
    text::decode(name).filter(|name| is_table_name(name))
}

/// The key in a path `/v1/tables/{table}/{verb}/{key}`.
pub fn key(path: &str, base64: bool, bytes_max: usize) -> Result<Key, KeyError> {
    let raw = path.strip_prefix(TABLES).and_then(|rest| rest.splitn(3, '/').nth(2)).unwrap_or_default();
    let mut bytes = text::decode_bytes(raw.as_bytes()).ok_or(KeyError::Escape)?;
    if base64 {
        bytes = text::from_base64url(&bytes).ok_or(KeyError::Base64)?;
    }
    checked(bytes, bytes_max)
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
    fn a_key_is_everything_behind_its_verb_decoded_once() {
        let read =
            |raw: &str| key(&format!("/v1/tables/t/keys/{raw}"), false, 100).expect(raw).as_bytes().to_vec();
        assert_eq!(read("a"), b"a");
        assert_eq!(read("a/b"), b"a/b");
        assert_eq!(read("a%2Fb"), b"a/b");
        assert_eq!(read("/"), b"/");
        assert_eq!(read("a//b/"), b"a//b/");
        assert_eq!(read("../x/./y"), b"../x/./y");
        assert_eq!(read("keys/keys/"), b"keys/keys/");
        assert_eq!(read("%00%0d%0A%ff"), b"\0\r\n\xff");
        assert_eq!(read("%2525"), b"%25", "once, not twice");
        assert_eq!(read("a+b"), b"a+b", "a plus is a plus");
    }

    #[test]
    fn a_key_in_base64url_is_any_bytes() {
        assert_eq!(key("/v1/tables/t/keys/AP8", true, 9).expect("valid").as_bytes(), b"\0\xff");
        assert_eq!(key("/v1/tables/t/keys/AP8%3D", true, 9).expect("padded").as_bytes(), b"\0\xff");
        assert_eq!(key("/v1/tables/t/keys/a b", true, 9), Err(KeyError::Base64));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(key("/v1/tables/t/keys/", false, 9), Err(KeyError::Empty));
        assert_eq!(key("/v1/tables/t/keys", false, 9), Err(KeyError::Empty));
        assert_eq!(key("/v1/tables/t/keys/%", false, 9), Err(KeyError::Escape));
        assert_eq!(key("/v1/tables/t/keys/abc", false, 2), Err(KeyError::TooLong { got: 3, limit: 2 }));
        assert_eq!(key("/v1/tables/t/keys/%41%41", false, 2).expect("two bytes").as_bytes(), b"AA");
    }

    proptest! {
        #[test]
        fn any_key_survives_its_way_through_a_path(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
            let escaped: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
            let path = format!("/v1/tables/t/keys/{escaped}");
            prop_assert_eq!(key(&path, false, 40), Ok(Key::new(bytes.clone())));
            let path = format!("/v1/tables/t/keys/{}", text::to_base64url(&bytes));
            prop_assert_eq!(key(&path, true, 40), Ok(Key::new(bytes)));
        }

        #[test]
        fn reading_a_path_is_total(path: String) {
            let _ = (table_name(&path), key(&path, false, 40), key(&path, true, 40));
        }
    }

    #[test]
    fn table_names_are_plain() {
        assert_eq!(table_name("/v1/tables/users/keys/a").as_deref(), Some("users"));
        assert_eq!(table_name("/v1/tables/users").as_deref(), Some("users"));
        assert_eq!(table_name("/v1/tables/%75sers").as_deref(), Some("users"));
        for path in ["/v1/tables/", "/v1/tables/Users", "/v1/tables/a%2Fb", "/v1/tables/%00", "/v1/other/x"] {
            assert_eq!(table_name(path), None, "{path}");
        }
    }
}
