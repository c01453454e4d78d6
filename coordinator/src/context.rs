//! What every operation of one node has in common.

use crate::rules::{time, write};
use quorate_model::{Boot, Instant, NodeId, Rules, Span, Stamps};

/// The longest pause before a record is sent again; pauses double from [`Timing::resend_after`] on.
pub const RESEND_AFTER_MAX: Span = Span::from_millis(400);

/// Where an operation runs, and by which rules and times.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The coordinator: its own hint store, and its own replica if it is an owner.
    pub local: NodeId,
    /// The rules in force: all of them, outside the tests.
    pub rules: Rules,
    /// The times.
    pub timing: Timing,
}

impl Context {
    /// When an operation whose client must be answered at `deadline` answers it at the latest.
    pub fn deadline(&self, deadline: Instant) -> Instant {
        time::answered_at_the_latest(self.rules, deadline, self.timing.resend_after)
    }

    /// Where the versions of this start of the process come from: its boot id was drawn for it.
    pub fn stamps(&self, boot: Boot) -> Stamps {
        Stamps::new(self.local, write::boot_of_versions(self.rules, boot))
    }

    /// The times by which a record is sent.
    pub fn sending(&self) -> Timing {
        Timing { resend_after: time::sent_again_after(self.rules, self.timing.resend_after), ..self.timing }
    }

    /// Whether an operation that was answered ends when its time to settle is over.
    pub fn settles(&self) -> bool {
        time::settles(self.rules)
    }
}

/// The times of an operation. All are well below the default request timeout of 2 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long an owner may be silent before another one is asked beside it. Lower: more messages; higher: a
    /// silent partition is felt longer.
    pub hedge: Span,
    /// How long to wait before an owner that failed is asked, or sent the same record, again.
    pub resend_after: Span,
    /// How long owners that failed are asked again before the operation gives up for lack of owners.
    pub give_up_after: Span,
    /// How long after the answer late acknowledgements are awaited before a hint takes their place.
    pub settle: Span,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            hedge: Span::from_millis(20),
            resend_after: Span::from_millis(50),
            give_up_after: Span::from_millis(250),
            settle: Span::from_millis(300),
        }
    }
}
