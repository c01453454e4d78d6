//! Changing the catalog from any node: find the leader, have it written, wait until every node has it.

use super::Control;
use super::messages::{ControlReply, ControlRequest, DiskState};
use super::proposed::{ProposeError, Proposed};
use crate::access_note::AccessNote;
use minicbor::bytes::ByteVec;
use quorate_consensus::{Consensus, WriteError};
use quorate_model::{Epoch, NodeId};
use quorate_ring::{Command, Created, NewNode, Receipt, Rejection};
use quorate_transport::{CallError, Kind, Lane};
use std::time::Duration;
use tokio::time::Instant;

/// Pause before the leader is looked for again.
const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// Time kept back for the answer itself when another node is asked to write.
const ANSWER_MARGIN: Duration = Duration::from_millis(50);

/// How many members are asked for their epoch when there is no leader to ask.
const REFRESH_MEMBERS: usize = 3;

impl Control {
    /// Writes a command through the leader, and waits until every reachable member has applied it and enough owners have
    /// closed what it took away.
    pub async fn propose(&self, command: Command, deadline: Instant) -> Result<Proposed, ProposeError> {
        let Some(table) = command.takes_from() else {
            let receipt = self.write(&command, deadline).await?;
            let lagging = self.wait_for_members(receipt.epoch, deadline).await;
            return Ok(Proposed { receipt, lagging, open: Vec::new() });
        };
        let before = self.views.current();
        let name = before.catalog().table_by_id(table).map(|entry| entry.name.as_str());
        let receipt = match self.write(&command, deadline).await {
            Ok(receipt) => receipt,
            // Perhaps another client has just dropped it: that it is gone is true once that is closed.
            Err(gone @ ProposeError::Rejected(Rejection::NoSuchTable { .. })) => {
                self.refresh(deadline).await;
                let receipt = Receipt { epoch: self.views.epoch(), created: None, repeated: true };
                let open = self.closed((table, name), receipt.epoch, deadline).await;
                return if open.is_empty() {
                    Err(gone)
                } else {
                    Ok(Proposed { receipt, lagging: Vec::new(), open })
                };
            }
            Err(error) => return Err(error),
        };
        let lagging = self.wait_for_members(receipt.epoch, deadline).await;
        let open = self.closed((table, name), receipt.epoch, deadline).await;
        Ok(Proposed { receipt, lagging, open })
    }

