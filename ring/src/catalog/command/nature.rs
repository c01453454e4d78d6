//! What is to be known of a command by who writes it: the one list of all commands beside `apply`.

use super::{Claim, Command, NewNode, NewRange, NodeUpdate, TableChange};
use crate::catalog::level::protocol_of_level;
use quorate_model::{Protocol, TableId};

/// See the module's essay.
struct Nature {
    /// The version of the protocol since which it exists.
    since: Protocol,
    /// Whether a second copy of it finds what the first one did.
    is_repeatable: bool,
    /// The table of which it takes something away.
    takes_from: Option<TableId>,
    /// What it is, for a log.
    what: String,
}

impl Nature {
    /// A command that may be repeated and takes nothing away.
    fn of(since: Protocol, what: impl Into<String>) -> Self {
        Self { since, is_repeatable: true, takes_from: None, what: what.into() }
    }

    fn once(self) -> Self {
        Self { is_repeatable: false, ..self }
    }
}

impl Command {
    fn nature(&self) -> Nature {
        const FIRST: Protocol = Protocol(1);
        const SECOND: Protocol = Protocol(2);
        let sized = |since: Protocol, bytes: Option<u64>| bytes.map_or(since, |_| protocol_of_level(5));
        let planned = |what: String| Nature::of(protocol_of_level(3), what);
        let access = |what: String| Nature::of(protocol_of_level(6), what);
        match self {
            Command::Found(found) => Nature::of(FIRST, format!("the founding of cluster {}", found.name)),
            Command::AddNode(node) | Command::Admit(node) => {
                Nature::of(FIRST, format!("the new member {}", node.name))
            }
            Command::UpdateNode(update) | Command::Announce(update) => {
                Nature::of(FIRST, format!("where {} is", update.node))
            }
            Command::SetVoter { node, voter: true } => Nature::of(FIRST, format!("that {node} votes")),
            Command::SetVoter { node, voter: false } => {
                Nature::of(FIRST, format!("that {node} does not vote"))
            }
            Command::CreateTable(table) => {
                Nature::of(sized(FIRST, table.shard_bytes_max), format!("the new table {}", table.name))
            }
            Command::CreateRange(NewRange { table, .. }) => {
                Nature::of(sized(SECOND, table.shard_bytes_max), format!("the new table {}", table.name))
            }
            Command::AlterTable(TableChange { table, durability, shard_bytes_max, .. }) => {
                let since = sized(FIRST, *shard_bytes_max);
                let nature = Nature::of(since, format!("a change of table {table}")).once();
                Nature { takes_from: durability.is_some().then_some(*table), ..nature }
            }
            Command::DropTable { table } => {
                let nature = Nature::of(FIRST, format!("the drop of table {table}")).once();
                Nature { takes_from: Some(*table), ..nature }
            }
            Command::Enable { level } => {
                Nature::of(protocol_of_level(*level).max(SECOND), format!("level {level} of the catalog"))
            }
            Command::Closed { table, .. } => {
                Nature::of(SECOND, format!("that what was before a change of table {table} is closed"))
            }
            Command::Begin(begin) => planned(format!("the beginning of job {}", begin.id)),
            Command::Extend(extend) => {
                planned(format!("part {} of the plan of job {}", extend.part, extend.job))
            }
            Command::Advance(advance) => planned(format!(
                "a step of job {} ({} shards start, {} arrive, {} go back)",
                advance.job,
                advance.start.len(),
                advance.finish.len(),
                advance.revert.len()
            ))
            .once(),
            Command::SetJob { job, .. } => planned(format!("an operator's order for job {job}")),
            Command::RemoveNode { node } => planned(format!("the removal of {node}")),
            Command::Recover(recover) => planned(format!("the recovery by {}", recover.by)),
            Command::Split(split) => Nature::of(
                protocol_of_level(4),
                format!("the split of {} shards of table {}", split.cuts.len(), split.table),
            ),
            Command::Merge(merge) => Nature::of(
                protocol_of_level(4),
                format!("the merge of {} pairs of shards of table {}", merge.pairs.len(), merge.table),
            ),
            Command::Forget { job } => planned(format!("the end of what is kept of job {job}")),
            Command::SetAccess(_) => access("a switch of access control".to_owned()),
            Command::PutUser(user) => access(format!("what user {} is", user.name)),
            Command::RemoveUser { name } => access(format!("the end of user {name}")).once(),
            Command::AddToken(add) => access(format!("token {} of user {}", add.token.id, add.user)),
            Command::RemoveToken { id } => access(format!("the end of token {id}")).once(),
            Command::PutRole(role) => access(format!("what role {} allows", role.name)),
            Command::RemoveRole { name } => access(format!("the end of role {name}")).once(),
        }
    }

    /// The version of the protocol since which it exists. The leader does not write it while a member speaks an older
    /// one: every member applies every command.
    pub fn since(&self) -> Protocol {
        self.nature().since
    }

    /// Whether a second copy of this command finds what the first one did.
    pub fn is_repeatable(&self) -> bool {
        self.nature().is_repeatable
    }

    /// The table of which it takes something away: until that is closed, owners may answer as before.
    pub fn takes_from(&self) -> Option<TableId> {
        self.nature().takes_from
    }

    /// What it is, for a log.
    pub fn describe(&self) -> String {
        self.nature().what
    }

    /// Who is reached where from this command on, if it takes addresses for a node; `None` is a node without an id.
    pub fn claim(&self) -> Option<Claim<'_>> {
        if let Command::Announce(NodeUpdate { node, http_address, peer_address, .. }) = self {
            return Some(Claim { node: Some(*node), http_address, peer_address });
        }
        let Command::Admit(NewNode { http_address, peer_address, .. }) = self else { return None };
        Some(Claim { node: None, http_address, peer_address })
    }
}
