//! Connections between members are reset.
//!
//! `reset`: all that a host has are cut at once (`ss -K`), new ones are let through. `reject`: until it is healed, every
//! segment that the host sends to a member is answered with a reset, by a rule in the host's own namespace (the bridge
//! cannot reject in every kernel). Unlike a partition, everybody learns of it at once.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::aim::{Effect, Told};
use crate::cluster::hosts::{Host, PEER_PORT};
use crate::cluster::{Cluster, Error};
use crate::tool::{self, Background};

/// The table of rules, in the host's own namespace.
const TABLE: &str = "resets";

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Once.
    Cut,
    /// Until it is healed.
    Reject,
}

impl Effect for Reset {
    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], _random: &mut ChaCha8Rng) -> Told {
        for host in nodes.iter().filter_map(|index| cluster.nodes()[*index].host()) {
            match self {
                Reset::Cut => cut_peers(host)?,
                Reset::Reject => {
                    let table = format!(
                        "table ip {TABLE} {{\n  chain out {{\n    type filter hook output priority 0\n    \
                         tcp dport {PEER_PORT} reject with tcp reset\n    tcp sport {PEER_PORT} reject with tcp \
                         reset\n  }}\n}}\n"
                    );
                    host.run("nft", &["-f", "-"], &table).map(drop)?;
                }
            }
        }
        let what = match self {
            Reset::Cut => "had its connections reset",
            Reset::Reject => "gets resets only",
        };
        Ok(what.to_owned())
    }

    fn heal(&mut self, cluster: &mut Cluster, nodes: &[usize]) -> Told {
        for index in nodes {
            if let (Some(host), Reset::Reject) = (cluster.nodes()[*index].host(), &self) {
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
    _process: Background,
    lines: Receiver<String>,
}

impl TrialEnd {
    fn start(host: &Host, how: &str, address: &str, says: &str) -> Result<TrialEnd, Error> {
        let perl = tool::find("perl").unwrap_or_else(|| Path::new("perl").to_owned());
        let mut command = host.command(&perl);
        command.args(["-e", END_OF_A_CONNECTION, how, address]);
        let mut process = Background::start_with_output(&mut command)
            .map_err(Error::host(format!("a connection on {}", host.namespace)))?;
        let output = process.stdout.take().expect("it was asked for");
        let (send, lines) = channel();
        // It ends with the process, or when the receiver is gone.
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let end = TrialEnd { _process: process, lines };
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
