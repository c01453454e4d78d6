//! A place on this machine for one run: a number that no other run has, and everything named after it.
//!
//! Namespaces, links, rules, loop devices and control groups have names for the whole machine. A run takes the first
//! number whose lock is free and puts it into all its names (`qj0n1`, `qj0br`) and addresses (10.88.0.0/24 for number
//! 0, 10.88.1.0/24 for the next). The kernel frees the lock when the process ends, however it ends; so whatever has a
//! number's name while its lock is free was left by a crashed run, and is removed before the number is used again.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::Error;
use crate::tool;

/// So many runs may be on one machine at once.
pub const SLOTS: u8 = 8;

/// A number of this machine, held until it is dropped.
#[derive(Debug)]
pub struct Slot {
    number: u8,
    /// Held open for its lock alone.
    _lock: File,
}

impl Slot {
    /// Takes a free number and removes what a crashed run left under it.
    pub fn take() -> Result<Slot, Error> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        for number in 0..SLOTS {
            let path = PathBuf::from(format!("/run/quorate-jepsen-{number}.lock"));
            let lock = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(Error::host(format!("lock {}", path.display())))?;
            match lock.try_lock() {
                Ok(()) => {
                    let slot = Slot { number, _lock: lock };
                    slot.clean();
                    return Ok(slot);
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(cause)) => {
                    return Err(Error::Host { what: format!("lock {}", path.display()), cause });
                }
            }
        }
        Err(Error::NoFreeSlot)
    }

    /// The beginning of every name.
    pub fn prefix(&self) -> String {
        format!("qj{}", self.number)
    }

    /// The address of a host, numbered from 1; the bridge has 254.
    pub fn address(&self, host: u8) -> String {
        format!("10.88.{}.{host}", self.number)
    }

    /// Removes everything that has this number's name. What is not there needs no removing, and what cannot be removed
    /// is met again, with an error, when it is made.
    pub fn clean(&self) {
        let prefix = self.prefix();
        for name in names_in("/run/netns").filter(|name| is_of(&prefix, "n", name)) {
            end_processes(&name);
            let _ = tool::run("ip", &["netns", "del", &name]);
        }
        for name in names_in("/sys/class/net") {
            if is_of(&prefix, "v", &name) || name == format!("{prefix}br") {
                let _ = tool::run("ip", &["link", "del", &name]);
            }
        }
        let _ = tool::run("nft", &["delete", "table", "bridge", &prefix]);
        for place in mounts_of(&prefix) {
            let _ = tool::run("umount", &["-l", &place]);
        }
        for root in super::limits::ROOTS {
            for name in names_in(root).filter(|name| name.starts_with(&format!("{prefix}-"))) {
                let _ = std::fs::remove_dir(Path::new(root).join(name));
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.clean();
    }
}

/// Whether a name is the prefix, a letter and a number.
fn is_of(prefix: &str, letter: &str, name: &str) -> bool {
    name.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix(letter))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The names in a folder; none if there is no such folder.
fn names_in(folder: &str) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// Kills whatever runs in a namespace.
fn end_processes(namespace: &str) {
    let pids = tool::run("ip", &["netns", "pids", namespace]).unwrap_or_default();
    for pid in pids.split_whitespace().filter_map(|word| word.parse().ok()) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            // It fails only if the process is gone.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Where file systems in files of this number are mounted: their files are named after it.
fn mounts_of(prefix: &str) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let is_ours = |device: &str| {
        device.strip_prefix("/dev/loop").is_some_and(|number| {
            let backing = format!("/sys/block/loop{number}/loop/backing_file");
            let backing = std::fs::read_to_string(backing).unwrap_or_default();
            backing.contains(&format!("/{prefix}-"))
        })
    };
    mounts
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(device, _)| is_ours(device))
        .filter_map(|(_, rest)| rest.split(' ').next().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_number_are_its_own() {
        assert!(is_of("qj1", "n", "qj1n3"));
        for other in ["qj11n3", "qj1", "qj1n", "qj1nx", "qj1v3", "eth0", "xqj1n3"] {
            assert!(!is_of("qj1", "n", other), "{other}");
        }
    }
}
