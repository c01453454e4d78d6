//! Configuration: one struct, one list of settings, one order of precedence.
//!
//! A setting can be given four times, and the first of these wins:
//!
//! ```text
//! flag             --peer-listen 10.0.0.1:7500
//! environment      QUORATE_PEER_LISTEN=10.0.0.1:7500
//! file (TOML)      peer_listen = "10.0.0.1:7500"
//! default          127.0.0.1:7500
//! ```
//!
//! All four, the sample file, `config show` and the reference in the documentation come from the one list in
//! [`settings`]: a setting is written down once, with its meaning, its unit and its relation to others. A name that
//! is not in the list is an error wherever it stands, and so is one that is close to `QUORATE_`: a typo must never
//! mean "the default, then". Only what a container platform adds by itself is passed over, with a warning ([`links`]).
//!
//! What is checked here needs no disk and no network: each value alone, then their relations ([`validate`]). What a
//! data folder says about founding and joining is checked where the folder is opened.

pub mod links;
mod list;
pub mod sample;
pub mod settings;
pub mod validate;
pub mod values;

use crate::breakage;
use crate::process::LogFormat;
use quorate_cli::{Exit, Failure};
use quorate_client::Endpoint;
use quorate_coordinator::Timing;
use quorate_http::Limits;
use quorate_node::StorageConfig;
use quorate_node::hints::ReplayLimits;
use quorate_ring::Weight;
use settings::{SETTINGS, Setting};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The prefix of environment variables that are settings.
pub const ENVIRONMENT_PREFIX: &str = "QUORATE_";

/// Names with that prefix that are no settings of a node: the command line's own.
const OTHER_VARIABLES: &[&str] = &["QUORATE_CONFIG", "QUORATE_ENDPOINTS"];

/// The environment variable that names the configuration file.
const FILE_VARIABLE: &str = "QUORATE_CONFIG";

/// Everything one node can be told. Each field is described in [`settings`].
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder.
    pub data: Option<PathBuf>,
    /// Where clients and administration are answered.
    pub listen: SocketAddr,
    /// Where peers are answered.
    pub peer_listen: SocketAddr,
    /// Where clients can reach `listen`.
    pub advertise: Option<Endpoint>,
    /// Where peers can reach `peer_listen`.
    pub peer_advertise: Option<Endpoint>,
    /// Other names under which clients reach this node.
    pub allowed_hosts: Vec<String>,
    /// The node's label.
    pub name: Option<String>,
    /// The node's failure domain.
    pub zone: String,
    /// The node's share of the data, relative to others.
    pub weight: Weight,
    /// Found a cluster in an empty folder.
    pub bootstrap: bool,
    /// The name of the cluster that is founded.
    pub cluster_name: Option<String>,
    /// Members to ask for admission.
    pub join: Vec<Endpoint>,
    /// A file with the secret that all members share.
    pub secret_file: Option<PathBuf>,
    /// Serve clients on a network without TLS and tokens.
    pub insecure: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines there are.
    pub log_filter: String,
    /// Where the kernel says which run of the machine this is.
    pub boot_id_file: Option<PathBuf>,
    /// What clients may make this node hold.
    pub limits: Limits,
    /// Limits of the traffic between members.
    pub peer_limits: quorate_transport::Limits,
    /// Limits of the storage.
    pub storage: StorageConfig,
    /// Limits of the replay of hints.
    pub replay: ReplayLimits,
    /// How patient an operation is.
    pub timing: Timing,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// The environment variable of the setting.
    Environment,
    /// The flag of the setting.
    Flag,
}

/// A configuration, and where each of its values came from.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The configuration; its values are sound one by one, their relations are for [`validate`].
    pub config: Config,
    /// By the setting's name.
    pub origins: BTreeMap<&'static str, Origin>,
    /// Variables of the environment that a container platform made; they were passed over.
    pub links: Vec<String>,
}

/// Values that were given, by the setting's name. Lists have several.
pub type Given = BTreeMap<&'static str, Vec<String>>;

/// Why there is no configuration. Nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// A configuration file that can't be read.
    #[error("the configuration file {} cannot be read: {cause}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A configuration file that is no TOML.
    #[error("the configuration file {} is not TOML: {cause}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        cause: String,
    },
    /// A name that is no setting.
    #[error("{place} has no meaning{}; `quorate config init` prints every setting", did_you_mean(.similar.as_ref()))]
    Unknown {
        /// The name and where it stands.
        place: String,
        /// The setting that was probably meant.
        similar: Option<String>,
    },
    /// A value that its setting can't have.
    #[error("{place} cannot be '{value}': {cause}")]
    Value {
        /// The setting and where it stands.
        place: String,
        /// The value.
        value: String,
        /// Why not, and what it can be.
        cause: String,
    },
    /// Values that contradict each other, or a bind that is not safe.
    #[error("{0}")]
    Relation(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(Exit::Usage, error.to_string())
    }
}

