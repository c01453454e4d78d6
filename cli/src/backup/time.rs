//! Moments as files and pages say them.

use crate::exit::{Exit, Failure};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// This moment.
pub fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// This moment in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970 of a moment in text; `None`: it is none.
pub fn millis(text: &str) -> Option<u64> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// The moment so many milliseconds after 1970, in text; one beyond what can be said in text is the last that can.
pub fn text(millis: u64) -> String {
    // The end of the year 9999.
    const LAST: u64 = 253_402_300_799_999;
    let at = UNIX_EPOCH + Duration::from_millis(millis.min(LAST));
    humantime::format_rfc3339_millis(at).to_string()
}

/// A name for a snapshot that begins now: later ones are greater.
pub fn id() -> Result<String, Failure> {
    let mut drawn = [0; 4];
    getrandom::fill(&mut drawn)
        .map_err(|error| Failure::new(Exit::Other, format!("there are no random bits: {error}")))?;
    let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let digits: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
    Ok(format!("{digits}-{:08x}", u32::from_be_bytes(drawn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_as_text() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        for at in [0, 1, 1_796_126_400_123, 253_402_300_799_999] {
            assert_eq!(millis(&text(at)), Some(at));
        }
        assert_eq!(text(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(millis("soon"), None);
    }

    #[test]
    fn a_name_is_one_of_a_snapshot() {
        let id = id().expect("drawn");
        assert!(quorate_backup::snapshot::is_id(&id), "{id}");
        assert_eq!((id.len(), &id[8..9], &id[18..20]), (28, "T", "Z-"));
    }
}
