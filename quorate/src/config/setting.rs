//! What one setting is. Flags, environment variables, file keys, the sample and the reference all come from the list.

use super::fields::Config;
use super::origin::Origin;
use super::values::Slot;
use quorate_http::InForce;

/// The prefix of environment variables that are settings.
pub const ENVIRONMENT_PREFIX: &str = "QUORATE_";

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

impl Setting {
    /// Its environment variable.
    pub fn environment(&self) -> String {
        format!("{}{}", ENVIRONMENT_PREFIX, self.name.replace('.', "_").to_ascii_uppercase())
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
