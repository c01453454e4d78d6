//! A token: by what a program says who it is.
//!
//! ```text
//!   qrt_00c5a1f20b6e9d34_mP0wX…43 characters
//!   │   │                └ the secret: 256 random bits, in base64url
//!   │   └ its id, 64 random bits: it is no secret, and finds the token among many
//!   └ so that programs that look for secrets which leaked find it
//! ```
//!
//! It is shown once, when it is made. A node keeps the SHA-256 of the secret alone.

use crate::text;
use std::fmt;

/// What each begins with.
const BEGINNING: &str = "qrt_";

/// Characters of the id.
const ID_CHARS: usize = 16;

/// Bytes of the secret.
pub const SECRET_BYTES: usize = 32;

/// A token, as its owner holds it. What is printed of it for debugging is its id.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: u64,
    /// Its secret.
    pub secret: [u8; SECRET_BYTES],
}

impl Token {
    /// Reads one; `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(BEGINNING)?.split_at_checked(ID_CHARS)?;
        if !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let id = u64::from_str_radix(id, 16).ok()?;
        let secret = secret.strip_prefix('_').filter(|secret| !secret.ends_with('='))?;
        let secret = text::from_base64url(secret.as_bytes())?.try_into().ok()?;
        Some(Self { id, secret })
    }

    /// All of it, for its owner.
    pub fn reveal(&self) -> String {
        format!("{BEGINNING}{:016x}_{}", self.id, text::to_base64url(&self.secret))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGINNING}{:016x}_..", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_its_secret_is_not_printed() {
        let token = Token { id: 0xa7, secret: [7; SECRET_BYTES] };
        let text = token.reveal();
        assert_eq!(text, "qrt_00000000000000a7_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        assert_eq!(Token::parse(&text), Some(token.clone()));
        assert_eq!(format!("{token:?}"), "qrt_00000000000000a7_..");
        for other in
            ["", "qrt_", &text[1..], &text[..text.len() - 1], &format!("{text}="), &format!("{text} ")]
        {
            assert_eq!(Token::parse(other), None, "{other}");
        }
        assert_eq!(Token::parse(&text.replace("a7", "A7")), None, "one token has one text");
    }
}
