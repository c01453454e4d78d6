//! Whether a process that comes as a member is let in: an address belongs to the process that is heard there.
//!
//! The secret proves that a process was given the secret, not that it is the only one with its id: a data folder can be
//! moved, and copied. So a process that the catalog does not know yet is let in at once where the member was known to
//! be, and elsewhere only once nothing has been heard of the known one for as long as silence takes to be sure. That
//! delays a member that has moved by seconds; it keeps a copy out while the original lives.

use quorate_model::Boot;
use quorate_ring::Node;
use quorate_transport::{Met, RefusalReason};
use std::time::Duration;

/// What this node has seen of a member itself.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The process that a connection leads to now.
    pub met: Option<Met>,
    /// How long nothing has been heard of the member.
    pub silent: Duration,
    /// How long that must be, for it to count as gone.
    pub silence: Duration,
}

/// Whether a process may connect as a member that the catalog knows.
pub fn admission(
    known: &Node,
    boot: Boot,
    peer_address: Option<&str>,
    seen: &Seen,
) -> Result<(), RefusalReason> {
    let node = known.id;
    match &seen.met {
        Some(met) if met.boot != boot => {
            let heard_ms = u64::try_from(seen.silent.as_millis()).ok();
            return Err(RefusalReason::Duplicate { node, other: met.boot, heard_ms });
        }
        Some(_) => return Ok(()),
        None => {}
    }
    let is_known_there = known.peer_address.is_empty()
        || peer_address.is_none_or(|peer_address| peer_address == known.peer_address);
    if known.boot == boot || is_known_there || seen.silent >= seen.silence {
        return Ok(());
    }
    let silence_ms = u64::try_from(seen.silence.as_millis()).unwrap_or(u64::MAX);
    Err(RefusalReason::Moved { node, known: known.peer_address.clone(), silence_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::ClusterId;
    use quorate_ring::{Catalog, NewNode, RequestId, Weight};
    use std::sync::Arc;

    const SILENCE: Duration = Duration::from_secs(3);

    fn known() -> Arc<Node> {
        let new = NewNode {
            request: RequestId(1),
            name: "n1".into(),
            zone: "z".into(),
            weight: Weight::ONE,
            http_address: "a:1".into(),
            peer_address: "a:2".into(),
            boot: Boot(1),
        };
        let catalog = Catalog::bootstrap("c", ClusterId(1), new).expect("founded");
        Arc::clone(catalog.nodes().next().expect("its founder"))
    }

    fn seen(met: Option<u64>, silent: Duration) -> Seen {
        let met = met.map(|boot| Met { boot: Boot(boot), address: "a:2".into(), heard: None });
        Seen { met, silent, silence: SILENCE }
    }

    #[test]
    fn a_member_that_starts_again_where_it_was_is_let_in_at_once() {
        let just_now = seen(None, Duration::ZERO);
        assert_eq!(admission(&known(), Boot(2), Some("a:2"), &just_now), Ok(()));
        assert_eq!(
            admission(&known(), Boot(2), None, &just_now),
            Ok(()),
            "an earlier version does not say where"
        );
    }

    #[test]
    fn a_member_that_moved_is_let_in_once_its_old_address_is_silent() {
        let refused = admission(&known(), Boot(2), Some("b:2"), &seen(None, Duration::from_secs(1)));
        assert!(matches!(refused, Err(RefusalReason::Moved { silence_ms: 3_000, .. })), "{refused:?}");
        assert_eq!(admission(&known(), Boot(2), Some("b:2"), &seen(None, SILENCE)), Ok(()));
        let announced = admission(&known(), Boot(1), Some("b:2"), &seen(None, Duration::ZERO));
        assert_eq!(announced, Ok(()), "the catalog knows this process");
    }

    #[test]
    fn a_copy_is_not_let_in_while_the_original_is_connected() {
        for address in ["a:2", "b:2"] {
            let refused = admission(&known(), Boot(2), Some(address), &seen(Some(1), Duration::from_secs(1)));
            let wanted = RefusalReason::Duplicate { node: known().id, other: Boot(1), heard_ms: Some(1_000) };
            assert_eq!(refused, Err(wanted));
        }
        assert_eq!(admission(&known(), Boot(2), Some("b:2"), &seen(Some(2), Duration::ZERO)), Ok(()));
    }
}
