//! The way to the others becomes long, and now longer, now shorter.
//!
//! Some kernels lack netem, so the delay is made by a small relay of our own on the host. The host's new connections to
//! other members are turned to it (nftables, `redirect`); it connects on from a second address of the host, which the
//! rule lets pass, and holds back whatever it relays. Connections that are there already would not notice, so they are
//! cut first (`ss -K`), as they are in the end, when the relay goes away.

use std::process::{Child, Stdio};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::hosts::{Host, PEER_PORT};
use crate::cluster::{Cluster, Error};
use crate::relay;

/// The table of rules, in the host's own namespace.
const TABLE: &str = "latency";

/// The least that is held back, in milliseconds.
const DELAY_MS: std::ops::RangeInclusive<u64> = 5..=150;

/// How much more it may be, in milliseconds.
const JITTER_MS: std::ops::RangeInclusive<u64> = 0..=150;

/// The first port that a relay listens on; one more for each target.
const RELAY_PORT: usize = 9_000;

/// The fault, and its relays.
#[derive(Debug)]
pub struct Latency {
    aim: Aim,
    relays: Vec<(usize, Child)>,
}

impl Latency {
    /// Strikes some hosts or all.
    pub fn new() -> Latency {
        Latency { aim: Aim::new(Extent::Some), relays: Vec::new() }
    }
}

impl Fault for Latency {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let everybody: Vec<usize> = (0..cluster.nodes().len()).collect();
        let struck = self.aim.choose(&everybody, cluster, usize::MAX, random);
        let (delay, jitter) = (random.random_range(DELAY_MS), random.random_range(JITTER_MS));
        for index in &struck {
            let targets: Vec<Host> = cluster.nodes().iter().filter_map(|node| node.host()).cloned().collect();
            let Some(host) = cluster.nodes()[*index].host() else { continue };
            self.relays.push((*index, relay_on(host, &targets, delay, jitter)?));
        }
        Ok(Struck::of(cluster, &struck, &format!("is {delay} to {} ms away", delay + jitter)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        for (index, mut relay) in self.relays.drain(..) {
            end(&mut relay);
            if let Some(host) = cluster.nodes()[index].host() {
                host.run("nft", &["delete", "table", "ip", TABLE], "")?;
            }
        }
        Ok("as near as before".to_owned())
    }
}

impl Drop for Latency {
    fn drop(&mut self) {
        for (_, relay) in &mut self.relays {
            end(relay);
        }
    }
}

fn end(relay: &mut Child) {
    // Both fail only if it is gone.
    let _ = relay.kill();
    let _ = relay.wait();
}

/// Starts a relay on a host and turns its new connections to it.
fn relay_on(host: &Host, targets: &[Host], delay_ms: u64, jitter_ms: u64) -> Result<Child, Error> {
    let second = second_address(&host.ip);
    // It may have been added by an earlier strike.
    host.run("ip", &["addr", "replace", &format!("{second}/24"), "dev", "eth0"], "")?;
    let program = std::env::current_exe()
        .map_err(|cause| Error::Host { what: "this program's own file".to_owned(), cause })?;
    let mut command = host.command(&program);
    command.arg(relay::SUBCOMMAND).args(["--from", &second]);
    command.args(["--delay-ms", &delay_ms.to_string(), "--jitter-ms", &jitter_ms.to_string()]);
    let (mut rules, mut number) = (format!("    ip saddr {second} return\n"), RELAY_PORT);
    for target in targets.iter().filter(|target| target.ip != host.ip) {
        command.arg(format!("{number}={}:{PEER_PORT}", target.ip));
        rules += &format!("    ip daddr {} tcp dport {PEER_PORT} redirect to :{number}\n", target.ip);
        number += 1;
    }
    let mut relay = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|cause| Error::Host { what: format!("a relay on {}", host.namespace), cause })?;
    let table = format!(
        "table ip {TABLE} {{\n  chain out {{\n    type nat hook output priority -100\n{rules}  }}\n}}\n"
    );
    let turned = host.run("nft", &["-f", "-"], &table).and_then(|_| super::reset::cut_peers(host));
    if let Err(error) = turned {
        end(&mut relay);
        return Err(error.into());
    }
    Ok(relay)
}

/// The address that a host's relay connects from: a hundred past the host's own.
fn second_address(ip: &str) -> String {
    let (net, host) = ip.rsplit_once('.').expect("an address of version 4");
    let host: u8 = host.parse().expect("an address of version 4");
    format!("{net}.{}", host + 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_address_is_in_the_same_network() {
        assert_eq!(second_address("10.88.0.3"), "10.88.0.103");
    }
}
