//! The list of settings, in the order of the sample file: each is written down here and nowhere else.
//!
//! A section is one struct of limits, and the names in it are the struct's fields (a test compares them): `limits` what
//! clients may do, `peers` the traffic between members, `timing` the waits of one operation, `replica`, `replay`, `sync`,
//! `fill`, `shards`, `committer`, `reads` and `rocksdb` the storage.

use super::setting::Setting;
use super::values::Slot;

macro_rules! settings {
    ($($name:literal $($flag:literal)?: $kind:ident $($field:ident).+, $meaning:literal;)*) => {
        &[$(Setting {
            name: $name,
            flag_value: settings!(@flag $($flag)?),
            meaning: $meaning,
            slot: |config| Slot::$kind(&mut config.$($field).+),
        }),*]
    };
    (@flag) => { None };
    (@flag $flag:literal) => { Some($flag) };
}

/// Every setting.
pub const SETTINGS: &[Setting] = settings! {
    "data" "DIR": Path data,
        "The data folder of this node. An empty one needs bootstrap or join; an existing one needs neither.";
    "listen" "ADDR": Address listen,
        "Where clients and administration are answered: IP address and port. Beyond loopback it needs `insecure`.";
    "peer_listen" "ADDR": Address peer_listen,
        "Where other members are answered: IP address and port. Beyond loopback it needs `secret_file`.";
    "advertise" "ADDR": Endpoint advertise,
        "How clients reach `listen`, as host:port. Needed when `listen` is 0.0.0.0 or behind a translation. Default: `listen`.";
    "peer_advertise" "ADDR": Endpoint peer_advertise,
        "How members reach `peer_listen`, as host:port. Needed when `peer_listen` is 0.0.0.0. Default: `peer_listen`.";
    "allowed_hosts" "HOST": Texts allowed_hosts,
        "Other names under which clients reach this node, such as a load balancer's; a request for any other host is refused, since a web page may have sent it.";
    "name" "NAME": TextOption name,
        "A label for people, unique in the cluster; letters, digits, '-', '_' and '.'. The cluster issues the node's real id. Default: the host's name and the port of `listen`.";
    "zone" "ZONE": Text zone,
        "The failure domain (rack, room, provider zone). Copies of a record are spread over zones where there are enough.";
    "weight" "NUMBER": Weight weight,
        "This node's share of the data, 0.01 to 100: 1 is an ordinary node, 2 one that holds twice as much.";
    "bootstrap" "": Switch bootstrap,
        "Found a new cluster in an empty data folder, unless one of that name is seen to live: at the addresses of `join`, or because its members dial `peer_listen`. Needs `cluster_name`. Without effect on a folder that has a node.";
    "cluster_name" "NAME": TextOption cluster_name,
        "The name of the cluster that `bootstrap` founds; 1 to 64 of a-z, 0-9, '_' and '-'.";
    "join" "ADDR": Endpoints join,
        "Addresses of other nodes, for clients or for peers; may be given several times. With an empty data folder they are asked for admission, again and again. Later they are asked for members that are not where the catalog says.";
    "auto" "": Switch auto,
        "Once this node has become a member, make and apply the plan that gives it its share of the data; while another plan is carried out, it waits. Done once: a later start plans nothing. Switched off, an operator plans (`cluster plan add`). Needs `join`.";
    "replace_self" "NODE": TextOption replace_self,
        "Which member this machine was, by id or name, when its data are lost and the data folder is empty: it comes back as that member and fills itself from other owners. Where one member's id is another one's name, `id:n3` or `name:n3`. Needs `join`. Without effect once the folder is that member's.";
    "secret_file" "FILE": Path secret_file,
        "A file with the secret all members share, 16 bytes or more. Needed as soon as `peer_listen` is not loopback.";
    "insecure" "": Switch insecure,
        "Serve clients on a network although there is no TLS: others on it can read keys, values and tokens; and without access control every client that reaches `listen` can do everything.";
    "access" "": Switch access,
        "Switch access control on in the cluster that `bootstrap` founds, before it answers anything: its first user, admin, may administer everything and gets a token (`admin_token_file`). Without effect on a cluster that there is: `quorate auth enable` switches it on there.";
    "admin_token_file" "FILE": Path admin_token_file,
        "A file for the token of that admin: it is made for the node's user alone, or, where it is there already, the token in it is taken. Default: the token is printed to standard output, once. Needs `access` or `reset_admin`.";
    "reset_admin" "": Switch reset_admin,
        "Give the user admin a new token at this start, and the right to administer everything (`admin_token_file`): for a cluster whose admins have lost their tokens. Access control stays as it is. Say it for one start.";
    "metrics_open": Switch metrics_open,
        "Answer GET /metrics to everyone where access control is on. Switched off, a scraper needs a token of a user with `monitor`.";
    "audit_file": Path audit_file,
        "Where administrative acts are written down: who, from where, what, with what result; a line of JSON each. It may be renamed while the node runs: the next line begins it anew. Default: audit.log in the data folder.";
    "audit_required": Switch audit_required,
        "Refuse an administrative act, with 503, that can't be written down first. Switched off, a line that can't be written is counted and logged.";
    "log_format" "FORMAT": Format log_format,
        "How log lines look: text, json, or auto (text on a terminal, else json).";
    "log_filter" "FILTER": Text log_filter,
        "Which log lines there are: error, warn, info, debug, trace, or per module as in `info,quorate_http=debug`.";
    "heal": Switch heal,
        "Let a node that doubts its disk give its data up and fill itself from other owners, where enough of them hold everything. Switched off, the node waits for an operator (`node accept-loss`).";
    "reshard": Switch reshard,
        "Split shards that are too large or too hot, merge small neighbours again, and even out copies and requests that lie unevenly, while this node leads. Switched off on every node, an operator does (`shard split`, `shard merge`, `cluster plan balance`).";
    "boot_id_file": Path boot_id_file,
        "For tests of power cuts: another file in the place of the kernel's, which says which run of the machine this is. Leave it alone otherwise.";

    "limits.key_bytes_max": Bytes limits.key_bytes_max,
        "Longest key; beyond it 414. At most 64KiB.";
    "limits.value_bytes_max": Bytes limits.value_bytes_max,
        "Largest value; beyond it 413. At most 16MiB, and at most bodies_bytes_max.";
    "limits.batch_items_max": Count limits.batch_items_max,
        "Most items of one mget or batch; beyond it 413.";
    "limits.batch_bytes_max": Bytes limits.batch_bytes_max,
        "Largest body of one mget or batch, and most bytes of values one mget answers with. At most bodies_bytes_max.";
    "limits.batch_items_running_max": Count limits.batch_items_running_max,
        "Items of one mget or batch that are at work at the same time. Raise it for latency, lower it for fairness.";
    "limits.unordered_scan_keys_max": Count limits.unordered_scan_keys_max,
        "Keys of a hash table that are looked at for one page of a scan with prefix, start or end; beyond it 400. A range table looks at what it lists.";
    "limits.document_bytes_max": Bytes limits.document_bytes_max,
        "Largest JSON document of administration; beyond it 413.";
    "limits.head_bytes_max": Bytes limits.head_bytes_max,
        "Largest request head (request line and headers); beyond it 431. At least 8KiB.";
    "limits.connections_max": Count limits.connections_max,
        "Client connections open at one time; further ones wait in the backlog. Each needs one open file.";
    "limits.health_connections_max": Count limits.health_connections_max,
        "Connections taken beyond connections_max all the same: each answers one request for health, metrics or limits and is closed, so that a full node can still say how it is. 0: none.";
    "limits.connections_backlog": Count limits.connections_backlog,
        "Connections that the operating system keeps waiting for us.";
    "limits.requests_running_max": Count limits.requests_running_max,
        "Requests at work at one time; beyond it 503 with Retry-After. Health and metrics are not counted.";
    "limits.operations_running_max": Count limits.operations_running_max,
        "Operations on keys at work at one time, also after their answer while slow owners are waited for; beyond it 503 with Retry-After.";
    "limits.operations_bytes_max": Bytes limits.operations_bytes_max,
        "Bytes of the values that those operations hold; beyond it 503 with Retry-After. At least value_bytes_max.";
    "limits.bodies_bytes_max": Bytes limits.bodies_bytes_max,
        "Memory for all request bodies together; beyond it 503 with Retry-After.";
    "limits.answers_bytes_max": Bytes limits.answers_bytes_max,
        "Memory for the values of all answers that clients have not taken yet; beyond it 503 with Retry-After. At least value_bytes_max and batch_bytes_max.";
    "limits.auth_failures_max": Count limits.auth_failures_max,
        "Requests of one address (of IPv6: one /64) that fail to prove who asks, in ten seconds; beyond it 429. A token that is right is taken even then.";
    "limits.auth_failures_all_max": Count limits.auth_failures_all_max,
        "The same of all addresses together. At least auth_failures_max.";
    "limits.head_timeout": Duration limits.head_timeout,
        "How long a client may take for a request's head, and for the first byte of a new connection.";
    "limits.idle_timeout": Duration limits.idle_timeout,
        "How long a connection may idle between two requests.";
    "limits.body_timeout": Duration limits.body_timeout,
        "How long a client may take for a whole body; beyond it 408.";
    "limits.stall_timeout": Duration limits.stall_timeout,
        "How long a client may pause within a body, or within taking an answer. At most body_timeout.";
    "limits.request_timeout": Duration limits.request_timeout,
        "Deadline of a request that names none. At most request_timeout_max.";
    "limits.change_timeout": Duration limits.change_timeout,
        "Deadline of a change of tables or members that names none. At most request_timeout_max.";
    "limits.request_timeout_max": Duration limits.request_timeout_max,
        "Longest deadline a request may ask for; a longer one is cut to it. At most 60s.";
    "limits.drain_notice": Duration limits.drain_notice,
        "How long a node that was told to stop says that it is not ready, and serves on: longer than load balancers take to notice.";
    "limits.drain_timeout": Duration limits.drain_timeout,
        "How long it then waits for requests at work.";

    "peers.frame_bytes_max": Bytes peer_limits.frame_bytes_max,
        "Largest frame between members; a larger one ends its connection. The same on every member. At least 20MiB, which holds the largest value there can be, at most 1GiB.";
    "peers.queued_bytes_max": Bytes peer_limits.queued_bytes_max,
        "Bytes that may wait to be written on one connection to a member; beyond it a request to that member fails at once. At least frame_bytes_max.";
    "peers.working_bytes_max": Bytes peer_limits.working_bytes_max,
        "Bytes of one member's requests at work on one connection; beyond it no more are read from it. At least frame_bytes_max.";
    "peers.incoming_max": Count peer_limits.incoming_max,
        "Connections of all members together that this node takes; beyond it they are refused. Each needs one open file.";
    "peers.incoming_per_member_max": Count peer_limits.incoming_per_member_max,
        "Connections of one member that this node takes; a member has 3, and makes new ones while its old ones still seem alive. At least 3.";
    "peers.unproven_max": Count peer_limits.unproven_max,
        "Peer connections that have not proved the cluster's secret yet; beyond it the oldest is closed.";
    "peers.keepalive": Duration peer_limits.keepalive,
        "A connection between members that has nothing else to say says so this often. At most half of silence.";
    "peers.alive": Duration peer_limits.alive,
        "The same on the connection by which members are judged to be up or down; with more than 256 members, that much more rarely. Lower: faster detection; higher: fewer messages. More than keepalive counts as keepalive.";
    "peers.silence": Duration peer_limits.silence,
        "A connection on which a member has said nothing for so long is ended, as is one whose requests are at work for so long; a member is down before that. Lower: faster reconnection; higher: fewer lost connections on a slow network. At least twice keepalive of every member.";
    "peers.handshake": Duration peer_limits.handshake,
        "A connection to a member that is not made and proved in this time is given up.";
    "peers.backoff_min": Duration peer_limits.backoff_min,
        "First pause between two attempts to connect to a member; each further one is twice as long.";
    "peers.backoff_max": Duration peer_limits.backoff_max,
        "Longest pause between two attempts to connect to a member. At least backoff_min.";

    "timing.hedge": Span timing.hedge,
        "How long an owner may be silent before another one is asked beside it. Lower: more messages; higher: a silent owner is felt longer.";
    "timing.resend_after": Span timing.resend_after,
        "How long to wait before an owner that failed is asked, or sent the same record, again.";
    "timing.give_up_after": Span timing.give_up_after,
        "How long owners that failed are asked again before the request is given up for lack of owners. At least resend_after.";
    "timing.settle": Span timing.settle,
        "How long after the answer late acknowledgements are awaited before a hint takes their place.";

    "replica.hint_bytes_per_owner_max": Bytes storage.replica.hint_bytes_per_owner_max,
        "Bytes of hints kept for one owner that is away; what is over it is counted, and brought over by sync once the owner is back. At most hint_bytes_max.";
    "replica.hint_bytes_max": Bytes storage.replica.hint_bytes_max,
        "Bytes of hints kept for all owners together.";
    "replica.hints_max": Count storage.replica.hints_max,
        "Number of hints kept for all owners together; bounds how long a start takes.";
    "replica.free_bytes_min": Bytes storage.replica.free_bytes_min,
        "Free space of the data folder's disk under which writes are refused (507) and reads go on. More than a quarter of rocksdb.memtable_bytes.";
    "replica.file_records_min": Count storage.replica.file_records_min,
        "Records in a row from which on a copy that is being filled takes them in as a file in place of writing each. At least 1.";

    "replay.batch_items_max": Count replay.batch_items_max,
        "Most hints handed over in one message to an owner that is back. At most 1024.";
    "replay.batch_bytes_max": Bytes replay.batch_bytes_max,
        "Most bytes of hints in one such message. At most 16MiB.";
    "replay.batch_timeout": Span replay.batch_timeout,
        "How long an owner may take for one such message before it is tried again.";
    "replay.repairs_running_max": Count replay.repairs_running_max,
        "Reads that repair what a hint alone can't, at the same time for one owner.";
    "replay.repair_timeout": Span replay.repair_timeout,
        "How long one such read may take.";

    "sync.every": Span sync.every,
        "How often a node compares what it holds with the other owners, of the shards whose first reachable owner it is; beside when an owner returns or a hint did not fit.";
    "sync.after_return": Span sync.after_return,
        "How long after an owner returned, or a hint did not fit: hints that are kept go first.";
    "sync.retry_after": Span sync.retry_after,
        "How long until a shard is compared again of which an owner did not answer, or is still counting.";
    "sync.bytes_per_second_max": Bytes sync.bytes_per_second_max,
        "Bytes a second that a node moves at most in order to compare and to bring owners together; it takes less while writes would wait for it. At least 1MiB.";
    "sync.batch_bytes_max": Bytes sync.batch_bytes_max,
        "Bytes of the records in one message. At most 16MiB.";
    "sync.call_timeout": Span sync.call_timeout,
        "How long an owner may take for one answer.";

    "fill.bytes_per_second_max": Bytes fill.bytes_per_second_max,
        "Bytes a second that a node takes in at most while it fills copies: after a loss, and when shards move to it. At least 1MiB.";
    "purge.after": Span purge.after,
        "How old a tombstone must be to go, and how long a value must have expired: it goes once every owner of its shard is up and proved to hold it. At most 1000d.";
    "purge.ids_keep": Span purge.ids_keep,
        "How old one must be that has operation ids; a retry that comes later is refused. At least purge.after, at most 1000d.";
    "purge.every": Span purge.every,
        "How often a node looks for what may go, of the shards whose first reachable owner it is. At most 24h.";

    "shards.bytes_max": Bytes shards.bytes_max,
        "A shard with more bytes is split where it is halved, unless its table says otherwise; two neighbours that a split made are merged again when both have less than a quarter of it together, for half an hour. The same on every member. At least 64KiB.";
    "shards.load_min": Count shards.load_min,
        "A shard that has fewer requests a second at one owner is not split for them; one with more is, if it has four times the mean of its table for a minute, or is too large for requests to be evened out.";
    "shards.uneven_for": Span shards.uneven_for,
        "How long a member must have more copies than its share, by 2 % and one and a half, or 1.1 times its share of the requests, before copies move.";
    "shards.pause": Span shards.pause,
        "Pause between two jobs of such moves, in which an operator's plan has room; for the sake of requests 90 s at least.";

    "committer.queue_items_max": Count storage.committer.queue_items_max,
        "Writes that may wait for the disk on one node; beyond it they are refused, and the request fails if too few owners take it.";
    "committer.queue_bytes_max": Bytes storage.committer.queue_bytes_max,
        "Bytes of the writes that may wait for the disk.";
    "committer.batch_items_max": Count storage.committer.batch_items_max,
        "Most writes that share one sync of the disk.";
    "committer.batch_bytes_max": Bytes storage.committer.batch_bytes_max,
        "Most bytes of the writes that share one sync; one write is taken whatever its size.";

    "reads.running_max": Count storage.reads.running_max,
        "Reads at the disk at the same time; what is in memory does not count. At most 256.";
    "reads.waiting_max": Count storage.reads.waiting_max,
        "Reads that may wait for the disk or be there; beyond it they are refused, and another owner is asked. At least running_max.";

    "rocksdb.block_cache_bytes": Bytes storage.rocks.block_cache_bytes,
        "Memory for blocks, indexes and filters. Raise it first when reads wait for the disk. At least 1MiB.";
    "rocksdb.memtable_bytes": Bytes storage.rocks.memtable_bytes,
        "Memory for what is not in table files yet, and what the log is replayed for at a start. Raise it when many small files pile up at level 0. At least 1MiB.";
    "rocksdb.background_bytes_per_second": Bytes storage.rocks.background_bytes_per_second,
        "Bytes per second that flushes and compactions may write. Lower it on a disk that is shared. From 1MiB to 2047MiB.";
    "rocksdb.background_jobs": Count storage.rocks.background_jobs,
        "Threads for flushes and compactions, 1 to 64.";
    "rocksdb.open_files_max": Count storage.rocks.open_files_max,
        "Table files that may be open, 64 to 32767. They count against the process's limit.";
};
