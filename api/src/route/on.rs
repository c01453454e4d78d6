//! What stands in a path beside the words: a table, a key, a member.

use quorate_model::Key;

/// What of it a permission can be about.
pub trait Names {
    /// The table.
    fn table(&self) -> Option<&str> {
        None
    }

    /// The key.
    fn key(&self) -> Option<&Key> {
        None
    }
}

/// A key of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnKey {
    /// The table's name.
    pub table: String,
    /// The key.
    pub key: Key,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnTable {
    /// Its name.
    pub table: String,
}

/// A shard of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnShard {
    /// The table's name.
    pub table: String,
    /// The shard's number within it.
    pub shard: u32,
}

/// A file of the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnFile {
    /// Its name.
    pub file: String,
}

/// A member, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnNode {
    /// Its id or its name: `n2`, `2`, `id:n2`, `name:n2`.
    pub node: String,
}

/// A job, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnJob {
    /// Its id: `n1-6b983c0c-3`.
    pub job: String,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnUser {
    /// Its name.
    pub user: String,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnRole {
    /// Its name.
    pub role: String,
}

/// A token, by its id: the token itself stands in no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnToken {
    /// Its id: 16 hexadecimal digits.
    pub token: String,
}

/// A plan, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnPlan {
    /// Its id: `p-n1-3`.
    pub plan: String,
}

impl OnKey {
    /// This key of this table.
    pub fn new(table: &str, key: &[u8]) -> Self {
        Self { table: table.to_owned(), key: Key::new(key.to_vec()) }
    }
}

impl OnTable {
    /// This table.
    pub fn new(table: &str) -> Self {
        Self { table: table.to_owned() }
    }
}

impl OnShard {
    /// This shard of this table.
    pub fn new(table: &str, shard: u32) -> Self {
        Self { table: table.to_owned(), shard }
    }
}

impl OnFile {
    /// This file.
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned() }
    }
}

impl OnNode {
    /// This member.
    pub fn new(node: &str) -> Self {
        Self { node: node.to_owned() }
    }
}

impl OnJob {
    /// This job.
    pub fn new(job: &str) -> Self {
        Self { job: job.to_owned() }
    }
}

impl OnUser {
    /// This user.
    pub fn new(user: &str) -> Self {
        Self { user: user.to_owned() }
    }
}

impl OnRole {
    /// This role.
    pub fn new(role: &str) -> Self {
        Self { role: role.to_owned() }
    }
}

impl OnToken {
    /// The token of this id.
    pub fn new(token: &str) -> Self {
        Self { token: token.to_owned() }
    }
}

impl OnPlan {
    /// This plan.
    pub fn new(plan: &str) -> Self {
        Self { plan: plan.to_owned() }
    }
}

impl Names for OnKey {
    fn table(&self) -> Option<&str> {
        Some(&self.table)
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }
}

impl Names for OnTable {
    fn table(&self) -> Option<&str> {
        Some(&self.table)
    }
}

impl Names for OnShard {
    fn table(&self) -> Option<&str> {
        Some(&self.table)
    }
}

impl Names for OnFile {}
impl Names for OnNode {}
impl Names for OnJob {}
impl Names for OnPlan {}
impl Names for OnUser {}
impl Names for OnRole {}
impl Names for OnToken {}
