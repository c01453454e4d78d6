//! How much of the machine a node may take: control groups, in both of the kernel's versions.
//!
//! A node's process is put into a group of its own when it is first limited, and stays there without limits
//! afterwards. In the first version each resource has its own tree, in the second there is one tree for all.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Error;
use crate::tool::{self, Background};

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
    /// So many bytes of memory more than the group has now. A process brings nothing into its group when it is put
    /// there; what it takes from then on counts, also under a later limit. If it needs more, the kernel takes back
    /// cache, and then kills it.
    Memory {
        /// The bytes.
        bytes: u64,
    },
}

/// Makes a group of this name, limits it, puts a process into it, and removes it: what cannot be done here fails.
pub fn try_out(group: &str) -> Result<(), Error> {
    let failed = |cause| Error::Host { what: "a process for a trial".to_owned(), cause };
    let process = Background::start(tool::command("sleep").arg("60")).map_err(failed)?;
    let of_one = |limit_of| {
        limit(group, process.id(), limit_of)?;
        let file = folder(group, limit_of).join("cgroup.procs");
        let members = fs::read_to_string(&file).map_err(failed)?;
        let is_in = members.lines().any(|line| line == process.id().to_string());
        let outside = || Error::Host { what: file.display().to_string(), cause: ErrorKind::NotFound.into() };
        is_in.then_some(()).ok_or_else(outside)?;
        lift(group, limit_of)
    };
    let limits = [Limit::Processor { percent: 50 }, Limit::Memory { bytes: 16 << 20 }];
    let tried = limits.into_iter().try_for_each(of_one);
    drop(process);
    for limit in limits {
        // Where both kinds share a group it is gone the second time.
        let _ = fs::remove_dir(folder(group, limit));
    }
    tried
}

fn is_first_version() -> bool {
    Path::new("/sys/fs/cgroup/cpu/cgroup.procs").exists()
        && Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists()
}

/// Limits a process, in a group of this name.
pub fn limit(group: &str, pid: u32, limit: Limit) -> Result<(), Error> {
    let folder = folder(group, limit);
    if !is_first_version() {
        // Groups below the root have a resource's files once the root hands it down; it may do so already.
        let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory");
    }
    let at = |what: &str| format!("control group {}: {what}", folder.display());
    fs::create_dir_all(&folder).map_err(Error::host(at("make it")))?;
    let limit = beyond(limit, used_bytes(&folder));
    set(group, limit).map_err(Error::host(at("limit it")))?;
    fs::write(folder.join("cgroup.procs"), pid.to_string()).map_err(Error::host(at("put a process into it")))
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
    set(group, without).map_err(Error::host(format!("free the control group {group}")))
}

fn folder(group: &str, limit: Limit) -> PathBuf {
    let root = match limit {
        _ if !is_first_version() => ROOTS[2],
        Limit::Processor { .. } => ROOTS[0],
        Limit::Memory { .. } => ROOTS[1],
    };
    Path::new(root).join(group)
}

/// The memory that a group has now, in bytes; nothing if it cannot be told.
fn used_bytes(folder: &Path) -> u64 {
    let file = if is_first_version() { "memory.usage_in_bytes" } else { "memory.current" };
    fs::read_to_string(folder.join(file)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// A limit of a group that has so much memory already. Below that, the kernel would refuse the limit, or kill at once.
fn beyond(limit: Limit, used_bytes: u64) -> Limit {
    match limit {
        Limit::Processor { .. } => limit,
        Limit::Memory { bytes } => Limit::Memory { bytes: used_bytes + bytes },
    }
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
    fn memory_is_limited_beyond_what_a_group_has() {
        let more = Limit::Memory { bytes: 4 };
        assert_eq!(beyond(more, 0), more);
        assert_eq!(beyond(more, 100), Limit::Memory { bytes: 104 });
        assert_eq!(beyond(Limit::Processor { percent: 5 }, 100), Limit::Processor { percent: 5 });
    }

    #[test]
    fn both_versions_get_their_own_words() {
        let half = Limit::Processor { percent: 50 };
        assert_eq!(words(half, true), ("cpu.cfs_quota_us", "50000".to_owned()));
        assert_eq!(words(half, false), ("cpu.max", "50000 100000".to_owned()));
        assert_eq!(words(Limit::Memory { bytes: 4096 }, false), ("memory.max", "4096".to_owned()));
        assert_eq!(words(Limit::Memory { bytes: 0 }, true), ("memory.limit_in_bytes", "-1".to_owned()));
    }
}
