//! A request's first line, read: method, path and query.
//!
//! A route is closed: what is not one of its variants is 404 `no-such-route`, another method on a path that has some is
//! 405 with the list of those.

use super::{
    OnFile, OnJob, OnKey, OnNode, OnPlan, OnRole, OnShard, OnTable, OnToken, OnUser, Operation, Route,
};
use crate::code::Code;
use crate::key::{self, KeyError};
use crate::query::{Query, QueryError};
use crate::text::{self, shown};
use http::Method;
use quorate_model::table::is_table_name;
use thiserror::Error;

/// A request's method, path and query, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What it asks for.
    pub route: Route,
    /// How.
    pub query: Query,
}

/// Why a request's first line was refused. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// No such path.
    #[error("nothing is served under this path, or not yet")]
    NoSuchRoute,
    /// Another method.
    #[error("this path does not take {method}; Allow says what it takes")]
    MethodNotAllowed {
        /// As it came, escaped.
        method: String,
        /// What it takes, as `Allow` has it.
        allow: String,
    },
    /// A name that no table can have.
    #[error("there is no table \"{name}\"; GET /v1/tables lists those there are")]
    NoSuchTable {
        /// As it came, escaped.
        name: String,
    },
    /// A name that no job can have.
    #[error("there is no job \"{id}\"; GET /v1/jobs lists those that are remembered")]
    NoSuchJob {
        /// As it came, escaped.
        id: String,
    },
    /// A name that no plan can have.
    #[error("there is no plan \"{id}\"; GET /v1/cluster/plans lists those that this node keeps")]
    NoSuchPlan {
        /// As it came, escaped.
        id: String,
    },
    /// What no shard is called.
    #[error(
        "table \"{table}\" has no shard \"{id}\"; GET /v1/tables/{table}/shards lists those there are by their index"
    )]
    NoSuchShard {
        /// The table.
        table: String,
        /// As it came, escaped.
        id: String,
    },
    /// A name that no member can have.
    #[error("there is no member \"{id}\"; GET /v1/cluster/nodes lists those there are")]
    NoSuchNode {
        /// As it came, escaped.
        id: String,
    },
    /// A name that no user can have.
    #[error("there is no user \"{name}\"; GET /v1/access lists those there are")]
    NoSuchUser {
        /// As it came, escaped.
        name: String,
    },
    /// A name that no role can have.
    #[error("there is no role \"{name}\"; GET /v1/access lists those there are")]
    NoSuchRole {
        /// As it came, escaped.
        name: String,
    },
    /// What is no token's id. It is not repeated: it may be a token.
    #[error(
        "no token has this id: it has 16 hexadecimal digits, those behind qrt_; GET /v1/access lists those there are. If it \
         was a whole token, revoke that one: logs and proxies may have kept it"
    )]
    NoSuchToken,
    /// A query parameter.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl RouteError {
    /// The code that a program sees.
    pub fn code(&self) -> Code {
        match self {
            RouteError::NoSuchRoute => Code::NoSuchRoute,
            RouteError::MethodNotAllowed { .. } => Code::MethodNotAllowed,
            RouteError::NoSuchTable { .. } => Code::NoSuchTable,
            RouteError::NoSuchNode { .. } => Code::NoSuchNode,
            RouteError::NoSuchJob { .. } => Code::NoSuchJob,
            RouteError::NoSuchPlan { .. } => Code::NoSuchPlan,
            RouteError::NoSuchShard { .. } => Code::NoSuchShard,
            RouteError::NoSuchUser { .. } => Code::NoSuchUser,
            RouteError::NoSuchRole { .. } => Code::NoSuchRole,
            RouteError::NoSuchToken => Code::NoSuchToken,
            RouteError::Query(error) => error.code(),
            RouteError::Key(error) => error.code(),
        }
    }
}

/// A path with its names as they came: still escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// What may be done with it.
    operations: &'static [Operation],
    /// The table, the member, the job, the plan, the user, the role, the token, or the file.
    name: &'a str,
    /// The key, or the shard.
    key: &'a str,
}

