//! Taking away the vote of a node that lost what it voted for.
//!
//! A node whose log was cut short may have voted, or acknowledged entries, and forgotten it. Before it begins anew with
//! an empty log it must not be a voter any more, and that must be committed *without it*: then every later majority
//! knows it, and no candidate with an older membership can win by the vote of one who remembers nothing. So the node
//! asks the leader, waits, and only then forgets. The leader adds it again as a member that learns, and in time as a
//! voter.

use super::Control;
use super::messages::{ControlReply, ControlRequest};
use quorate_consensus::Consensus;
use quorate_model::NodeId;
use quorate_transport::Lane;
use std::time::Duration;
use tokio::time::Instant;

/// Pause before the leader is asked again.
const PAUSE: Duration = Duration::from_millis(100);

impl Control {
    /// Has this node taken out of consensus; returns once that is committed. The error says what is missing; then it is
    /// perhaps out, and perhaps not, and asking again is harmless.
    pub async fn leave_consensus(&self, deadline: Instant) -> Result<(), String> {
        let mut missing = "no other member can be reached".to_owned();
        loop {
            let members = self.links.members().into_iter();
            let mut open: Vec<NodeId> =
                members.filter(|node| self.links.is_lane_up(*node, Lane::Urgent)).collect();
            // A member that does not lead says which one does, so that the leader is found even if it is not asked
            // first.
            while let Some(node) = open.pop() {
                match self.ask(node, &ControlRequest::Forget, deadline).await {
                    Ok(ControlReply::Applied(_)) => return Ok(()),
                    Ok(ControlReply::NotWritten(why)) => missing = why,
                    Ok(ControlReply::NotLeader(_)) => {
                        "no leader of the catalog is known".clone_into(&mut missing);
                    }
                    Ok(
                        ControlReply::Joined { .. }
                        | ControlReply::Written(_)
                        | ControlReply::Rejected(_)
                        | ControlReply::Unknown(_)
                        | ControlReply::Report(_)
                        | ControlReply::Figures(_)
                        | ControlReply::Disk(_)
                        | ControlReply::Found(_)
                        | ControlReply::Closed(_)
                        | ControlReply::Jobs(_)
                        | ControlReply::Replaced { .. }
                        | ControlReply::Refused { .. }
                        | ControlReply::Heard(_)
                        | ControlReply::Log(_),
                    ) => missing = format!("node {node} answered another question"),
                    Err(error) => missing = format!("node {node}: {error}"),
                }
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(missing);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes a member out of consensus, at its own wish.
    pub async fn serve_forget(&self, node: NodeId) -> ControlReply {
        if !self.consensus.is_leader() {
            return ControlReply::NotLeader(self.consensus.leader());
        }
        let _one_change_at_a_time = self.changing.lock().await;
        match self.consensus.remove(node).await {
            Ok(()) => {
                tracing::warn!(%node, "took a member out of consensus: it has lost what it voted for");
                ControlReply::Applied(self.views.epoch())
            }
            Err(why) => ControlReply::NotWritten(why),
        }
    }
}
