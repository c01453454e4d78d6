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
//! A route is closed: what is not one of its variants is 404 `no-such-route`, another method on a path that has some is
//! 405 with the list of those. The description of the interface ([`crate::openapi`]) is written along [`Operation`], so
//! that what is served and what is described can't differ.

use crate::code::Code;
use crate::key::{self, KeyError};
use crate::query::{self, Parameter, Query, QueryError};
use crate::text::{self, shown};
use http::Method;
use quorate_model::Key;
use quorate_model::table::is_table_name;
use thiserror::Error;

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

/// A member, as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnNode {
    /// Its id or its name: `n2`, `2`, `id:n2`, `name:n2`.
    pub node: String,
}

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
        }
    };
    (@any $on:ident) => { _ };
}

routes! {
    /// `/`: where to go on from here.
    Root = GET NONE;
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
    DropTable(OnTable) = DELETE CHANGE;
    /// The shards of a table.
    ListShards(OnTable) = GET NONE;
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
    /// Positions, shards and owners.
    ShowRing = GET RING;
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
    /// A name that no member can have.
    #[error("there is no member \"{id}\"; GET /v1/cluster/nodes lists those there are")]
    NoSuchNode {
        /// As it came, escaped.
        id: String,
    },
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
    /// The table, or the member.
    name: &'a str,
    key: &'a str,
}

impl<'a> Path<'a> {
    /// The path, if it is one of ours.
    pub fn find(path: &'a str) -> Option<Self> {
        let of = |operations| Some(Self { operations, name: "", key: "" });
        match path {
            "/" => of(&[Operation::Root]),
            "/health/live" => of(&[Operation::Live]),
            "/health/ready" => of(&[Operation::Ready]),
            "/metrics" => of(&[Operation::Metrics]),
            "/openapi.json" => of(&[Operation::OpenApi]),
            "/v1/limits" => of(&[Operation::ShowLimits]),
            "/v1/tables" => of(&[Operation::ListTables, Operation::CreateTable]),
            "/v1/cluster" => of(&[Operation::ShowCluster]),
            "/v1/cluster/nodes" => of(&[Operation::ListNodes]),
            "/v1/cluster/ring" => of(&[Operation::ShowRing]),
            _ => match (path.strip_prefix("/v1/tables/"), path.strip_prefix("/v1/cluster/nodes/")) {
                (Some(rest), _) => Self::of_table(rest),
                (None, Some(rest)) => Self::of_node(rest),
                (None, None) => None,
            },
        }
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
            (Some("mget"), None) => &[Operation::Mget],
            (Some("batch"), None) => &[Operation::Batch],
            (Some("keys"), Some(_)) => &[Operation::Read, Operation::Put, Operation::Post, Operation::Delete],
            (Some("locate"), Some(_)) => &[Operation::Locate],
            (Some("explain"), Some(_)) => &[Operation::Explain],
            (Some(_) | None, _) => return None,
        };
        (!name.is_empty()).then_some(Self { operations, name, key: key.unwrap_or_default() })
    }

    fn of_node(rest: &'a str) -> Option<Self> {
        let (name, verb) = rest.split_once('/').map_or((rest, None), |(name, verb)| (name, Some(verb)));
        let operations: &'static [Operation] = match verb {
            None => &[Operation::ShowNode],
            Some("safe-to-stop") => &[Operation::SafeToStop],
            Some("accept-loss") => &[Operation::PreviewLoss, Operation::AcceptLoss],
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

    fn key(&self, query: &Query, bytes_max: usize) -> Result<OnKey, RouteError> {
        let key = key::from_path(self.key, query.base64, bytes_max)?;
        Ok(OnKey { table: self.table()?.table, key })
    }

    fn node(&self) -> Result<OnNode, RouteError> {
        let name = text::decode(self.name);
        let no_such = || RouteError::NoSuchNode { id: shown(self.name) };
        Ok(OnNode { node: name.ok_or_else(no_such)?.into_owned() })
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
        let on_key = || path.key(&query, key_bytes_max);
        let route = match operation {
            Operation::Root => Route::Root,
            Operation::Read => Route::Read(on_key()?),
            Operation::Put => Route::Put(on_key()?),
            Operation::Post => Route::Post(on_key()?),
            Operation::Delete => Route::Delete(on_key()?),
            Operation::Mget => Route::Mget(path.table()?),
            Operation::Batch => Route::Batch(path.table()?),
            Operation::Locate => Route::Locate(on_key()?),
            Operation::Explain => Route::Explain(on_key()?),
            Operation::ListTables => Route::ListTables,
            Operation::CreateTable => Route::CreateTable,
            Operation::DescribeTable => Route::DescribeTable(path.table()?),
            Operation::AlterTable => Route::AlterTable(path.table()?),
            Operation::DropTable => Route::DropTable(path.table()?),
            Operation::ListShards => Route::ListShards(path.table()?),
            Operation::ShowCluster => Route::ShowCluster,
            Operation::ListNodes => Route::ListNodes,
            Operation::ShowNode => Route::ShowNode(path.node()?),
            Operation::SafeToStop => Route::SafeToStop(path.node()?),
            Operation::PreviewLoss => Route::PreviewLoss(path.node()?),
            Operation::AcceptLoss => Route::AcceptLoss(path.node()?),
            Operation::ShowRing => Route::ShowRing,
            Operation::ShowLimits => Route::ShowLimits,
            Operation::Live => Route::Live,
            Operation::Ready => Route::Ready,
            Operation::Metrics => Route::Metrics,
            Operation::OpenApi => Route::OpenApi,
        };
        Ok(Self { route, query })
    }
}

