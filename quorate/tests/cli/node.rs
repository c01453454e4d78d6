//! Nodes of `quorate serve` on ports of their own, so that each is found again where it was.

use crate::process::{Ended, PATIENCE, Running, quorate, run};
use quorate_ports::Block;
use std::path::Path;
use std::time::Instant;

/// A node that serves.
pub struct Node {
    pub process: Running,
    pub endpoint: String,
}

/// A process on two ports of the block.
pub fn begun(data: &Path, ports: &Block, at: u16, arguments: &[&str]) -> Running {
    let mut command = quorate();
    command.args(["serve", "--listen", &ports.address(2 * at), "--peer-listen", &ports.address(2 * at + 1)]);
    command.args(["--log-format", "json"]).args(arguments).arg("--data").arg(data);
    Running::start(command)
}

/// The node of a process, once it serves.
pub fn served(mut process: Running) -> Node {
    let line = process.until_said("the node serves");
    let line: serde_json::Value = serde_json::from_str(&line).expect("a log line in JSON");
    let endpoint = line["clients"].as_str().expect("its address").to_owned();
    Node { process, endpoint }
}

impl Node {
    /// Runs a command that asks it.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        run(&[&["--endpoint", self.endpoint.as_str()], arguments].concat())
    }

    /// Runs a command until what it says holds.
    #[track_caller]
    pub fn until(&self, what: &str, arguments: &[&str], holds: impl Fn(&Ended) -> bool) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.run(arguments);
            if holds(&ended) {
                return ended;
            }
            assert!(Instant::now() < deadline, "waited in vain until {what}: {ended:?}");
        }
    }

    /// Waits until its cluster is healthy.
    #[track_caller]
    pub fn until_ready(&self) {
        self.until("all is well", &["status", "--check"], |ended| ended.code == 0);
    }
}
