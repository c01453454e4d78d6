//! Running the binary: commands that end, and processes that run until they are told to stop.

use quorate_ports::Block;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything here may take. A condition that is not met by then is a failure.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Sends a signal to a process that runs. Not by `kill`: a bare Debian has no such program.
#[track_caller]
pub fn signal(pid: &str, name: &str) {
    let signal = match name {
        "ALRM" => Signal::ALARM,
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "IO" => Signal::IO,
        "PIPE" => Signal::PIPE,
        "PROF" => Signal::PROF,
        "PWR" => Signal::POWER,
        "STKFLT" => Signal::STKFLT,
        "TERM" => Signal::TERM,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "VTALRM" => Signal::VTALARM,
        other => panic!("what is SIG{other}?"),
    };
    let process = pid.parse().ok().and_then(Pid::from_raw).expect("a process");
    kill_process(process, signal).unwrap_or_else(|error| panic!("process {pid}: {error}"));
}

/// The binary, with none of this environment's own settings.
pub fn quorate() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("quorate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("QUORATE_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// That it ended so, and says so if not.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("not killed by a signal"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

/// A figure of a process's memory, in bytes; `None`: it has ended.
pub fn status_bytes(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let figure = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    figure.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Ended {
    quorate().args(arguments).output().expect("the binary starts").into()
}

/// A process that runs until it is stopped; killed if it is dropped.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Receiver<String>,
    /// What it has said on standard error so far.
    pub said: Vec<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        let (send, stderr) = channel();
        // Reads to the end, so that the process never waits for a full pipe.
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, stdout, stderr, said: Vec::new() }
    }

    /// The next line on standard output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("readable");
        if line.is_empty() {
            self.said.extend(self.stderr.iter());
            panic!("it ended without a word on standard output: {:#?}", self.said);
        }
        line
    }

    /// Waits until it says something on standard error.
    pub fn until_said(&mut self, what: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.stderr.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(error) => panic!("it never said {what:?} ({error}): {:#?}", self.said),
            }
        }
    }

    /// Time of the processor that it took, to a hundredth of a second.
    pub fn processor(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
        let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// Bytes of memory that it has.
    pub fn memory(&self) -> u64 {
        status_bytes(self.child.id(), "VmRSS").expect("it runs")
    }

    /// Asks it to stop, as a service manager does, and waits for that.
    pub fn terminate(self) -> Ended {
        self.signal("TERM")
    }

    /// Presses Ctrl-C, and waits for the end.
    pub fn interrupt(self) -> Ended {
        self.signal("INT")
    }

    fn signal(self, name: &str) -> Ended {
        signal(&self.child.id().to_string(), name);
        self.ended()
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> Ended {
        let mut stdout = Vec::new();
        self.stdout.read_to_end(&mut stdout).expect("readable");
        let status = self.child.wait().expect("waited for");
        self.said.extend(self.stderr.iter());
        Ended { code: status.code().unwrap_or(-1), stdout, stderr: self.said.join("\n") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Ports that no other test has, as long as this lives; those of six nodes of `dev`, or of one that serves.
pub fn free_ports() -> Block {
    Block::take().expect("free ports")
}

/// A development cluster.
pub struct Dev {
    pub process: Running,
    pub ready: serde_json::Value,
    _ports: Option<Block>,
}

impl Dev {
    /// On ports of its own: a node that was killed finds them free again.
    pub fn start(folder: &Path, nodes: usize) -> Self {
        let ports = free_ports();
        let dev = Self::with(folder, nodes, ports.port(0));
        Self { _ports: Some(ports), ..dev }
    }

    /// On ports that the test has taken, or on any (0).
    pub fn with(folder: &Path, nodes: usize, port: u16) -> Self {
        let mut command = quorate();
        command.args([
            "--output",
            "jsonl",
            "dev",
            "--nodes",
            &nodes.to_string(),
            "--port",
            &port.to_string(),
        ]);
        command.arg("--data").arg(folder);
        let mut process = Running::start(command);
        let ready = serde_json::from_str(&process.line()).expect("one JSON object");
        Self { process, ready, _ports: None }
    }

    /// A node's HTTP address, counted from 0.
    pub fn endpoint(&self, at: usize) -> &str {
        self.ready["nodes"][at]["http"].as_str().expect("an address")
    }

    /// Runs a command against one node.
    pub fn run(&self, at: usize, arguments: &[&str]) -> Ended {
        let endpoint = self.endpoint(at);
        run(&[&["--endpoint", endpoint], arguments].concat())
    }

    /// Does something to a node.
    pub fn disturb(&self, act: &str, node: &str) -> Ended {
        let control = self.ready["control"].as_str().expect("an address");
        run(&["--endpoint", control, "dev", act, node])
    }

    /// Waits until a command writes lines of which the first begins so, wherever it is wrapped.
    #[track_caller]
    pub fn until_says(&self, at: usize, arguments: &[&str], words: &str) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.run(at, arguments);
            let said = ended.text().split_whitespace().collect::<Vec<_>>().join(" ");
            if said.starts_with(&words.split_whitespace().collect::<Vec<_>>().join(" ")) {
                return ended;
            }
            assert!(Instant::now() < deadline, "{arguments:?} never says {words:?}: {ended:?}");
        }
    }

    /// Waits until a command ends with a code.
    #[track_caller]
    pub fn until(&self, at: usize, arguments: &[&str], code: i32) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.run(at, arguments);
            if ended.code == code {
                return ended;
            }
            assert!(Instant::now() < deadline, "{arguments:?} never ended with {code}: {ended:?}");
        }
    }
}
