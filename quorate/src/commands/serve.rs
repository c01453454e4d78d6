//! `quorate serve`: one node, until it is told to stop.

use crate::admin::{self, Wanted};
use crate::breakage;
use crate::config::settings::{SETTINGS, Setting};
use crate::config::validate::{self, NAME_BYTES_MAX, SECRET_BYTES_MIN, validate};
use crate::config::{self, Config, Given, Origin, Resolved, environment, links};
use crate::instance::{AUDIT_FILE, Instance, InstanceConfig};
use crate::process::{self, OpenFiles, StopSignal};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use quorate_api::token::Token;
use quorate_cli::{Exit, Failure};
use quorate_http::{AccessSetup, AuditSetup};
use quorate_node::node::{BOOT_ID_FILE, Entry, is_like_an_id};
use quorate_node::{Ended, NodeConfig, StartError};
use quorate_ring::{Catalog, Weight};
use quorate_storage::Identity;
use quorate_transport::Secret;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A second signal within this time belongs to the first: some programs signal a process and then its whole group.
const SAME_STOP: Duration = Duration::from_millis(500);

/// Files for the traffic with so many members are counted before a node starts, when it does not know yet how many
/// there are.
const MEMBERS_EXPECTED: usize = 128;

/// `quorate serve`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate serve --data /var/lib/quorate --bootstrap --cluster-name orders     # the first node\n  \
    quorate serve --data /var/lib/quorate --join 10.0.0.1:7400 --auto           # each further one\n  \
    quorate serve --data /var/lib/quorate --join 10.0.0.1:7400 --replace-self n3  # n3, its disk lost\n  \
    quorate serve --config /etc/quorate.toml                                    # any start after that")]
