//! The lists that are known, and their ordinary columns.

use crate::columns::Align::{self, Left, Name, Right};

/// The ordinary columns of a list, by the names of its elements' members.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// How the list is called in documents.
    pub(super) list: &'static str,
    /// Members, and how their columns stand.
    pub(super) columns: &'static [(&'static str, Align)],
    /// What an element's `id` is the id of.
    pub(super) id: &'static str,
}

/// Members of the cluster.
pub const NODES: View = View {
    list: "nodes",
    id: "NODE",
    columns: &[
        ("id", Name),
        ("name", Name),
        ("zone", Name),
        ("state", Left),
        ("whole", Right),
        ("silent_ms", Right),
        ("phi", Right),
        ("role", Left),
        ("address", Name),
        ("shards", Right),
        ("bytes", Right),
        ("free_bytes", Right),
        ("hints", Right),
    ],
};

/// Tables.
pub const TABLES: View = View {
    list: "tables",
    id: "TABLE",
    columns: &[
        ("name", Name),
        ("sharding", Left),
        ("mode", Left),
        ("n", Right),
        ("r", Left),
        ("w", Left),
        ("shards", Right),
        ("durability", Left),
        ("ttl", Left),
    ],
};

/// Shards of tables.
pub const SHARDS: View = View {
    list: "shards",
    id: "SHARD",
    columns: &[
        ("id", Name),
        ("owners", Name),
        ("next", Name),
        ("start", Name),
        ("end", Name),
        ("epoch", Right),
    ],
};

/// What shards hold.
pub(super) const SHARD_STATS: View = View {
    list: "by_shard",
    id: "SHARD",
    columns: &[
        ("id", Name),
        ("keys", Right),
        ("bytes", Right),
        ("removals", Right),
        ("exact", Left),
        ("counted_by", Name),
        ("load", Right),
    ],
};

/// Owners of a key.
pub(super) const OWNERS: View = View {
    list: "owners",
    id: "NODE",
    columns: &[("node", Name), ("name", Name), ("zone", Name), ("address", Name), ("up", Left)],
};

/// New owners of a key whose shard moves.
pub(super) const NEXT: View = View { list: "next", ..OWNERS };

/// What owners hold of a key.
pub(super) const REPLICAS: View = View {
    list: "replicas",
    id: "NODE",
    columns: &[
        ("node", Name),
        ("version", Name),
        ("size", Right),
        ("tombstone", Left),
        ("expired", Left),
        ("written_at", Left),
        ("expires_at", Left),
        ("hints_for", Name),
    ],
};

/// What others keep for owners of a key.
pub(super) const HINTS: View = View {
    list: "hints_elsewhere",
    id: "NODE",
    columns: &[("node", Name), ("version", Name), ("hints_for", Name)],
};

/// Jobs.
pub const JOBS: View = View {
    list: "jobs",
    id: "JOB",
    columns: &[
        ("id", Name),
        ("type", Left),
        ("table", Name),
        ("cause", Left),
        ("state", Left),
        ("ordered_at", Left),
        ("shards", Right),
        ("equal", Right),
        ("differing", Right),
    ],
};

/// Jobs that move shards.
pub const MOVES: View = View {
    list: "moves",
    id: "JOB",
    columns: &[
        ("id", Name),
        ("type", Left),
        ("state", Left),
        ("shards", Right),
        ("shards_done", Right),
        ("bytes", Right),
        ("bytes_done", Right),
    ],
};

/// Shards at work.
pub(super) const WAITING: View =
    View { list: "waiting", id: "SHARD", columns: &[("shard", Name), ("owners", Name), ("next", Name)] };

/// Plans.
pub const PLANS: View = View {
    list: "plans",
    id: "PLAN",
    columns: &[
        ("id", Name),
        ("type", Left),
        ("shards", Right),
        ("moves", Right),
        ("bytes", Right),
        ("seconds", Right),
        ("made_at", Left),
    ],
};

/// Parts of a job.
pub(super) const PARTS: View = View {
    list: "members",
    id: "NODE",
    columns: &[
        ("node", Name),
        ("state", Left),
        ("shards", Right),
        ("equal", Right),
        ("brought", Right),
        ("differing", Right),
        ("not_counted", Right),
        ("open", Right),
        ("short", Right),
    ],
};

/// When the shards of tables were last found equal.
pub const SYNC: View = View {
    list: "equal",
    id: "TABLE",
    columns: &[
        ("name", Name),
        ("shards", Right),
        ("looked_after", Right),
        ("never_equal", Right),
        ("oldest_equal_at", Left),
        ("differences", Right),
        ("last_job", Name),
    ],
};

/// Users.
pub const USERS: View = View {
    list: "users",
    id: "USER",
    columns: &[("name", Name), ("roles", Name), ("certificate", Name), ("tokens", Name)],
};

/// Tokens of users.
pub const TOKENS: View = View {
    list: "tokens",
    id: "TOKEN",
    columns: &[("id", Name), ("user", Name), ("created_at", Left), ("expires_at", Left)],
};

/// Roles.
pub const ROLES: View = View { list: "roles", id: "ROLE", columns: &[("name", Name), ("grants", Name)] };

/// Every list that is known.
pub(super) const VIEWS: &[View] = &[
    NODES,
    TABLES,
    SHARDS,
    SHARD_STATS,
    OWNERS,
    NEXT,
    REPLICAS,
    HINTS,
    JOBS,
    MOVES,
    WAITING,
    PLANS,
    PARTS,
    SYNC,
    USERS,
    TOKENS,
    ROLES,
];
