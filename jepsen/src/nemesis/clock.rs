//! Clocks go wrong: they jump, they jump to and fro, they run fast or slow. The machine's own clock is left alone.
//!
//! Only the clock that people set is meant. The one that only counts, which timeouts are made of, is right on every
//! machine but for a hair.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Effect, Told};
use crate::cluster::Cluster;
use crate::cluster::clock::{Setting, set};

/// How far a clock jumps, in milliseconds.
const STEP_MS: std::ops::RangeInclusive<i64> = 1_000..=300_000;

/// How often a clock that jumps to and fro does so.
const STROBE_EVERY: Duration = Duration::from_millis(150);

/// How a clock goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It jumps, forwards or backwards.
    Step,
    /// It jumps to and fro.
    Strobe,
    /// It runs at half or at twice the speed.
    Rate,
}

/// The fault, and what makes clocks jump to and fro.
#[derive(Debug)]
pub struct Clock {
    manner: Manner,
    strobe: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Clock {
    /// In this manner.
    pub fn new(manner: Manner) -> Clock {
        Clock { manner, strobe: None }
    }

    fn end_strobe(&mut self) {
        if let Some((is_over, thread)) = self.strobe.take() {
            is_over.store(true, Ordering::Relaxed);
            thread.thread().unpark();
            // A thread that panicked is over too.
            let _ = thread.join();
        }
    }
}

fn folders(cluster: &Cluster, nodes: &[usize]) -> Vec<PathBuf> {
    nodes.iter().map(|index| cluster.nodes()[*index].folder().to_owned()).collect()
}

impl Effect for Clock {
    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], random: &mut ChaCha8Rng) -> Told {
        let sign = if random.random() { 1 } else { -1 };
        let ms = sign * random.random_range(STEP_MS);
        let percent = if random.random() { 50 } else { 200 };
        let (setting, what) = match self.manner {
            Manner::Step => (Setting::Shifted { ms }, format!("its clock jumps by {ms} ms")),
            Manner::Strobe => (Setting::Shifted { ms }, format!("its clock jumps to and fro by {ms} ms")),
            Manner::Rate => (Setting::Paced { percent }, format!("its clock runs at {percent} %")),
        };
        let folders = folders(cluster, nodes);
        folders.iter().try_for_each(|folder| set(folder, setting))?;
        if self.manner == Manner::Strobe {
            self.strobe = Some(strobe(folders, ms));
        }
        Ok(what)
    }

    fn heal(&mut self, cluster: &mut Cluster, nodes: &[usize]) -> Told {
        self.end_strobe();
        folders(cluster, nodes).iter().try_for_each(|folder| set(folder, Setting::Right))?;
        Ok("right again".to_owned())
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.end_strobe();
    }
}

/// Lets clocks jump to and fro until it is told that it is over.
fn strobe(folders: Vec<PathBuf>, ms: i64) -> (Arc<AtomicBool>, JoinHandle<()>) {
    let is_over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_over);
    let thread = std::thread::spawn(move || {
        let mut setting = Setting::Right;
        while !told.load(Ordering::Relaxed) {
            for folder in &folders {
                // A clock that could be set a moment ago can be set now, unless the run is being taken down.
                let _ = set(folder, setting);
            }
            setting = if setting == Setting::Right { Setting::Shifted { ms } } else { Setting::Right };
            std::thread::park_timeout(STROBE_EVERY);
        }
    });
    (is_over, thread)
}
