//! The audit log: who did which administrative act, with what result. One JSON document a line, in a file of its own.
//!
//! ```text
//!   act ──> [ "begun", on the disk, if audit_required ] ──> done ──> one line: who, from where, what, with what result
//! ```
//!
//! # Invariants
//!
//! - No line holds a key, a value or a token: a line is made of what a path names, and of words that handlers choose.
//! - A line is appended whole. Behind one that was cut short a new line begins.
//! - The file may be renamed by another program: the next line begins a new file. None but its owner may read it.
//! - What was denied is told within limits, so that no stranger fills the disk; how many lines were left out is told, too.

use crate::answer::timestamp;
use crate::metrics::Metrics;
use quorate_model::WallTime;
use serde::Serialize;
use serde_json::Value as Json;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Most lines about what was denied in one window.
const DENIED_MAX: u64 = 100;

/// How long that window is.
const DENIED_WINDOW: Duration = Duration::from_secs(10);

/// What an operator has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSetup {
    /// The file; `None`: there is no such log.
    pub file: Option<PathBuf>,
    /// Whether nothing is done that can't be written down first.
    pub required: bool,
}

/// How an act ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// It is about to be done.
    Begun,
    /// It was done.
    Done,
    /// Who asked may not do it, or is not known.
    Denied,
    /// It was not done, for another reason.
    Refused,
    /// It may have been done.
    Unknown,
}

/// What an act is, and who asks for it.
#[derive(Clone, Debug, Serialize)]
pub struct Act {
    /// The request's id, as in the answer and in the node's log.
    pub request: String,
    /// The user; `None`: access control is off, or it is not known.
    pub user: Option<String>,
    /// The address that it came from.
    pub source: IpAddr,
    /// The operation, as the description of the interface names it.
    pub act: &'static str,
    /// Its path.
    pub path: String,
    /// The table that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// What the handler of an act adds, once it has understood the body.
#[derive(Debug, Default)]
pub struct About {
    /// The table that it is about.
    pub table: OnceLock<String>,
    /// Anything else: never a key, a value or a token.
    pub what: OnceLock<Json>,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    act: &'a Act,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a Json>,
    result: Ended,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Lines about what was denied that were left out before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u64>,
}

/// See the module's essay.
#[derive(Debug)]
pub struct Audit {
    log: Option<Arc<Log>>,
    required: bool,
    denied: Mutex<Denied>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    open: Mutex<Option<File>>,
}

/// What was denied in this window.
#[derive(Debug)]
struct Denied {
    began: Instant,
    count: u64,
    left_out: u64,
}

impl Audit {
    /// Of one node.
    pub fn new(setup: AuditSetup, metrics: Arc<Metrics>) -> Self {
        let AuditSetup { file, required } = setup;
        let log = file.map(|path| Arc::new(Log { path, open: Mutex::default() }));
        let denied = Mutex::new(Denied { began: Instant::now(), count: 0, left_out: 0 });
        Self { log, required, denied, metrics }
    }

    /// Writes down that an act is about to be done, where nothing may be done without that; why that failed.
    pub async fn begin(&self, act: &Act, now: WallTime) -> Result<(), String> {
        if !self.required {
            return Ok(());
        }
        self.write(&Line::new(act, Ended::Begun, now)).await.map_err(|error| error.to_string())
    }

    /// Writes down how an act ended. A line that can't be written is counted and logged.
    pub async fn tell(
        &self,
        (act, about): (&Act, &About),
        ended: Ended,
        (status, code): (u16, Option<&'static str>),
        now: WallTime,
    ) {
        let mut line = Line { status: Some(status), code, ..Line::new(act, ended, now) };
        line.what = about.what.get();
        if ended == Ended::Denied {
            let Some(left_out) = self.may_deny() else { return };
            line.left_out = Some(left_out).filter(|left_out| *left_out > 0);
        }
        // Counted and logged where it failed.
        drop(self.write(&line).await);
    }

    /// Whether a line may be written about what was denied, and how many were left out before.
    fn may_deny(&self) -> Option<u64> {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        if denied.began.elapsed() >= DENIED_WINDOW {
            *denied = Denied { began: Instant::now(), count: 0, left_out: denied.left_out };
        }
        if denied.count >= DENIED_MAX {
            denied.left_out += 1;
            return None;
        }
        denied.count += 1;
        Some(std::mem::take(&mut denied.left_out))
    }

    async fn write(&self, line: &Line<'_>) -> io::Result<()> {
        let Some(log) = self.log.clone() else { return Ok(()) };
        let mut bytes = serde_json::to_vec(line).expect("a document of plain values");
        bytes.push(b'\n');
        let required = self.required;
        let written = tokio::task::spawn_blocking(move || log.append(&bytes, required)).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.inspect_err(|error| {
            self.metrics.audit_failures.inc();
            tracing::error!(
                act = line.act.act,
                request = line.act.request,
                "a line of the audit log is lost: {error}"
            );
        })
    }
}

impl<'a> Line<'a> {
    fn new(act: &'a Act, result: Ended, now: WallTime) -> Self {
        Self { time: timestamp(now), act, what: None, result, status: None, code: None, left_out: None }
    }
}

impl Log {
    /// Appends a line; `is_synced`: it is on the disk when this returns.
    fn append(&self, line: &[u8], is_synced: bool) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = match open.take().filter(|file| is_at(file, &self.path)) {
            Some(file) => file,
            None => begin(&self.path)?,
        };
        file.write_all(line)?;
        if is_synced {
            file.sync_data()?;
        }
        // One that failed is opened anew, and what it cut short is ended then.
        *open = Some(file);
        Ok(())
    }
}

/// Whether the file is still the one of this name.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(opened), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (opened.dev(), opened.ino()) == (named.dev(), named.ino())
}

