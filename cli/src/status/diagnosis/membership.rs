//! Members that come and members that an operator has set aside: good to know, and nothing wrong.

use super::{Problem, Severity};
use crate::quantity::listed;
use crate::status::facts::{Facts, Member, Stays};

impl Facts {
    /// Members that own nothing yet, where nothing moves that would change it.
    pub(super) fn joining(&self) -> Option<Problem> {
        let joining: Vec<String> = self
            .members
            .iter()
            .filter(|member| member.stays == Stays::Joining)
            .map(|member| member.id.clone())
            .collect();
        if joining.is_empty() || self.jobs.iter().any(|job| job.is_move) {
            return None;
        }
        let (verb, its) = if joining.len() == 1 { ("owns", "its") } else { ("own", "their") };
        let what = format!("{} {verb} nothing yet", listed(&joining));
        let then =
            format!("`quorate cluster plan add {}` shows what {its} share would be", joining.join(" "));
        Some(Problem::new(Severity::Note, what, then))
    }
}

impl Member {
    /// One that an operator has drained.
    pub(super) fn drained(&self) -> Option<Problem> {
        let id = &self.id;
        (self.stays == Stays::Drained).then(|| {
            let what = format!("{id} is drained: it gets no new copies, and says that it is not ready");
            Problem::new(Severity::Note, what, format!("`quorate node undrain {id}` ends that"))
        })
    }
}
