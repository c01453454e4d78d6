//! What a request asks for: method, path and query, read once.
//!
//! ```text
//!   GET /v1/tables/users/keys/a%2Fb?r=2 ──> Asked { route: Read(users, "a/b"), query: r = 2 }
//!                                             │
//!                                             ├─ operation(): a word for metrics, logs and limits
//!                                             ├─ its handler gets the table, the key and the query, and looks at no text
//!                                             └─ path(): the way back, for the client
//! ```
//!
//! [`Asked`] reads a request's first line; here stands all that it can say. The description of the interface
//! ([`crate::openapi`]) is written along [`Operation`], so that what is served and what is described can't differ.

mod asked;
mod on;

pub use asked::{Asked, Path, RouteError};
pub use on::{OnFile, OnJob, OnKey, OnNode, OnPlan, OnRole, OnShard, OnTable, OnToken, OnUser};

use crate::key;
use crate::query::{self, Parameter};
use crate::text;
use http::Method;
use on::Names;
use quorate_model::Key;

macro_rules! routes {
    ($($(#[$doc:meta])* $name:ident $(($on:ident))? = $method:ident $takes:ident;)*) => {
        /// What a request asks for.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Route {
            $($(#[$doc])* $name $(($on))?,)*
        }

        /// The kind of a route: a word of a short list, without what the client named.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Operation] = &[$(Operation::$name),*];

            /// Its method; what is true of `GET` is true of `HEAD`.
            pub fn method(self) -> Method {
                match self {
                    $(Operation::$name => Method::$method,)*
                }
            }

            /// The parameters that have a meaning on it.
            pub fn takes(self) -> &'static [Parameter] {
                match self {
                    $(Operation::$name => query::$takes,)*
                }
            }
        }

        impl Route {
            /// Its kind.
            pub fn operation(&self) -> Operation {
                match self {
                    $(Route::$name $((routes!(@any $on)))? => Operation::$name,)*
                }
            }

            /// The table that its path names; `None`: it names none.
            pub fn table(&self) -> Option<&str> {
                match self {
                    $(Route::$name $((routes!(@bound $on on)))? => routes!(@table $($on on)?),)*
                }
            }

            /// The key that its path names; `None`: it names none.
            pub fn key(&self) -> Option<&Key> {
                match self {
                    $(Route::$name $((routes!(@bound $on on)))? => routes!(@key $($on on)?),)*
                }
            }
        }
    };
    (@any $on:ident) => { _ };
    (@bound $on:ident $bound:ident) => { $bound };
    (@table) => { None };
    (@table $on:ident $bound:ident) => { <$on as Names>::table($bound) };
    (@key) => { None };
    (@key $on:ident $bound:ident) => { <$on as Names>::key($bound) };
}

routes! {
    /// `/`: where to go on from here.
    Root = GET NONE;
    /// `/ui`: where the dashboard is.
    FindDashboard = GET NONE;
    /// The dashboard.
    Dashboard = GET NONE;
    /// A file of it.
    DashboardFile(OnFile) = GET NONE;
    /// The value of a key.
    Read(OnKey) = GET READ;
    /// Store a value.
    Put(OnKey) = PUT WRITE;
    /// The same.
    Post(OnKey) = POST WRITE;
    /// Delete a key.
    Delete(OnKey) = DELETE DELETE;
    /// Read many keys.
    Mget(OnTable) = POST MGET;
    /// Write many keys.
    Batch(OnTable) = POST BATCH;
    /// Where a key lives.
    Locate(OnKey) = GET LOCATE;
    /// The same, and what each owner holds.
    Explain(OnKey) = GET EXPLAIN;
    /// Every table.
    ListTables = GET NONE;
    /// Make a table.
    CreateTable = POST CHANGE;
    /// One table.
    DescribeTable(OnTable) = GET NONE;
    /// Change a table.
    AlterTable(OnTable) = PATCH CHANGE;
    /// Drop a table.
    DropTable(OnTable) = DELETE DROP;
    /// The keys of a table in their order.
    Scan(OnTable) = GET SCAN;
    /// The shards of a table.
    ListShards(OnTable) = GET NONE;
    /// Make two shards of one.
    SplitShard(OnShard) = POST CHANGE;
    /// Make one shard of two.
    MergeShard(OnShard) = POST CHANGE;
    /// Move one copy of a shard.
    MoveShard(OnShard) = POST CHANGE;
    /// What a table holds.
    TableStats(OnTable) = GET NONE;
    /// The cluster.
    ShowCluster = GET NONE;
    /// The members.
    ListNodes = GET NONE;
    /// One member.
    ShowNode(OnNode) = GET NONE;
    /// Whether a member may be stopped.
    SafeToStop(OnNode) = GET NONE;
    /// What a member may have lost.
    PreviewLoss(OnNode) = GET NONE;
    /// Accept that loss.
    AcceptLoss(OnNode) = POST CHANGE;
    /// A member gets no new copies, and is not ready.
    DrainNode(OnNode) = POST CHANGE;
    /// It is like any other again.
    UndrainNode(OnNode) = POST CHANGE;
    /// The catalog goes on without members that are gone for good.
    Recover = POST NONE;
    /// Positions, shards and owners.
    ShowRing = GET RING;
    /// The plans that this node keeps.
    ListPlans = GET NONE;
    /// Make a plan.
    MakePlan = POST NONE;
    /// One plan.
    ShowPlan(OnPlan) = GET NONE;
    /// Forget a plan.
    DiscardPlan(OnPlan) = DELETE NONE;
    /// Carry out a plan.
    ApplyPlan(OnPlan) = POST CHANGE;
    /// The jobs that are remembered.
    ListJobs = GET NONE;
    /// Order a job.
    OrderJob = POST NONE;
    /// One job.
    ShowJob(OnJob) = GET NONE;
    /// No shard starts to move any more.
    PauseJob(OnJob) = POST CHANGE;
    /// Shards start to move again.
    ResumeJob(OnJob) = POST CHANGE;
    /// A job ends, and shards that are at work go back.
    AbortJob(OnJob) = POST CHANGE;
    /// When owners were last found equal.
    ShowSync = GET NONE;
    /// Whether access control is on, and who may do what.
    ShowAccess = GET NONE;
    /// Switch access control on or off.
    SwitchAccess = PATCH CHANGE;
    /// Make a user, or change one.
    PutUser(OnUser) = PUT CHANGE;
    /// Remove a user.
    RemoveUser(OnUser) = DELETE CHANGE;
    /// Give a user a token.
    IssueToken(OnUser) = POST CHANGE;
    /// A token is none any more.
    RevokeToken(OnToken) = DELETE CHANGE;
    /// Make a role, or change one.
    PutRole(OnRole) = PUT CHANGE;
    /// Remove a role.
    RemoveRole(OnRole) = DELETE CHANGE;
    /// Where this node's peers reach it.
    ShowPeerAddress = GET NONE;
    /// The limits in force.
    ShowLimits = GET NONE;
    /// Whether the process works.
    Live = GET NONE;
    /// Whether the node can serve its tables.
    Ready = GET NONE;
    /// Metrics for Prometheus.
    Metrics = GET NONE;
    /// The description of the interface.
    OpenApi = GET NONE;
}

impl Operation {
    /// Its path, with the names of what stands in it in braces.
    pub const fn template(self) -> &'static str {
        match self {
            Operation::Root => "/",
            Operation::FindDashboard => "/ui",
            Operation::Dashboard => "/ui/",
            Operation::DashboardFile => "/ui/{file}",
            Operation::Read | Operation::Put | Operation::Post | Operation::Delete => {
                "/v1/tables/{table}/keys/{key}"
            }
            Operation::Mget => "/v1/tables/{table}/mget",
            Operation::Batch => "/v1/tables/{table}/batch",
            Operation::Locate => "/v1/tables/{table}/locate/{key}",
            Operation::Explain => "/v1/tables/{table}/explain/{key}",
            Operation::ListTables | Operation::CreateTable => "/v1/tables",
            Operation::DescribeTable | Operation::AlterTable | Operation::DropTable => "/v1/tables/{table}",
            Operation::Scan => "/v1/tables/{table}/keys",
            Operation::ListShards => "/v1/tables/{table}/shards",
            Operation::SplitShard => "/v1/tables/{table}/shards/{shard}/split",
            Operation::MergeShard => "/v1/tables/{table}/shards/{shard}/merge",
            Operation::MoveShard => "/v1/tables/{table}/shards/{shard}/move",
            Operation::TableStats => "/v1/tables/{table}/stats",
            Operation::ShowCluster => "/v1/cluster",
            Operation::ListNodes => "/v1/cluster/nodes",
            Operation::ShowNode => "/v1/cluster/nodes/{node}",
            Operation::SafeToStop => "/v1/cluster/nodes/{node}/safe-to-stop",
            Operation::PreviewLoss | Operation::AcceptLoss => "/v1/cluster/nodes/{node}/accept-loss",
            Operation::DrainNode => "/v1/cluster/nodes/{node}/drain",
            Operation::UndrainNode => "/v1/cluster/nodes/{node}/undrain",
            Operation::Recover => "/v1/cluster/recover",
            Operation::ShowRing => "/v1/cluster/ring",
            Operation::ListPlans | Operation::MakePlan => "/v1/cluster/plans",
            Operation::ShowPlan | Operation::DiscardPlan => "/v1/cluster/plans/{plan}",
            Operation::ApplyPlan => "/v1/cluster/plans/{plan}/apply",
            Operation::ListJobs | Operation::OrderJob => "/v1/jobs",
            Operation::ShowJob => "/v1/jobs/{job}",
            Operation::PauseJob => "/v1/jobs/{job}/pause",
            Operation::ResumeJob => "/v1/jobs/{job}/resume",
            Operation::AbortJob => "/v1/jobs/{job}/abort",
            Operation::ShowSync => "/v1/sync",
            Operation::ShowAccess | Operation::SwitchAccess => "/v1/access",
            Operation::PutUser | Operation::RemoveUser => "/v1/access/users/{user}",
            Operation::IssueToken => "/v1/access/users/{user}/tokens",
            Operation::RevokeToken => "/v1/access/tokens/{token}",
            Operation::PutRole | Operation::RemoveRole => "/v1/access/roles/{role}",
            Operation::ShowPeerAddress => "/v1/peer-address",
            Operation::ShowLimits => "/v1/limits",
            Operation::Live => "/health/live",
            Operation::Ready => "/health/ready",
            Operation::Metrics => "/metrics",
            Operation::OpenApi => "/openapi.json",
        }
    }
}

