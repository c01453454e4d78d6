//! What faults need of a machine, tried rather than guessed.
//!
//! Each need is tried once at the beginning of a run, with the very thing that the fault will do: a rule is made, a
//! connection is cut and seen to die, a file system is mounted and shut down, a node's clock is set. What fails is told with what the machine answered, and the faults that need it are
//! left out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Entry;
use crate::cluster::clock::Clock;
use crate::cluster::disk::Disk;
use crate::cluster::hosts::Hosts;
use crate::cluster::slot::Slot;
use crate::cluster::{Error, limits};
use crate::tool;

/// One thing that faults need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Network namespaces.
    Hosts,
    /// nftables on a bridge, with dropping and chance.
    Rules,
    /// A token bucket.
    Shaping,
    /// nftables that turns connections to another port.
    Redirection,
    /// nftables that answers with a reset.
    Rejection,
    /// Connections that can be cut from outside.
    Cutting,
    /// A clock of its own for a process.
    Clock,
    /// ext4 in a file, and its shutdown.
    Disks,
    /// strace that answers for the kernel.
    Tracing,
    /// Control groups for processor and memory.
    Groups,
    /// A program of the version before.
    Previous,
}

/// All needs.
const NEEDS: [Need; 11] = [
    Need::Hosts,
    Need::Rules,
    Need::Shaping,
    Need::Redirection,
    Need::Rejection,
    Need::Cutting,
    Need::Clock,
    Need::Disks,
    Need::Tracing,
    Need::Groups,
    Need::Previous,
];

/// What this machine has.
#[derive(Debug)]
pub struct Machine {
    /// Its number for this run; without it there are no hosts.
    pub slot: Option<Arc<Slot>>,
    /// The clock for nodes, if there is one.
    pub clock: Option<Clock>,
    /// What it lacks, each with what it answered.
    lacks: BTreeMap<Need, String>,
}

impl Machine {
    /// Tries everything, in a folder for what must be tried with files. Without a slot, everything that needs root is
    /// lacking. The binaries are the one under test, and that of the version before, if there is one.
    pub fn try_all(
        slot: Option<Slot>,
        folder: &Path,
        (binary, previous): (&Path, Option<&Path>),
        environment: &[(String, String)],
    ) -> Result<Machine, Error> {
        std::fs::create_dir_all(folder).map_err(Error::host(format!("folder {}", folder.display())))?;
        let slot = slot.map(Arc::new);
        let mut machine = Machine { slot: slot.clone(), clock: None, lacks: BTreeMap::new() };
        match Clock::make(folder, binary, environment) {
            Ok(clock) => machine.clock = Some(clock),
            Err(error) => machine.lack(Need::Clock, &error),
        }
        match previous {
            Some(previous) => {
                machine.note(Need::Previous, tool::run(&previous.display().to_string(), &["--version"]));
            }
            None => machine.lack(Need::Previous, &"no program of the version before is named (--previous)"),
        }
        let Some(slot) = slot else {
            for need in NEEDS.iter().filter(|need| !matches!(need, Need::Clock | Need::Previous)) {
                machine.lacks.insert(*need, "needs root".to_owned());
            }
            return Ok(machine);
        };
        match Hosts::make(Arc::clone(&slot), 2) {
            Ok(mut hosts) => machine.try_network(&mut hosts),
            Err(error) => {
                for need in &NEEDS[..6] {
                    machine.lack(*need, &error);
                }
            }
        }
        let image = folder.join(format!("{}-trial.ext4", slot.prefix()));
        let disk = Disk::make(image, &folder.join("trial"), 32 << 20);
        let tried = disk.and_then(|disk| disk.cut_power().and_then(|()| disk.restore()));
        machine.note(Need::Disks, tried);
        let options = ["-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "true"];
        machine.note(Need::Tracing, tool::run("strace", &options));
        machine.note(Need::Groups, limits::try_out(&format!("{}-trial", slot.prefix())));
        Ok(machine)
    }

    fn try_network(&mut self, hosts: &mut Hosts) {
        use crate::cluster::network::Rule;
        // First, while everything passes between the hosts.
        let cut = super::reset::try_out(&hosts.all()[0], &hosts.all()[1]);
        self.note(Need::Cutting, cut);
        let rules = vec![Rule::Cut { from: 0, to: 1 }, Rule::Lose { host: 0, percent: 1 }];
        let tried = hosts.network.set("trial", rules);
        self.note(Need::Rules, tried);
        let host = &hosts.all()[0];
        let bucket = "qdisc replace dev eth0 root tbf rate 1mbit burst 16kb latency 400ms";
        let bucket: Vec<&str> = bucket.split(' ').collect();
        self.note(Need::Shaping, host.run("tc", &bucket, ""));
        let table = |name: &str, hook: &str, rule: &str| {
            format!("table ip {name} {{\n chain out {{\n type {hook}\n {rule}\n }}\n}}\n")
        };
        let turn = table("turn", "nat hook output priority -100", "tcp dport 7500 redirect to :9000");
        self.note(Need::Redirection, host.run("nft", &["-f", "-"], &turn));
        let reject = table("resets", "filter hook output priority 0", "tcp dport 7500 reject with tcp reset");
        self.note(Need::Rejection, host.run("nft", &["-f", "-"], &reject));
    }

    fn lack(&mut self, need: Need, why: &impl std::fmt::Display) {
        // Programs quote their whole input below what they have to say.
        let why = why.to_string().lines().next().unwrap_or_default().to_owned();
        self.lacks.insert(need, why);
    }

    fn note<T, E: std::fmt::Display>(&mut self, need: Need, tried: Result<T, E>) {
        if let Err(error) = tried {
            self.lack(need, &error);
        }
    }

    /// Why a fault cannot be made here; `None` if it can.
    pub fn lacks_for(&self, fault: &Entry) -> Option<String> {
        let missing: Vec<&str> =
            fault.needs.iter().filter_map(|need| self.lacks.get(need)).map(String::as_str).collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }
}
