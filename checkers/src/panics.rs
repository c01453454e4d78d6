//! Panics, as a node's log and its metrics tell of them.
//!
//! A panic is a bug even where the process goes on, so each one ends up here. The node logs them by a hook of its own,
//! in words that it calls `PANICKED`; they are repeated here, since this crate knows nothing of the node, and a test in
//! `tests/` feeds the hook's real output to this file.

/// What a log says of a panic: the node's own words, and those of Rust for one that comes before the hook is there.
const WORDS: [&str; 2] = ["a panic, which is a bug", "panicked at"];

/// The metrics that count panics, those that were caught among them.
const COUNTERS: [&str; 2] = ["quorate_http_panics_total", "quorate_panics_total"];

/// The lines of a log that tell of a panic.
pub fn in_log(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| WORDS.iter().any(|words| line.contains(words)))
}

/// What the page of metrics says of panics; empty if there was none.
pub fn in_metrics(page: &str) -> Vec<String> {
    let counted = COUNTERS.iter().filter_map(|counter| Some((counter, metric(page, counter)?)));
    counted
        .filter(|(_, count)| *count > 0.0)
        .map(|(counter, count)| format!("{counter} is {count}"))
        .collect()
}

/// The number that a page of metrics gives for one without labels.
pub fn metric(page: &str, name: &str) -> Option<f64> {
    let mut lines = page.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_with_a_panic_is_known() {
        let log = "all is well\nERROR a panic, which is a bug: index out of bounds\nthread 'x' panicked at y.rs:1:1:\n";
        assert_eq!(in_log(log).count(), 2);
        assert_eq!(in_log("a request failed: panic buying\n").count(), 0);
    }

    #[test]
    fn counters_above_zero_are_told() {
        assert!(in_metrics("quorate_http_panics_total 0\nquorate_panics_total 0\n").is_empty());
        let said = in_metrics("# TYPE quorate_http_panics counter\nquorate_http_panics_total 2\n");
        assert_eq!(said, ["quorate_http_panics_total is 2"]);
    }

    #[test]
    fn a_number_is_read_by_its_whole_name() {
        let page = "# HELP quorate_replica_doubtful 1 while\nquorate_replica_doubtful 1\n";
        assert_eq!(metric(page, "quorate_replica_doubtful"), Some(1.0));
        assert_eq!(metric(page, "quorate_replica"), None);
    }
}
