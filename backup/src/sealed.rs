//! Documents that are checked: a line of JSON, and a line with its digest.
//!
//! ```text
//!   {"kind":"snapshot","format":1,"content":{..}}
//!   sha256 3b1f..
//! ```
//!
//! A person can read one, and `sed '$d' FILE | sha256sum` says the same as its last line.

use crate::FORMAT;
use crate::fault::Fault;
use crate::segment::digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Most bytes of a document: a million pieces.
pub const BYTES_MAX: u64 = 512 << 20;

/// Letters of a digest.
const DIGEST: usize = 64;

/// How the last line begins.
const LABEL: &str = "sha256 ";

#[derive(Serialize)]
struct Written<'a, T> {
    kind: &'a str,
    format: u32,
    content: &'a T,
}

/// What is looked at before the content.
#[derive(Deserialize)]
struct Head {
    kind: String,
    format: u64,
}

#[derive(Deserialize)]
struct Read<T> {
    content: T,
}

/// A document of a kind.
pub trait Document: Serialize + DeserializeOwned {
    /// The kind, as a word.
    const KIND: &'static str;

    /// What is wrong with what it says; `None`: nothing.
    fn wrong(&self) -> Option<String> {
        None
    }
}

/// The file of a document.
pub fn encode<T: Document>(content: &T) -> Vec<u8> {
    let written = Written { kind: T::KIND, format: FORMAT, content };
    let mut bytes = serde_json::to_vec(&written).expect("a document of plain values");
    bytes.push(b'\n');
    seal(bytes)
}

/// A line with its digest behind it.
pub fn seal(mut line: Vec<u8>) -> Vec<u8> {
    let last = format!("{LABEL}{}\n", digest(&line));
    line.extend_from_slice(last.as_bytes());
    line
}

/// Inverse of [`encode`].
pub fn decode<T: Document>(bytes: &[u8]) -> Result<T, Fault> {
    if bytes.first().is_some_and(|first| *first != b'{') {
        return Err(Fault::Foreign { wanted: T::KIND });
    }
    let last = LABEL.len() + DIGEST + 1;
    let (line, last) = bytes.split_at_checked(bytes.len().wrapping_sub(last)).ok_or(Fault::CutOff)?;
    // A file that ends elsewhere ends within its first line, or within its last one.
    if !bytes.ends_with(b"\n") || !bytes[..bytes.len() - 1].contains(&b'\n') {
        return Err(Fault::CutOff);
    }
    if last != format!("{LABEL}{}\n", digest(line)).as_bytes() {
        return Err(Fault::Damaged { at: 0 });
    }
    let line = line.strip_suffix(b"\n").ok_or_else(|| impossible("it has no line"))?;
    let unread = |error: serde_json::Error| impossible(&error.to_string());
    let Head { kind, format } = serde_json::from_slice(line).map_err(unread)?;
    if kind != T::KIND {
        return Err(Fault::Foreign { wanted: T::KIND });
    }
    if format != u64::from(FORMAT) {
        return Err(Fault::OtherVersion { found: format });
    }
    let Read { content }: Read<T> = serde_json::from_slice(line).map_err(unread)?;
    content.wrong().map_or(Ok(content), |why| Err(Fault::Impossible(why)))
}

fn impossible(why: &str) -> Fault {
    Fault::Impossible(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Small {
        text: String,
        count: u64,
    }

    impl Document for Small {
        const KIND: &'static str = "small";

        fn wrong(&self) -> Option<String> {
            (self.count == 0).then(|| "it counts nothing".to_owned())
        }
    }

    fn small(count: u64) -> Small {
        Small { text: "a\nline".to_owned(), count }
    }

    fn sealed(line: &str) -> Vec<u8> {
        seal(format!("{line}\n").into_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = encode(&small(7));
        assert_eq!(decode::<Small>(&bytes), Ok(small(7)));
        assert_eq!(bytes.split(|byte| *byte == b'\n').count(), 3);
    }

    #[test]
    fn each_byte_that_is_missing_and_each_bit_that_is_flipped_has_a_name() {
        let whole = encode(&small(7));
        for length in 0..whole.len() {
            assert_eq!(decode::<Small>(&whole[..length]), Err(Fault::CutOff), "of {length} bytes");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let fault = decode::<Small>(&flipped).expect_err("a flipped bit is found");
                let is_named = matches!(fault, Fault::Damaged { .. } | Fault::CutOff | Fault::Foreign { .. });
                assert!(is_named, "bit {bit} of byte {at}: {fault}");
            }
        }
    }

    #[test]
    fn what_is_sealed_is_refused_by_name_all_the_same() {
        let refused = |line: &str| decode::<Small>(&sealed(line)).expect_err("refused");
        assert_eq!(
            refused(r#"{"kind":"small","format":2,"content":[]}"#),
            Fault::OtherVersion { found: 2 },
            "whatever it holds"
        );
        let foreign = Fault::Foreign { wanted: "small" };
        assert_eq!(refused(r#"{"kind":"other","format":1,"content":{}}"#), foreign);
        assert_eq!(refused("something else"), foreign);
        for line in [
            "{}",
            r#"{"kind":"small","format":1,"content":{"text":"t"}}"#,
            r#"{"kind":"small","format":1,"content":{"text":"t","count":0}}"#,
            r#"{"kind":"small","format":1,"content":{"text":"t","count":1}} more"#,
        ] {
            assert!(matches!(refused(line), Fault::Impossible(_)), "{line}");
        }
    }
}
