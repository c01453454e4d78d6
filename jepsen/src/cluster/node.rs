//! One node: a process that may be killed and started again on the same folder, host and ports.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::disk::Disk;
use super::hosts::Host;
use super::{Error, NodeShape, Plan};
use crate::tool;
use quorate_checkers::panics;

/// So much of the end of a log is shown when a node ended by itself.
const LOG_TAIL_BYTES: usize = 2_000;

/// The variable that names the file with the machine's boot id.
const BOOT_ID_VARIABLE: &str = "QUORATE_BOOT_ID_FILE";

/// Where a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// A process beside the others, on loopback.
    Loopback {
        /// Where clients are answered.
        port: u16,
        /// Where members are answered.
        peer_port: u16,
    },
    /// Alone in a namespace.
    Host(Host),
}

/// Why a process may end by itself without that being a misdeed. It covers one way to end, and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// The kernel has no memory for it, and kills it with SIGKILL.
    NoMemory,
    /// Whose data these are was damaged; it exits with a failure, after a sentence in its log.
    NoIdentity,
    /// It is no member any more; it exits with a code of its own, after a sentence in its log.
    NoMember,
}

impl Excuse {
    /// Whether this is the end that it is about.
    fn covers(self, status: ExitStatus) -> bool {
        match self {
            Excuse::NoMemory => status.signal() == Some(Signal::KILL.as_raw()),
            Excuse::NoIdentity => status.code().is_some_and(|code| code != 0),
            Excuse::NoMember => status.code() == Some(7),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Excuse::NoMemory => "the kernel had no memory for it",
            Excuse::NoIdentity => "its identity was damaged",
            Excuse::NoMember => "it is no member any more",
        }
    }
}

/// One node, running or not.
#[derive(Debug)]
pub struct Node {
    name: String,
    /// The name of the member that it is: its own, or another where it has taken its own place.
    member: String,
    /// The program that it runs.
    binary: PathBuf,
    /// The program that it runs once it is upgraded.
    current: PathBuf,
    /// The folder that all nodes are below.
    folder: PathBuf,
    data: PathBuf,
    log: PathBuf,
    site: Site,
    /// Where clients find the other members.
    others: Vec<String>,
    shape: NodeShape,
    environment: BTreeMap<String, String>,
    under: Vec<String>,
    process: Option<Child>,
    /// Whether it was told to stop in order.
    is_stopping: bool,
    /// Why it may end by itself without that being a misdeed, if there is a reason.
    excuse: Option<Excuse>,
    ended_by_itself: Option<String>,
    /// Ends that had an excuse, and were not told yet.
    excused_ends: Vec<String>,
    // Dropped after the process was killed, which `Drop` does first.
    disk: Option<Disk>,
}

impl Node {
    /// A node with an empty folder that has not been started yet.
    pub(super) fn prepare(plan: &Plan, index: usize, shape: &NodeShape, site: Site) -> Result<Node, Error> {
        let name = format!("n{}", index + 1);
        let home = plan.folder.join(&name);
        std::fs::create_dir_all(&home).map_err(Error::host(format!("folder {}", home.display())))?;
        let mut environment: BTreeMap<String, String> = plan.environment.iter().cloned().collect();
        if let Some(clock) = &plan.clock {
            environment.extend(clock.environment(&home)?);
        }
        if plan.knows_boot_ids {
            let file = boot_id_file(&home).display().to_string();
            environment.insert(BOOT_ID_VARIABLE.to_owned(), file);
        }
        let disk = match (plan.disk_bytes, &plan.slot) {
            (Some(bytes), Some(slot)) => {
                let image = plan.folder.join(format!("{}-{name}.ext4", slot.prefix()));
                Some(Disk::make(image, &home.join("disk"), bytes)?)
            }
            (Some(_), None) | (None, _) => None,
        };
        // The root of a file system is never empty, and a node founds itself in an empty folder only.
        let data = if disk.is_some() { home.join("disk/data") } else { home.join("data") };
        std::fs::create_dir_all(&data).map_err(Error::host(format!("folder {}", data.display())))?;
        let node = Node {
            log: plan.folder.join(format!("{name}.log")),
            folder: home,
            binary: plan.previous.as_ref().unwrap_or(&plan.binary).clone(),
            current: plan.binary.clone(),
            under: plan.under.clone(),
            shape: shape.clone(),
            process: None,
            is_stopping: false,
            excuse: None,
            ended_by_itself: None,
            excused_ends: Vec::new(),
            environment,
            member: name.clone(),
            name,
            data,
            site,
            others: Vec::new(),
            disk,
        };
        node.write_boot_id(0)?;
        Ok(node)
    }

