//! Every operation: what it takes, what it answers, and for what it is refused.

use super::access;
use super::described::{
    Answer, Content, Described, ELSEWHERE, FILE, FOUND, PAGE, WRITTEN, document, done, file, ok, put, shown,
    taking,
};
use super::groups::{
    AT_WORK, BATCH, BODY, CHANGE, DOCUMENT, EDGE, JOB, KEY, LEVEL, MADE, MEMBERS, NODE, OWNERS, PLAIN,
    PLANNED, QUERY, READ, SERVING, SHARD, STARTING, TABLE, VALUE, WRITE,
};
use super::parameters::Header;
use super::schemas::Reference;
use crate::code::Code;
use crate::document::{
    AcceptLoss, AnyJob, Batch, Cluster, Discarded, Drained, Dropped, Explanation, Job, JobSpec, Jobs,
    KeyPage, Links, Live, Location, Loss, LossAccepted, Mget, MoveJob, NodeDetails, Nodes, Plan, PlanSpec,
    Plans, Ready, RecoverSpec, Recovery, Results, Ring, SafeToStop, ShardMerge, ShardMove, ShardSplit,
    Shards, SyncState, Table, TableChange, TableSpec, TableStats, Tables,
};
use crate::route::Operation;

/// What there is to say of an operation.
pub const fn described(operation: Operation) -> Described {
    match operation {
        Operation::Root => shown(
            "root",
            "Where to go on from here: a page for people, links for programs",
            const {
                &[Answer {
                    headers: &["Vary", "Content-Security-Policy"],
                    ..done(Content::Links(Reference::to::<Links>()))
                }]
            },
            &[EDGE, AT_WORK, QUERY, PLAIN],
        ),
        Operation::FindDashboard => shown(
            "findDashboard",
            "Where the dashboard is: under the same path with a slash behind it",
            ELSEWHERE,
            &[EDGE, AT_WORK, QUERY, PLAIN],
        ),
        Operation::Dashboard => file(
            "dashboard",
            "The dashboard, for people: a page that asks this node for what it shows",
            PAGE,
            &[EDGE, AT_WORK, QUERY, PLAIN],
        ),
        Operation::DashboardFile => file(
            "dashboardFile",
            "A file of the dashboard: a part of the program, without data",
            FILE,
            &[EDGE, AT_WORK, QUERY, PLAIN, &[Code::NoSuchRoute]],
        ),
        Operation::Read => file(
            "read",
            "The value's bytes, with the media type it was stored with",
            FOUND,
            &[EDGE, AT_WORK, QUERY, KEY, TABLE, LEVEL, READ, OWNERS],
        ),
        Operation::Put => put("put", "Store the body as the value; an empty body is a value"),
        Operation::Post => put("post", "The same as PUT"),
        Operation::Delete => Described {
            headers: &[Header::IdempotencyKey, Header::Prefer],
            ..shown(
                "delete",
                "Delete the key; deleting what is not there is no error",
                WRITTEN,
                &[EDGE, AT_WORK, QUERY, KEY, TABLE, LEVEL, WRITE, OWNERS],
            )
        },
        Operation::Mget => taking(
            "mget",
            "Read many keys; each result has its own status",
            const { &document::<Mget>() },
            const { &[ok::<Results>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE, LEVEL, BODY, BATCH, SERVING],
        ),
        Operation::Batch => taking(
            "batch",
            "Write many keys, not atomically; each result has its own status",
            const { &document::<Batch>() },
            const { &[ok::<Results>()] },
            &[
                EDGE,
                AT_WORK,
                QUERY,
                PLAIN,
                &[Code::ConditionsNeedConsensus],
                TABLE,
                LEVEL,
                BODY,
                VALUE,
                BATCH,
                SERVING,
            ],
        ),
        Operation::Locate => shown(
            "locate",
            "Where a key lives: its token, shard and owners",
            const { &[ok::<Location>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, KEY, TABLE],
        ),
        Operation::Explain => shown(
            "explain",
            "Where a key lives, and what each owner says it holds",
            const { &[ok::<Explanation>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, KEY, TABLE],
        ),
        Operation::ListTables => shown(
            "listTables",
            "Every table that who asks may know of",
            const { &[ok::<Tables>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, &[Code::ReplicaDoubtful]],
        ),
        Operation::CreateTable => taking(
            "createTable",
            "Make a table",
            const { &document::<TableSpec>() },
            const {
                &[Answer {
                    status: 201,
                    says: "Every member that can be reached knows the table",
                    content: Some(document::<Table>()),
                    headers: &["Location"],
                    leads_to: &[
                        Operation::DescribeTable,
                        Operation::AlterTable,
                        Operation::DropTable,
                        Operation::ListShards,
                        Operation::TableStats,
                    ],
                }]
            },
            &[EDGE, AT_WORK, QUERY, PLAIN, LEVEL, BODY, DOCUMENT, CHANGE, MADE],
        ),
        Operation::DescribeTable => shown(
            "describeTable",
            "One table",
            const { &[ok::<Table>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE],
        ),
        Operation::AlterTable => taking(
            "alterTable",
            "Change a table's `r`, `durability` or `ttl`",
            const { &document::<TableChange>() },
            const { &[ok::<Table>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE, LEVEL, BODY, DOCUMENT, CHANGE],
        ),
        Operation::DropTable => shown(
            "dropTable",
            "Drop a table and all its data",
            const { &[ok::<Dropped>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE, CHANGE, &[Code::CatalogRefused]],
        ),
        Operation::Scan => shown(
            "scan",
            "The keys of a table in their order, in pages or as a stream of JSON lines",
            const {
                &[Answer {
                    status: 200,
                    says: "What a read of each key at this level would have said while the page was made",
                    content: Some(Content::Page(Reference::to::<KeyPage>())),
                    headers: &["Quorate-Consistency", "Quorate-Scanned", "Cache-Control"],
                    leads_to: &[],
                }]
            },
            &[
                EDGE,
                AT_WORK,
                QUERY,
                PLAIN,
                TABLE,
                LEVEL,
                SERVING,
                &[Code::InvalidCursor, Code::ReadTimeout, Code::Unavailable],
            ],
        ),
        Operation::ListShards => shown(
            "listShards",
            "A table's shards: intervals, epochs, owners",
            const { &[ok::<Shards>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE],
        ),
        Operation::SplitShard => taking(
            "splitShard",
            "Make two shards of one: no request is refused, nothing is moved, no record is touched",
            const { &document::<ShardSplit>() },
            const { &[ok::<Shards>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE, BODY, DOCUMENT, CHANGE, SHARD],
        ),
        Operation::MergeShard => taking(
            "mergeShard",
            "Make one shard of two neighbours on the same nodes",
            const { &document::<ShardMerge>() },
            const { &[ok::<Shards>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE, BODY, DOCUMENT, CHANGE, SHARD],
        ),
        Operation::MoveShard => taking(
            "moveShard",
            "Move one copy of a shard from one member to another: a job, begun at once",
            const { &document::<ShardMove>() },
            const {
                &[Answer {
                    status: 202,
                    says: "The job that moves it",
                    content: Some(document::<MoveJob>()),
                    headers: &["Location"],
                    leads_to: &[
                        Operation::ShowJob,
                        Operation::PauseJob,
                        Operation::ResumeJob,
                        Operation::AbortJob,
                    ],
                }]
            },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE, NODE, BODY, DOCUMENT, CHANGE, PLANNED, SHARD],
        ),
        Operation::TableStats => shown(
            "tableStats",
            "What a table holds: keys, removals and bytes, of each shard too",
            const { &[ok::<TableStats>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE],
        ),
        Operation::ShowCluster => shown(
            "showCluster",
            "The cluster, and a sentence on its health",
            const { &[ok::<Cluster>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN],
        ),
        Operation::ListNodes => shown(
            "listNodes",
            "The members, as this node sees them",
            const { &[ok::<Nodes>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN],
        ),
        Operation::ShowNode => shown(
            "showNode",
            "One member, by its id or name: n2, id:n2 or name:n2",
            const { &[ok::<NodeDetails>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, NODE],
        ),
        Operation::SafeToStop => shown(
            "safeToStop",
            "Whether every table keeps its quorums without this member",
            const { &[ok::<SafeToStop>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, NODE, &[Code::Unavailable]],
        ),
        Operation::PreviewLoss => shown(
            "previewLoss",
            "What a member that doubts its disk may have lost; only that member can answer",
            const { &[ok::<Loss>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, NODE, &[Code::LossNotAccepted]],
        ),
        Operation::AcceptLoss => taking(
            "acceptLoss",
            "Let a member that doubts its disk go on with what it still has",
            const { &document::<AcceptLoss>() },
            const { &[ok::<LossAccepted>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, NODE, BODY, DOCUMENT, &[Code::LossNotAccepted, Code::Unavailable]],
        ),
        Operation::DrainNode => shown(
            "drainNode",
            "Give a member no new copies, and let it say that it is not ready; it keeps what it has",
            const { &[ok::<Drained>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, NODE, CHANGE, PLANNED],
        ),
        Operation::UndrainNode => shown(
            "undrainNode",
            "Let a member that was drained be like any other again",
            const { &[ok::<Drained>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, NODE, CHANGE, PLANNED],
        ),
        Operation::Recover => taking(
            "recover",
            "Let the catalog go on without a majority of its voters, once the others are gone for good: what that means, \
             and the decision",
            const { &document::<RecoverSpec>() },
            const {
                &[
                    ok::<Recovery>(),
                    Answer {
                        status: 202,
                        says: "It is decided: the node starts again, and the catalog goes on from what it knows",
                        content: Some(document::<Recovery>()),
                        headers: &[],
                        leads_to: &[],
                    },
                ]
            },
            &[EDGE, AT_WORK, QUERY, PLAIN, NODE, BODY, DOCUMENT, SERVING, STARTING, &[Code::RecoveryRefused]],
        ),
        Operation::ListPlans => shown(
            "listPlans",
            "The plans that this node keeps, the newest first",
            const { &[ok::<Plans>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN],
        ),
        Operation::MakePlan => taking(
            "makePlan",
            "What a change of the cluster would move, and what that costs; nothing is changed before it is applied",
            const { &document::<PlanSpec>() },
            const {
                &[Answer {
                    status: 201,
                    says: "The plan; this node keeps it for an hour",
                    content: Some(document::<Plan>()),
                    headers: &["Location"],
                    leads_to: &[],
                }]
            },
            &[
                EDGE,
                AT_WORK,
                QUERY,
                PLAIN,
                BODY,
                DOCUMENT,
                TABLE,
                NODE,
                LEVEL,
                SERVING,
                &[Code::PlanRefused, Code::JobRuns, Code::CatalogRefused],
            ],
        ),
        Operation::ShowPlan => shown(
            "showPlan",
            "One plan; only the node that made it has it",
            const { &[ok::<Plan>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, &[Code::NoSuchPlan]],
        ),
        Operation::DiscardPlan => shown(
            "discardPlan",
            "Forget a plan; one that was applied goes on",
            const { &[ok::<Discarded>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, &[Code::NoSuchPlan]],
        ),
        Operation::ApplyPlan => shown(
            "applyPlan",
            "Carry out a plan; again, it answers with the job that it began",
            const {
                &[Answer {
                    status: 202,
                    says: "It is a job of the catalog now, and goes on without this node",
                    content: Some(document::<MoveJob>()),
                    headers: &["Location"],
                    leads_to: &[],
                }]
            },
            &[EDGE, AT_WORK, QUERY, PLAIN, CHANGE, PLANNED, &[Code::NoSuchPlan, Code::PlanRefused]],
        ),
        Operation::ShowRing => shown(
            "showRing",
            "Positions, shards and owners",
            const { &[ok::<Ring>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, TABLE],
        ),
        Operation::ListJobs => shown(
            "listJobs",
            "The jobs that members remember, and those that the catalog keeps, the newest first",
            const { &[ok::<Jobs>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, MEMBERS],
        ),
        Operation::OrderJob => taking(
            "orderJob",
            "Compare what the owners of every shard hold, and bring them together or only count where they differ",
            const { &document::<JobSpec>() },
            const {
                &[Answer {
                    status: 202,
                    says: "Every member that took the order does its part; those that did not are named",
                    content: Some(document::<Job>()),
                    headers: &["Location"],
                    leads_to: &[],
                }]
            },
            &[EDGE, AT_WORK, QUERY, PLAIN, BODY, DOCUMENT, TABLE, SERVING],
        ),
        Operation::ShowJob => shown(
            "showJob",
            "One job: what each member did of it, or how far its shards are",
            const { &[ok::<AnyJob>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, MEMBERS, &[Code::NoSuchJob]],
        ),
        Operation::PauseJob => shown(
            "pauseJob",
            "Let no shard start to move; those at work stay with both sets of owners",
            const { &[ok::<MoveJob>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, CHANGE, JOB],
        ),
        Operation::ResumeJob => shown(
            "resumeJob",
            "Let shards move again",
            const { &[ok::<MoveJob>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, CHANGE, JOB],
        ),
        Operation::AbortJob => shown(
            "abortJob",
            "End a job: shards at work go back, those that have moved stay where they are",
            const { &[ok::<MoveJob>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, CHANGE, JOB],
        ),
        Operation::ShowSync => shown(
            "showSync",
            "When the owners of each table's shards were last found equal",
            const { &[ok::<SyncState>()] },
            &[EDGE, AT_WORK, QUERY, PLAIN, MEMBERS],
        ),
        Operation::ShowAccess => access::SHOW,
        Operation::SwitchAccess => access::SWITCH,
        Operation::PutUser => access::PUT_USER,
        Operation::RemoveUser => access::REMOVE_USER,
        Operation::IssueToken => access::ISSUE_TOKEN,
        Operation::RevokeToken => access::REVOKE_TOKEN,
        Operation::PutRole => access::PUT_ROLE,
        Operation::RemoveRole => access::REMOVE_ROLE,
        Operation::ShowPeerAddress => access::SHOW_PEER_ADDRESS,
        Operation::ShowLimits => shown(
            "showLimits",
            "Every limit in force",
            const { &[done(Content::Limits)] },
            &[EDGE, STARTING, QUERY, PLAIN],
        ),
        Operation::Live => {
            shown("live", "Whether the process works", const { &[ok::<Live>()] }, &[EDGE, QUERY])
        }
        Operation::Ready => shown(
            "ready",
            "Whether this node can serve its tables at their default levels",
            const { &[ok::<Ready>()] },
            &[EDGE, STARTING, QUERY, &[Code::Unavailable, Code::ReplicaDoubtful, Code::Draining]],
        ),
        Operation::Metrics => shown(
            "metrics",
            "Metrics for Prometheus: in the form of OpenMetrics where Accept names it, else in the older one",
            const { &[done(Content::Metrics)] },
            &[EDGE, STARTING, QUERY],
        ),
        Operation::OpenApi => shown(
            "openapi",
            "This document",
            const { &[done(Content::Interface)] },
            &[EDGE, AT_WORK, QUERY, PLAIN],
        ),
    }
}
