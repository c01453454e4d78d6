//! Good to know, and nothing wrong: members that come, members that an operator has set aside, names, versions.

use super::{Problem, Severity};
use crate::quantity::{bytes, counted, listed};
use crate::status::facts::{Facts, Held, Hold, Member, Stays};
use std::collections::BTreeMap;

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

    /// A member that is named like another one's id.
    pub(super) fn misleading(&self, member: &Member) -> Option<Problem> {
        let Member { id, name, .. } = member;
        self.members.iter().any(|other| other.id == *name && name != id).then(|| {
            let what = format!("{id} is named {name}, which is another member's id");
            Problem::new(Severity::Note, what, format!("say id:{name} or name:{name}"))
        })
    }

    /// Removals that can't go for now: their space comes back once every owner is there.
    pub(super) fn purge_held_back(&self) -> impl Iterator<Item = Problem> {
        self.purge_held_back.iter().map(|(hold, Held { shards, removals })| {
            let waits = format!(
                "the purge of {} in {} waits",
                counted(*removals, "removal"),
                counted(*shards, "shard")
            );
            let (by, then) = match hold {
                Hold::Node(id) => {
                    (format!("for {id}"), format!("it goes on once {id} is up and holds everything"))
                }
                Hold::Move => ("for a move".to_owned(), "it goes on after that".to_owned()),
            };
            Problem::new(Severity::Note, format!("{waits} {by}"), then)
        })
    }

    /// Members of two versions.
    pub(super) fn versions(&self) -> Option<Problem> {
        let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for member in &self.members {
            if let Some(version) = &member.version {
                versions.entry(version).or_default().push(member.id.clone());
            }
        }
        if versions.len() < 2 {
            return None;
        }
        let each: Vec<String> =
            versions.iter().map(|(version, ids)| format!("{version} on {}", listed(ids))).collect();
        let what = format!("two versions run: {}", each.join(", "));
        Some(Problem::new(Severity::Note, what, "go on with the upgrade"))
    }
}

impl Facts {
    /// Members that hold more than they own, since shards have moved away: space that is about to come back.
    pub(super) fn leftover(&self) -> Option<Problem> {
        let holding: Vec<&Member> = self.members.iter().filter(|member| member.leftover_bytes > 0).collect();
        let ids: Vec<String> = holding.iter().map(|member| member.id.clone()).collect();
        let (hold, clear) = match ids.len() {
            0 => return None,
            1 => ("holds", "it clears it by itself"),
            _ => ("hold", "they clear it by themselves"),
        };
        let all = bytes(holding.iter().map(|member| member.leftover_bytes).sum());
        let what = format!("{} still {hold} {all} of shards that are with other owners now", listed(&ids));
        Some(Problem::new(Severity::Note, what, clear))
    }

    /// Members that have handed over what they own, and keep hints for others.
    pub(super) fn leaving(&self) -> impl Iterator<Item = Problem> {
        let is_done = !self.jobs.iter().any(|job| job.is_move);
        let leaving = self.members.iter().filter(move |member| is_done && member.stays == Stays::Leaving);
        leaving.filter(|member| !member.keeps_hints_for.is_empty()).map(|member| {
            let (id, owners) = (&member.id, listed(&member.keeps_hints_for));
            let what = format!("{id} stays a member, leaving, while it keeps hints for {owners}");
            let then = format!(
                "it is gone once another member has room for them (`replica.hint_bytes_max`), {owners} ran for a moment, \
                 or is removed too (`--dead`)"
            );
            Problem::new(Severity::Note, what, then)
        })
    }
}

impl Member {
    /// One that an operator has drained.
    pub(super) fn drained(&self) -> Option<Problem> {
        let id = &self.id;
        (self.stays == Stays::Drained).then(|| {
            let what = format!("{id} is drained: it gets no new copies and takes no requests for keys");
            Problem::new(Severity::Note, what, format!("`quorate node undrain {id}` ends that"))
        })
    }
}
