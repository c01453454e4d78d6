//! `get`, `put`, `delete`, `locate`, `explain`.

use crate::context::Context;
use crate::context::moment;
use crate::document;
use crate::exit::{Exit, Failure};
use crate::output::{Output, printable, readable};
use crate::quantity;
use clap::Args;
use quorate_api::document::Written;
use quorate_api::query::{TTL_MS_MAX, TimeToLive};
use quorate_api::text::{from_base64, to_base64url};
use quorate_client::{Answered, Found, Meta, Read, Write};
use quorate_model::{Durability, Level, OperationId};
use serde_json::{Value as Json, json};
use std::ffi::OsString;
use std::io::{IsTerminal, Read as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Which key.
#[derive(Args, Debug)]
struct Target {
    /// The table.
    table: String,
    /// The key: any bytes.
    key: OsString,
    /// KEY is base64url: for keys a shell cannot type.
    #[arg(long)]
    b64: bool,
}

/// Which keys are listed.
#[derive(Args, Debug)]
pub struct Bounds {
    /// Only keys that begin so. With bounds, every page looks at all keys of a hash table.
    #[arg(long, value_name = "BYTES")]
    prefix: Option<OsString>,
    /// The first key.
    #[arg(long, value_name = "KEY")]
    start: Option<OsString>,
    /// The first key behind the last one.
    #[arg(long, value_name = "KEY")]
    end: Option<OsString>,
    /// --prefix, --start and --end are base64url.
    #[arg(long)]
    b64: bool,
}

impl Bounds {
    /// The bytes of prefix, start and end.
    pub fn read(self) -> Result<[Option<Vec<u8>>; 3], Failure> {
        let key = |text: Option<OsString>| text.map(|text| key_bytes(text, self.b64)).transpose();
        Ok([key(self.prefix)?, key(self.start)?, key(self.end)?])
    }
}

/// How a read is asked.
#[derive(Args, Debug)]
pub struct ReadFlags {
    /// Owners that must answer: one, quorum, all or a number [default: the table's].
    #[arg(long, short = 'c', value_name = "LEVEL")]
    consistency: Option<Level>,
    /// The same as --consistency; beside it only if equal.
    #[arg(long, value_name = "LEVEL")]
    r: Option<Level>,
    /// Show on standard error where the time went and what the answer promises.
    #[arg(long)]
    trace: bool,
}

/// How a write is asked.
#[derive(Args, Debug)]
struct WriteFlags {
    /// Owners that must hold it durably: one, quorum, all or a number [default: the table's].
    #[arg(long, short = 'c', value_name = "LEVEL")]
    consistency: Option<Level>,
    /// The same as --consistency; beside it only if equal.
    #[arg(long, value_name = "LEVEL")]
    w: Option<Level>,
    /// What an acknowledgement means: sync or os; more than the table's, never less.
    #[arg(long, value_name = "HOW", value_parser = durability)]
    durability: Option<Durability>,
    /// `<client>:<sequence>`; the sequence grows per client. A retry under the same one is never applied twice.
    #[arg(long, value_name = "ID")]
    idempotency_key: Option<OperationId>,
    /// This is not the first attempt of --idempotency-key.
    #[arg(long, requires = "idempotency_key")]
    retry: bool,
    /// Show on standard error where the time went and what the answer promises.
    #[arg(long)]
    trace: bool,
}

/// `quorate get`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate get demo greeting\n  \
    quorate get demo photo > photo.jpg\n  \
    quorate get demo greeting -c all --trace")]
pub struct Get {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    read: ReadFlags,
}

/// `quorate put`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate put demo greeting 'hello'\n  \
    quorate put demo photo @photo.jpg --content-type image/jpeg\n  \
    quorate put demo session/17 - --ttl 30m < session.json\n  \
    quorate put demo order/9 paid --idempotency-key shop:41        # once more with --retry")]
pub struct Put {
    #[command(flatten)]
    target: Target,
    /// The value; `-` reads standard input, `@FILE` a file. `@@text` is the value `@text`.
    value: OsString,
    /// When the value expires, such as 60s or 10m; `none`: never [default: the table's].
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    ttl: Option<TimeToLive>,
    /// Media type of the value.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    #[command(flatten)]
    write: WriteFlags,
}

/// `quorate delete`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate delete demo greeting")]
pub struct Delete {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    write: WriteFlags,
}

/// `quorate locate`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate locate demo greeting")]
pub struct Locate {
    #[command(flatten)]
    target: Target,
}

/// `quorate explain`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate explain demo greeting")]
pub struct Explain {
    #[command(flatten)]
    target: Target,
}

/// A time to live: the server counts it in whole milliseconds, up to 100 years.
fn ttl(text: &str) -> Result<TimeToLive, String> {
    if text == TimeToLive::Unlimited.to_string() {
        return Ok(TimeToLive::Unlimited);
    }
    match u64::try_from(moment(text)?.as_millis()) {
        Ok(millis) if millis <= TTL_MS_MAX => Ok(TimeToLive::Millis(millis)),
        _ => Err("a value lives for 100 years at most, or with `none` until it is deleted".to_owned()),
    }
}

/// A durability, as the command line names it.
pub fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "sync" => Ok(Durability::Sync),
        "os" => Ok(Durability::Os),
        _ => Err("it is sync or os".to_owned()),
    }
}

