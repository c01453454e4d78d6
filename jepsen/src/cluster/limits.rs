//! How much of the machine a node may take: control groups, in both of the kernel's versions.
//!
//! A node's process is put into a group of its own when it is first limited, and stays there without limits
//! afterwards. In the first version each resource has its own tree, in the second there is one tree for all.

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;

/// Where groups may be: two trees of the first version, then the one of the second.
pub(super) const ROOTS: [&str; 3] = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/memory", "/sys/fs/cgroup"];

/// The length of a period in which a share of the processor is given out, in microseconds.
const PERIOD_US: u64 = 100_000;

/// A limit of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many hundredths of one processor.
    Processor {
        /// From 1 on.
        percent: u64,
    },
    /// So many bytes of memory, counted from when the process was put into the group. If it needs more, the kernel
    /// takes back cache, and then kills it.
    Memory {
        /// The bytes.
        bytes: u64,
    },
}

/// Whether this machine has groups that can limit the processor and memory.
pub fn are_there() -> bool {
    is_first_version() || is_second_version()
}

fn is_first_version() -> bool {
    Path::new("/sys/fs/cgroup/cpu/cgroup.procs").exists()
        && Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists()
}

fn is_second_version() -> bool {
    fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")
        .is_ok_and(|controllers| ["cpu", "memory"].iter().all(|name| controllers.contains(name)))
}

/// Limits a process, in a group of this name.
pub fn limit(group: &str, pid: u32, limit: Limit) -> Result<(), Error> {
    let folder = folder(group, limit);
    if !is_first_version() {
        // Groups below the root have a resource's files once the root hands it down; it may do so already.
        let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory");
    }
    let at = |what: &str| format!("control group {}: {what}", folder.display());
    fs::create_dir_all(&folder).map_err(|cause| Error::Host { what: at("make it"), cause })?;
    set(group, limit).map_err(|cause| Error::Host { what: at("limit it"), cause })?;
    fs::write(folder.join("cgroup.procs"), pid.to_string())
        .map_err(|cause| Error::Host { what: at("put a process into it"), cause })
}

/// Takes the limit of this kind from a group again; its number does not matter.
pub fn lift(group: &str, limit: Limit) -> Result<(), Error> {
    let without = match limit {
        Limit::Processor { .. } => Limit::Processor { percent: 0 },
        Limit::Memory { .. } => Limit::Memory { bytes: 0 },
    };
    if !folder(group, limit).exists() {
        return Ok(());
    }
    set(group, without)
        .map_err(|cause| Error::Host { what: format!("free the control group {group}"), cause })
}

fn folder(group: &str, limit: Limit) -> PathBuf {
    let root = match limit {
        _ if !is_first_version() => ROOTS[2],
        Limit::Processor { .. } => ROOTS[0],
        Limit::Memory { .. } => ROOTS[1],
    };
    Path::new(root).join(group)
}

/// Writes a limit; zero is none.
fn set(group: &str, limit: Limit) -> std::io::Result<()> {
    let (file, value) = words(limit, is_first_version());
    fs::write(folder(group, limit).join(file), value)
}

/// The file of a limit and what is written into it.
fn words(limit: Limit, is_first: bool) -> (&'static str, String) {
    match (limit, is_first) {
        (Limit::Processor { percent: 0 }, true) => ("cpu.cfs_quota_us", "-1".to_owned()),
        (Limit::Processor { percent }, true) => ("cpu.cfs_quota_us", (percent * PERIOD_US / 100).to_string()),
        (Limit::Processor { percent: 0 }, false) => ("cpu.max", "max".to_owned()),
        (Limit::Processor { percent }, false) => {
            ("cpu.max", format!("{} {PERIOD_US}", percent * PERIOD_US / 100))
        }
        (Limit::Memory { bytes: 0 }, true) => ("memory.limit_in_bytes", "-1".to_owned()),
        (Limit::Memory { bytes }, true) => ("memory.limit_in_bytes", bytes.to_string()),
        (Limit::Memory { bytes: 0 }, false) => ("memory.max", "max".to_owned()),
        (Limit::Memory { bytes }, false) => ("memory.max", bytes.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_get_their_own_words() {
        let half = Limit::Processor { percent: 50 };
        assert_eq!(words(half, true), ("cpu.cfs_quota_us", "50000".to_owned()));
        assert_eq!(words(half, false), ("cpu.max", "50000 100000".to_owned()));
        assert_eq!(words(Limit::Memory { bytes: 4096 }, false), ("memory.max", "4096".to_owned()));
        assert_eq!(words(Limit::Memory { bytes: 0 }, true), ("memory.limit_in_bytes", "-1".to_owned()));
    }
}
