//! Signals: what ends this process in order, what opens its log anew, and what must not end it.
//!
//! | signal | what happens |
//! |---|---|
//! | SIGTERM, SIGINT | it stops in order; a second one ends it at once |
//! | SIGHUP, started on a terminal | the terminal is gone: it stops in order, as at SIGTERM |
//! | SIGHUP, started without one | a rotation of logs: its log file, if it has one, is opened anew |
//! | SIGHUP, under `nohup` | it stays ignored |
//! | SIGUSR1, SIGUSR2, timers (ALRM, VTALRM, PROF), IO, PWR, STKFLT | they mean nothing here: one line says so |
//! | SIGPIPE | Rust's runtime ignores it: a closed pipe is an error of a write |
//! | SIGQUIT, SIGABRT and what the processor raises | they end it with a core, as a debugger wants it |

use super::{Error, log};
use rustix::process::Signal as Number;
use std::fs::File;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// What would end a process by default, and means nothing to this one.
const MEANINGLESS: &[(Number, &str)] = &[
    (Number::USR1, "SIGUSR1"),
    (Number::USR2, "SIGUSR2"),
    (Number::ALARM, "SIGALRM"),
    (Number::VTALARM, "SIGVTALRM"),
    (Number::PROF, "SIGPROF"),
    (Number::IO, "SIGIO"),
    (Number::POWER, "SIGPWR"),
    (Number::STKFLT, "SIGSTKFLT"),
];

/// The signals that ask this process to stop.
pub struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
    /// Where the end of a terminal is the end of the process.
    hangup: Option<Signal>,
    /// Whatever else is listened for; ends with this.
    _others: JoinSet<()>,
}

impl StopSignal {
    /// From now on no signal of the table ends the process by itself.
    pub fn listen() -> Result<Self, Error> {
        let of = |kind| signal(kind).map_err(|error| Error::Signals(error.to_string()));
        let mut others = JoinSet::new();
        for (number, name) in MEANINGLESS {
            let mut came = of(SignalKind::from_raw(number.as_raw()))?;
            others.spawn(async move {
                while came.recv().await.is_some() {
                    tracing::info!("{name} means nothing to this program and is passed over");
                }
            });
        }
        let mut hangup = None;
        match Hangup::of(has_terminal(), std::fs::read_to_string("/proc/self/status").ok().as_deref()) {
            Hangup::Ignored => {}
            Hangup::Stops => hangup = Some(of(SignalKind::hangup())?),
            Hangup::Reopens => {
                let mut came = of(SignalKind::hangup())?;
                others.spawn(async move {
                    while came.recv().await.is_some() {
                        if !log::reopen_log() {
                            tracing::info!("SIGHUP: there is no log file to open anew; it is passed over");
                        }
                    }
                });
            }
        }
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hangup,
            _others: others,
        })
    }

    /// The next one's name.
    pub async fn wait(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hangup => "SIGHUP",
        }
    }

    /// The next one that is sent on purpose: a terminal that goes may say so several times.
    pub async fn wait_for_another(&mut self) -> &'static str {
        loop {
            match self.wait().await {
                "SIGHUP" => {}
                name => return name,
            }
        }
    }
}

/// What SIGHUP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hangup {
    Ignored,
    Stops,
    Reopens,
}

impl Hangup {
    /// `status` is the kernel's account of this process, from before anything was listened for.
    fn of(has_terminal: bool, status: Option<&str>) -> Self {
        let ignored = status.and_then(|status| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        });
        let bit = 1 << (Number::HUP.as_raw() - 1);
        match (ignored, has_terminal) {
            (Some(mask), _) if mask & bit != 0 => Hangup::Ignored,
            (_, true) => Hangup::Stops,
            (_, false) => Hangup::Reopens,
        }
    }
}

/// Whether this process belongs to a terminal, wherever its input and output go.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_means_what_the_process_was_started_for() {
        let status = |mask: &str| format!("Name:\tquorate\nSigBlk:\t0000000000000000\nSigIgn:\t{mask}\n");
        let (usual, nohup) = (status("0000000000001000"), status("0000000000001001"));
        assert_eq!(Hangup::of(true, Some(&usual)), Hangup::Stops);
        assert_eq!(Hangup::of(false, Some(&usual)), Hangup::Reopens);
        assert_eq!(Hangup::of(true, Some(&nohup)), Hangup::Ignored);
        assert_eq!(Hangup::of(false, Some(&nohup)), Hangup::Ignored);
        assert_eq!(Hangup::of(true, None), Hangup::Stops);
    }
}
