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
//! Commands that ask a cluster read no settings: they go on, and warn of such a variable ([`unknown_variables`]).
//!
//! What is checked here needs no disk and no network: each value alone, then their relations ([`validate`]). What a
//! data folder says about founding and joining is checked where the folder is opened.

mod error;
mod fields;
pub mod links;
mod list;
mod origin;
mod resolve;
pub mod sample;
mod setting;
pub mod settings;
pub mod validate;
pub mod values;

pub use error::Error;
pub use fields::Config;
pub use origin::Origin;
pub use resolve::{Given, Resolved, environment, file, unknown_variables};
pub use setting::ENVIRONMENT_PREFIX;

#[cfg(test)]
mod tests;
