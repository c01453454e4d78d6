//! Connections between members are reset.
//!
//! `reset`: all that a host has are cut at once (`ss -K`), new ones are let through. `reject`: until it is healed, every
//! segment that the host sends to a member is answered with a reset, by a rule in the host's own namespace (the bridge
//! cannot reject in every kernel). Unlike a partition, everybody learns of it at once.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::hosts::{Host, PEER_PORT};
use crate::cluster::{Cluster, Error};
use crate::tool;

/// The table of rules, in the host's own namespace.
const TABLE: &str = "resets";

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Once.
    Cut,
    /// Until it is healed.
    Reject,
}

/// The fault, and whom it struck.
#[derive(Debug)]
pub struct Reset {
    manner: Manner,
    aim: Aim,
    struck: Vec<usize>,
}

impl Reset {
    /// In this manner.
    pub fn new(manner: Manner) -> Reset {
        let extent = match manner {
            Manner::Cut => Extent::Some,
            Manner::Reject => Extent::Minority,
        };
        Reset { manner, aim: Aim::new(extent), struck: Vec::new() }
    }
}

impl Fault for Reset {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let everybody: Vec<usize> = (0..cluster.nodes().len()).collect();
        self.struck = self.aim.choose(&everybody, cluster, usize::MAX, random);
        for host in self.struck.iter().filter_map(|index| cluster.nodes()[*index].host()) {
            match self.manner {
                Manner::Cut => cut_peers(host)?,
                Manner::Reject => {
                    let table = format!(
                        "table ip {TABLE} {{\n  chain out {{\n    type filter hook output priority 0\n    \
                         tcp dport {PEER_PORT} reject with tcp reset\n    tcp sport {PEER_PORT} reject with tcp \
                         reset\n  }}\n}}\n"
                    );
                    host.run("nft", &["-f", "-"], &table).map(drop)?;
                }
            }
        }
        let what = match self.manner {
            Manner::Cut => "had its connections reset",
            Manner::Reject => "gets resets only",
        };
        Ok(Struck::of(cluster, &self.struck, what))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        for index in self.struck.drain(..) {
            if let (Some(host), Manner::Reject) = (cluster.nodes()[index].host(), self.manner) {
                host.run("nft", &["delete", "table", "ip", TABLE], "")?;
            }
        }
        Ok("connects again".to_owned())
    }
}

/// Cuts all connections of a host to and from other members.
pub(super) fn cut_peers(host: &Host) -> Result<(), tool::Error> {
    let port = format!(":{PEER_PORT}");
    let arguments =
        ["-t", "-K", "state", "established", "(", "dport", "=", &port, "or", "sport", "=", &port, ")"];
    host.run("ss", &arguments, "").map(drop)
}

/// Listens, or connects, and says what becomes of the one connection. perl is on every Debian.
const END_OF_A_CONNECTION: &str = r#"
    use IO::Socket::INET;
    $| = 1;
    my ($how, $address) = @ARGV;
    my $place = $how eq "listen"
        ? IO::Socket::INET->new(LocalAddr => $address, Listen => 1, ReuseAddr => 1)
        : IO::Socket::INET->new(PeerAddr => $address, Timeout => 3);
    die "$how: $@\n" unless $place;
    print "ready\n";
    my $connection = $how eq "listen" ? $place->accept : $place;
    my $read = sysread($connection, my $byte, 1);
    print "ended\n";
"#;

/// How long each step of the trial may take.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(3);

/// Opens a connection to the port of members between two hosts, cuts it, and sees it die: without one, nothing is cut,
/// and a kernel that cannot do it does not say so.
pub(super) fn try_out(from: &Host, to: &Host) -> Result<(), Error> {
    let _listener = TrialEnd::start(to, "listen", &to.peer_address(), "ready")?;
    let connection = TrialEnd::start(from, "connect", &to.peer_address(), "ready")?;
    cut_peers(from)?;
    connection.expect("ended")
}

/// One end of a connection, a process that is killed when this is dropped.
struct TrialEnd {
    process: Child,
    lines: Receiver<String>,
}

impl TrialEnd {
    fn start(host: &Host, how: &str, address: &str, says: &str) -> Result<TrialEnd, Error> {
        let failed = |cause| Error::Host { what: format!("a connection on {}", host.namespace), cause };
        let perl = tool::find("perl").unwrap_or_else(|| Path::new("perl").to_owned());
        let mut process = host
            .command(&perl)
            .args(["-e", END_OF_A_CONNECTION, how, address])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let output = process.stdout.take().expect("it was asked for");
        let (send, lines) = channel();
        // It ends with the process, or when nobody listens any more.
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let end = TrialEnd { process, lines };
        end.expect(says)?;
        Ok(end)
    }

    fn expect(&self, line: &str) -> Result<(), Error> {
        let said = self.lines.recv_timeout(TRIAL_TIMEOUT);
        if said.as_deref() == Ok(line) {
            return Ok(());
        }
        let said = format!("an established connection was not {line}: {said:?}");
        Err(tool::Error { command: "ss -K".to_owned(), said }.into())
    }
}

impl Drop for TrialEnd {
    fn drop(&mut self) {
        // Both fail only if it is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