    /// Its name, which is only a label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the member that it is.
    pub fn member(&self) -> &str {
        &self.member
    }

    /// What it is called in commands: its name may be another member's id.
    pub fn called(&self) -> String {
        format!("name:{}", self.member)
    }

    /// Where clients find it, as host and port.
    pub fn address(&self) -> String {
        match &self.site {
            Site::Loopback { port, .. } => format!("127.0.0.1:{port}"),
            Site::Host(host) => host.address(),
        }
    }

    /// Where clients find it, as a URL without a path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The program that it runs.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Whether that is the one of the version before.
    pub fn is_to_be_upgraded(&self) -> bool {
        self.binary != self.current
    }

    /// From its next start on it runs the current program.
    pub fn upgrade(&mut self) {
        self.binary.clone_from(&self.current);
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The folder that belongs to it, beside its data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its host, if it has one of its own.
    pub fn host(&self) -> Option<&Host> {
        match &self.site {
            Site::Loopback { .. } => None,
            Site::Host(host) => Some(host),
        }
    }

    /// Kills it, and copies its data from a disk of its own, which goes with it, to where those of others lie. On a
    /// disk that has lost its power there is nothing to read until it has it again.
    pub fn keep_data(&mut self) -> Result<(), Error> {
        self.kill();
        if self.disk.is_some() {
            let kept = self.folder.join("data");
            tool::run("cp", &["-a", &self.data.display().to_string(), &kept.display().to_string()])?;
        }
        Ok(())
    }

    /// Its disk, if it has one of its own.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Whether its process was started and neither killed nor seen to have ended.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The id of its process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Where clients find the other members, as host and port: it is told when it starts again.
    pub(super) fn know(&mut self, others: Vec<String>) {
        self.others = others;
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

    /// Tells it to stop in order. Once it has, it may be started again.
    pub fn stop(&mut self) {
        self.is_stopping = true;
        self.signal(Signal::TERM);
    }

    /// Stops its process where it stands: no code of it runs, but its connections stay open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a process that was stopped go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            // It fails only if the process has ended, which is noticed elsewhere.
            let _ = kill_process(Pid::from_child(process), signal);
        }
    }

