//! Applying a command: the one place where a catalog becomes the next one.
//!
//! Every function here checks first and builds afterwards, from the catalog and the command alone. What it computes
//! (the owners of a new table above all) is part of the meaning of the log: an algorithm that gives another result
//! needs a command of its own, so that nodes of two versions never disagree about one log.

mod access;
mod jobs;
mod members;
mod moves;
mod plan;
mod recover;
mod shards;
mod stage;
mod tables;

use super::addresses::Addresses;
use super::rejection::access::AccessRejection;
use super::rejection::plan::PlanRejection;
use super::rejection::shards::ShardRejection;
use super::{Catalog, Command, Rejection};
use minicbor::{Decode, Encode};
use quorate_model::{Epoch, NodeId, TableId};

/// The newest level of commands: see [`Command::Enable`].
pub const LEVEL_NEWEST: u32 = 6;

/// A command that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The catalog from now on.
    pub catalog: Catalog,
    /// What the command made, if it makes anything.
    pub created: Option<Created>,
    /// Whether the command had been applied before: then nothing changed, and there is no new epoch.
    pub repeated: bool,
}

/// What a command made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Created {
    /// A member.
    #[n(0)]
    Node(#[n(0)] NodeId),
    /// A table.
    #[n(1)]
    Table(#[n(0)] TableId),
}

/// What the author of an accepted command is told, wherever it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// The catalog's epoch right after the command: the first that has its effect.
    #[n(0)]
    pub epoch: Epoch,
    /// What it made.
    #[n(1)]
    pub created: Option<Created>,
    /// Whether it had been applied before.
    #[n(2)]
    pub repeated: bool,
}

impl Applied {
    /// The part that the author is told.
    pub fn receipt(&self) -> Receipt {
        Receipt { epoch: self.catalog.epoch(), created: self.created, repeated: self.repeated }
    }
}

impl Catalog {
    /// The catalog after a command, or why the command changes nothing. Total and deterministic.
    pub fn apply(&self, command: &Command) -> Result<Applied, Rejection> {
        if !self.is_founded() && !matches!(command, Command::Found(_)) {
            return Err(Rejection::NotFounded);
        }
        match command {
            Command::Found(found) => self.found(found),
            Command::AddNode(node) => self.add_node(node, Addresses::Free),
            Command::UpdateNode(update) => self.update_node(update, Addresses::Free),
            Command::SetVoter { node, voter } => self.set_voter(*node, *voter),
            Command::CreateTable(table) => self.create_hash(table),
            Command::CreateRange(range) => self.create_range(range),
            Command::AlterTable(change) => self.alter_table(change),
            Command::DropTable { table } => self.drop_table(*table),
            Command::Announce(update) => self.update_node(update, Addresses::Taken),
            Command::Admit(node) => self.add_node(node, Addresses::Taken),
            Command::Enable { level } => Ok(self.enable(*level)),
            Command::Closed { table, since } => Ok(self.closed(*table, *since)),
            Command::Begin(_)
            | Command::Extend(_)
            | Command::Advance(_)
            | Command::SetJob { .. }
            | Command::RemoveNode { .. }
            | Command::Forget { .. }
            | Command::Recover(_)
                if self.level < 3 =>
            {
                Err(PlanRejection::NotEnabled { level: self.level }.into())
            }
            Command::Split(_) | Command::Merge(_) if self.level < 4 => {
                Err(ShardRejection::NotEnabled { level: self.level }.into())
            }
            Command::SetAccess(_)
            | Command::PutUser(_)
            | Command::RemoveUser { .. }
            | Command::AddToken(_)
            | Command::RemoveToken { .. }
            | Command::PutRole(_)
            | Command::RemoveRole { .. }
                if self.level < 6 =>
            {
                Err(AccessRejection::NotEnabled { level: self.level }.into())
            }
            Command::Begin(begin) => self.begin(begin, command),
            Command::Extend(extend) => self.extend(extend, command),
            Command::Advance(advance) => self.advance(advance, command),
            Command::SetJob { job, to } => self.set_job(*job, *to),
            Command::RemoveNode { node } => self.remove_node(*node),
            Command::Forget { job } => self.forget(*job),
            Command::Recover(recover) => self.recover(recover),
            Command::Split(split) => self.split(split),
            Command::Merge(merge) => self.merge(merge),
            Command::SetAccess(set) => self.set_access(set),
            Command::PutUser(user) => self.put_user(user),
            Command::RemoveUser { name } => self.remove_user(name),
            Command::AddToken(add) => self.add_token(add),
            Command::RemoveToken { id } => self.remove_token(*id),
            Command::PutRole(role) => self.put_role(role),
            Command::RemoveRole { name } => self.remove_role(name),
        }
    }

    /// The answer to a command that finds everything as it wants it.
    pub(super) fn unchanged(&self) -> Applied {
        Applied { catalog: self.clone(), created: None, repeated: true }
    }

    /// This catalog one epoch later, to be changed.
    pub(super) fn next(&self) -> Self {
        Self { epoch: self.epoch.next(), ..self.clone() }
    }

    /// This catalog, in which a plan that was made before is out of date.
    fn with_other_topology(mut self) -> Self {
        if self.level >= 3 {
            self.topology = self.epoch;
        }
        self
    }

    /// What a command that makes nothing made of it.
    fn applied(self) -> Applied {
        Applied { catalog: self, created: None, repeated: false }
    }

    /// The answer to a command that was applied before.
    fn repeated(&self, created: Created) -> Applied {
        Applied { catalog: self.clone(), created: Some(created), repeated: true }
    }
}
