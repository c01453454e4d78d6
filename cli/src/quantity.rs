//! Numbers for people: bytes, counts, lengths of time. Programs read the raw ones, in JSON.

use std::time::{Duration, SystemTime};

/// Bytes in at most three digits before the unit: `3.2 GiB`, `512 GiB`; 1,000 of a unit are said in the next one.
pub fn bytes(count: u64) -> String {
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if value < 999.5 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if value < 99.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A number with one digit after the point, if it is small enough for that to matter: `0.3`, `12`.
pub fn short(number: f64) -> String {
    if number < 9.95 { format!("{number:.1}") } else { format!("{number:.0}") }
}

/// A count with a comma at each thousand: `12,345`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and what is counted: `1 node`, `3 nodes`.
pub fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A length of time in its two largest units: `140 ms`, `3.2 s`, `3 m 12 s`, `2 d 4 h`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let pair = |large: u64, of: &str, small: u64, than: &str| match small {
        0 => format!("{large} {of}"),
        small => format!("{large} {of} {small} {than}"),
    };
    match seconds {
        0 => format!("{} ms", time.subsec_millis()),
        1..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => pair(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => pair(seconds / 3600, "h", seconds / 60 % 60, "m"),
        _ => pair(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

/// A length of time in its largest unit, for a narrow column: `140 ms`, `3.2 s`, `3 m`.
pub fn short_span(time: Duration) -> String {
    span(time).split_inclusive(' ').take(2).collect::<String>().trim_end().to_owned()
}

/// How long a request took, in at most three digits: `87 us`, `1.4 ms`, `230 ms`, `3.2 s`.
pub fn latency(time: Duration) -> String {
    match time.as_micros() {
        microseconds @ 0..1_000 => format!("{microseconds} us"),
        1_000..100_000 => format!("{} ms", short(time.as_secs_f64() * 1e3)),
        _ => span(time),
    }
}

/// How long ago something was, or in how long it will be; `now` is given, so that a test can say it.
pub fn relative(at: SystemTime, now: SystemTime) -> String {
    match (now.duration_since(at), at.duration_since(now)) {
        (Ok(ago), _) if ago < Duration::from_secs(1) => "now".to_owned(),
        (Ok(ago), _) => format!("{} ago", span(ago)),
        (Err(_), Ok(ahead)) => format!("in {}", span(ahead)),
        (Err(_), Err(_)) => "now".to_owned(),
    }
}

/// Names in a sentence: `n1`, `n1 and n2`, `n1, n2 and n3`.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_bytes_read_well() {
        assert_eq!(
            [0, 999, 1000, 12_345, 1_234_567].map(count),
            ["0", "999", "1,000", "12,345", "1,234,567"]
        );
        assert_eq!(
            [0, 999, 1000, 1023, 1 << 20, 3_435_973_837, 102_350, 1_048_000, u64::MAX].map(bytes),
            ["0 B", "999 B", "1.0 KiB", "1.0 KiB", "1.0 MiB", "3.2 GiB", "100 KiB", "1.0 MiB", "16384 PiB"]
        );
        assert_eq!([0.34, 9.9, 12.3, 99.0].map(short), ["0.3", "9.9", "12", "99"]);
        assert_eq!((counted(1, "node"), counted(3, "node")), ("1 node".into(), "3 nodes".into()));
    }

    #[test]
    fn time_is_said_in_two_units_at_most() {
        for (ms, text) in [
            (0, "0 ms"),
            (140, "140 ms"),
            (3210, "3.2 s"),
            (59_999, "59 s"),
            (60_000, "1 m"),
            (192_000, "3 m 12 s"),
            (7_380_000, "2 h 3 m"),
            (187_200_000, "2 d 4 h"),
        ] {
            let time = Duration::from_millis(ms);
            assert_eq!(span(time), text);
            assert!(
                text.starts_with(&short_span(time)) && short_span(time).split(' ').count() == 2,
                "{text}"
            );
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(relative(now, now), "now");
        assert_eq!(relative(now - Duration::from_secs(192), now), "3 m 12 s ago");
        assert_eq!(relative(now + Duration::from_mins(10), now), "in 10 m");
    }

    #[test]
    fn requests_take_three_digits_of_time() {
        let said =
            [0, 87, 999, 1_000, 1_449, 23_400, 230_000, 3_210_000].map(Duration::from_micros).map(latency);
        assert_eq!(said, ["0 us", "87 us", "999 us", "1.0 ms", "1.4 ms", "23 ms", "230 ms", "3.2 s"]);
    }

    #[test]
    fn names_are_joined_as_in_a_sentence() {
        let names = ["n1", "n2", "n3"].map(str::to_owned);
        assert_eq!((listed(&names[..1]), listed(&names[..2])), ("n1".into(), "n1 and n2".into()));
        assert_eq!(listed(&names), "n1, n2 and n3");
    }
}