impl<'a> Path<'a> {
    /// The path, if it is one of ours.
    pub fn find(path: &'a str) -> Option<Self> {
        let of = |operations| Some(Self { operations, name: "", key: "" });
        match path {
            "/" => of(&[Operation::Root]),
            "/ui" => of(&[Operation::FindDashboard]),
            "/ui/" => of(&[Operation::Dashboard]),
            "/health/live" => of(&[Operation::Live]),
            "/health/ready" => of(&[Operation::Ready]),
            "/metrics" => of(&[Operation::Metrics]),
            "/openapi.json" => of(&[Operation::OpenApi]),
            "/v1/limits" => of(&[Operation::ShowLimits]),
            "/v1/tables" => of(&[Operation::ListTables, Operation::CreateTable]),
            "/v1/cluster" => of(&[Operation::ShowCluster]),
            "/v1/cluster/nodes" => of(&[Operation::ListNodes]),
            "/v1/cluster/recover" => of(&[Operation::Recover]),
            "/v1/cluster/ring" => of(&[Operation::ShowRing]),
            "/v1/cluster/plans" => of(&[Operation::ListPlans, Operation::MakePlan]),
            "/v1/jobs" => of(&[Operation::ListJobs, Operation::OrderJob]),
            "/v1/sync" => of(&[Operation::ShowSync]),
            "/v1/access" => of(&[Operation::ShowAccess, Operation::SwitchAccess]),
            "/v1/peer-address" => of(&[Operation::ShowPeerAddress]),
            _ => None
                .or_else(|| path.strip_prefix("/v1/tables/").map(Self::of_table))
                .or_else(|| path.strip_prefix("/v1/cluster/nodes/").map(Self::of_node))
                .or_else(|| path.strip_prefix("/v1/jobs/").map(Self::of_job))
                .or_else(|| path.strip_prefix("/v1/cluster/plans/").map(Self::of_plan))
                .or_else(|| path.strip_prefix("/ui/").map(Self::of_file))
                .or_else(|| path.strip_prefix("/v1/access/").map(Self::of_access))
                .flatten(),
        }
    }

    fn of_file(name: &'a str) -> Option<Self> {
        let is_one = !name.is_empty() && !name.contains('/');
        is_one.then_some(Self { operations: &[Operation::DashboardFile], name, key: "" })
    }

