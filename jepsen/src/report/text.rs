//! Numbers and words, as people read them.

use std::time::{Duration, UNIX_EPOCH};

use crate::run::Verdict;

/// Text that may have come from anywhere, as it may stand in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other if other.is_control() && other != '\n' => escaped += &other.escape_default().to_string(),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A time that is given in milliseconds, in the unit that suits it.
pub(super) fn time(milliseconds: f64) -> String {
    if milliseconds < 0.05 {
        "0 ms".to_owned()
    } else if milliseconds < 10.0 {
        format!("{milliseconds:.1} ms")
    } else if milliseconds < 1_000.0 {
        format!("{milliseconds:.0} ms")
    } else if milliseconds < 100_000.0 {
        format!("{:.1} s", milliseconds / 1e3)
    } else {
        long_time(milliseconds / 1e3)
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
    let mut apart = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// A count that comes as one figure among others.
pub(super) fn whole(figure: f64) -> String {
    count(format!("{figure:.0}").parse().unwrap_or(0))
}

/// So many of something.
pub(super) fn many(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// A moment in seconds of Unix time.
pub(super) fn moment(unix_seconds: u64) -> String {
    let moment = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(unix_seconds));
    moment.to_string().replace('T', " ").replace('Z', " UTC")
}

/// A verdict as a coloured word.
pub(super) fn pill(verdict: Verdict) -> String {
    format!("<span class=\"pill {}\">{}</span>", class(verdict), word(verdict))
}

/// The class of what is coloured by a verdict.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Violated => "violated",
        Verdict::Undecided => "undecided",
        Verdict::Void => "void",
    }
}

/// A verdict as a word.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Violated => "violated",
        Verdict::Undecided => "undecided",
        Verdict::Void => "void",
    }
}

/// The middle and the longest of some times, in milliseconds.
pub(super) fn middle_and_longest(times: &[f64]) -> String {
    let mut times = times.to_vec();
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
    fn what_comes_from_outside_cannot_be_markup() {
        assert_eq!(escape("<b a=\"1\">&'\u{7}"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;\\u{7}");
    }

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
        assert_eq!(middle_and_longest(&[]), "–");
        assert_eq!(middle_and_longest(&[3.0, 1.0, 2_000.0]), "3.0 ms / 2.0 s");
    }
}
