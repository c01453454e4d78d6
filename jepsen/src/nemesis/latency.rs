//! The way to the others becomes long, and now longer, now shorter.
//!
//! Some kernels lack netem, so the delay is made by a small relay of our own on the host. The host's new connections to
//! other members are turned to it (nftables, `redirect`); it connects on from a second address of the host, which the
//! rule lets pass, and holds back whatever it relays. Connections that are there already would not notice, so they are
//! cut first (`ss -K`), as they are in the end, when the relay goes away.

use std::time::{Duration, Instant};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Effect, Told};
use crate::cluster::hosts::{Host, PEER_PORT};
use crate::cluster::{Cluster, Error};
use crate::relay;
use crate::tool::{self, Background};

/// The table of rules, in the host's own namespace.
const TABLE: &str = "latency";

/// The least that is held back, in milliseconds.
const DELAY_MS: std::ops::RangeInclusive<u64> = 5..=150;

/// How much more it may be, in milliseconds.
const JITTER_MS: std::ops::RangeInclusive<u64> = 0..=150;

/// The first port that a relay listens on; one more for each target.
const RELAY_PORT: usize = 9_000;

/// How long a relay may take until it listens.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The fault, and its relays, each with the place of its node.
#[derive(Debug, Default)]
pub struct Latency {
    relays: Vec<(usize, Background)>,
}

impl Effect for Latency {
    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], random: &mut ChaCha8Rng) -> Told {
        let (delay, jitter) = (random.random_range(DELAY_MS), random.random_range(JITTER_MS));
        let targets: Vec<Host> = cluster.nodes().iter().filter_map(|node| node.host()).cloned().collect();
        for index in nodes {
            if let Some(host) = cluster.nodes()[*index].host() {
                self.relays.push((*index, relay_on(host, &targets, delay, jitter)?));
            }
        }
        Ok(format!("is {delay} to {} ms away", delay + jitter))
    }

    fn heal(&mut self, cluster: &mut Cluster, _nodes: &[usize]) -> Told {
        let mut failed = None;
        for (index, mut relay) in self.relays.drain(..) {
            if let Ok(Some(status)) = relay.try_wait() {
                let name = cluster.nodes()[index].name();
                let said = format!("that of {name} ended before its time: {status}");
                failed = Some(tool::Error { command: relay::SUBCOMMAND.to_owned(), said });
            }
            drop(relay);
            if let Some(host) = cluster.nodes()[index].host()
                && let Err(error) = host.run("nft", &["delete", "table", "ip", TABLE], "")
            {
                failed = Some(error);
            }
        }
        failed.map_or_else(|| Ok("as near as before".to_owned()), |error| Err(error.into()))
    }
}

/// Starts a relay on a host and turns its new connections to it.
fn relay_on(host: &Host, targets: &[Host], delay_ms: u64, jitter_ms: u64) -> Result<Background, Error> {
    let second = second_address(&host.ip);
    // It may have been added by an earlier strike.
    host.run("ip", &["addr", "replace", &format!("{second}/24"), "dev", "eth0"], "")?;
    let program = std::env::current_exe().map_err(Error::host("this program's own file"))?;
    let mut command = host.command(&program);
    command.arg(relay::SUBCOMMAND).args(["--from", &second]);
    command.args(["--delay-ms", &delay_ms.to_string(), "--jitter-ms", &jitter_ms.to_string()]);
    let (mut rules, mut number) = (format!("    ip saddr {second} return\n"), RELAY_PORT);
    for target in targets.iter().filter(|target| target.ip != host.ip) {
        command.arg(format!("{number}={}:{PEER_PORT}", target.ip));
        rules += &format!("    ip daddr {} tcp dport {PEER_PORT} redirect to :{number}\n", target.ip);
        number += 1;
    }
    let mut relay =
        Background::start(&mut command).map_err(Error::host(format!("a relay on {}", host.namespace)))?;
    let table = format!(
        "table ip {TABLE} {{\n  chain out {{\n    type nat hook output priority -100\n{rules}  }}\n}}\n"
    );
    // What is turned to a port without a listener is refused: that would be another fault.
    wait_until_it_listens(&mut relay, RELAY_PORT..number)?;
    host.run("nft", &["-f", "-"], &table)?;
    super::reset::cut_peers(host)?;
    Ok(relay)
}

fn wait_until_it_listens(relay: &mut Background, ports: std::ops::Range<usize>) -> Result<(), tool::Error> {
    let deadline = Instant::now() + LISTEN_TIMEOUT;
    loop {
        // Before it has gone to its host the page is that of another one, without a listener on these ports.
        let page = std::fs::read_to_string(format!("/proc/{}/net/tcp", relay.id())).unwrap_or_default();
        if ports.clone().all(|port| listens(&page, port)) {
            return Ok(());
        }
        let ended = relay.try_wait().ok().flatten();
        if ended.is_some() || Instant::now() > deadline {
            let said =
                ended.map_or("does not listen in time".to_owned(), |status| format!("ended: {status}"));
            return Err(tool::Error { command: relay::SUBCOMMAND.to_owned(), said });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process listens on a port, from the kernel's page about connections.
fn listens(page: &str, port: usize) -> bool {
    const LISTENING: &str = "0A";
    let local = format!(":{port:04X}");
    page.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|words| {
        words.get(1).is_some_and(|word| word.ends_with(&local)) && words.get(3) == Some(&LISTENING)
    })
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
    fn the_kernels_page_says_who_listens() {
        let page = "  sl  local_address rem_address   st\n   0: 00000000:2328 00000000:0000 0A 00000000:0\n   1: \
                    0100007F:2329 00000000:0000 01 0:0\n";
        assert!(listens(page, 9_000));
        assert!(!listens(page, 9_001) && !listens(page, 9_002));
    }

    #[test]
    fn the_second_address_is_in_the_same_network() {
        assert_eq!(second_address("10.88.0.3"), "10.88.0.103");
    }
}
