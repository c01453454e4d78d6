//! Values in text: what a setting can be, and how it is written.

use crate::process::LogFormat;
use quorate_client::Endpoint;
use quorate_model::Span;
use quorate_ring::Weight;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A place in a [`super::Config`] that a text can be read into.
pub enum Slot<'a> {
    /// An address to listen on.
    Address(&'a mut SocketAddr),
    /// An address that others can reach.
    Endpoint(&'a mut Option<Endpoint>),
    /// Several of them.
    Endpoints(&'a mut Vec<Endpoint>),
    /// Several texts.
    Texts(&'a mut Vec<String>),
    /// Any text.
    Text(&'a mut String),
    /// Any text, or none.
    TextOption(&'a mut Option<String>),
    /// A file or a folder.
    Path(&'a mut Option<PathBuf>),
    /// `true` or `false`.
    Switch(&'a mut bool),
    /// A size in bytes.
    Bytes(&'a mut dyn Whole),
    /// A number.
    Count(&'a mut dyn Whole),
    /// A length of time.
    Duration(&'a mut Duration),
    /// A length of time as operations count it.
    Span(&'a mut Span),
    /// A share of the data.
    Weight(&'a mut Weight),
    /// How log lines look.
    Format(&'a mut LogFormat),
}

/// A whole number of any width.
pub trait Whole {
    /// Takes a number, or says what the largest one is.
    fn set(&mut self, number: u64) -> Result<(), String>;
    /// The number.
    fn get(&self) -> u64;
}

macro_rules! whole {
    ($($type:ty),*) => {
        $(impl Whole for $type {
            fn set(&mut self, number: u64) -> Result<(), String> {
                *self = <$type>::try_from(number).map_err(|_| format!("it is at most {}", <$type>::MAX))?;
                Ok(())
            }

            fn get(&self) -> u64 {
                u64::try_from(*self).expect("no number here is wider than 64 bits")
            }
        })*
    };
}

whole!(u16, u32, u64, usize);

impl Slot<'_> {
    /// Reads the text, or says what it could be.
    pub fn read(self, texts: &[String]) -> Result<(), String> {
        let this = match self {
            Slot::Endpoints(slot) => {
                *slot = texts.iter().map(|text| endpoint(text)).collect::<Result<_, _>>()?;
                return Ok(());
            }
            Slot::Texts(slot) => {
                texts.clone_into(slot);
                return Ok(());
            }
            one => one,
        };
        let [text] = texts else { return Err("it is given more than once".to_owned()) };
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        match this {
            Slot::Endpoints(_) | Slot::Texts(_) => unreachable!("lists were read above"),
            Slot::Address(slot) => *slot = address(text)?,
            Slot::Endpoint(slot) => *slot = Some(endpoint(text)?),
            Slot::Text(slot) => text.clone_into(slot),
            Slot::TextOption(slot) => *slot = Some(text.to_owned()),
            Slot::Path(slot) => *slot = Some(PathBuf::from(text)),
            Slot::Switch(slot) => {
                *slot = match text {
                    "true" | "1" | "yes" => true,
                    "false" | "0" | "no" => false,
                    _ => return Err("it is true or false".to_owned()),
                }
            }
            Slot::Bytes(slot) => slot.set(bytes(text)?)?,
            Slot::Count(slot) => slot.set(text.parse().map_err(|_| "it is a whole number".to_owned())?)?,
            Slot::Duration(slot) => *slot = duration(text)?,
            Slot::Span(slot) => *slot = span(duration(text)?)?,
            Slot::Weight(slot) => {
                let number: f64 = text.parse().map_err(|_| "it is a number from 0.01 to 100".to_owned())?;
                *slot = Weight::new(number).map_err(|error| error.to_string())?;
            }
            Slot::Format(slot) => {
                *slot = match text {
                    "auto" => LogFormat::Auto,
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    _ => return Err("it is auto, text or json".to_owned()),
                }
            }
        }
        Ok(())
    }

    /// The value as a file has it; `None` if there is none.
    pub fn show(self) -> Option<String> {
        let quoted = |text: &dyn std::fmt::Display| Some(toml::Value::String(text.to_string()).to_string());
        match self {
            Slot::Address(slot) => quoted(slot),
            Slot::Endpoint(slot) => slot.as_ref().and_then(|endpoint| quoted(endpoint)),
            Slot::Endpoints(slot) if slot.is_empty() => None,
            Slot::Endpoints(slot) => {
                let all: Vec<String> = slot.iter().filter_map(|endpoint| quoted(endpoint)).collect();
                Some(format!("[{}]", all.join(", ")))
            }
            Slot::Texts(slot) if slot.is_empty() => None,
            Slot::Texts(slot) => {
                let all: Vec<String> = slot.iter().filter_map(|text| quoted(text)).collect();
                Some(format!("[{}]", all.join(", ")))
            }
            Slot::Text(slot) => quoted(slot),
            Slot::TextOption(slot) => slot.as_ref().and_then(|text| quoted(text)),
            Slot::Path(slot) => slot.as_ref().and_then(|path| quoted(&path.display())),
            Slot::Switch(slot) => Some(slot.to_string()),
            Slot::Bytes(slot) => quoted(&in_bytes(slot.get())),
            Slot::Count(slot) => Some(slot.get().to_string()),
            Slot::Duration(slot) => quoted(&humantime::format_duration(*slot)),
            Slot::Span(slot) => quoted(&humantime::format_duration(Duration::from_micros(slot.0))),
            Slot::Weight(slot) => Some(slot.to_string()),
            Slot::Format(slot) => quoted(&match slot {
                LogFormat::Auto => "auto",
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            }),
        }
    }

    /// What a program reads as a number: bytes, a count, or milliseconds (`true`); `None`: it is no number.
    pub fn number(self) -> Option<(u64, bool)> {
        match self {
            Slot::Bytes(slot) | Slot::Count(slot) => Some((slot.get(), false)),
            Slot::Duration(slot) => Some((u64::try_from(slot.as_millis()).unwrap_or(u64::MAX), true)),
            Slot::Span(slot) => Some((slot.as_millis(), true)),
            Slot::Address(_)
            | Slot::Endpoint(_)
            | Slot::Endpoints(_)
            | Slot::Texts(_)
            | Slot::Text(_)
            | Slot::TextOption(_)
            | Slot::Path(_)
            | Slot::Switch(_)
            | Slot::Weight(_)
            | Slot::Format(_) => None,
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "it is an IP address and a port, for example 127.0.0.1:7400".to_owned())
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    text.parse::<Endpoint>().map_err(|error| error.to_string())
}

/// A size: a number of bytes, or one with KiB, MiB, GiB (or kB, MB, GB).
pub fn bytes(text: &str) -> Result<u64, String> {
    let size: Result<bytesize::ByteSize, _> = text.parse();
    size.map(|size| size.as_u64()).map_err(|_| "it is a size, for example 512KiB or 1MiB".to_owned())
}

/// A length of time with its unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "it is a length of time with its unit, for example 250ms, 2s or 10m".to_owned())
}

fn span(time: Duration) -> Result<Span, String> {
    let micros = u64::try_from(time.as_micros()).map_err(|_| "it is too long".to_owned())?;
    Ok(Span(micros))
}

/// A size in the largest unit that leaves no rest.
pub fn in_bytes(size: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if size >= unit && size.is_multiple_of(unit) {
            return format!("{}{name}", size / unit);
        }
    }
    format!("{size}B")
}