/// Whether these bytes are a key in base64url (for the tests of the decoders). As they stand, any bytes are one.
pub fn takes_key(bytes: &[u8]) -> bool {
    let argument = || OsString::from_vec(bytes.to_vec());
    assert!(key_bytes(argument(), false).is_ok_and(|key| key == bytes));
    key_bytes(argument(), true).is_ok()
}

/// The key that an argument names: its bytes, or with `--b64` those that it encodes.
pub fn key_bytes(text: OsString, b64: bool) -> Result<Vec<u8>, Failure> {
    if !b64 {
        return Ok(text.into_vec());
    }
    text.to_str()
        .and_then(from_base64)
        .ok_or_else(|| Failure::new(Exit::Usage, "with --b64 a key is base64url, such as dXNlci0xNw"))
}

impl Target {
    fn key(&self) -> Result<Vec<u8>, Failure> {
        key_bytes(self.key.clone(), self.b64)
    }
}

impl ReadFlags {
    /// What the request says.
    pub fn read(&self) -> Read {
        Read { consistency: self.consistency, r: self.r, trace: self.trace }
    }
}

impl WriteFlags {
    fn write(&self) -> Write {
        Write {
            consistency: self.consistency,
            w: self.w,
            durability: self.durability,
            operation: self.idempotency_key.clone(),
            retry: self.retry,
            trace: self.trace,
            ..Write::default()
        }
    }
}

impl Get {
    /// The value's bytes to standard output.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let key = self.target.key()?;
        let table = &self.target.table;
        let client = context.client()?;
        let Answered { answer, meta } =
            context.told("reading the key", client.get(table, &key, &self.read.read())).await?;
        let output = &context.output;
        if self.read.trace {
            trace(output, &meta);
        }
        match answer {
            Found::Absent { reason } => {
                // What follows speaks of headers, which are not shown here.
                let why = reason.split(';').next().unwrap_or_default();
                let version = meta.version.map(|version| format!(", version {version}")).unwrap_or_default();
                let (key, why, promise) = (readable(&key), printable(why), promise(&meta));
                Err(Failure::new(Exit::NotFound, format!("{table}/{key}: {why}{version}{promise}")))
            }
            Found::Value(value) if output.is_json() => {
                let mut document = json!({ "table": table });
                put_bytes(&mut document, "key", &key);
                put_bytes(&mut document, "value", &value.bytes);
                document["content_type"] = json!(value.content_type);
                document["version"] = json!(meta.version.map(|version| version.to_string()));
                document["etag"] = json!(meta.etag);
                document["consistency"] = json!(meta.consistency.map(|consistency| consistency.text));
                document["epoch"] = json!(meta.epoch);
                document["coordinator"] = json!(meta.coordinator);
                document["expires"] = json!(meta.expires);
                output.json(&document)
            }
            Found::Value(value) => {
                output.bytes(&value.bytes)?;
                // A prompt after a value without a line end is hard to read; a pipe gets the bytes alone.
                if std::io::stdout().is_terminal() && value.bytes.last().is_some_and(|byte| *byte != b'\n') {
                    output.bytes(b"\n")?;
                }
                Ok(())
            }
        }
    }
}

impl Put {
    /// Stores the value and says what that promises.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let key = self.target.key()?;
        let value = value_bytes(self.value)?;
        let write = Write { ttl: self.ttl, content_type: self.content_type, ..self.write.write() };
        let client = context.client()?;
        let answered =
            context.told("storing the key", client.put(&self.target.table, &key, value, &write)).await?;
        written(context, "stored", &self.target.table, &key, &answered, self.write.trace)
    }
}