    /// Writes a command through the leader.
    pub async fn write(&self, command: &Command, deadline: Instant) -> Result<Receipt, ProposeError> {
        let mut attempts = Attempts::of(command);
        // A member that knows no leader may be the one that no other finds any more: it asks around for its
        // address, since a member that does not lead says which one does. Nothing else is worth an answer that may
        // never come.
        let asks_around = matches!(command, Command::Announce(_));
        let mut asked = 0;
        loop {
            let leader = attempts.hint.take().or_else(|| self.consensus.leader());
            let leader = leader.or_else(|| asks_around.then(|| self.next_reachable(&mut asked)).flatten());
            if let Some(leader) = leader {
                let reply = self.write_at(leader, command, deadline).await;
                if let Some(ended) = attempts.hear(leader, reply) {
                    return ended;
                }
            }
            if Instant::now() + LEADER_PAUSE >= deadline {
                return Err(attempts.give_up());
            }
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    /// One of the members that can be reached, each in its turn.
    fn next_reachable(&self, asked: &mut usize) -> Option<NodeId> {
        let members = self.links.members().into_iter();
        let reachable: Vec<NodeId> =
            members.filter(|node| self.links.is_lane_up(*node, Lane::Urgent)).collect();
        *asked += 1;
        reachable.get(*asked % reachable.len().max(1)).copied()
    }

    async fn write_at(&self, leader: NodeId, command: &Command, deadline: Instant) -> ControlReply {
        if leader == self.node {
            return self.write_here(command.clone(), deadline).await;
        }
        let request = ControlRequest::Propose(command.encode());
        match self.ask(leader, &request, deadline).await {
            Ok(reply) => reply,
            Err(CallError::NotSent(why)) => {
                ControlReply::NotWritten(format!("the leader, node {leader}, cannot be reached: {why}"))
            }
            Err(error @ CallError::NotUnderstood) => {
                ControlReply::NotWritten(format!("the leader, node {leader}: {error}"))
            }
            Err(CallError::Lost(why)) => {
                ControlReply::Unknown(format!("the leader, node {leader}, did not answer: {why}"))
            }
        }
    }

    async fn write_here(&self, command: Command, deadline: Instant) -> ControlReply {
        if let Some(rejection) = self.address_taken(&command) {
            return ControlReply::Rejected(rejection);
        }
        // Every member applies every command. What the catalog's level has, all of them have, those too that are away.
        let is_known = command.since() <= self.views.current().catalog().protocol();
        if let Some(member) = self.links.lacks(command.since()).filter(|_| !is_known) {
            return ControlReply::NotWritten(format!(
                "node {member} runs an older version, which does not have this change, or can't be asked; upgrade it, \
                 start it, or remove it"
            ));
        }
        match self.consensus.write(command, deadline).await {
            Ok(Ok(receipt)) => ControlReply::Written(receipt),
            Ok(Err(rejection)) => ControlReply::Rejected(rejection),
            Err(WriteError::NotLeader(other)) => ControlReply::NotLeader(other),
            Err(WriteError::NoMajority) => {
                ControlReply::NotWritten("the leader cannot reach a majority of the voters".to_owned())
            }
            Err(WriteError::Stopped(why)) => {
                ControlReply::NotWritten(format!("consensus has stopped: {why}"))
            }
            Err(WriteError::Unknown(why)) => ControlReply::Unknown(why),
        }
    }

    /// Why the leader does not take an address for a node: another member is heard there, by the process that announced
    /// it. What the catalog alone says of a member that is not heard keeps no member from an address.
    fn address_taken(&self, command: &Command) -> Option<Rejection> {
        let claim = command.claim().filter(|_| self.consensus.is_leader())?;
        let view = self.views.current();
        // What the catalog itself says to a command comes first: that it was applied before, or another reason.
        if view.catalog().apply(command).map_or(true, |applied| applied.repeated) {
            return None;
        }
        let holder = view.catalog().address_holder(claim.node, claim.http_address, claim.peer_address);
        let (what, holder) = holder?;
        let is_heard = if holder.id == self.node {
            holder.boot == self.links.identity().boot
        } else {
            let met = self.links.met(holder.id);
            met.is_some_and(|met| met.boot == holder.boot && met.address == holder.peer_address)
        };
        let address = if what == "http" { claim.http_address } else { claim.peer_address };
        is_heard.then(|| Rejection::AddressTaken {
            what: what.to_owned(),
            address: address.to_owned(),
            node: holder.called(),
        })
    }

    /// Waits until every member that can be reached has applied an epoch; returns those that had not in time.
    pub(super) async fn wait_for_members(&self, epoch: Epoch, deadline: Instant) -> Vec<NodeId> {
        let view = self.views.current();
        let others = view.catalog().nodes().map(|node| node.id).filter(|node| *node != self.node);
        let reachable: Vec<NodeId> =
            others.filter(|node| self.links.is_lane_up(*node, Lane::Urgent)).collect();
        let request = ControlRequest::Reached(epoch);
        // Begun together, awaited one after the other.
        let asked: Vec<_> = reachable.iter().map(|node| self.ask(*node, &request, deadline)).collect();
        let mut lagging = Vec::new();
        if !self.views.reached(epoch, deadline).await {
            lagging.push(self.node);
        }
        for (node, asked) in reachable.into_iter().zip(asked) {
            match asked.await {
                Ok(ControlReply::Applied(applied)) if applied >= epoch => {}
                // It has just gone: no longer reachable.
                Err(_) if !self.links.is_lane_up(node, Lane::Urgent) => {}
                Ok(_) | Err(_) => lagging.push(node),
            }
        }
        lagging
    }

    /// Asks the leader (or else a few members) once for a newer catalog, and waits for it; whether the leader has answered, so
    /// that nothing newer is unknown here. Callers that come while that is under way share it.
    pub async fn refresh(&self, deadline: Instant) -> bool {
        let came = Instant::now();
        let locked = tokio::time::timeout_at(deadline, self.refreshed.lock()).await;
        let Ok(mut refreshed) = locked else { return false };
        if let Some((_, is_fresh)) = refreshed.filter(|(at, _)| *at > came) {
            return is_fresh;
        }
        let begun = Instant::now();
        let view = self.views.current();
        let others = view.catalog().nodes().map(|node| node.id).filter(|node| *node != self.node);
        let leader = self.consensus.leader();
        let targets: Vec<NodeId> = match leader {
            Some(leader) if leader == self.node => Vec::new(),
            Some(leader) => vec![leader],
            None => others
                .filter(|node| self.links.is_lane_up(*node, Lane::Urgent))
                .take(REFRESH_MEMBERS)
                .collect(),
        };
        let asked: Vec<_> =
            targets.iter().map(|node| self.ask(*node, &ControlRequest::Epoch, deadline)).collect();
        let (mut newest, mut has_led) = (Epoch(0), leader == Some(self.node));
        for asked in asked {
            if let Ok(ControlReply::Applied(epoch)) = asked.await {
                newest = newest.max(epoch);
                has_led |= leader.is_some();
            }
        }
        let is_fresh = self.views.reached(newest, deadline).await && has_led;
        *refreshed = Some((begun, is_fresh));
        is_fresh
    }

    /// Tells one member how this node's disk is, and hears how its own is; `None`: it did not answer in time.
    pub async fn exchange_disks(
        &self,
        node: NodeId,
        state: DiskState,
        deadline: Instant,
    ) -> Option<DiskState> {
        match self.ask(node, &ControlRequest::Disk(state), deadline).await {
            Ok(ControlReply::Disk(theirs)) => Some(theirs),
            Ok(_) | Err(_) => None,
        }
    }

    /// Asks one member; the request is on its way when this returns.
    pub(super) fn ask(
        &self,
        node: NodeId,
        request: &ControlRequest,
        deadline: Instant,
    ) -> impl Future<Output = Result<ControlReply, CallError>> + use<> {
        let payload = minicbor::to_vec(request).expect("encoding into memory cannot fail");
        let answered = self.links.call(
            node,
            Lane::Urgent,
            Kind::Control.asked_since(request.since()),
            deadline,
            &payload,
        );
        async move {
            let payload = answered.await?;
            minicbor::decode(&payload).map_err(|_| CallError::Lost("its answer makes no sense"))
        }
    }

    /// Carries out a peer's question.
    pub async fn serve(&self, request: ControlRequest, deadline: Instant) -> ControlReply {
        // The asking member must hear of it before its own deadline.
        let until = deadline.checked_sub(ANSWER_MARGIN).unwrap_or(deadline);
        match request {
            // What a peer says of its disk is remembered before it comes here.
            ControlRequest::Epoch | ControlRequest::Disk(_) => ControlReply::Applied(self.views.epoch()),
            ControlRequest::Reached(epoch) => {
                self.views.reached(epoch, until).await;
                ControlReply::Applied(self.views.epoch())
            }
            ControlRequest::Propose(bytes) => match Command::decode(&bytes) {
                Ok(command) => self.write_here(command, until).await,
                Err(error) => ControlReply::NotWritten(error.to_string()),
            },
            // Only the node itself may ask for that, and then it does not come here.
            ControlRequest::Forget => {
                ControlReply::NotWritten("only a member itself asks for that".to_owned())
            }
            ControlRequest::Join(node) => self.admit(node, until).await,
            ControlRequest::Replace(wanted) => self.replace(wanted, until).await,
            ControlRequest::Report => ControlReply::Report(self.report()),
            ControlRequest::Figures(table) => ControlReply::Figures(self.own_figures(table)),
            ControlRequest::Find(nodes) => ControlReply::Found(self.whereabouts(&nodes)),
            ControlRequest::Members => ControlReply::Found(self.all_whereabouts()),
            ControlRequest::Hear(nodes) => ControlReply::Heard(self.hears_now(&nodes)),
            ControlRequest::Log => ControlReply::Log(self.log_end().await),
            ControlRequest::Close(epoch) => ControlReply::Closed(self.close_here(epoch, until).await),
            ControlRequest::Jobs(request) => ControlReply::Jobs(self.answer_of_jobs(request)),
        }
    }

    /// What a process that becomes a member notes of who may do what, before it has a catalog.
    pub(super) fn access_note(&self) -> Option<ByteVec> {
        let view = self.views.current();
        AccessNote::of(view.catalog()).map(|note| note.encode().into())
    }

    /// Makes a node a member, from whichever member it asked.
    async fn admit(&self, node: NewNode, deadline: Instant) -> ControlReply {
        match self.write(&Command::Admit(node), deadline).await {
            Ok(Receipt { epoch, created: Some(Created::Node(node)), .. }) => {
                // The links to it are made from the catalog that has it.
                self.views.reached(epoch, deadline).await;
                let (cluster, name) = (self.links.identity().cluster, self.cluster_name.clone());
                ControlReply::Joined { node, cluster, name, access: self.access_note() }
            }
            Ok(Receipt { .. }) => ControlReply::Unknown("the catalog issued no id for the node".to_owned()),
            Err(ProposeError::Rejected(rejection)) => ControlReply::Rejected(rejection),
            Err(ProposeError::Unavailable { reason }) => ControlReply::NotWritten(reason),
            Err(ProposeError::Unknown { reason }) => ControlReply::Unknown(reason),
        }
    }
}

/// What the attempts to write one command have come to.
struct Attempts {
    repeatable: bool,
    /// Who is said to lead instead.
    hint: Option<NodeId>,
    /// What is missing, as far as is known.
    reason: String,
    /// Why one of them may have been written, whatever the later ones find.
    maybe_written: Option<String>,
}

impl Attempts {
    fn of(command: &Command) -> Self {
        Self {
            repeatable: command.is_repeatable(),
            hint: None,
            reason: "no leader of the catalog is known".to_owned(),
            maybe_written: None,
        }
    }

    /// What one attempt's reply means; `None`: another attempt may be made.
    fn hear(&mut self, leader: NodeId, reply: ControlReply) -> Option<Result<Receipt, ProposeError>> {
        match reply {
            ControlReply::Written(receipt) => return Some(Ok(receipt)),
            ControlReply::Rejected(rejection) => return Some(Err(ProposeError::Rejected(rejection))),
            ControlReply::Unknown(reason) if !self.repeatable => {
                return Some(Err(ProposeError::Unknown { reason }));
            }
            // A repetition finds what this attempt has done. Until one does, the outcome is unknown.
            ControlReply::Unknown(why) => self.maybe_written = Some(why),
            ControlReply::NotLeader(other) => self.hint = other.filter(|other| *other != leader),
            ControlReply::NotWritten(why) => self.reason = why,
            ControlReply::Joined { .. }
            | ControlReply::Applied(_)
            | ControlReply::Report(_)
            | ControlReply::Figures(_)
            | ControlReply::Disk(_)
            | ControlReply::Found(_)
            | ControlReply::Closed(_)
            | ControlReply::Jobs(_)
            | ControlReply::Replaced { .. }
            | ControlReply::Refused { .. }
            | ControlReply::Heard(_)
            | ControlReply::Log(_) => {
                self.reason = format!("node {leader} answered another question");
            }
        }
        None
    }

    /// The answer when no time is left.
    fn give_up(self) -> ProposeError {
        match self.maybe_written {
            Some(reason) => ProposeError::Unknown { reason },
            None => ProposeError::Unavailable { reason: self.reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::TableId;
    use quorate_ring::{NewTable, RequestId};

    const LEADER: NodeId = NodeId(1);

    fn unknown() -> ControlReply {
        ControlReply::Unknown("it did not answer".into())
    }

    #[test]
    fn what_one_attempt_may_have_written_stays_unknown_whatever_the_later_ones_find() {
        let mut attempts = Attempts::of(&Command::CreateTable(NewTable::hash("t", RequestId(1))));
        assert_eq!(attempts.hear(LEADER, unknown()), None, "a repetition may find it");
        assert_eq!(attempts.hear(LEADER, ControlReply::NotLeader(None)), None);
        assert_eq!(attempts.hear(LEADER, ControlReply::NotWritten("no majority".into())), None);
        assert_eq!(attempts.give_up(), ProposeError::Unknown { reason: "it did not answer".into() });
    }

    #[test]
    fn what_was_handed_to_no_log_is_unavailable() {
        let mut attempts = Attempts::of(&Command::CreateTable(NewTable::hash("t", RequestId(1))));
        assert_eq!(attempts.hear(LEADER, ControlReply::NotWritten("no majority".into())), None);
        assert_eq!(attempts.give_up(), ProposeError::Unavailable { reason: "no majority".into() });
    }

    #[test]
    fn what_must_not_happen_twice_is_not_tried_again_once_it_may_have_been_written() {
        let mut attempts = Attempts::of(&Command::DropTable { table: TableId(1) });
        let ended = attempts.hear(LEADER, unknown());
        assert_eq!(ended, Some(Err(ProposeError::Unknown { reason: "it did not answer".into() })));
    }
}
