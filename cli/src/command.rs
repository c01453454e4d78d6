//! Every command of this crate.

use crate::context::{Context, block_on};
use crate::exit::Failure;
use crate::{auth, backup, bench, bulk, cluster, job, key, mget, node, scan, shard, status, sync, table};
use clap::Subcommand;

/// A command that asks a cluster for something.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what is wrong with the cluster and what to do, then show its members.
    Status(status::Status),
    /// Read a value; its bytes go to standard output as they are.
    Get(key::Get),
    /// Store a value.
    Put(key::Put),
    /// Delete a key.
    Delete(key::Delete),
    /// Read many keys at once.
    Mget(mget::Mget),
    /// List keys in their order, or count them.
    Scan(scan::Scan),
    /// Write a table's keys and values as lines of JSON.
    Export(bulk::Export),
    /// Store what an export has written.
    Import(bulk::Import),
    /// Keep what tables hold outside of the cluster, check it, and bring it back.
    Backup(backup::BackupCommand),
    /// Put load on a table, and show how long requests take.
    Bench(bench::Bench),
    /// Show where a key lives.
    Locate(key::Locate),
    /// Show where a key lives and what each owner holds of it.
    Explain(key::Explain),
    /// List, make, change and drop tables.
    Table(table::TableCommand),
    /// Show a table's shards and their owners.
    Shard(shard::ShardCommand),
    /// Show members and their places on the ring; plan how the cluster grows and shrinks.
    Cluster(cluster::ClusterCommand),
    /// Show one member, drain it, or let a doubtful one go on.
    Node(node::NodeCommand),
    /// Compare what owners hold and bring them together, or show when they were last equal.
    Sync(sync::SyncCommand),
    /// Switch access control on or off; users, their tokens, and roles.
    Auth(auth::AuthCommand),
    /// Show jobs, wait for one, or pause, resume and abort what moves shards.
    Job(job::JobCommand),
}

impl Command {
    /// Does it.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Command::Status(status) => block_on(status.run(context)),
            Command::Get(get) => block_on(get.run(context)),
            Command::Put(put) => block_on(put.run(context)),
            Command::Delete(delete) => block_on(delete.run(context)),
            Command::Mget(mget) => block_on(mget.run(context)),
            Command::Scan(scan) => block_on(scan.run(context)),
            Command::Export(export) => block_on(export.run(context)),
            Command::Import(import) => block_on(import.run(context)),
            Command::Backup(backup) => block_on(backup.run(context)),
            Command::Bench(bench) => block_on(bench.run(context)),
            Command::Locate(locate) => block_on(locate.run(context)),
            Command::Explain(explain) => block_on(explain.run(context)),
            Command::Table(table) => block_on(table.run(context)),
            Command::Shard(shard) => block_on(shard.run(context)),
            Command::Cluster(cluster) => block_on(cluster.run(context)),
            Command::Node(node) => block_on(node.run(context)),
            Command::Sync(sync) => block_on(sync.run(context)),
            Command::Auth(auth) => block_on(auth.run(context)),
            Command::Job(job) => block_on(job.run(context)),
        }
    }
}
