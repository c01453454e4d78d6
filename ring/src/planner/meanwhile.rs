//! What becomes of the requests for a shard while a plan moves it.

use quorate_model::NodeId;
use quorate_model::level::quorum;

/// See the module's essay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meanwhile {
    /// They wait until new owners hold it: those that stay are no quorum of the new set without them.
    Waits,
    /// Its copies become fewer and no node gets one: nothing is filled, and nothing waits. From the start of the move on it
    /// needs the quorum of the owners that stay, too.
    Fewer,
    /// They go on: at every stage the owners that stay are a quorum.
    GoesOn,
}

impl Meanwhile {
    /// Of a shard that these own and those should. It goes through stages as they are made when it starts
    /// (`catalog/apply/stage.rs`): an owner that leaves stands in for a new one, unless it is gone.
    pub(super) fn of(owners: &[NodeId], wanted: &[NodeId], is_gone: impl Fn(NodeId) -> bool) -> Self {
        let n = wanted.len();
        let new = wanted.iter().filter(|node| !owners.contains(node)).count();
        if new == 0 && n < owners.len() {
            return Meanwhile::Fewer;
        }
        let stand_in = owners.iter().filter(|node| !wanted.contains(node) && !is_gone(**node)).count();
        let spare = n - usize::from(quorum(n as u8));
        let at_once = spare.max(1);
        let together = if stand_in >= new.saturating_sub(at_once) { new.min(at_once) } else { new };
        if together <= spare { Meanwhile::GoesOn } else { Meanwhile::Waits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_wait_where_those_that_stay_are_no_quorum() {
        use Meanwhile::{Fewer, GoesOn, Waits};
        type Case = (&'static [u64], &'static [u64], &'static [u64], Meanwhile);
        let cases: [Case; 15] = [
            (&[1, 2, 3], &[1, 2, 4], &[], GoesOn),
            (&[1, 2, 3], &[4, 5, 6], &[], GoesOn),
            (&[1, 2, 3], &[1, 4, 5], &[3], GoesOn),
            (&[1, 2, 3], &[1, 4, 5], &[2, 3], Waits),
            (&[1, 2, 3, 4, 5], &[1, 2, 3, 6, 7], &[4, 5], GoesOn),
            (&[1, 2, 3], &[1, 2, 3, 4, 5], &[], GoesOn),
            (&[1, 2], &[1, 2, 3], &[], GoesOn),
            (&[1], &[1, 2, 3], &[], Waits),
            (&[1], &[1, 2], &[], Waits),
            (&[1], &[2], &[], Waits),
            (&[1, 2], &[1, 3], &[], Waits),
            (&[1, 2, 3], &[1, 4], &[], Waits),
            (&[1, 2, 3], &[1, 2], &[], Fewer),
            (&[1, 2, 3], &[1], &[], Fewer),
            (&[1, 2, 3, 4, 5], &[1, 2, 3], &[4], Fewer),
        ];
        let ids = |nodes: &[u64]| nodes.iter().copied().map(NodeId).collect::<Vec<NodeId>>();
        for (owners, wanted, gone, expected) in cases {
            let said = Meanwhile::of(&ids(owners), &ids(wanted), |node| gone.contains(&node.0));
            assert_eq!(said, expected, "{owners:?} to {wanted:?}, without {gone:?}");
        }
    }
}