impl Delete {
    /// Deletes the key and says what that promises.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let key = self.target.key()?;
        let client = context.client()?;
        let answered = context
            .told("deleting the key", client.delete(&self.target.table, &key, &self.write.write()))
            .await?;
        written(context, "deleted", &self.target.table, &key, &answered, self.write.trace)
    }
}

impl Locate {
    /// The key's token, shard and owners.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, key) = (context.client()?, self.target.key()?);
        let document = context.told("locating the key", client.locate(&self.target.table, &key)).await?;
        document::show(&context.output, &document)
    }
}

impl Explain {
    /// The same, and what each owner holds.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, key) = (context.client()?, self.target.key()?);
        let document = context.told("explaining the key", client.explain(&self.target.table, &key)).await?;
        document::show(&context.output, &document)
    }
}

/// The value that an argument names.
fn value_bytes(argument: OsString) -> Result<Vec<u8>, Failure> {
    let most = quorate_model::record::VALUE_BYTES_MAX;
    let limited = |reader: &mut dyn std::io::Read, name: &str| {
        let mut bytes = Vec::new();
        let read = reader.take(most as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| Failure::new(Exit::Usage, format!("{name} cannot be read: {error}")))?;
        if bytes.len() > most {
            return Err(Failure::new(
                Exit::Usage,
                format!("{name} is larger than any value may be ({most} bytes)"),
            ));
        }
        Ok(bytes)
    };
    let bytes = argument.as_bytes();
    match bytes {
        b"-" => limited(&mut std::io::stdin().lock(), "standard input"),
        [b'@', b'@', ..] => Ok(bytes[1..].to_vec()),
        [b'@', path @ ..] => {
            let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
            let name = path.display().to_string();
            let mut file = std::fs::File::open(path)
                .map_err(|error| Failure::new(Exit::Usage, format!("{name} cannot be read: {error}")))?;
            limited(&mut file, &name)
        }
        _ => Ok(argument.into_vec()),
    }
}

fn written(
    context: &Context,
    done: &str,
    table: &str,
    key: &[u8],
    answered: &Answered<Written>,
    traced: bool,
) -> Result<(), Failure> {
    let Answered { answer, meta } = answered;
    let output = &context.output;
    if traced {
        trace(output, meta);
    }
    if output.is_json() {
        let mut document = json!(answer);
        document["table"] = json!(table);
        put_bytes(&mut document, "key", key);
        return output.json(&document);
    }
    let again = if answer.replayed { ", as the first attempt did" } else { "" };
    // Words about what was done, and no data: a script that wants them reads JSON.
    output.note(&format!(
        "{done} {table}/{}: {} acknowledged ({} required), {}{again}, version {}",
        readable(key),
        quantity::counted(answer.acks.into(), "owner"),
        answer.required,
        promised(&answer.consistency, answer.consistency_reason.as_deref()),
        printable(&answer.version)
    ));
    Ok(())
}

/// What the answer promises and where the time went, on standard error.
fn trace(output: &Output, meta: &Meta) {
    let version = meta.version.map(|version| version.to_string());
    let epoch = meta.epoch.map(|epoch| epoch.to_string());
    for (name, value) in [
        ("consistency", meta.consistency.as_ref().map(|consistency| consistency.text.as_str())),
        ("version", version.as_deref()),
        ("coordinator", meta.coordinator.as_deref()),
        ("epoch", epoch.as_deref()),
        ("request", meta.request.as_deref()),
        ("timing", meta.server_timing.as_deref()),
    ] {
        if let Some(value) = value {
            output.note(&format!("{name:>12}  {}", printable(value)));
        }
    }
}

fn promise(meta: &Meta) -> String {
    meta.consistency
        .as_ref()
        .map(|consistency| format!(" ({})", promised(&consistency.guarantee, consistency.reason())))
        .unwrap_or_default()
}

/// A guarantee, and why it is less than the level says: `eventual: accepted-loss`.
fn promised(guarantee: &str, reason: Option<&str>) -> String {
    let reason = reason.map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
    format!("{}{reason}", printable(guarantee))
}

/// Bytes as JSON has them: `name` if they are UTF-8, else `name_b64`.
fn put_bytes(document: &mut Json, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => document[name] = json!(text),
        Err(_) => document[format!("{name}_b64")] = json!(to_base64url(bytes)),
    }
}
