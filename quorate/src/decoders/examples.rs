//! Valid bytes for every decoder that is not plain text, made by the encoders of today. They are what the corpus began
//! with: `QUORATE_CORPUS=tests/corpus cargo test -p quorate decoders` writes those that are not there yet, as
//! `ok-<n>`. A file stays as it is once it is there, so that it shows whether old bytes are still read.

mod made;
mod replication;

use super::all;
use made::{a_record, held, place, value};
use minicbor::{Encode, to_vec};
use openraft::{CommittedLeaderId, EmptyNode, EntryPayload, LeaderId, Membership, StoredMembership};
use quorate_api::cursor::Cursor;
use quorate_consensus::codec::Coded;
use quorate_consensus::{Entry, LogId, SnapshotMeta, Vote, machine, message};
use quorate_model::decoder::resealed;
use quorate_model::{
    Answer, Body, Boot, ClusterId, CommitCounter, Committed, CopyState, Epoch, Fill, Floors, Interval,
    NodeId, Owner, Permission, Refusal, Reply, Run, ShardNow, Sharding, Source, TableId, WallTime,
};
use quorate_node::control::{ControlReply, ControlRequest, Replacement};
use quorate_node::jobs::{self, JobId, JobsReply, JobsRequest};
use quorate_ring::catalog::Created;
use quorate_ring::catalog::access::{Grant, Scope, Token, TokenId};
use quorate_ring::{
    Advance, Begin, Catalog, Change, Command, Extend, Found, JobKind, Move, NewAdmin, NewNode, NewRange,
    NewTable, Order, PutRole, Receipt, Rejection, RequestId, SetAccess, TableChange, TtlChange, Weight,
};
use quorate_storage::keys::DiskKey;
use quorate_storage::{Identity, Stage, floors, ledger};
use quorate_transport::frame::{self, Header, Kind};
use quorate_transport::hello::{Challenge, Hello, RefusalReason, Step};
use quorate_transport::{Alive, Lane};
use replication::{range_replies, range_requests, replies, requests};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn copies() -> [ledger::Entry; 2] {
    let fill =
        Fill { up_to: Some(place().sort_key), sources: vec![Source { node: NodeId(3), incarnation: 1 }] };
    let filling = ledger::Entry { end: None, state: CopyState::Filling, fill: Some(fill), since: None };
    let since = Some(Epoch(9));
    let whole = ledger::Entry { end: Some(place().sort_key), state: CopyState::Whole, fill: None, since };
    [filling, whole]
}

fn floors_of_pieces() -> [floors::Entry; 2] {
    let sealed = Floors { closing: Some(held().version), sealed: Some(held().version), ..Floors::default() };
    let forgetful = Floors { forgot: sealed.sealed, forgot_to: sealed.sealed, ..sealed };
    [
        floors::Entry { end: None, floors: sealed },
        floors::Entry { end: Some(place().sort_key), floors: forgetful },
    ]
}

fn new_node() -> NewNode {
    NewNode {
        request: RequestId(9),
        name: "n1".to_owned(),
        zone: "z1".to_owned(),
        weight: Weight::ONE,
        http_address: "127.0.0.1:7400".to_owned(),
        peer_address: "127.0.0.1:7500".to_owned(),
        boot: Boot(4),
    }
}