impl Route {
    /// Its path, and whether the query must say `enc=b64`.
    pub fn path(&self) -> (String, bool) {
        let template = self.operation().template();
        match self {
            Route::Read(on)
            | Route::Put(on)
            | Route::Post(on)
            | Route::Delete(on)
            | Route::Locate(on)
            | Route::Explain(on) => {
                let (key, base64) = key::to_path(on.key.as_bytes());
                let path = template.replace("{table}", &text::encode(on.table.as_bytes()));
                (path.replace("{key}", &key), base64)
            }
            Route::Mget(on)
            | Route::Batch(on)
            | Route::DescribeTable(on)
            | Route::AlterTable(on)
            | Route::DropTable(on)
            | Route::Scan(on)
            | Route::ListShards(on)
            | Route::TableStats(on) => {
                (template.replace("{table}", &text::encode(on.table.as_bytes())), false)
            }
            Route::SplitShard(on) | Route::MergeShard(on) | Route::MoveShard(on) => {
                let path = template.replace("{table}", &text::encode(on.table.as_bytes()));
                (path.replace("{shard}", &on.shard.to_string()), false)
            }
            Route::ShowNode(on)
            | Route::SafeToStop(on)
            | Route::PreviewLoss(on)
            | Route::AcceptLoss(on)
            | Route::DrainNode(on)
            | Route::UndrainNode(on) => {
                (template.replace("{node}", &text::encode(on.node.as_bytes())), false)
            }
            Route::ShowJob(on) | Route::PauseJob(on) | Route::ResumeJob(on) | Route::AbortJob(on) => {
                (template.replace("{job}", &text::encode(on.job.as_bytes())), false)
            }
            Route::ShowPlan(on) | Route::DiscardPlan(on) | Route::ApplyPlan(on) => {
                (template.replace("{plan}", &text::encode(on.plan.as_bytes())), false)
            }
            Route::DashboardFile(on) => {
                (template.replace("{file}", &text::encode(on.file.as_bytes())), false)
            }
            Route::PutUser(on) | Route::RemoveUser(on) | Route::IssueToken(on) => {
                (template.replace("{user}", &text::encode(on.user.as_bytes())), false)
            }
            Route::PutRole(on) | Route::RemoveRole(on) => {
                (template.replace("{role}", &text::encode(on.role.as_bytes())), false)
            }
            Route::RevokeToken(on) => (template.replace("{token}", &on.token), false),
            Route::Root
            | Route::FindDashboard
            | Route::Dashboard
            | Route::ListTables
            | Route::CreateTable
            | Route::ShowCluster
            | Route::ListNodes
            | Route::Recover
            | Route::ShowRing
            | Route::ListPlans
            | Route::MakePlan
            | Route::ListJobs
            | Route::OrderJob
            | Route::ShowSync
            | Route::ShowAccess
            | Route::SwitchAccess
            | Route::ShowPeerAddress
            | Route::ShowLimits
            | Route::Live
            | Route::Ready
            | Route::Metrics
            | Route::OpenApi => (template.to_owned(), false),
        }
    }
}

#[cfg(test)]
mod tests;