pub struct Serve {
    /// A configuration file (TOML); `quorate config init` prints one [env: `QUORATE_CONFIG`].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

/// The flags of the settings that have one: they come from the list of settings.
#[derive(Clone, Debug, Default)]
struct Flags(Given);

impl Serve {
    /// Runs the node until it is told to stop.
    pub fn run(self) -> Result<(), Failure> {
        let resolved =
            Resolved::of(config::file(self.config.as_deref()).as_deref(), environment(), &self.flags.0)?;
        let config = resolved.config;
        validate(&config)?;
        let instance = instance_config(&config)?;
        check_cluster(&config, &instance.node.data)?;
        let admin = admin::wanted(&config, &instance.node.data)?;
        process::raise_open_files(open_files(&instance), 1).map_err(|error| refused(&error))?;
        process::keep_files_private();
        process::start_logging(&config.log_filter, config.log_format).map_err(|error| refused(&error))?;
        process::log_panics();
        if let Some(warning) = links::warning(&resolved.links) {
            tracing::warn!("{warning}");
        }
        if let Some(warning) = config.secret_file.as_deref().and_then(exposed_secret) {
            tracing::warn!("{warning}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Exit::Other, format!("no reactor could be started: {error}")))?;
        runtime.block_on(until_stopped(instance, admin, &resolved.origins))
    }
}

/// What one node keeps open at most.
fn open_files(instance: &InstanceConfig) -> OpenFiles {
    OpenFiles {
        connections: instance.limits.connections_max + instance.limits.health_connections_max,
        peers: instance.node.peer_limits.open_files_max(MEMBERS_EXPECTED),
        tables: instance.node.storage.rocks.open_files_max.into(),
    }
}

/// Runs the node until it is told to stop; starts it again where it must be, to go on.
async fn until_stopped(
    mut config: InstanceConfig,
    admin: Option<Wanted>,
    origins: &BTreeMap<&'static str, Origin>,
) -> Result<(), Failure> {
    let mut signals = StopSignal::listen().map_err(|error| refused(&error))?;
    // At the first start alone: what comes after it is the same run to the operator.
    let (first, mut printed) = admin.map_or((None, None), |Wanted { admin, printed }| (Some(admin), printed));
    config.node.admin = first;
    while run_once(config.clone(), printed.take(), origins, &mut signals).await? == Ending::Restart {
        config.node.admin = None;
        tracing::warn!("the node starts again");
    }
    Ok(())
}

/// Why one run of a node ended in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// A signal stopped it.
    Stopped,
    /// It goes on after a start.
    Restart,
}

/// Starts the node, waits for a signal or for its own reason to end, and stops it in order.
async fn run_once(
    config: InstanceConfig,
    printed: Option<Token>,
    origins: &BTreeMap<&'static str, Origin>,
    signals: &mut StopSignal,
) -> Result<Ending, Failure> {
    let told = (config.node.name.clone(), config.node.zone.clone(), config.node.weight);
    // A node that joins may try for ever: it must be possible to stop it meanwhile.
    let instance = tokio::select! {
        started = Instance::start(config) => started.map_err(|error| not_started(&error))?,
        signal = signals.wait() => {
            tracing::info!("{signal}: stopping before the node has started");
            return Ok(Ending::Stopped);
        }
    };
    if let Some(token) = printed {
        admin::print(&token)?;
    }
    let (node, (name, zone, weight)) = (instance.node(), told);
    warn_of_other_labels(node, origins, &name, &zone, weight);
    let (mut failed, mut restart) = (node.failed(), node.restart());
    let ended = tokio::select! {
        signal = signals.wait() => {
            tracing::info!("{signal}: stopping; a second one ends the process at once");
            Ok(Ending::Stopped)
        }
        reason = failed.wait_for(Option::is_some) => {
            Err(reason.ok().and_then(|reason| reason.clone()))
        }
        _ = restart.wait_for(|wanted| *wanted) => Ok(Ending::Restart),
    };
    let again = async {
        let same = async {
            loop {
                signals.wait().await;
            }
        };
        let _over = tokio::time::timeout(SAME_STOP, same).await;
        signals.wait_for_another().await
    };
    tokio::select! {
        () = instance.shutdown() => {}
        signal = again => {
            return Err(Failure::new(Exit::Other, format!("{signal} again: the node was not stopped in order"))
                .next("start it again: it recovers what was acknowledged"));
        }
    }
    ended.map_err(|reason| {
        reason.map_or_else(|| Failure::new(Exit::Other, "the node has ended"), |it| by_itself(&it))
    })
}

/// A node that ended by itself. One that is no member any more ends with a code of its own, so that what starts processes
/// can be told to leave it alone.
fn by_itself(ended: &Ended) -> Failure {
    let exit = match ended {
        Ended::Duplicate(_) => Exit::Other,
        Ended::Gone { .. } => Exit::NotAllowed,
    };
    let failure = Failure::new(exit, ended.to_string());
    match ended.way_out() {
        Some(way_out) => failure.next(way_out),
        None => failure,
    }
}

/// What a node was told of itself counted when it became a member: other values now change nothing, and it says so.
fn warn_of_other_labels(
    node: &quorate_node::Node,
    origins: &BTreeMap<&'static str, Origin>,
    name: &str,
    zone: &str,
    weight: Weight,
) {
    let view = node.core().view();
    let Some(known) = view.catalog().node(node.id()) else { return };
    let labels = [
        ("name", known.name.clone(), name.to_owned()),
        ("zone", known.zone.clone(), zone.to_owned()),
        ("weight", known.weight.to_string(), weight.to_string()),
    ];
    // A default is no claim.
    let differ = labels.iter().filter(|(label, holds, told)| origins.contains_key(label) && holds != told);
    let differ: Vec<_> = differ.map(|(label, holds, told)| format!("{label} {holds} (not {told})")).collect();
    if !differ.is_empty() {
        tracing::warn!(
            "what the catalog says of this node holds, not what it was told now: {}; only a change of the catalog can \
             alter that",
            differ.join(", ")
        );
    }
}

fn refused(error: &process::Error) -> Failure {
    Failure::new(Exit::Other, error.to_string())
}

fn not_started(error: &StartError) -> Failure {
    let exit = match error {
        StartError::EmptyFolder(_)
        | StartError::OtherName { .. }
        | StartError::OtherMember { .. }
        | StartError::Living { .. } => Exit::Usage,
        StartError::Ended(ended) => return by_itself(ended),
        StartError::Identity(_)
        | StartError::Folder { .. }
        | StartError::Open(_)
        | StartError::Privacy(_)
        | StartError::Listen { .. }
        | StartError::Join(_)
        | StartError::Acceptance(_)
        | StartError::Consensus(_)
        | StartError::Founding(_)
        | StartError::Runtime(_) => Exit::Other,
    };
    Failure::new(exit, error.to_string())
}

/// What the instance is told, from what the configuration says.
fn instance_config(config: &Config) -> Result<InstanceConfig, Failure> {
    let Some(data) = config.data.clone() else {
        return Err(Failure::new(Exit::Usage, "a node needs a data folder: say --data DIR"));
    };
    let secret = secret(config)?;
    let named = config.name.as_deref().filter(|name| config.bootstrap && is_like_an_id(name));
    if let Some(name) = named.filter(|name| **name != Catalog::FIRST_NODE.to_string()) {
        let sentence = format!(
            "--name {name} would mislead: the node that founds a cluster has the id {}, and another one will be {name}; \
             choose a name that is no id, or {}",
            Catalog::FIRST_NODE,
            Catalog::FIRST_NODE
        );
        return Err(Failure::new(Exit::Usage, sentence));
    }
    let entry = match (&config.cluster_name, config.bootstrap, config.join.as_slice()) {
        (Some(cluster_name), true, members) => Entry::Found {
            cluster_name: cluster_name.clone(),
            contacts: members.iter().map(ToString::to_string).collect(),
            // Members dial a former one after each such pause at the latest.
            knocks: 2 * config.peer_limits.backoff_max,
        },
        (_, _, []) => Entry::Existing,
        (_, _, members) => {
            let addresses = members.iter().map(ToString::to_string).collect();
            match config.replace_self.clone() {
                Some(member) => Entry::Replace { member, addresses },
                None => Entry::Join { addresses },
            }
        }
    };
    let node = NodeConfig {
        data,
        name: config.name.clone().unwrap_or_else(|| default_name(config.listen.port())),
        zone: config.zone.clone(),
        weight: config.weight,
        http_address: String::new(),
        peer_listen: config.peer_listen,
        peer_advertise: config.peer_advertise.as_ref().map(ToString::to_string),
        peer_backlog: config.limits.connections_backlog,
        entry,
        // What the start makes of the folder says who (`admin.rs`).
        admin: None,
        secret,
        peer_limits: config.peer_limits.clone(),
        storage: config.storage.clone(),
        replay: config.replay,
        sync: config.sync,
        fill: config.fill,
        purge: config.purge,
        shards: config.reshard.then_some(config.shards),
        heal: config.heal,
        timing: config.timing,
        rules: breakage::rules(),
        boot_id_file: config.boot_id_file.clone().unwrap_or_else(|| BOOT_ID_FILE.into()),
    };
    let audit_file = config.audit_file.clone().unwrap_or_else(|| node.data.join(AUDIT_FILE));
    Ok(InstanceConfig {
        access: AccessSetup { metrics_open: config.metrics_open, insecure: config.insecure },
        audit: AuditSetup { file: Some(audit_file), required: config.audit_required },
        listen: config.listen,
        advertise: config.advertise.as_ref().map(ToString::to_string),
        allowed_hosts: config.allowed_hosts.clone(),
        limits: config.limits.clone(),
        workers: None,
        auto: config.auto,
        node,
    })
}

/// An operator who names a cluster means that one: a folder of another is not started under its name.
fn check_cluster(config: &Config, folder: &Path) -> Result<(), Failure> {
    let identity = Identity::read(folder).map_err(|error| not_started(&StartError::Identity(error)))?;
    match (identity, &config.cluster_name) {
        (Some(identity), Some(name)) if identity.cluster_name != *name => Err(Failure::new(
            Exit::Usage,
            format!(
                "the folder {} belongs to cluster {} ({}), not to {name}; use another folder, or leave --cluster-name out",
                folder.display(),
                identity.cluster,
                identity.cluster_name
            ),
        )),
        (Some(_) | None, _) => Ok(()),
    }
}

/// The host's name and the port: unique among nodes of one network, and readable.
fn default_name(port: u16) -> String {
    name_of(std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim(), port)
}

/// The name of a node on this host and port. Hosts of one fleet often differ in a few characters of a long name, at its
/// end or in its middle: where not all of it fits, or can be part of a name, a digest of the whole keeps them apart.
fn name_of(host: &str, port: u16) -> String {
    const DIGEST_DIGITS: usize = 8;
    let legal: String = host.chars().filter(|c| validate::is_legal_in_name(*c)).collect();
    let port = format!("-{port}");
    if legal.is_empty() && host.is_empty() {
        return format!("node{port}");
    }
    if legal == host && host.len() + port.len() <= NAME_BYTES_MAX {
        return format!("{host}{port}");
    }
    let room = NAME_BYTES_MAX - port.len() - DIGEST_DIGITS - 1;
    let end = &legal[legal.len().saturating_sub(room)..];
    let (digest, end) = (crc32fast::hash(host.as_bytes()), end.trim_start_matches(['-', '.', '_']));
    let end = if end.is_empty() { "node" } else { end };
    format!("{end}-{digest:08x}{port}")
}

/// Opens what the configuration names, as a start would, and changes nothing: the secret, and whose folder it is.
pub(super) fn check_what_is_named(config: &Config) -> Result<(), Failure> {
    secret(config)?;
    config.data.as_deref().map_or(Ok(()), |folder| check_cluster(config, folder))
}

/// The secret of the configuration; an empty one if it names none.
fn secret(config: &Config) -> Result<Secret, Failure> {
    config.secret_file.as_deref().map_or(Ok(Vec::new()), secret_bytes).map(Secret::new)
}

/// A warning about a secret file that other users of this machine can read.
fn exposed_secret(file: &Path) -> Option<String> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| {
        format!(
            "every user of this machine can read the cluster's secret in {}: chmod 0600 (or, in a pod, defaultMode) \
             keeps it to this node",
            file.display()
        )
    })
}

