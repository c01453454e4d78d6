//! Bounds in time: every operation is answered and ends, and nothing is sent without a pause.

use quorate_model::{Instant, Mutant, Rules, Span};

/// A client is answered by its deadline.
///
/// Rule 14. `resend_after` is the pause after which failed owners are asked again.
#[inline]
pub fn answered_at_the_latest(rules: Rules, deadline: Instant, resend_after: Span) -> Instant {
    if rules.broken(Mutant::DeadlineStretched) { deadline + resend_after } else { deadline }
}

/// A record is sent again after a pause, which doubles each time.
///
/// Rule 14. The first pause.
#[inline]
pub fn sent_again_after(rules: Rules, resend_after: Span) -> Span {
    if rules.broken(Mutant::ResentAtOnce) { Span(0) } else { resend_after }
}

/// An operation that was answered ends once its time to settle is over, whatever it still waits for.
///
/// Rule 14.
#[inline]
pub fn settles(rules: Rules) -> bool {
    !rules.broken(Mutant::SettledNever)
}