fn did_you_mean(similar: Option<&String>) -> String {
    similar.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            peer_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7500)),
            advertise: None,
            peer_advertise: None,
            allowed_hosts: Vec::new(),
            name: None,
            zone: "default".to_owned(),
            weight: Weight::ONE,
            bootstrap: false,
            cluster_name: None,
            join: Vec::new(),
            secret_file: None,
            insecure: false,
            log_format: LogFormat::Auto,
            log_filter: "info".to_owned(),
            boot_id_file: None,
            limits: Limits::default(),
            peer_limits: quorate_transport::Limits::default(),
            storage: StorageConfig::default(),
            replay: ReplayLimits::default(),
            timing: Timing::default(),
        }
    }
}

impl Resolved {
    /// What file, environment and flags say together. `environment` is all of it; what isn't ours is passed over.
    pub fn of(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Given,
    ) -> Result<Self, Error> {
        let mut resolved = Self { config: Config::default(), origins: BTreeMap::new(), links: Vec::new() };
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::Unreadable { path: path.to_owned(), cause: error.to_string() })?;
            resolved.take(&from_file(path, &text)?, &Origin::File(path.to_owned()))?;
        }
        let (given, links) = from_environment(environment)?;
        resolved.links = links;
        resolved.take(&given, &Origin::Environment)?;
        resolved.take(flags, &Origin::Flag)?;
        Ok(resolved)
    }

    /// What a file of this text alone says.
    pub fn of_text(path: &Path, text: &str) -> Result<Self, Error> {
        let mut resolved = Self { config: Config::default(), origins: BTreeMap::new(), links: Vec::new() };
        resolved.take(&from_file(path, text)?, &Origin::File(path.to_owned()))?;
        Ok(resolved)
    }

    /// Where a setting's value came from.
    pub fn origin(&self, setting: &Setting) -> &Origin {
        self.origins.get(setting.name).unwrap_or(&Origin::Default)
    }

    fn take(&mut self, given: &Given, origin: &Origin) -> Result<(), Error> {
        for setting in SETTINGS {
            let Some(texts) = given.get(setting.name) else { continue };
            setting.read(&mut self.config, texts).map_err(|cause| Error::Value {
                place: setting.place(origin),
                value: texts.join(",").escape_default().to_string(),
                cause,
            })?;
            self.origins.insert(setting.name, origin.clone());
        }
        Ok(())
    }
}

/// The configuration file that a command was given, or else the environment; an empty variable names none.
pub fn file(given: Option<&Path>) -> Option<PathBuf> {
    let named = given.map(PathBuf::from).or_else(|| std::env::var_os(FILE_VARIABLE).map(PathBuf::from));
    named.filter(|path| !path.as_os_str().is_empty())
}

/// This process's environment, as far as it is text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The settings in a file's text: top-level names, and tables as `table.name`.
fn from_file(path: &Path, text: &str) -> Result<Given, Error> {
    let document: toml::Table = toml::from_str(text).map_err(|error| Error::Syntax {
        path: path.to_owned(),
        cause: error.to_string().trim_end().replace('\n', " "),
    })?;
    let mut given = Given::new();
    let mut open: Vec<(String, toml::Value)> = document.into_iter().collect();
    while let Some((name, value)) = open.pop() {
        let setting = settings::find(&name);
        let place = || format!("{name} in {}", path.display());
        match (setting, value) {
            (None, toml::Value::Table(table)) if settings::is_section(&name) => {
                open.extend(table.into_iter().map(|(inner, value)| (format!("{name}.{inner}"), value)));
            }
            (None, _) => return Err(Error::Unknown { place: place(), similar: settings::similar(&name) }),
            (Some(setting), value) => {
                let wrong = |value: &toml::Value| Error::Value {
                    place: place(),
                    value: value.to_string(),
                    cause: "this needs a text, a number, true or false".to_owned(),
                };
                let texts = match &value {
                    toml::Value::Array(values) if setting.is_list() => {
                        values.iter().map(|value| scalar(value).ok_or_else(|| wrong(value))).collect()
                    }
                    value => scalar(value).map(|text| vec![text]).ok_or_else(|| wrong(value)),
                };
                given.insert(setting.name, texts?);
            }
        }
    }
    Ok(given)
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(value) => Some(value.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

/// The settings in an environment, and the links in it.
fn from_environment(
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(Given, Vec<String>), Error> {
    let (mut given, mut links) = (Given::new(), Vec::new());
    for (name, value) in environment {
        let of_a_broken_build = breakage::VARIABLE == Some(name.as_str());
        if !name.starts_with(ENVIRONMENT_PREFIX)
            || OTHER_VARIABLES.contains(&name.as_str())
            || of_a_broken_build
        {
            continue;
        }
        if links::is_link(&name, &value) {
            links.push(name);
            continue;
        }
        let Some(setting) = SETTINGS.iter().find(|setting| setting.environment() == name) else {
            let similar = settings::similar(&name[ENVIRONMENT_PREFIX.len()..].to_ascii_lowercase())
                .and_then(|similar| settings::find(&similar))
                .map(Setting::environment);
            return Err(Error::Unknown { place: format!("the environment variable {name}"), similar });
        };
        let texts = if setting.is_list() {
            value.split(',').map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
        } else {
            vec![value]
        };
        given.insert(setting.name, texts);
    }
    links.sort_unstable();
    Ok((given, links))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment => f.write_str("environment"),
            Origin::Flag => f.write_str("flag"),
        }
    }
}

#[cfg(test)]
mod tests;
