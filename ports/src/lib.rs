//! Ports of loopback for tests and suites that must name a port before a process listens on it, or find it free again
//! once the process has ended.
//!
//! A port that the operating system draws (port 0) is right for what listens at once and as long as it is needed. One
//! that is drawn, let go and used later is not: every outgoing connection and every other drawn port comes from the same
//! range, and some day one of them is faster. So a [`Block`] lies where nothing is drawn:
//!
//! ```text
//!   10000                        ip_local_port_range                65535
//!     ├─ block ─┬─ block ─┬─ ... ─┤ drawn by the operating system ├─ ... ┤
//!     guard, 63 ports for the test
//! ```
//!
//! and belongs to one process at a time: the one that listens on its first port, the *guard*. That lock needs no file, no
//! rights and no tidying up: the kernel gives it to one process, and takes it back however that ends. Where processes
//! have networks of their own, their ports don't meet, and neither do their locks.
//!
//! Left out: a program that keeps to no blocks. A block in which anything listens is passed over; a stranger that comes
//! later is not noticed.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// Ports of a block that are free to use: places 0 to 62.
pub const PORTS: u16 = 63;

/// From one block's guard to the next one's.
const STEP: u16 = PORTS + 1;

/// Below it are the ports of well-known services.
const FIRST: u16 = 10_000;

/// So many blocks must fit, or the ports above those that are drawn are looked at.
const BLOCKS_MIN: u16 = 64;

/// Where the operating system says which ports it draws.
const DRAWN: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// What Linux draws unless it is told otherwise.
const DRAWN_BY_DEFAULT: (u16, u16) = (32_768, 60_999);

/// Ports that belong to this process for as long as this value lives.
#[derive(Debug)]
pub struct Block {
    guard: TcpListener,
    first: u16,
}

impl Block {
    /// A block that belongs to no other process, and in which nothing listens now. An error of the kind `AddrInUse` if
    /// there is none left.
    pub fn take() -> io::Result<Self> {
        let range = undrawn(&std::fs::read_to_string(DRAWN).unwrap_or_default());
        let count = (range.end - range.start) / STEP;
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        // Those that begin at the same time begin at different places, so that they seldom meet.
        let start = (moment ^ std::process::id().wrapping_mul(7_919)) % u32::from(count);
        let start = u16::try_from(start).expect("it is below the count");
        let mut places = (start..count).chain(0..start).map(|at| range.start + at * STEP);
        places.find_map(Self::at).ok_or_else(|| {
            let sentence = "every block of ports is taken: end the tests and clusters that still run";
            io::Error::new(io::ErrorKind::AddrInUse, sentence)
        })
    }

    /// The block with this guard, if it is free.
    fn at(port: u16) -> Option<Self> {
        let guard = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        let block = Self { guard, first: port + 1 };
        let is_free = |at| TcpListener::bind((Ipv4Addr::LOCALHOST, block.port(at))).is_ok();
        (0..PORTS).all(is_free).then_some(block)
    }

    /// One of its ports, from place 0 to 62: on no other place is one of its own.
    pub fn port(&self, at: u16) -> u16 {
        assert!(at < PORTS, "a block has {PORTS} ports, and none at place {at}");
        self.first + at
    }

    /// The same as an address on loopback, `127.0.0.1:port`.
    pub fn address(&self, at: u16) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port(at))
    }

    /// The port that it is locked by.
    pub fn guard(&self) -> io::Result<u16> {
        Ok(self.guard.local_addr()?.port())
    }
}

/// Where ports are not drawn, by what the operating system says of those that are: below them, or above them where there
/// is no room below; below the usual ones where there is no room at all.
fn undrawn(drawn: &str) -> Range<u16> {
    let mut numbers = drawn.split_whitespace().map_while(|number| number.parse::<u16>().ok());
    let (low, high) = numbers.next().zip(numbers.next()).unwrap_or(DRAWN_BY_DEFAULT);
    let has_room = |range: &Range<u16>| range.len() >= usize::from(BLOCKS_MIN * STEP);
    let places = [FIRST..low, high.saturating_add(1).max(FIRST)..u16::MAX];
    places.into_iter().find(has_room).unwrap_or(FIRST..DRAWN_BY_DEFAULT.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_lies_where_nothing_is_drawn() {
        assert_eq!(undrawn("32768\t60999\n"), 10_000..32_768);
        assert_eq!(undrawn("15000 60999"), 10_000..15_000);
        assert_eq!(undrawn("9000 50000"), 50_001..65_535, "there is no room below");
        assert_eq!(undrawn("1024 65535"), 10_000..32_768, "there is no room at all");
        for unknown in ["", "many", "32768"] {
            assert_eq!(undrawn(unknown), 10_000..32_768);
        }
    }

    #[test]
    fn a_block_belongs_to_one_at_a_time() {
        let block = Block::take().expect("one is free");
        let guard = block.guard().expect("it listens");
        assert!(Block::at(guard).is_none(), "it is taken");
        let others: Vec<Block> = (0..20).map(|_| Block::take().expect("there are more")).collect();
        for other in &others {
            assert!(other.guard().expect("it listens").abs_diff(guard) >= STEP);
        }
        assert_eq!(block.address(5), format!("127.0.0.1:{}", guard + 6));
    }

    #[test]
    fn a_block_with_a_listener_is_passed_over() {
        let block = Block::take().expect("one is free");
        let guard = block.guard().expect("it listens");
        let _listener = TcpListener::bind(block.address(40)).expect("its ports are free");
        drop(block);
        assert!(Block::at(guard).is_none());
    }

    #[test]
    #[should_panic(expected = "none at place 63")]
    fn a_block_has_an_end() {
        Block::take().expect("one is free").port(PORTS);
    }
}