fn commands() -> Vec<Command> {
    let found =
        Found { cluster: ClusterId(5), name: "examples".to_owned(), node: new_node(), level: Some(2) };
    let mut small = NewTable::hash("t", RequestId(11));
    small.n = 1;
    small.shards = 2;
    let mut change = TableChange::of(TableId(1));
    change.ttl = Some(TtlChange::After(60_000));
    let shard = quorate_model::ShardId { table: TableId(1), index: 1 };
    vec![
        Command::Found(found),
        Command::CreateTable(small.clone()),
        Command::AlterTable(change),
        Command::SetVoter { node: NodeId(1), voter: true },
        Command::DropTable { table: TableId(9) },
        Command::CreateRange(NewRange {
            table: NewTable { name: "log".into(), sharding: Sharding::Range, shards: 2, ..small },
            split_at: vec![quorate_model::Key::new(&b"m"[..])],
        }),
        Command::Enable { level: 2 },
        Command::Closed { table: TableId(9), since: Epoch(4) },
        Command::Begin(Begin {
            id: RequestId(12),
            base: Epoch(4),
            kind: JobKind::Copies,
            changes: vec![
                Change::Leave { node: NodeId(2) },
                Change::Copies { table: TableId(1), n: 2, r: None, w: None },
            ],
            moves: vec![Move { shard, epoch: Epoch(2), wanted: vec![NodeId(1), NodeId(3)] }],
            parts: 2,
            dead: vec![NodeId(4)],
            accepted: vec![NodeId(4)],
            bytes_total: 1 << 30,
        }),
        Command::Extend(Extend { job: RequestId(12), part: 1, moves: Vec::new() }),
        Command::Advance(Advance {
            job: RequestId(12),
            start: vec![shard],
            finish: vec![(shard, Epoch(5))],
            revert: vec![(shard, Epoch(6))],
            relied: vec![(NodeId(1), 1)],
        }),
        Command::SetJob { job: RequestId(12), to: Order::Abort },
        Command::RemoveNode { node: NodeId(2) },
        Command::Forget { job: RequestId(12) },
        Command::SetAccess(SetAccess { enabled: Some(true), admin: Some(an_admin()) }),
        Command::PutRole(PutRole {
            name: "r".to_owned(),
            grants: vec![Grant {
                permission: Permission::Read,
                scope: Scope::Prefix(TableId(7), b"eu/".to_vec().into()),
            }],
            seen: None,
        }),
    ]
}

fn an_admin() -> NewAdmin {
    let token = Token { id: TokenId(7), digest: [7; 32], created: WallTime(5), expires: None };
    NewAdmin { user: "admin".to_owned(), token }
}

fn a_catalog() -> Catalog {
    let mut catalog = Catalog::empty();
    for command in commands().into_iter().take(2) {
        catalog = Catalog::clone(&catalog.apply(&command).expect("a good command").catalog);
    }
    catalog
}

fn position(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(3, 1), index)
}

#[expect(clippy::zero_sized_map_values, reason = "openraft wants a map")]
fn membership() -> Membership<u64, EmptyNode> {
    let nodes = BTreeMap::from([(1, EmptyNode {}), (2, EmptyNode {}), (3, EmptyNode {})]);
    Membership::new(vec![BTreeSet::from([1, 2]), BTreeSet::from([2, 3])], nodes)
}

fn entries() -> Vec<Entry> {
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(Command::DropTable { table: TableId(9) }),
        EntryPayload::Membership(membership()),
    ];
    payloads.into_iter().map(|payload| Entry { log_id: position(7), payload }).collect()
}

fn meta() -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: Some(position(9)),
        last_membership: StoredMembership::new(Some(position(4)), membership()),
        snapshot_id: "9".into(),
    }
}

fn steps() -> Vec<Step> {
    let hello = Hello {
        protocol_min: 1,
        protocol_max: 1,
        cluster: ClusterId(5),
        node: NodeId(1),
        boot: Boot(4),
        expected: NodeId(2),
        lane: Lane::Data,
        nonce: [7; 32],
        incarnation: 1,
        remembered: None,
        peer_address: Some("127.0.0.1:7500".into()),
        cluster_name: Some("dev".into()),
    };
    let challenge = Challenge {
        protocol: 1,
        cluster: ClusterId(5),
        node: NodeId(2),
        boot: Boot(6),
        nonce: [8; 32],
        incarnation: 1,
        remembered: None,
    };
    vec![
        Step::Hello(hello),
        Step::Challenge(challenge),
        Step::Proof(vec![1; 32]),
        Step::Accepted(vec![2; 32]),
        Step::Refused(RefusalReason::Secret, None),
        Step::Refused(RefusalReason::Secret, Some(vec![3; 32].into())),
    ]
}

fn committed() -> Committed {
    Committed { run: Run { incarnation: 2, boot: Boot(4) }, counter: CommitCounter(900) }
}

/// With its checksum behind it.
fn sealed(content: &[u8]) -> Vec<u8> {
    resealed(&[content, &[0; 4]].concat())
}

fn messages() -> Vec<message::Message> {
    let vote = Vote { leader_id: LeaderId::new(5, 1), committed: true };
    vec![
        message::Message::Append {
            vote: vote.into(),
            previous: Some(position(6).into()),
            entries: entries().iter().map(Coded::form).collect(),
            committed: None,
        },
        message::Message::Vote { vote: vote.into(), last: Some(position(6).into()) },
        message::Message::Snapshot {
            vote: vote.into(),
            meta: meta().form(),
            offset: 3,
            data: vec![1, 2],
            done: true,
        },
    ]
}

