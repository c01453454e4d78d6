//! What who asks must be allowed, where access control is on: of each operation, written once.
//!
//! The server goes by it before it looks at a body, the description of the interface and the documentation are made from it.
//! An operation that is added does not compile before it says what it needs.

use crate::route::Operation;
use http::Method;
use quorate_model::Permission;

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it says nothing that a stranger may not know.
    Open,
    /// `monitor` on everything; or nothing, where a setting says so.
    Metrics,
    /// To be a user, whichever. What is shown is what that user may see.
    Known,
    /// Something on the table: any permission on it, or on a part of it, or on everything.
    See,
    /// The permission on everything.
    Everything(Permission),
    /// The permission on the whole table.
    Table(Permission),
    /// The permission on the key.
    Key(Permission),
    /// The permission on each key that the request is about: those of a list, or all of a range.
    Keys(Permission),
}

impl Needs {
    /// The same in words.
    pub fn says(self) -> String {
        match self {
            Needs::Open => "nothing".to_owned(),
            Needs::Metrics => "`monitor` on everything; nothing with `metrics_open`".to_owned(),
            Needs::Known => "to be a user".to_owned(),
            Needs::See => "any permission on the table, or on some of its keys".to_owned(),
            Needs::Everything(permission) => format!("`{permission}` on everything"),
            Needs::Table(permission) => format!("`{permission}` on the whole table"),
            Needs::Key(permission) => format!("`{permission}` on the key"),
            Needs::Keys(permission) => format!("`{permission}` on each key that it is about"),
        }
    }
}

impl Operation {
    /// What it needs.
    pub const fn needs(self) -> Needs {
        match self {
            // The files of the dashboard hold no data.
            Operation::Live
            | Operation::Ready
            | Operation::ShowPeerAddress
            | Operation::FindDashboard
            | Operation::Dashboard
            | Operation::DashboardFile => Needs::Open,
            Operation::Metrics => Needs::Metrics,
            Operation::ListTables | Operation::ShowAccess | Operation::ShowLimits | Operation::OpenApi => {
                Needs::Known
            }
            Operation::DescribeTable => Needs::See,
            Operation::Read => Needs::Key(Permission::Read),
            Operation::Put | Operation::Post | Operation::Delete => Needs::Key(Permission::Write),
            Operation::Mget | Operation::Scan => Needs::Keys(Permission::Read),
            Operation::Batch => Needs::Keys(Permission::Write),
            // Where keys lie, and how many, tells of keys outside of a prefix too.
            Operation::Locate
            | Operation::Explain
            | Operation::ListShards
            | Operation::TableStats
            | Operation::ShowRing => Needs::Table(Permission::Read),
            Operation::AlterTable | Operation::DropTable | Operation::SplitShard | Operation::MergeShard => {
                Needs::Table(Permission::Admin)
            }
            Operation::Root
            | Operation::ShowCluster
            | Operation::ListNodes
            | Operation::ShowNode
            | Operation::SafeToStop
            | Operation::ListPlans
            | Operation::ShowPlan
            | Operation::ListJobs
            | Operation::ShowJob
            | Operation::ShowSync => Needs::Everything(Permission::Monitor),
            Operation::CreateTable
            | Operation::MoveShard
            | Operation::PreviewLoss
            | Operation::AcceptLoss
            | Operation::DrainNode
            | Operation::UndrainNode
            | Operation::Recover
            | Operation::MakePlan
            | Operation::DiscardPlan
            | Operation::ApplyPlan
            | Operation::OrderJob
            | Operation::PauseJob
            | Operation::ResumeJob
            | Operation::AbortJob
            | Operation::SwitchAccess
            | Operation::PutUser
            | Operation::RemoveUser
            | Operation::IssueToken
            | Operation::RevokeToken
            | Operation::PutRole
            | Operation::RemoveRole => Needs::Everything(Permission::Admin),
        }
    }

    /// Whether it is an administrative act, of which the audit log tells.
    pub fn is_act(self) -> bool {
        let is_for_admins =
            matches!(self.needs(), Needs::Everything(Permission::Admin) | Needs::Table(Permission::Admin));
        is_for_admins && self.method() != Method::GET
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::path::Path;

    /// The table under this heading of the documentation, and nothing else of it.
    const HEADING: &str = "## What each request needs\n";

    fn table() -> String {
        let mut table = "| Request | Needs | Audited |\n|---|---|---|\n".to_owned();
        for operation in Operation::ALL.iter().copied() {
            let (method, path) = (operation.method(), operation.template());
            let (needs, audited) = (operation.needs().says(), if operation.is_act() { "yes" } else { "" });
            writeln!(table, "| `{method} {path}` | {needs} | {audited} |")
                .expect("a string takes every byte");
        }
        table
    }

    #[test]
    fn the_documentation_says_what_each_request_needs() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
        let written = std::fs::read_to_string(&path).expect("the documentation");
        let (before, after) = written.split_once(HEADING).expect("the heading");
        let begin = after.find("| Request |").unwrap_or(after.len());
        let end = after[begin..].find("\n\n").map_or(after.len(), |length| begin + length + 1);
        let table = table();
        if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
            let whole = [before, HEADING, &after[..begin], &table, &after[end..]].concat();
            std::fs::write(&path, whole).expect("written");
        } else {
            assert!(after[begin..end] == table, "UPDATE_GOLDENFILES=1 writes the table anew:\n{table}");
        }
    }

    #[test]
    fn nothing_is_changed_without_a_permission_to_change() {
        for operation in Operation::ALL.iter().copied().filter(|operation| operation.method() != Method::GET)
        {
            let reads = matches!(operation, Operation::Mget);
            let may_change = match operation.needs() {
                Needs::Open | Needs::Metrics | Needs::Known | Needs::See => false,
                Needs::Everything(permission)
                | Needs::Table(permission)
                | Needs::Key(permission)
                | Needs::Keys(permission) => matches!(permission, Permission::Write | Permission::Admin),
            };
            assert!(reads || may_change, "{operation:?}");
        }
    }

    #[test]
    fn what_needs_a_key_or_a_table_names_one() {
        for operation in Operation::ALL.iter().copied().filter(|operation| *operation != Operation::ShowRing)
        {
            let (table, key) = match operation.needs() {
                Needs::Open | Needs::Metrics | Needs::Known | Needs::Everything(_) => continue,
                Needs::See | Needs::Table(_) | Needs::Keys(_) => {
                    (true, operation.template().contains("{key}"))
                }
                Needs::Key(_) => (true, true),
            };
            let path = operation.template();
            assert_eq!((path.contains("{table}"), path.contains("{key}")), (table, key), "{path}");
        }
    }
}
