//! Disks that fail, fill up or take their time.
//!
//! Failing and slow ones are made with strace, which sits between the process and the kernel and answers `fdatasync`
//! and `fsync` in the kernel's place, or late. A full one is made by giving all space that is left to another file. A
//! sync that failed may have lost what it was to keep, so such a node is poisoned.

use std::process::{Child, Stdio};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Signal, kill_process};

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::{Cluster, Error};
use crate::tool;

/// How long a sync takes on a slow disk, in milliseconds.
const SYNC_MS: std::ops::RangeInclusive<u64> = 50..=700;

/// What a disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Every sync fails.
    Fails,
    /// Every sync takes long.
    Slow,
    /// It is full.
    Full,
}

/// The fault, whom it struck, and the tracer that does it.
#[derive(Debug)]
pub struct Disk {
    name: &'static str,
    manner: Manner,
    aim: Aim,
    struck: Vec<usize>,
    tracers: Vec<Child>,
}

impl Disk {
    /// A disk of this manner, under its name in the table of faults.
    pub fn new(name: &'static str, manner: Manner) -> Disk {
        let extent = match manner {
            Manner::Fails => Extent::One,
            Manner::Slow | Manner::Full => Extent::Minority,
        };
        Disk { name, manner, aim: Aim::new(extent), struck: Vec::new(), tracers: Vec::new() }
    }

    fn end_tracers(&mut self) {
        for mut tracer in self.tracers.drain(..) {
            // Told to end, it lets go of the process first; it fails only if it is gone, as it is if the process died.
            let _ = kill_process(Pid::from_child(&tracer), Signal::TERM);
            let _ = tracer.wait();
        }
    }
}

impl Fault for Disk {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let limit = match self.manner {
            Manner::Fails => cluster.may_poison(),
            Manner::Slow | Manner::Full => usize::MAX,
        };
        self.struck = self.aim.choose(&cluster.free(), cluster, limit, random);
        let ms = random.random_range(SYNC_MS);
        for index in &self.struck {
            cluster.claim(*index, self.name);
            let node = &cluster.nodes()[*index];
            match self.manner {
                Manner::Fails => {
                    cluster.poison(*index);
                    self.tracers.extend(trace(cluster, *index, "error=EIO")?);
                }
                Manner::Slow => {
                    self.tracers.extend(trace(cluster, *index, &format!("delay_enter={}", ms * 1_000))?);
                }
                Manner::Full => node.disk().map_or(Ok(()), crate::cluster::disk::Disk::fill)?,
            }
        }
        let what = match self.manner {
            Manner::Fails => "its disk fails every sync".to_owned(),
            Manner::Slow => format!("its disk takes {ms} ms for a sync"),
            Manner::Full => "its disk is full".to_owned(),
        };
        Ok(Struck::of(cluster, &self.struck, &what))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        self.end_tracers();
        cluster.release_all(&self.struck);
        for index in self.struck.drain(..) {
            if let (Some(disk), Manner::Full) = (cluster.nodes()[index].disk(), self.manner) {
                disk.empty()?;
            }
        }
        Ok("its disk is well again".to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.end_tracers();
    }
}

/// Sits down between a node and the kernel's syncs; `None` if the node does not run.
fn trace(cluster: &Cluster, index: usize, injection: &str) -> Result<Option<Child>, Error> {
    let Some(pid) = cluster.nodes()[index].pid() else { return Ok(None) };
    let tracer = tool::command("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"])
        .args(["-e", &format!("inject=fdatasync,fsync:{injection}"), "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|cause| Error::Host { what: "strace".to_owned(), cause })?;
    Ok(Some(tracer))
}
