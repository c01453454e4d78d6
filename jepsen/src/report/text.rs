//! Figures, as people read them.

use std::time::{Duration, UNIX_EPOCH};

/// A time that is given in milliseconds, in the unit that suits it.
pub(super) fn time(milliseconds: f64) -> String {
    match milliseconds {
        ..0.05 => "0 ms".to_owned(),
        ..10.0 => format!("{milliseconds:.1} ms"),
        ..1e3 => format!("{milliseconds:.0} ms"),
        ..1e5 => format!("{:.1} s", milliseconds / 1e3),
        _ => long_time(milliseconds / 1e3),
    }
}

/// A time that is given in seconds, in hours and minutes.
pub(super) fn long_time(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.round()).unwrap_or_default().as_secs();
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// A count, with its thousands apart.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8_lossy(&groups.join(&b","[..])).into_owned()
}

/// A moment in seconds of Unix time.
pub(super) fn moment(unix_seconds: u64) -> String {
    let moment = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(unix_seconds));
    moment.to_string().replace('T', " ").replace('Z', " UTC")
}

/// The middle and the longest of some times, in milliseconds.
pub(super) fn middle_and_longest(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    match (times.get(times.len().saturating_sub(1) / 2), times.last()) {
        (Some(middle), Some(longest)) => format!("{} / {}", time(*middle), time(*longest)),
        _ => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_easily() {
        assert_eq!((time(0.01), time(3.21), time(45.6)), ("0 ms".into(), "3.2 ms".into(), "46 ms".into()));
        assert_eq!((time(1_234.0), time(125_000.0)), ("1.2 s".into(), "2 min 5 s".into()));
        assert_eq!(
            (count(7), count(1_234), count(1_234_567)),
            ("7".into(), "1,234".into(), "1,234,567".into())
        );
        assert_eq!(long_time(3_725.0), "1 h 2 min");
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(middle_and_longest(Vec::new()), "–");
        assert_eq!(middle_and_longest(vec![3.0, 1.0, 2_000.0]), "3.0 ms / 2.0 s");
    }
}
