//! By what the cluster recognises a client.

use reqwest::header::HeaderValue;
use std::fmt;

/// A token, as its owner holds it. It goes to every endpoint with every request, and is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(String);

impl Bearer {
    /// Of this text. White space around it, as a file has it, is not part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The value of `Authorization`; `None`: it has characters that no token has.
    pub fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_as_it_is_and_never_printed() {
        let bearer = Bearer::new(" qrt_x_y\n");
        let header = bearer.header().expect("visible");
        assert_eq!(header.to_str().expect("visible"), "Bearer qrt_x_y");
        assert!(header.is_sensitive());
        assert!(!format!("{bearer:?} {header:?}").contains("qrt_"));
        assert_eq!(Bearer::new("a\nb").header(), None, "two lines");
    }
}
