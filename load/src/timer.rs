//! Waits that end on time: a timer of the kernel, since the reactor's own have steps of a millisecond, which is longer than
//! many a request takes.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;
use tokio::net::unix::pipe::Receiver;

/// See the module's sentence. The reactor reads it as it reads a pipe: when there is something, the time has come.
pub(crate) struct Timer(Receiver);

impl Timer {
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(Receiver::from_file_unchecked(File::from(timer))?))
    }

    /// Waits until a moment; at once, if it has passed.
    pub async fn until(&self, moment: Instant) -> io::Result<()> {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            },
        };
        timerfd_settime(self.0.as_fd(), TimerfdTimerFlags::empty(), &once)?;
        let mut expired = [0; 8];
        loop {
            self.0.readable().await?;
            match self.0.try_read(&mut expired) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(|_| ()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn it_ends_at_its_moment_and_not_before() {
        let timer = Timer::new().expect("a timer");
        for microseconds in [50, 300, 2_500] {
            let moment = Instant::now() + Duration::from_micros(microseconds);
            timer.until(moment).await.expect("it ends");
            assert!(Instant::now() >= moment, "{microseconds} us are over");
        }
        timer.until(Instant::now()).await.expect("a moment that has passed");
    }
}