impl Operation {
    /// Its path, with the names of what stands in it in braces.
    pub const fn template(self) -> &'static str {
        match self {
            Operation::Root => "/",
            Operation::Read | Operation::Put | Operation::Post | Operation::Delete => {
                "/v1/tables/{table}/keys/{key}"
            }
            Operation::Mget => "/v1/tables/{table}/mget",
            Operation::Batch => "/v1/tables/{table}/batch",
            Operation::Locate => "/v1/tables/{table}/locate/{key}",
            Operation::Explain => "/v1/tables/{table}/explain/{key}",
            Operation::ListTables | Operation::CreateTable => "/v1/tables",
            Operation::DescribeTable | Operation::AlterTable | Operation::DropTable => "/v1/tables/{table}",
            Operation::ListShards => "/v1/tables/{table}/shards",
            Operation::ShowCluster => "/v1/cluster",
            Operation::ListNodes => "/v1/cluster/nodes",
            Operation::ShowNode => "/v1/cluster/nodes/{node}",
            Operation::SafeToStop => "/v1/cluster/nodes/{node}/safe-to-stop",
            Operation::PreviewLoss | Operation::AcceptLoss => "/v1/cluster/nodes/{node}/accept-loss",
            Operation::ShowRing => "/v1/cluster/ring",
            Operation::ShowLimits => "/v1/limits",
            Operation::Live => "/health/live",
            Operation::Ready => "/health/ready",
            Operation::Metrics => "/metrics",
            Operation::OpenApi => "/openapi.json",
        }
    }

    /// Whether it asks how the process is, or what it is: answered also while everything else is refused.
    pub fn is_health(self) -> bool {
        matches!(self, Operation::Live | Operation::Ready | Operation::Metrics | Operation::ShowLimits)
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
            | Route::ListShards(on) => {
                (template.replace("{table}", &text::encode(on.table.as_bytes())), false)
            }
            Route::ShowNode(on) | Route::SafeToStop(on) | Route::PreviewLoss(on) | Route::AcceptLoss(on) => {
                (template.replace("{node}", &text::encode(on.node.as_bytes())), false)
            }
            Route::Root
            | Route::ListTables
            | Route::CreateTable
            | Route::ShowCluster
            | Route::ListNodes
            | Route::ShowRing
            | Route::ShowLimits
            | Route::Live
            | Route::Ready
            | Route::Metrics
            | Route::OpenApi => (template.to_owned(), false),
        }
    }
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

impl OnNode {
    /// This member.
    pub fn new(node: &str) -> Self {
        Self { node: node.to_owned() }
    }
}

#[cfg(test)]
mod tests;