fn control_replies() -> Vec<ControlReply> {
    let receipt = Receipt { epoch: Epoch(4), created: Some(Created::Node(NodeId(3))), repeated: false };
    let (node, cluster, name) = (NodeId(3), ClusterId(5), "examples".to_owned());
    let joined = ControlReply::Joined { node, cluster, name: name.clone(), access: None };
    let replaced = ControlReply::Replaced { node, cluster, name, incarnation: 2, access: None };
    vec![
        joined,
        ControlReply::Written(receipt),
        ControlReply::Rejected(Rejection::TableExists { name: "t".to_owned(), table: TableId(1) }),
        ControlReply::NotLeader(Some(NodeId(1))),
        ControlReply::Applied(Epoch(4)),
        ControlReply::Closed(Epoch(4)),
        ControlReply::Jobs(remembered_jobs()),
        ControlReply::Jobs(JobsReply::Proven { runs: true, equal_ms: Some(900) }),
        replaced,
        ControlReply::Refused { why: "n3 is alive".to_owned(), passes: true },
    ]
}

fn a_job() -> jobs::Order {
    let id = JobId::new(NodeId(3), Boot(0x6a1f_0c3b << 32), 7);
    let (kind, cause) = (jobs::Kind::Verify, jobs::Cause::Order);
    jobs::Order { id, kind, table: Some(TableId(2)), cause, ordered_at: WallTime(1_795_000_000_000) }
}

fn remembered_jobs() -> JobsReply {
    let (order, boot) = (a_job(), Boot(0x6a1f_0c3b));
    let found = jobs::Found { shards: 64, equal: 63, differing: 1, differences: 2, ..jobs::Found::default() };
    let part = jobs::Part { order, began_at: Some(order.ordered_at), ended_at: None, found, reason: None };
    let said = jobs::Said { node: NodeId(2), boot: None, why: Some("no connection".to_owned()) };
    let taken = jobs::Taken { order, by: vec![said] };
    JobsReply::Remembered(jobs::Remembered { boot, parts: vec![part], taken: vec![taken] })
}

fn identity() -> Vec<u8> {
    let identity = Identity {
        cluster: ClusterId(5),
        cluster_name: "examples".to_owned(),
        node: NodeId(3),
        incarnation: 1,
        stage: Stage::Member,
        accepted: Some(quorate_model::WallTime(7)),
    };
    identity.encode().into_bytes()
}

fn encoded<T: Encode<()>>(values: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    values.into_iter().map(|value| to_vec(value).expect("encoding into memory cannot fail")).collect()
}

