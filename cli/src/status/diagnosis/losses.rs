//! What one member has lost, or could not keep for others, and what can be done about it.

use super::{Problem, Severity};
use crate::quantity::{count, counted};
use crate::status::facts::Member;

impl Member {
    pub(super) fn doubtful(&self) -> Option<Problem> {
        let cause = self.doubt.as_deref()?;
        let what = format!(
            "{} is doubtful ({cause}): it does not answer for its shards, their other owners do",
            self.id
        );
        Some(Problem::new(Severity::Degraded, what, self.way_out(cause)))
    }

    /// One that lost something and comes back by itself.
    pub(super) fn filling(&self) -> Option<Problem> {
        let healing = self.healing.as_ref().filter(|_| self.is_heard && self.doubt.is_none())?;
        let (id, progress, records) = (&self.id, healing.progress(), count(healing.records));
        let what =
            format!("{id} fills itself: {progress}, {records} records; the other owners answer for the rest");
        Some(Problem::new(Severity::Degraded, what, self.patience(healing)))
    }

    /// What can be done about a doubt of this cause.
    pub(super) fn way_out(&self, cause: &str) -> String {
        let id = &self.id;
        if let Some(healing) = &self.healing {
            return self.patience(healing);
        }
        // It may just be starting again, to heal.
        let accept = format!(
            "if its log says that it can't heal by itself: `quorate node accept-loss {id} --preview`"
        );
        match cause {
            "damaged" => format!(
                "started with `--join` it fills itself; else keep its folder aside, and start it with `--replace-self {id}` on \
                 an empty one"
            ),
            "failed" => format!("check the disk of {id} and start it again; {accept}"),
            _ => accept,
        }
    }

    pub(super) fn overflow(&self) -> Option<Problem> {
        if self.hints_overflow == 0 {
            return None;
        }
        let what = format!(
            "{} had no room for {} since its data folder was made: owners that were away may lack those writes",
            self.id,
            counted(self.hints_overflow, "hint")
        );
        Some(Problem::new(Severity::Note, what, "background sync brings them over: `quorate sync status`"))
    }
}
