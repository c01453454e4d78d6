//! Text that strangers send: escapes undone once, strictly; and shown again so that it can't forge anything.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::borrow::Cow;

/// base64url, with or without its padding.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest piece of a stranger's text that a refusal repeats, in characters.
const SHOWN_MAX: usize = 80;

/// Longest sentence that holds another's words, in characters.
const SENTENCE_MAX: usize = 600;

/// Undoes percent-escapes once. `None` where a percent sign does not begin an escape.
pub fn decode_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(*rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

/// Undoes percent-escapes once; `None` also where the result is not UTF-8.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('%') {
        String::from_utf8(decode_bytes(text.as_bytes())?).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(text))
    }
}

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One segment of a path, or a value of a query, percent-encoded.
pub fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}

/// Bytes of base64url, with or without padding.
pub fn from_base64url(text: &[u8]) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

/// Bytes of base64 in either alphabet, with or without padding: what programs put into JSON.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text
        .chars()
        .map(|c| {
            if c == '+' {
                '-'
            } else if c == '/' {
                '_'
            } else {
                c
            }
        })
        .collect();
    from_base64url(text.as_bytes())
}

/// base64url without padding.
pub fn to_base64url(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

/// How every token begins.
const TOKEN: &str = "qrt_";

/// The same without what makes a token one: what stands in the wrong place may be a user's.
pub fn masked(text: &str) -> Cow<'_, str> {
    if !text.contains(TOKEN) {
        return Cow::Borrowed(text);
    }
    let (mut masked, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(TOKEN) {
        let (before, token) = rest.split_at(at + TOKEN.len());
        let end = token.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
        masked.push_str(before);
        masked.push_str("...");
        rest = &token[end.unwrap_or(token.len())..];
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

/// A stranger's text for people: escaped, on one line, not too long, and no token.
pub fn shown(text: &str) -> String {
    let text = masked(text);
    let mut out: String = text.chars().flat_map(char::escape_debug).take(SHOWN_MAX).collect();
    if text.chars().flat_map(char::escape_debug).nth(SHOWN_MAX).is_some() {
        out.push('…');
    }
    out
}

/// A sentence that holds another's words: on one line, its quotes as they are, and not too long.
pub fn sentence(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(SENTENCE_MAX) {
        // Quotes belong to a sentence; all else that could forge one is escaped.
        if matches!(c, '"' | '\'') { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    if text.chars().nth(SENTENCE_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A duration in milliseconds: a whole number above zero and `ms`, `s`, `m`, `h` or `d`.
pub fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).filter(|millis| *millis > 0)
}

/// The inverse of [`duration_ms`], in the greatest unit that loses nothing.
pub fn duration(millis: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.into_iter().find(|(_, unit_ms)| millis > 0 && millis.is_multiple_of(*unit_ms)) {
        Some((unit, unit_ms)) => format!("{}{unit}", millis / unit_ms),
        None => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn durations_round_trip(millis in 1u64..10_000_000_000) {
            prop_assert_eq!(duration_ms(&duration(millis)), Some(millis));
        }

        #[test]
        fn base64url_round_trips(bytes: Vec<u8>) {
            prop_assert_eq!(from_base64url(to_base64url(&bytes).as_bytes()), Some(bytes));
        }

        #[test]
        fn decoding_is_total(bytes: Vec<u8>) {
            let _ = (decode_bytes(&bytes), from_base64url(&bytes));
        }

        #[test]
        fn what_is_shown_is_one_short_line(text: String) {
            let shown = shown(&text);
            prop_assert!(!shown.contains(['\r', '\n', '\0']) && shown.chars().count() <= SHOWN_MAX + 1);
        }
    }

    #[test]
    fn a_sentence_is_whole_on_one_line_and_keeps_its_quotes() {
        let long = format!("n4 can't go on: \"{}\"", "it waits for n5, ".repeat(9));
        assert_eq!(sentence(&long), long);
        assert_eq!(sentence("two\nlines\u{1b}"), "two\\nlines\\u{1b}");
        assert_eq!(sentence(&"x".repeat(601)), format!("{}…", "x".repeat(600)));
    }

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(decode_bytes(b"a%2Fb%2f%00%25%32"), Some(b"a/b/\0%2".to_vec()));
        for broken in ["%", "%2", "%zz", "%+1", "a%"] {
            assert_eq!(decode_bytes(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn padding_does_not_matter() {
        assert_eq!(from_base64url(b"_w=="), Some(vec![0xff]));
        assert_eq!(from_base64url(b"_w"), Some(vec![0xff]));
        assert_eq!(from_base64url(b"/w"), None, "the other alphabet");
        assert_eq!(from_base64("/w=="), Some(vec![0xff]));
        assert_eq!(from_base64("_w"), Some(vec![0xff]));
    }
}