/// The secret in a file, without the line end that editors add.
fn secret_bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    let unusable = |cause: String| {
        Failure::new(Exit::Usage, format!("the secret file {} cannot be used: {cause}", file.display()))
    };
    let bytes = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let secret = bytes.trim_ascii_end().to_vec();
    if secret.len() < SECRET_BYTES_MIN {
        return Err(unusable(format!(
            "it has {} bytes and a secret has {SECRET_BYTES_MIN} or more, for example from `openssl rand -hex 32`",
            secret.len()
        )));
    }
    Ok(secret)
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().filter_map(argument).fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(setting: &'static Setting) -> Option<Arg> {
    let value = setting.flag_value?;
    let argument = Arg::new(setting.name).long(setting.flag()?).help(format!(
        "{} [{}]",
        setting.meaning,
        setting.environment()
    ));
    Some(if value.is_empty() {
        argument.action(ArgAction::SetTrue)
    } else if setting.is_list() {
        argument.value_name(value).action(ArgAction::Append)
    } else {
        argument.value_name(value)
    })
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS {
            match setting.flag_value {
                Some("") if matches.get_flag(setting.name) => {
                    self.0.insert(setting.name, vec!["true".to_owned()]);
                }
                None | Some("") => {}
                Some(_) => {
                    if let Some(texts) = matches.get_many::<String>(setting.name) {
                        self.0.insert(setting.name, texts.cloned().collect());
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_whose_name_fits_is_called_by_it() {
        assert_eq!(name_of("db-1.example", 7400), "db-1.example-7400");
        assert_eq!(name_of("", 7400), "node-7400");
    }

    #[test]
    fn hosts_with_long_names_that_differ_anywhere_have_different_names() {
        let long = "rel-production-eu-west-1-orders-service-quorate-db";
        let hosts = [
            format!("{long}-0"),
            format!("{long}-1"),
            format!("{long}-{long}-0"),
            format!("{long}-{long}-1"),
            format!("a-{long}-{long}"),
            format!("b-{long}-{long}"),
            "d\u{e4}tabase".to_owned(),
            "d\u{f6}tabase".to_owned(),
            "\u{e4}".to_owned(),
            "\u{f6}".to_owned(),
        ];
        let names: std::collections::BTreeSet<String> =
            hosts.iter().flat_map(|host| [name_of(host, 7400), name_of(host, 65535)]).collect();
        assert_eq!(names.len(), 2 * hosts.len(), "{names:#?}");
        for name in &names {
            let config = Config { name: Some(name.clone()), ..Config::default() };
            validate(&config).expect(name);
        }
        assert!(name_of(&hosts[1], 7400).ends_with("quorate-db-1-7400"), "it fits as it is");
        assert!(name_of(&hosts[3], 7400).contains("quorate-db-1-"), "the end says which one it is");
    }
}
