//! One node: a process that may be killed and started again on the same folder and ports.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{Error, NodeShape, Plan};

/// So much of the end of a log is shown when a node ended by itself.
const LOG_TAIL_BYTES: usize = 2_000;

/// One node, running or not.
#[derive(Debug)]
pub struct Node {
    name: String,
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    peer_port: u16,
    shape: NodeShape,
    process: Option<Child>,
    ended_by_itself: Option<String>,
}

impl Node {
    /// A node with an empty folder that has not been started yet.
    pub(super) fn prepare(
        plan: &Plan,
        index: usize,
        shape: &NodeShape,
        port: u16,
        peer_port: u16,
    ) -> Result<Node, Error> {
        let name = format!("n{}", index + 1);
        let data = plan.folder.join(&name);
        std::fs::create_dir_all(&data)
            .map_err(|cause| Error::Host { what: format!("folder {}", data.display()), cause })?;
        Ok(Node {
            log: plan.folder.join(format!("{name}.log")),
            binary: plan.binary.clone(),
            shape: shape.clone(),
            process: None,
            ended_by_itself: None,
            name,
            data,
            port,
            peer_port,
        })
    }

    /// Its name, which is only a label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients find it, as host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where clients find it, as a URL without a path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Whether its process was started and neither killed nor seen to have ended.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn found(&mut self) -> Result<(), Error> {
        self.spawn(&["--bootstrap", "--cluster-name", "jepsen"])
    }

    pub(super) fn join(&mut self, founder: &str) -> Result<(), Error> {
        self.spawn(&["--join", founder])
    }

    /// Kills it with SIGKILL, if it runs, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            self.note_end(&mut process);
            // Both fail only if it is gone already, which is what is wanted.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again on the folder it had, as a member that returns.
    pub fn start_again(&mut self) -> Result<(), Error> {
        self.spawn(&[])
    }

    /// How it ended, if it did so without being killed.
    pub fn ended_by_itself(&mut self) -> Option<String> {
        if let Some(mut process) = self.process.take()
            && !self.note_end(&mut process)
        {
            self.process = Some(process);
        }
        self.ended_by_itself.clone()
    }

    /// What it did wrong: ended by itself, panicked.
    pub(super) fn misdeeds(&mut self) -> Vec<String> {
        let ended = self.ended_by_itself().map(|how| format!("{} ended by itself: {how}", self.name));
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let panics = log.lines().filter(|line| line.contains("panicked at"));
        let panics = panics.map(|line| format!("{} panicked: {line}", self.name));
        ended.into_iter().chain(panics).collect()
    }

    /// Notes it if the process has ended, and says whether it has.
    fn note_end(&mut self, process: &mut Child) -> bool {
        let Ok(Some(status)) = process.try_wait() else { return false };
        let log = std::fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned();
        self.ended_by_itself = Some(format!("{status}\n{}", tail.trim_end()));
        true
    }

    fn spawn(&mut self, membership: &[&str]) -> Result<(), Error> {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let log = self.open_log()?;
        let errors = log.try_clone().map_err(|cause| Error::Host { what: "log".to_owned(), cause })?;
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--data").arg(&self.data);
        command.args(["--listen", &self.address()]);
        command.args(["--peer-listen", &format!("127.0.0.1:{}", self.peer_port)]);
        command.args(["--name", &self.name]);
        if let Some(zone) = &self.shape.zone {
            command.args(["--zone", zone]);
        }
        if let Some(weight) = self.shape.weight {
            command.args(["--weight", &weight.to_string()]);
        }
        command.args(membership).stdin(Stdio::null()).stdout(log).stderr(errors);
        let process = command
            .spawn()
            .map_err(|cause| Error::Host { what: format!("start {}", self.binary.display()), cause })?;
        self.process = Some(process);
        Ok(())
    }

    fn open_log(&self) -> Result<File, Error> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(|cause| Error::Host { what: format!("log {}", self.log.display()), cause })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
