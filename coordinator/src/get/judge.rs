//! What R answers mean together: which record is the greatest, who holds it, who is stale.

use crate::few::Nodes;
use crate::rules::{purge, read};
use quorate_model::{Held, NodeId, Operations, Record, Rules, Version};

/// One owner's answer to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    held: Option<Held>,
    digest: u64,
    operations: Operations,
    record: Option<Record>,
    /// Of an owner that holds nothing: up to which version what was there was removed.
    sealed: Option<Version>,
}

/// What the answers mean together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// No owner holds anything, or what one holds was removed, by what is sealed at another.
    Nothing { sealed: Option<Version> },
    /// The greatest is known by its digest only: fetch it from one of these, the last first.
    Fetch { sources: Vec<NodeId> },
    /// The greatest, with the ids of all; who holds it; who answered with less; who of the holders lacks an id.
    Greatest { record: Record, holders: Nodes, stale: Nodes, unlearned: Nodes },
    /// Two owners hold different content under one version: some promise was broken, and no answer is right.
    Divergent,
}

impl Judged {
    /// Whether more must be asked before all is known.
    pub fn is_partial(&self) -> bool {
        matches!(self, Judged::Fetch { .. })
    }
}

impl View {
    /// An owner that sent its record, or holds none.
    pub fn whole(record: Option<Record>) -> Self {
        Self {
            held: record.as_ref().map(Record::held),
            digest: record.as_ref().map_or(0, Record::digest),
            operations: record.as_ref().map(|record| record.operations.clone()).unwrap_or_default(),
            record,
            sealed: None,
        }
    }

    /// An owner that holds nothing: what was there up to this was removed.
    pub fn absent(sealed: Version) -> Self {
        Self { sealed: Some(sealed), ..Self::whole(None) }
    }

    /// An owner that sent what orders its record, and a digest.
    pub fn digest(held: Option<Held>, digest: u64, operations: Operations) -> Self {
        Self { held, digest, operations, record: None, sealed: None }
    }
}

/// Judges the answers of a read.
pub(super) fn judge(views: &[(NodeId, View)], rules: Rules) -> Judged {
    let counted = |view: &View| read::counted(rules, view.held, view.record.as_ref());
    let sealed = views.iter().filter_map(|(_, view)| view.sealed).max();
    let greatest = views.iter().filter_map(|(_, view)| counted(view)).max();
    let Some(greatest) = greatest.filter(|held| !purge::is_removed(rules, held.version, sealed)) else {
        return Judged::Nothing { sealed };
    };
    let holding = || views.iter().filter(|(_, view)| view.held == Some(greatest));
    let mut digests = holding().map(|(_, view)| view.digest);
    let first = digests.next();
    if digests.any(|digest| Some(digest) != first) {
        return Judged::Divergent;
    }
    let Some(record) = holding().find_map(|(_, view)| view.record.clone()) else {
        return Judged::Fetch { sources: holding().map(|(node, _)| *node).collect() };
    };
    // Ids travel with repairs, also those that only a stale owner knew; and to an owner that lacks nothing else.
    let all = views.iter().map(|(_, view)| &view.operations);
    let operations = read::ids_of_repair(rules, &record.operations, all);
    let lacks_ids = |view: &View| view.operations != operations;
    Judged::Greatest {
        holders: holding().map(|(node, _)| *node).collect(),
        unlearned: holding().filter(|(_, view)| lacks_ids(view)).map(|(node, _)| *node).collect(),
        record: Record { operations: operations.clone(), ..record },
        stale: views.iter().filter(|(_, view)| view.held != Some(greatest)).map(|(node, _)| *node).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::record_of;
    use quorate_model::Operation;

    fn whole(node: u64, seq: u64, text: &str) -> (NodeId, View) {
        (NodeId(node), View::whole(Some(record_of(seq, text))))
    }

    fn digest(node: u64, seq: u64, text: &str) -> (NodeId, View) {
        let record = record_of(seq, text);
        (NodeId(node), View::digest(Some(record.held()), record.digest(), record.operations.clone()))
    }

    fn intact(views: &[(NodeId, View)]) -> Judged {
        judge(views, Rules::INTACT)
    }

    fn nodes(ids: &[u64]) -> Nodes {
        ids.iter().map(|id| NodeId(*id)).collect()
    }

    #[test]
    fn the_greatest_wins_and_the_others_are_stale() {
        let nothing = (NodeId(3), View::whole(None));
        let judged = intact(&[whole(1, 1, "old"), whole(2, 2, "new"), nothing]);
        let Judged::Greatest { record, holders, stale, .. } = judged else { panic!("{judged:?}") };
        assert_eq!((record.version.seq(), holders, stale), (2, nodes(&[2]), nodes(&[1, 3])));
    }

    #[test]
    fn a_holder_that_lacks_an_operation_id_is_told() {
        let (mut knows, version) = (record_of(2, "x"), record_of(1, "lost").version);
        let id = "c:1".parse().expect("an operation id");
        knows.operations = Operations::of(Operation { id, version, digest: 7 });
        let operations = knows.operations.clone();
        let by_digest = (NodeId(3), View::digest(Some(knows.held()), knows.digest(), operations.clone()));
        let judged = intact(&[whole(1, 2, "x"), (NodeId(2), View::whole(Some(knows))), by_digest]);
        let Judged::Greatest { record, holders, stale, unlearned } = judged else { panic!("{judged:?}") };
        assert_eq!((holders, stale, unlearned), (nodes(&[1, 2, 3]), nodes(&[]), nodes(&[1])));
        assert_eq!(record.operations, operations);
    }

    #[test]
    fn a_digest_alone_is_fetched() {
        let judged = intact(&[whole(1, 1, "old"), digest(2, 2, "new")]);
        assert_eq!(judged, Judged::Fetch { sources: vec![NodeId(2)] });
    }

    #[test]
    fn what_is_sealed_where_nothing_is_held_was_removed() {
        let sealed = |seq| (NodeId(3), View::absent(record_of(seq, "floor").version));
        let floor = Some(record_of(2, "floor").version);
        assert_eq!(intact(&[whole(1, 2, "old"), sealed(2)]), Judged::Nothing { sealed: floor });
        assert_eq!(intact(&[digest(1, 1, "old"), sealed(2)]), Judged::Nothing { sealed: floor });
        let judged = intact(&[whole(1, 3, "new"), sealed(2)]);
        assert!(matches!(judged, Judged::Greatest { .. }), "it was written since: {judged:?}");
    }

    #[test]
    fn equal_versions_with_other_content_are_no_answer() {
        assert_eq!(intact(&[whole(1, 1, "x"), digest(2, 1, "y")]), Judged::Divergent);
        assert!(matches!(intact(&[whole(1, 1, "x"), digest(2, 1, "x")]), Judged::Greatest { .. }));
    }
}