fn begin(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if let Some(last) = file.metadata()?.len().checked_sub(1) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, last)?;
        if byte != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::os::unix::fs::PermissionsExt as _;

    const NOW: WallTime = WallTime(1_795_000_000_000);

    fn act() -> Act {
        Act {
            request: "00000001-2".to_owned(),
            user: Some("ann".to_owned()),
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            act: "dropTable",
            path: "/v1/tables/users".to_owned(),
            table: Some("users".to_owned()),
        }
    }

    fn audit(path: &Path, required: bool) -> Audit {
        Audit::new(AuditSetup { file: Some(path.to_owned()), required }, Arc::default())
    }

    async fn told(audit: &Audit, ended: Ended) {
        audit.tell((&act(), &About::default()), ended, (200, None), NOW).await;
    }

    fn lines(path: &Path) -> Vec<Json> {
        let text = std::fs::read_to_string(path).expect("a log");
        text.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect()
    }

    #[tokio::test]
    async fn an_act_is_one_line_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let (audit, about) = (audit(&path, false), About::default());
        about.what.set(serde_json::json!({ "r": 2 })).expect("said once");
        audit.tell((&act(), &about), Ended::Unknown, (504, Some("write-timeout")), NOW).await;
        let wanted = serde_json::json!({
            "time": "2026-11-18T11:06:40.000Z", "request": "00000001-2", "user": "ann", "source": "127.0.0.1",
            "act": "dropTable", "path": "/v1/tables/users", "table": "users", "what": { "r": 2 },
            "result": "unknown", "status": 504, "code": "write-timeout",
        });
        assert_eq!(lines(&path), [wanted]);
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_log_that_is_renamed_begins_anew_and_a_line_that_was_cut_short_is_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, aside) = (folder.path().join("audit.log"), folder.path().join("audit.log.1"));
        std::fs::write(&path, "{\"time\":").expect("written");
        let audit = audit(&path, false);
        told(&audit, Ended::Done).await;
        let text = std::fs::read_to_string(&path).expect("a log");
        assert!(text.starts_with("{\"time\":\n{") && text.ends_with("}\n"), "{text}");
        std::fs::rename(&path, &aside).expect("renamed");
        told(&audit, Ended::Done).await;
        told(&audit, Ended::Done).await;
        assert_eq!(lines(&path).len(), 2);
        assert_eq!(std::fs::read_to_string(&aside).expect("the earlier one").lines().count(), 2);
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_counted_and_holds_up_an_act_where_that_is_required() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("none").join("audit.log");
        let (lenient, strict) = (audit(&path, false), audit(&path, true));
        assert_eq!(lenient.begin(&act(), NOW).await, Ok(()));
        told(&lenient, Ended::Done).await;
        assert_eq!(lenient.metrics.audit_failures.get(), 1);
        strict.begin(&act(), NOW).await.expect_err("it can't be written");
        std::fs::create_dir(folder.path().join("none")).expect("made");
        strict.begin(&act(), NOW).await.expect("it can");
        assert_eq!(lines(&path)[0]["result"], "begun");
    }

    #[tokio::test]
    async fn what_is_denied_fills_no_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let audit = audit(&path, false);
        for _ in 0..DENIED_MAX + 5 {
            told(&audit, Ended::Denied).await;
        }
        told(&audit, Ended::Done).await;
        assert_eq!(lines(&path).len() as u64, DENIED_MAX + 1);
        audit.denied.lock().expect("sound").count = 0;
        told(&audit, Ended::Denied).await;
        assert_eq!(lines(&path).last().expect("a line")["left_out"], 5);
    }
}
