//! Keys in URLs and in JSON.
//!
//! A key is any bytes. In a path everything but letters, digits and `-_.~` is percent-encoded, `/` too; a key with a
//! segment `.` or `..`, which every URL library resolves (even written `%2e`), goes as base64url with `enc=b64`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};
use std::fmt::Write;

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One path segment or query value, percent-encoded.
pub(crate) fn encoded(text: &[u8]) -> String {
    percent_encode(text, RESERVED).to_string()
}

/// The path of a key under one of a table's routes (`keys`, `locate`, `explain`), and whether the query must say
/// `enc=b64`.
pub fn key_path(table: &str, route: &str, key: &[u8]) -> (String, bool) {
    let resolved = key.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."));
    let last = if resolved { to_base64(key) } else { encoded(key) };
    (format!("/v1/tables/{}/{route}/{last}", encoded(table.as_bytes())), resolved)
}

/// A key as JSON has it: a string if it is UTF-8, else `{"b64": ".."}`.
pub(crate) fn key_json(key: &[u8]) -> Value {
    match std::str::from_utf8(key) {
        Ok(text) => json!(text),
        Err(_) => json!({ "b64": to_base64(key) }),
    }
}

/// Base64url without padding.
pub fn to_base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bytes of base64, in either alphabet, with padding or without; `None` if it is not base64.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

/// A query string with its `?`, or nothing; names are ours and need no encoding.
pub(crate) fn query(pairs: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let separator = if text.is_empty() { '?' } else { '&' };
        write!(text, "{separator}{name}={}", encoded(value.as_bytes())).expect("a String takes every write");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_reach_the_path_as_bytes() {
        for (key, path, b64) in [
            (&b"user-17"[..], "/v1/tables/t/keys/user-17", false),
            (b"a/b c", "/v1/tables/t/keys/a%2Fb%20c", false),
            (b"\0\r\n\xff%", "/v1/tables/t/keys/%00%0D%0A%FF%25", false),
            (b"..", "/v1/tables/t/keys/Li4", true),
            (b"a/./b", "/v1/tables/t/keys/YS8uL2I", true),
            (b"...", "/v1/tables/t/keys/...", false),
        ] {
            assert_eq!(key_path("t", "keys", key), (path.to_owned(), b64));
        }
    }

    #[test]
    fn both_alphabets_are_read() {
        assert_eq!(from_base64("-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(from_base64("+/8="), Some(vec![0xfb, 0xff]));
        assert_eq!(from_base64("?"), None);
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(query(&[]), "");
        assert_eq!(query(&[("w", "2".into()), ("prefix", "a&b".into())]), "?w=2&prefix=a%26b");
    }
}
