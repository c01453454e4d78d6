//! What file, environment and flags say together, and which of them said what.

use super::error::Error;
use super::fields::Config;
use super::list::SETTINGS;
use super::origin::Origin;
use super::setting::{ENVIRONMENT_PREFIX, Setting};
use super::{links, settings};
use crate::breakage;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names with that prefix that are no settings of a node: the command line's own.
const OTHER_VARIABLES: &[&str] =
    &["QUORATE_CONFIG", "QUORATE_ENDPOINTS", "QUORATE_TOKEN", "QUORATE_TOKEN_FILE"];

/// The environment variable that names the configuration file.
const FILE_VARIABLE: &str = "QUORATE_CONFIG";

/// A configuration, and where each of its values came from.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The configuration; its values are sound one by one, their relations are for [`super::validate`].
    pub config: Config,
    /// By the setting's name.
    pub origins: BTreeMap<&'static str, Origin>,
    /// Variables of the environment that a container platform made; they were passed over.
    pub links: Vec<String>,
}

/// Values that were given, by the setting's name. Lists have several.
pub type Given = BTreeMap<&'static str, Vec<String>>;

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
        match Variable::of(&name, &value) {
            Variable::Other => {}
            Variable::Link => links.push(name),
            Variable::Setting(setting) => {
                let texts = if setting.is_list() {
                    let texts = value.split(',').map(|text| text.trim().to_owned());
                    texts.filter(|text| !text.is_empty()).collect()
                } else {
                    vec![value]
                };
                given.insert(setting.name, texts);
            }
            Variable::Unknown => return Err(unknown(&name)),
        }
    }
    links.sort_unstable();
    Ok((given, links))
}

/// What is wrong with the variables of an environment that have our prefix and no meaning, for a command that goes on
/// without them: it reads no settings.
pub fn unknown_variables(environment: impl IntoIterator<Item = (String, String)>) -> Vec<Error> {
    let mut names: Vec<String> = environment
        .into_iter()
        .filter(|(name, value)| matches!(Variable::of(name, value), Variable::Unknown))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names.iter().map(|name| unknown(name)).collect()
}

/// What a variable of the environment is to us.
enum Variable {
    /// Not ours, or the command line's own.
    Other,
    /// Made by a container platform.
    Link,
    /// A setting.
    Setting(&'static Setting),
    /// It has our prefix, and no meaning.
    Unknown,
}

impl Variable {
    fn of(name: &str, value: &str) -> Self {
        let of_a_broken_build = breakage::VARIABLE == Some(name);
        if !name.starts_with(ENVIRONMENT_PREFIX) || OTHER_VARIABLES.contains(&name) || of_a_broken_build {
            return Self::Other;
        }
        if links::is_link(name, value) {
            return Self::Link;
        }
        SETTINGS.iter().find(|setting| setting.environment() == name).map_or(Self::Unknown, Self::Setting)
    }
}

/// The error of a variable that has no meaning, with the one that was probably meant.
fn unknown(name: &str) -> Error {
    let other =
        || OTHER_VARIABLES.iter().find(|other| settings::is_slip(name, other)).map(ToString::to_string);
    let similar = settings::similar(&name[ENVIRONMENT_PREFIX.len()..].to_ascii_lowercase())
        .and_then(|similar| settings::find(&similar))
        .map(Setting::environment);
    let place = format!("the environment variable {}", name.escape_default());
    Error::Unknown { place, similar: similar.or_else(other) }
}
