//! What one setting is. Flags, environment variables, file keys, the sample and the reference all come from the list.

use super::values::Slot;
use super::{Config, Origin};
use quorate_http::InForce;

pub use super::list::SETTINGS;

/// One setting.
pub struct Setting {
    /// Its name in a file, with its section: `peer_listen`, `limits.value_bytes_max`.
    pub name: &'static str,
    /// What follows the flag, such as `ADDR`; `None`: it has no flag; empty: the flag takes no value.
    pub flag_value: Option<&'static str>,
    /// What it means, its unit and its relation to others.
    pub meaning: &'static str,
    pub(super) slot: fn(&mut Config) -> Slot<'_>,
}

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Every limit of this configuration.
pub fn limits_in_force(config: &Config) -> Vec<InForce> {
    SETTINGS.iter().filter_map(|setting| setting.limit(config)).collect()
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

    /// The limit as a program reads it; `None`: it is no limit.
    pub fn limit(&self, config: &Config) -> Option<InForce> {
        let (section, name) = self.name.split_once('.')?;
        let (value, is_time) = (self.slot)(&mut config.clone()).number()?;
        Some(InForce { section, name: format!("{name}{}", if is_time { "_ms" } else { "" }), value })
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
