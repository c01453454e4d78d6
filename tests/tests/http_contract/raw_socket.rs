//! Clients that don't keep to the protocol, and some that never heard of it.
//!
//! Whatever a socket brings, three things hold. It ends: with a definite refusal or by being closed, within a bounded
//! time. It changes nothing: a request hidden behind a malformed one is never carried out. And the node serves on: each
//! test ends by asking it, as a well-behaved client, for what was there before.

mod bodies;
mod heads;
mod next_request;
mod peers;
mod probes;
mod protocols;
mod slow;
mod targets;

use super::ask::{by_admin, get, put};
use super::rig::{Cluster, key};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// No connection that a test has given up on may last longer than this.
const END: Duration = Duration::from_secs(20);

/// What a connection came to.
#[derive(Debug)]
pub struct Ended {
    /// What the node said, as text.
    pub said: String,
    /// How long it took until the node closed.
    pub after: Duration,
}

impl Ended {
    /// The statuses of all answers, interim ones too.
    pub fn statuses(&self) -> Vec<u16> {
        // A refusal's own words name the protocol too; behind it comes no number.
        let answers = self.said.split("HTTP/1.1 ").skip(1);
        answers.filter_map(|answer| answer.get(..3)?.parse().ok()).collect()
    }

    /// Holds it to one refusal with this status and code.
    #[track_caller]
    pub fn refuses(&self, status: u16, code: &str) {
        assert_eq!(self.statuses(), [status], "{}", self.said);
        assert!(self.said.contains(&format!("\"code\":\"{code}\"")), "{}", self.said);
    }

    /// Holds it to one refusal of the client's own making, or to silence.
    #[track_caller]
    pub fn is_refused(&self, what: &str) {
        let statuses = self.statuses();
        let is_refusal = statuses.is_empty() || matches!(statuses[..], [400..=499]);
        assert!(is_refusal, "{what}: {:?} {}", self.after, self.said);
    }
}

/// Sends pieces, and reads until the node closes. What can't be sent any more since the node has closed is no failure.
pub fn send(node: SocketAddr, pieces: &[&[u8]]) -> Ended {
    let mut socket = TcpStream::connect(node).expect("a connection");
    socket.set_read_timeout(Some(END)).expect("a timeout");
    socket.set_write_timeout(Some(END)).expect("a timeout");
    let began = Instant::now();
    for piece in pieces {
        if socket.write_all(&by_admin(piece)).is_err() {
            break;
        }
    }
    listen(&mut socket, began)
}

/// The same, and the client says that nothing more will come.
pub fn send_all(node: SocketAddr, bytes: &[u8]) -> Ended {
    let mut socket = TcpStream::connect(node).expect("a connection");
    socket.set_read_timeout(Some(END)).expect("a timeout");
    let began = Instant::now();
    // Both fail only if the node has closed already.
    let _ = socket.write_all(&by_admin(bytes)).and_then(|()| socket.shutdown(Shutdown::Write));
    listen(&mut socket, began)
}

/// Reads until the node closes.
#[track_caller]
pub fn listen(socket: &mut TcpStream, began: Instant) -> Ended {
    let mut said = Vec::new();
    match socket.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => {
            panic!("still open after {END:?}: {error}; it said {:?}", String::from_utf8_lossy(&said))
        }
    }
    Ended { said: String::from_utf8_lossy(&said).into_owned(), after: began.elapsed() }
}

/// A value that no malformed request may touch.
pub struct Guard<'a> {
    cluster: &'a Cluster,
    name: &'static str,
}

impl<'a> Guard<'a> {
    /// Stores it.
    pub fn new(cluster: &'a Cluster, name: &'static str) -> Self {
        put(&key(name), "guarded").of(cluster.at(0)).is(200);
        Self { cluster, name }
    }

    /// A request that would delete it, were it ever carried out.
    pub fn attack(&self) -> String {
        format!("DELETE {} HTTP/1.1\r\nHost: {}\r\n\r\n", key(self.name), self.cluster.at(0))
    }

    /// It is there, and every node serves.
    #[track_caller]
    pub fn holds(&self) {
        for node in 0..3 {
            assert_eq!(get(&key(self.name)).of(self.cluster.at(node)).is(200).text(), "guarded");
        }
    }
}
