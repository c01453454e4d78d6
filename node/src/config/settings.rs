//! The list of settings. Flags, environment variables, file keys, the sample and the reference all come from it.

use super::values::Slot;
use super::{Config, Origin};

/// One setting.
pub struct Setting {
    /// Its name in a file, with its section: `peer_listen`, `limits.value_bytes_max`.
    pub name: &'static str,
    /// What follows the flag, such as `ADDR`; `None`: it has no flag; empty: the flag takes no value.
    pub flag_value: Option<&'static str>,
    /// What it means, its unit and its relation to others.
    pub meaning: &'static str,
    slot: fn(&mut Config) -> Slot<'_>,
}

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

/// Every setting, in the order of the sample file.
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
        "Found a new cluster in an empty data folder. Needs `cluster_name`; excludes `join`. Without effect on a folder that has a node.";
    "cluster_name" "NAME": TextOption cluster_name,
        "The name of the cluster that `bootstrap` founds; 1 to 64 of a-z, 0-9, '_' and '-'.";
    "join" "ADDR": Endpoints join,
        "HTTP addresses of members to ask for admission with an empty data folder; may be given several times. Keeps trying.";
    "secret_file" "FILE": Path secret_file,
        "A file with the secret all members share, 16 bytes or more. Needed as soon as `peer_listen` is not loopback.";
    "insecure" "": Switch insecure,
        "Serve clients on a network although there is no TLS and no access control: whoever reaches `listen` can do everything.";
    "log_format" "FORMAT": Format log_format,
        "How log lines look: text, json, or auto (text on a terminal, else json).";
    "log_filter" "FILTER": Text log_filter,
        "Which log lines there are: error, warn, info, debug, trace, or per module as in `info,quorate_node::http=debug`.";

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
    "limits.document_bytes_max": Bytes limits.document_bytes_max,
        "Largest JSON document of administration; beyond it 413.";
    "limits.head_bytes_max": Bytes limits.head_bytes_max,
        "Largest request head (request line and headers); beyond it 431. At least 8KiB.";
    "limits.connections_max": Count limits.connections_max,
        "Client connections open at one time; further ones wait in the backlog. Each needs one open file.";
    "limits.connections_backlog": Count32 limits.connections_backlog,
        "Connections that the operating system keeps waiting for us.";
    "limits.requests_running_max": Count limits.requests_running_max,
        "Requests at work at one time; beyond it 503 with Retry-After. Health and metrics are not counted.";
    "limits.operations_running_max": Count limits.operations_running_max,
        "Operations on keys at work at one time, also after their answer while slow owners are waited for; beyond it 503 with Retry-After.";
    "limits.bodies_bytes_max": Bytes limits.bodies_bytes_max,
        "Memory for all request bodies together; beyond it 503 with Retry-After.";
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
        "How long a node that was told to stop still answers, with 503 draining, so that load balancers notice.";
    "limits.drain_timeout": Duration limits.drain_timeout,
        "How long it then waits for requests at work.";
};

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Whether settings live in a section of this name.
pub fn is_section(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name.split_once('.').is_some_and(|(section, _)| section == name))
}

/// The setting that was probably meant: `-` for `_`, or a slip of up to two letters.
pub fn similar(name: &str) -> Option<String> {
    let name = name.replace('-', "_");
    let distance = |setting: &&Setting| {
        let inner = setting.name.rsplit('.').next().unwrap_or(setting.name);
        edits(&name, setting.name).min(edits(&name, inner)).min(edits(&name, &setting.name.replace('.', "_")))
    };
    SETTINGS.iter().min_by_key(distance).filter(|setting| distance(setting) <= 2).map(|s| s.name.to_owned())
}

/// Levenshtein's distance in bytes.
fn edits(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, l) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (to, r) in right.bytes().enumerate() {
            let substituted = diagonal + usize::from(l != r);
            diagonal = row[to + 1];
            row[to + 1] = substituted.min(row[to] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

impl Setting {
    /// Its environment variable.
    pub fn environment(&self) -> String {
        format!("{}{}", super::ENVIRONMENT_PREFIX, self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// Its flag, without the dashes, if it has one.
    pub fn flag(&self) -> Option<String> {
        self.flag_value.map(|_| self.name.replace('_', "-"))
    }

    /// Whether it can be given several times.
    pub fn is_list(&self) -> bool {
        matches!((self.slot)(&mut Config::default()), Slot::Endpoints(_) | Slot::Texts(_))
    }

    /// Reads a text into the configuration, or says what it could be.
    pub fn read(&self, config: &mut Config, texts: &[String]) -> Result<(), String> {
        (self.slot)(config).read(texts)
    }

    /// The value as a file has it; `None` if there is none.
    pub fn show(&self, config: &Config) -> Option<String> {
        (self.slot)(&mut config.clone()).show()
    }

    /// How it is called where its value came from.
    pub fn place(&self, origin: &Origin) -> String {
        match (origin, self.flag()) {
            (Origin::File(path), _) => format!("{} in {}", self.name, path.display()),
            (Origin::Environment, _) => self.environment(),
            (Origin::Flag, Some(flag)) => format!("--{flag}"),
            (Origin::Flag | Origin::Default, _) => self.name.to_owned(),
        }
    }
}