/// What there is for a decoder; nothing where a person writes better examples.
fn of(name: &str) -> Vec<Vec<u8>> {
    match name {
        "frame" => {
            let header = Header { kind: Kind::Data, id: 3, remaining_ms: 250 };
            let one = frame::encode(header, |out| out.extend_from_slice(b"payload"));
            vec![one.clone(), [one.clone(), one].concat()]
        }
        "handshake" => encoded(steps()),
        "alive" => encoded([Alive { unheard_ms: 0 }, Alive { unheard_ms: 1_700 }]),
        "request" => encoded(requests()),
        "requests" => encoded([requests()]),
        "cursor" => {
            let (table, position) = (TableId(2), b"user/\xff".to_vec());
            let cursor = |reverse| Cursor { table, reverse, scan: 7, position: position.clone() };
            [false, true].map(|reverse| cursor(reverse).encode().into_bytes()).to_vec()
        }
        "range-request" => encoded(range_requests()),
        "range-answer" => {
            let told = range_replies().into_iter().map(|reply| Answer::new(reply, Some(committed())));
            encoded(told)
        }
        "answer" => {
            let told = replies().into_iter().map(|reply| Answer::new(reply, Some(committed())));
            let stale = Reply::Refused(Refusal::Stale { current: Epoch(9) });
            let newer = ShardNow {
                index: 3,
                interval: Interval { start: place().sort_key, end: None },
                epoch: Epoch(9),
                sets: vec![vec![Owner::unnamed(NodeId(1))], vec![Owner { node: NodeId(2), since: Epoch(9) }]],
                has_losses: Some(true),
            };
            encoded(told.chain([
                Answer::new(Reply::Hinted, None),
                Answer::new(stale, Some(committed())).with_newer(Some(newer)),
            ]))
        }
        "answers" => {
            encoded([Answer::new(replies(), Some(committed())), Answer::new(vec![Reply::Hinted], None)])
        }
        "control-request" => encoded([
            ControlRequest::Join(new_node()),
            ControlRequest::Propose(commands()[1].encode()),
            ControlRequest::Epoch,
            ControlRequest::Reached(Epoch(4)),
            ControlRequest::Close(Epoch(4)),
            ControlRequest::Find(vec![NodeId(2), NodeId(3)]),
            ControlRequest::Jobs(JobsRequest::Order(a_job())),
            ControlRequest::Jobs(JobsRequest::Proven(TableId(2), place().sort_key)),
            ControlRequest::Replace(Replacement {
                member: "n3".to_owned(),
                boot: Boot(9),
                http_address: "10.0.0.3:7400".to_owned(),
                peer_address: "10.0.0.3:7500".to_owned(),
                only_if_filled: Some(true),
                cluster: Some(ClusterId(5)),
            }),
        ]),
        "control-reply" => encoded(control_replies()),
        "consensus-message" => encoded(messages()),
        "consensus-answer" => encoded([
            message::Answer::AppendedUpTo(Some(position(3).into())),
            message::Answer::Stopped("stopped".to_owned()),
        ]),
        "record" | "record-resealed" => {
            [value(), Body::Tombstone, Body::Expired].map(|body| a_record(body).encode()).to_vec()
        }
        "disk-key" => {
            let (table, sort_key) = (TableId(2), place().sort_key);
            let keys = [
                DiskKey::Record { table, sort_key: sort_key.clone() },
                DiskKey::Hint { owner: NodeId(3), table, sort_key },
                DiskKey::RaftEntry { index: 7 },
            ];
            keys.iter().map(DiskKey::encode).collect()
        }
        "manifest-mark" | "manifest-mark-resealed" => {
            vec![sealed(&[&5_u64.to_be_bytes()[..], &812_u64.to_be_bytes(), &7_u32.to_be_bytes()].concat())]
        }
        "watermark" | "watermark-resealed" => vec![sealed(&812_u64.to_be_bytes())],
        "remembered" | "remembered-resealed" => encoded([committed()]).iter().map(|it| sealed(it)).collect(),
        "fence" | "fence-resealed" => encoded([Epoch(7)]).iter().map(|it| sealed(it)).collect(),
        "copy" | "copy-resealed" => encoded(copies()).iter().map(|it| sealed(it)).collect(),
        "floors" | "floors-resealed" => encoded(floors_of_pieces()).iter().map(|it| sealed(it)).collect(),
        "lost" | "lost-resealed" => {
            let lost = |began| ledger::Lost { incarnation: 2, began, kept: None };
            encoded([lost(None), lost(Some(Epoch(40)))]).iter().map(|it| sealed(it)).collect()
        }
        "refused-hints" => vec![7_u64.to_be_bytes().to_vec()],
        "consensus-value" => vec![sealed(&position(7).encode()), sealed(b"")],
        "identity" | "identity-resealed" => vec![identity()],
        "log-entry" => entries().iter().map(Coded::encode).collect(),
        "log-position" => vec![position(7).encode()],
        "vote" => vec![Vote { leader_id: LeaderId::new(5, 1), committed: true }.encode()],
        "snapshot-meta" => vec![meta().encode()],
        "snapshot" => {
            let of = |catalog: &Catalog| machine::Stored::encode(&meta(), catalog.encode());
            vec![of(&Catalog::empty()), of(&a_catalog())]
        }
        "catalog" => vec![Catalog::empty().encode(), a_catalog().encode()],
        "command" => commands().iter().map(Command::encode).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_is_encoded_is_taken() {
    let corpus = std::env::var_os("QUORATE_CORPUS").map(PathBuf::from);
    for decoder in all() {
        for (number, bytes) in of(decoder.name).into_iter().enumerate() {
            assert!((decoder.takes)(&bytes), "{} does not take its example {number}", decoder.name);
            if let Some(corpus) = &corpus {
                let folder = corpus.join(decoder.name);
                std::fs::create_dir_all(&folder).expect("a folder");
                let file = folder.join(format!("ok-{}", number + 1));
                if !file.exists() {
                    std::fs::write(file, bytes).expect("written");
                }
            }
        }
    }
}
