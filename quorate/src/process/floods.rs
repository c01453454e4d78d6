//! Floods of log lines: what clients, peers or a broken network can cause at will is written a few times, then counted.
//!
//! A place in the code (a call site) may write [`LINES_MAX`] lines in [`INTERVAL`]. What it has to say beyond that is
//! held back, and at the end of the interval one line says how much that was, and what the last of it said. So no log
//! grows with what a stranger does, whichever place it comes from, also one that is written tomorrow. Lines at `debug`
//! and `trace` are only there because the operator asked for them: they are not counted.

use quorate_http::metrics::lines::HELD_BACK;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines of one place in one interval.
pub const LINES_MAX: u32 = 20;

/// After so long a place may write again.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// What sums up, in log lines: never held back itself.
const TARGET: &str = "quorate::floods";

/// What every place has written lately. Its copies are one.
#[derive(Clone, Debug, Default)]
pub struct Floods(Arc<Mutex<HashMap<Identifier, CallSite>>>);

#[derive(Debug)]
struct CallSite {
    metadata: &'static Metadata<'static>,
    began: Instant,
    written: u32,
    held_back: u64,
    last: String,
}

impl Floods {
    /// Whether a line of this place may be written now.
    fn admits(&self, event: &Event<'_>, now: Instant) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || metadata.target() == TARGET {
            return true;
        }
        let mut places = self.places();
        let place = places.entry(metadata.callsite()).or_insert_with(|| CallSite::new(metadata, now));
        if place.held_back == 0 && now.duration_since(place.began) >= INTERVAL {
            (place.began, place.written) = (now, 0);
        }
        if place.written < LINES_MAX {
            place.written += 1;
            return true;
        }
        place.held_back += 1;
        HELD_BACK.count();
        place.last.clear();
        event.record(&mut Message(&mut place.last));
        false
    }

    /// Says of each place whose interval is over how much it has held back. Called from time to time.
    pub fn sum_up(&self, now: Instant) {
        let over: Vec<CallSite> = {
            let mut places = self.places();
            let is_over = |place: &CallSite| now.saturating_duration_since(place.began) >= INTERVAL;
            let ids: Vec<Identifier> =
                places.iter().filter(|(_, place)| is_over(place)).map(|(id, _)| id.clone()).collect();
            ids.into_iter().filter_map(|id| places.remove(&id)).collect()
        };
        // Not under the lock: these are lines too.
        for CallSite { metadata, held_back, last, .. } in over.into_iter().filter(|place| place.held_back > 0)
        {
            let place = metadata.target();
            let seconds = INTERVAL.as_secs();
            macro_rules! say {
                ($level:ident) => {
                    tracing::$level!(
                        target: TARGET, held_back, place, last, "more lines of one kind than {LINES_MAX} in {seconds} s"
                    )
                };
            }
            match *metadata.level() {
                Level::ERROR => say!(error),
                Level::WARN => say!(warn),
                _ => say!(info),
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Identifier, CallSite>> {
        // Every change of it is complete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallSite {
    fn new(metadata: &'static Metadata<'static>, began: Instant) -> Self {
        Self { metadata, began, written: 0, held_back: 0, last: String::new() }
    }
}

impl<S: Subscriber> Layer<S> for Floods {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        self.admits(event, Instant::now())
    }
}

/// The message of an event, and what it names beside.
struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let separator = if self.0.is_empty() { "" } else { " " };
        // A String takes every write.
        let _written = match field.name() {
            "message" => fmt::write(self.0, format_args!("{separator}{value:?}")),
            name => fmt::write(self.0, format_args!("{separator}{name}={value:?}")),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic while it is held").clone()).expect("text")
        }
    }

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while it is held").write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(what: impl FnOnce(&Floods)) -> String {
        let (floods, lines) = (Floods::default(), Lines::default());
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(floods.clone()).with(layer);
        tracing::subscriber::with_default(subscriber, || what(&floods));
        lines.text()
    }

    #[test]
    fn a_flood_is_a_few_lines_and_one_that_counts_the_rest() {
        let before = HELD_BACK.total();
        let text = logged(|floods| {
            for number in 0..1_000 {
                tracing::warn!(number, "a stranger knocks");
            }
            floods.sum_up(Instant::now());
            assert_eq!(floods.places().len(), 1, "its interval is not over");
            floods.sum_up(Instant::now() + INTERVAL);
            floods.sum_up(Instant::now() + 2 * INTERVAL);
        });
        assert_eq!(text.lines().count(), LINES_MAX as usize + 1, "{text}");
        let last = text.lines().last().expect("a line");
        assert!(last.contains("WARN") && last.contains("held_back=980"), "{last}");
        assert!(last.contains("a stranger knocks") && last.contains("number=999"), "{last}");
        assert!(HELD_BACK.total() >= before + 980);
    }

    #[test]
    fn what_others_say_meanwhile_and_what_was_asked_for_is_not_held_back() {
        let text = logged(|_| {
            for _ in 0..1_000 {
                tracing::info!("much");
                tracing::debug!("asked for");
            }
            tracing::info!("something else");
        });
        assert_eq!(text.matches("asked for").count(), 1_000);
        assert!(text.ends_with("something else\n"), "{}", text.lines().last().unwrap_or_default());
    }

    #[test]
    fn a_place_that_was_quiet_for_a_while_may_write_again() {
        let text = logged(|floods| {
            let knock = || tracing::warn!("knock");
            for _ in 0..LINES_MAX {
                knock();
            }
            floods.sum_up(Instant::now() + INTERVAL);
            knock();
        });
        assert_eq!(text.lines().count(), LINES_MAX as usize + 1, "{text}");
    }
}