    /// Starts it again on the folder it had, as a member that returns. One that runs is left as it is.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.process.is_some() {
            return Ok(());
        }
        self.return_with(&[])
    }

    fn return_with(&mut self, more: &[&str]) -> Result<(), Error> {
        let others = self.others.clone();
        let joins = others.iter().flat_map(|other| ["--join", other]);
        self.spawn(&joins.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    /// Kills it, if it runs, and empties its folder.
    pub fn lose_all(&mut self) -> Result<(), Error> {
        self.kill();
        let emptied = std::fs::remove_dir_all(&self.data).and_then(|()| std::fs::create_dir_all(&self.data));
        emptied.map_err(Error::host(format!("folder {}", self.data.display())))
    }

    /// Starts it on an empty folder as the member that it was.
    pub fn replace_itself(&mut self) -> Result<(), Error> {
        let member = self.called();
        self.return_with(&["--replace-self", &member])
    }

    /// Starts it on an empty folder as a new member that gives itself its share of the data.
    pub fn join_anew(&mut self) -> Result<(), Error> {
        self.return_with(&["--auto"])
    }

    /// Starts it on an empty folder as a new member beside the one that it was, under a name that is free.
    pub fn join_as_another(&mut self) -> Result<(), Error> {
        let again = format!("{}-again", self.name);
        self.member = if self.member == again { self.name.clone() } else { again };
        self.return_with(&[])
    }

    /// The machine's boot id, as the node will see it when it starts the next time: derived from this number.
    pub fn write_boot_id(&self, boot: u64) -> Result<(), Error> {
        let path = boot_id_file(&self.folder);
        let id = format!("00000000-0000-4000-8000-{:012x}\n", boot & 0xffff_ffff_ffff);
        std::fs::write(&path, id).map_err(Error::host(format!("boot id {}", path.display())))
    }

    /// From now on it may end by itself, for this reason, without that being a misdeed; with `None`, no more.
    pub fn excuse(&mut self, why: Option<Excuse>) {
        // What it did before was done without, or with, the excuse that it had then.
        self.ended_by_itself();
        self.excuse = why;
    }

    /// How it ended, if it did so without being killed and without an excuse.
    pub fn ended_by_itself(&mut self) -> Option<String> {
        if let Some(mut process) = self.process.take()
            && !self.note_end(&mut process)
        {
            self.process = Some(process);
        }
        self.ended_by_itself.clone()
    }

    /// Whether its process is gone.
    pub fn has_ended(&mut self) -> bool {
        self.ended_by_itself();
        self.process.is_none()
    }

    /// Ends that had an excuse, in words; each is told once.
    pub(super) fn tell_excused_ends(&mut self) -> Vec<String> {
        self.ended_by_itself();
        std::mem::take(&mut self.excused_ends)
    }

    /// What it did wrong: ended by itself, panicked.
    pub(super) fn misdeeds(&mut self) -> Vec<String> {
        let ended = self.ended_by_itself().map(|how| format!("{} ended by itself: {how}", self.name));
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let panics = panics::in_log(&log).map(|line| format!("{} panicked: {line}", self.name));
        ended.into_iter().chain(panics).collect()
    }

    /// Notes it if the process has ended, and says whether it has.
    fn note_end(&mut self, process: &mut Child) -> bool {
        let Ok(Some(status)) = process.try_wait() else { return false };
        let log = std::fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned();
        let how = format!("{status}\n{}", tail.trim_end());
        if std::mem::take(&mut self.is_stopping) && status.success() {
            return true;
        }
        match self.excuse.filter(|excuse| excuse.covers(status)) {
            Some(excuse) => {
                let why = excuse.words();
                self.excused_ends.push(format!("{} ended, since {why}: {status}", self.name));
            }
            None => self.ended_by_itself = Some(how),
        }
        true
    }

    fn spawn(&mut self, membership: &[&str]) -> Result<(), Error> {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let log = self.open_log()?;
        let errors = log.try_clone().map_err(Error::host("log"))?;
        let mut command = self.command(membership);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let process = command.spawn().map_err(Error::host(format!("start {}", self.binary.display())))?;
        self.process = Some(process);
        Ok(())
    }

    fn command(&self, membership: &[&str]) -> Command {
        // Should this program be killed, the kernel kills the node: no other process knows that it is there.
        let mut command = match &self.site {
            Site::Loopback { .. } => tool::command("setpriv"),
            Site::Host(host) => host.command(Path::new("setpriv")),
        };
        // The environment is set by `env`, after all of that: it is meant for the node alone.
        command.args(["--pdeathsig", "KILL", "env"]);
        command.args(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        command.args(&self.under).arg(&self.binary).arg("serve").arg("--data").arg(&self.data);
        command.args(["--listen", &self.address(), "--name", &self.member]);
        match &self.site {
            Site::Loopback { peer_port, .. } => {
                command.args(["--peer-listen", &format!("127.0.0.1:{peer_port}")]);
            }
            Site::Host(host) => {
                let secret = self.folder.with_file_name(super::founding::SECRET_FILE);
                command
                    .args(["--peer-listen", &host.peer_address(), "--insecure", "--secret-file"])
                    .arg(secret);
            }
        }
        if let Some(zone) = &self.shape.zone {
            command.args(["--zone", zone]);
        }
        if let Some(weight) = self.shape.weight {
            command.args(["--weight", &weight.to_string()]);
        }
        command.args(membership);
        command
    }

    fn open_log(&self) -> Result<File, Error> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(Error::host(format!("log {}", self.log.display())))
    }
}

/// Where a node finds its machine's boot id.
fn boot_id_file(folder: &Path) -> PathBuf {
    folder.join("boot-id")
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excuse_covers_one_way_to_end() {
        let killed = ExitStatus::from_raw(9);
        let aborted = ExitStatus::from_raw(6);
        let failed = ExitStatus::from_raw(1 << 8);
        let orderly = ExitStatus::from_raw(0);
        let covered = |excuse: Excuse| [killed, aborted, failed, orderly].map(|end| excuse.covers(end));
        assert_eq!(covered(Excuse::NoMemory), [true, false, false, false]);
        assert_eq!(covered(Excuse::NoIdentity), [false, false, true, false]);
        assert_eq!(covered(Excuse::NoMember), [false; 4]);
        assert!(Excuse::NoMember.covers(ExitStatus::from_raw(7 << 8)));
    }
}