    fn of_job(rest: &'a str) -> Option<Self> {
        let (name, verb) = rest.split_once('/').map_or((rest, None), |(name, verb)| (name, Some(verb)));
        let operations: &'static [Operation] = match verb {
            None => &[Operation::ShowJob],
            Some("pause") => &[Operation::PauseJob],
            Some("resume") => &[Operation::ResumeJob],
            Some("abort") => &[Operation::AbortJob],
            Some(_) => return None,
        };
        (!name.is_empty()).then_some(Self { operations, name, key: "" })
    }

    fn of_plan(rest: &'a str) -> Option<Self> {
        let (name, verb) = rest.split_once('/').map_or((rest, None), |(name, verb)| (name, Some(verb)));
        let operations: &'static [Operation] = match verb {
            None => &[Operation::ShowPlan, Operation::DiscardPlan],
            Some("apply") => &[Operation::ApplyPlan],
            Some(_) => return None,
        };
        (!name.is_empty()).then_some(Self { operations, name, key: "" })
    }

    fn of_access(rest: &'a str) -> Option<Self> {
        let (kind, rest) = rest.split_once('/')?;
        let (name, verb) = rest.split_once('/').map_or((rest, None), |(name, verb)| (name, Some(verb)));
        let operations: &'static [Operation] = match (kind, verb) {
            ("users", None) => &[Operation::PutUser, Operation::RemoveUser],
            ("users", Some("tokens")) => &[Operation::IssueToken],
            ("roles", None) => &[Operation::PutRole, Operation::RemoveRole],
            ("tokens", None) => &[Operation::RevokeToken],
            (_, Some(_) | None) => return None,
        };
        (!name.is_empty()).then_some(Self { operations, name, key: "" })
    }

    fn of_table(rest: &'a str) -> Option<Self> {
        let (name, rest) = rest.split_once('/').map_or((rest, None), |(name, rest)| (name, Some(rest)));
        let (verb, key) = rest.map_or((None, None), |rest| match rest.split_once('/') {
            Some((verb, key)) => (Some(verb), Some(key)),
            None => (Some(rest), None),
        });
        let operations: &'static [Operation] = match (verb, key) {
            (None, None) => &[Operation::DescribeTable, Operation::AlterTable, Operation::DropTable],
            (Some("shards"), None) => &[Operation::ListShards],
            (Some("shards"), Some(rest)) => return Self::of_shard(name, rest),
            (Some("stats"), None) => &[Operation::TableStats],
            (Some("keys"), None) => &[Operation::Scan],
            (Some("mget"), None) => &[Operation::Mget],
            (Some("batch"), None) => &[Operation::Batch],
            (Some("keys"), Some(_)) => &[Operation::Read, Operation::Put, Operation::Post, Operation::Delete],
            (Some("locate"), Some(_)) => &[Operation::Locate],
            (Some("explain"), Some(_)) => &[Operation::Explain],
            (Some(_) | None, _) => return None,
        };
        (!name.is_empty()).then_some(Self { operations, name, key: key.unwrap_or_default() })
    }

    fn of_shard(name: &'a str, rest: &'a str) -> Option<Self> {
        let (shard, verb) = rest.split_once('/')?;
        let operations: &'static [Operation] = match verb {
            "split" => &[Operation::SplitShard],
            "merge" => &[Operation::MergeShard],
            "move" => &[Operation::MoveShard],
            _ => return None,
        };
        (!name.is_empty() && !shard.is_empty()).then_some(Self { operations, name, key: shard })
    }

    fn of_node(rest: &'a str) -> Option<Self> {
        let (name, verb) = rest.split_once('/').map_or((rest, None), |(name, verb)| (name, Some(verb)));
        let operations: &'static [Operation] = match verb {
            None => &[Operation::ShowNode],
            Some("safe-to-stop") => &[Operation::SafeToStop],
            Some("accept-loss") => &[Operation::PreviewLoss, Operation::AcceptLoss],
            Some("drain") => &[Operation::DrainNode],
            Some("undrain") => &[Operation::UndrainNode],
            Some(_) => return None,
        };
        (!name.is_empty()).then_some(Self { operations, name, key: "" })
    }

    /// What this method asks of it.
    pub fn operation(&self, method: &Method) -> Option<Operation> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.operations.iter().copied().find(|operation| operation.method() == *method)
    }

    /// The methods that it takes, as `Allow` has them.
    fn allow(&self) -> String {
        let mut methods: Vec<String> = Vec::new();
        for operation in self.operations {
            methods.push(operation.method().to_string());
            if operation.method() == Method::GET {
                methods.push(Method::HEAD.to_string());
            }
        }
        methods.join(",")
    }

    fn table(&self) -> Result<OnTable, RouteError> {
        let name = text::decode(self.name).filter(|name| is_table_name(name));
        let no_such = || RouteError::NoSuchTable { name: shown(self.name) };
        Ok(OnTable { table: name.ok_or_else(no_such)?.into_owned() })
    }

    fn shard(&self) -> Result<OnShard, RouteError> {
        let table = self.table()?.table;
        // One shard has one number.
        let shard = self.key.parse().ok().filter(|shard: &u32| shard.to_string() == self.key);
        let Some(shard) = shard else { return Err(RouteError::NoSuchShard { table, id: shown(self.key) }) };
        Ok(OnShard { table, shard })
    }

    fn key(&self, query: &Query, bytes_max: usize) -> Result<OnKey, RouteError> {
        let key = key::from_path(self.key, query.base64, bytes_max)?;
        Ok(OnKey { table: self.table()?.table, key })
    }

    fn file(&self) -> Result<OnFile, RouteError> {
        let name = text::decode(self.name).ok_or(RouteError::NoSuchRoute)?;
        Ok(OnFile { file: name.into_owned() })
    }

    fn node(&self) -> Result<OnNode, RouteError> {
        let name = text::decode(self.name);
        let no_such = || RouteError::NoSuchNode { id: shown(self.name) };
        Ok(OnNode { node: name.ok_or_else(no_such)?.into_owned() })
    }

    fn job(&self) -> Result<OnJob, RouteError> {
        let name = text::decode(self.name);
        let no_such = || RouteError::NoSuchJob { id: shown(self.name) };
        Ok(OnJob { job: name.ok_or_else(no_such)?.into_owned() })
    }

    fn user(&self) -> Result<OnUser, RouteError> {
        let name = text::decode(self.name);
        let no_such = || RouteError::NoSuchUser { name: shown(self.name) };
        Ok(OnUser { user: name.ok_or_else(no_such)?.into_owned() })
    }

    fn role(&self) -> Result<OnRole, RouteError> {
        let name = text::decode(self.name);
        let no_such = || RouteError::NoSuchRole { name: shown(self.name) };
        Ok(OnRole { role: name.ok_or_else(no_such)?.into_owned() })
    }

    fn token(&self) -> Result<OnToken, RouteError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_id = self.name.len() == 16 && self.name.bytes().all(is_digit);
        if is_id { Ok(OnToken { token: self.name.to_owned() }) } else { Err(RouteError::NoSuchToken) }
    }

    fn plan(&self) -> Result<OnPlan, RouteError> {
        let name = text::decode(self.name);
        let no_such = || RouteError::NoSuchPlan { id: shown(self.name) };
        Ok(OnPlan { plan: name.ok_or_else(no_such)?.into_owned() })
    }

    /// What is asked of it by this operation.
    fn route(&self, operation: Operation, query: &Query, key_bytes_max: usize) -> Result<Route, RouteError> {
        let on_key = || self.key(query, key_bytes_max);
        Ok(match operation {
            Operation::Root => Route::Root,
            Operation::FindDashboard => Route::FindDashboard,
            Operation::Dashboard => Route::Dashboard,
            Operation::DashboardFile => Route::DashboardFile(self.file()?),
            Operation::Read => Route::Read(on_key()?),
            Operation::Put => Route::Put(on_key()?),
            Operation::Post => Route::Post(on_key()?),
            Operation::Delete => Route::Delete(on_key()?),
            Operation::Mget => Route::Mget(self.table()?),
            Operation::Batch => Route::Batch(self.table()?),
            Operation::Locate => Route::Locate(on_key()?),
            Operation::Explain => Route::Explain(on_key()?),
            Operation::ListTables => Route::ListTables,
            Operation::CreateTable => Route::CreateTable,
            Operation::DescribeTable => Route::DescribeTable(self.table()?),
            Operation::AlterTable => Route::AlterTable(self.table()?),
            Operation::DropTable => Route::DropTable(self.table()?),
            Operation::Scan => Route::Scan(self.table()?),
            Operation::ListShards => Route::ListShards(self.table()?),
            Operation::SplitShard => Route::SplitShard(self.shard()?),
            Operation::MergeShard => Route::MergeShard(self.shard()?),
            Operation::MoveShard => Route::MoveShard(self.shard()?),
            Operation::TableStats => Route::TableStats(self.table()?),
            Operation::ShowCluster => Route::ShowCluster,
            Operation::ListNodes => Route::ListNodes,
            Operation::ShowNode => Route::ShowNode(self.node()?),
            Operation::SafeToStop => Route::SafeToStop(self.node()?),
            Operation::PreviewLoss => Route::PreviewLoss(self.node()?),
            Operation::AcceptLoss => Route::AcceptLoss(self.node()?),
            Operation::DrainNode => Route::DrainNode(self.node()?),
            Operation::UndrainNode => Route::UndrainNode(self.node()?),
            Operation::Recover => Route::Recover,
            Operation::ShowRing => Route::ShowRing,
            Operation::ListPlans => Route::ListPlans,
            Operation::MakePlan => Route::MakePlan,
            Operation::ShowPlan => Route::ShowPlan(self.plan()?),
            Operation::DiscardPlan => Route::DiscardPlan(self.plan()?),
            Operation::ApplyPlan => Route::ApplyPlan(self.plan()?),
            Operation::ListJobs => Route::ListJobs,
            Operation::OrderJob => Route::OrderJob,
            Operation::ShowJob => Route::ShowJob(self.job()?),
            Operation::PauseJob => Route::PauseJob(self.job()?),
            Operation::ResumeJob => Route::ResumeJob(self.job()?),
            Operation::AbortJob => Route::AbortJob(self.job()?),
            Operation::ShowSync => Route::ShowSync,
            Operation::ShowAccess => Route::ShowAccess,
            Operation::SwitchAccess => Route::SwitchAccess,
            Operation::PutUser => Route::PutUser(self.user()?),
            Operation::RemoveUser => Route::RemoveUser(self.user()?),
            Operation::IssueToken => Route::IssueToken(self.user()?),
            Operation::RevokeToken => Route::RevokeToken(self.token()?),
            Operation::PutRole => Route::PutRole(self.role()?),
            Operation::RemoveRole => Route::RemoveRole(self.role()?),
            Operation::ShowPeerAddress => Route::ShowPeerAddress,
            Operation::ShowLimits => Route::ShowLimits,
            Operation::Live => Route::Live,
            Operation::Ready => Route::Ready,
            Operation::Metrics => Route::Metrics,
            Operation::OpenApi => Route::OpenApi,
        })
    }
}

impl Asked {
    /// Reads a request's method, path and query (without its `?`). A key has at most `key_bytes_max` bytes.
    pub fn read(
        method: &Method,
        path: &str,
        query: Option<&str>,
        key_bytes_max: usize,
    ) -> Result<Self, RouteError> {
        let path = Path::find(path).ok_or(RouteError::NoSuchRoute)?;
        let operation = path.operation(method).ok_or_else(|| RouteError::MethodNotAllowed {
            method: shown(method.as_str()),
            allow: path.allow(),
        })?;
        let query = Query::parse(query, operation.takes())?;
        let route = path.route(operation, &query, key_bytes_max)?;
        Ok(Self { route, query })
    }
}
