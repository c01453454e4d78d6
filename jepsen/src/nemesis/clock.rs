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

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::clock::{Setting, set};
use crate::cluster::{Cluster, Error};

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

/// The fault, and whose clocks it has.
#[derive(Debug)]
pub struct Clock {
    manner: Manner,
    aim: Aim,
    folders: Vec<PathBuf>,
    strobe: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Clock {
    /// In this manner, of some nodes or all.
    pub fn new(manner: Manner) -> Clock {
        Clock { manner, aim: Aim::new(Extent::Some), folders: Vec::new(), strobe: None }
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

impl Fault for Clock {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let everybody: Vec<usize> = (0..cluster.nodes().len()).collect();
        let struck = self.aim.choose(&everybody, cluster, usize::MAX, random);
        self.folders = struck.iter().map(|index| cluster.nodes()[*index].folder().to_owned()).collect();
        let sign = if random.random() { 1 } else { -1 };
        let ms = sign * random.random_range(STEP_MS);
        let percent = if random.random() { 50 } else { 200 };
        let set_all = |setting| self.folders.iter().try_for_each(|folder| set(folder, setting));
        let what = match self.manner {
            Manner::Step => {
                set_all(Setting::Shifted { ms })?;
                format!("its clock jumps by {ms} ms")
            }
            Manner::Strobe => {
                set_all(Setting::Shifted { ms })?;
                self.strobe = Some(strobe(self.folders.clone(), ms));
                format!("its clock jumps to and fro by {ms} ms")
            }
            Manner::Rate => {
                set_all(Setting::Paced { percent })?;
                format!("its clock runs at {percent} %")
            }
        };
        Ok(Struck::of(cluster, &struck, &what))
    }

    fn heal(&mut self, _cluster: &mut Cluster) -> Result<String, Error> {
        self.end_strobe();
        for folder in self.folders.drain(..) {
            set(&folder, Setting::Right)?;
        }
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
