//! A relay that holds back what it relays: latency for kernels that cannot make it themselves.
//!
//! For each pair of a port and a target it listens, connects on, and sends each piece on in both directions after a
//! delay, with some chance added, in the order in which the pieces came. It runs as a process of its own on a host of a
//! run, as a hidden subcommand of this program; its starter kills it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use clap::Args;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

/// The name of the hidden subcommand.
pub const SUBCOMMAND: &str = "relay";

/// How many bytes are read at once.
const PIECE_BYTES: usize = 16 << 10;

/// How many pieces are under way in one direction; more wait in the kernel, as behind a long cable.
const PIECES_MAX: usize = 256;

/// What a relay is told.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The address that it connects from
    #[arg(long)]
    from: IpAddr,
    /// The least that each piece is held back
    #[arg(long)]
    delay_ms: u64,
    /// How much longer it may be held back
    #[arg(long)]
    jitter_ms: u64,
    /// The ports to listen on and where each leads, as 9000=10.88.0.1:7500
    #[arg(value_parser = parse_way)]
    ways: Vec<Way>,
}

/// A port and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    port: u16,
    target: SocketAddr,
}

fn parse_way(text: &str) -> Result<Way, String> {
    let (port, target) = text.split_once('=').ok_or("no = in it")?;
    let port = port.parse().map_err(|error| format!("{port}: {error}"))?;
    let target = target.parse().map_err(|error| format!("{target}: {error}"))?;
    Ok(Way { port, target })
}

/// Relays until the process is killed; returns only if a port cannot be listened on.
pub async fn run(arguments: Arguments) -> std::io::Result<()> {
    let mut listeners = Vec::new();
    for way in &arguments.ways {
        listeners.push((TcpListener::bind(("0.0.0.0", way.port)).await?, way.target));
    }
    let mut seed = 0;
    let mut accepting = tokio::task::JoinSet::new();
    for (listener, target) in listeners {
        seed += 1;
        accepting.spawn(accept(listener, target, arguments.clone(), seed));
    }
    while accepting.join_next().await.is_some() {}
    Ok(())
}

async fn accept(listener: TcpListener, target: SocketAddr, arguments: Arguments, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    while let Ok((near, _)) = listener.accept().await {
        let (arguments, seed) = (arguments.clone(), random.random());
        tokio::spawn(async move {
            // If the target cannot be reached, the near end is closed, which is what it would have seen.
            if let Ok(far) = connect(arguments.from, target).await {
                relay(near, far, arguments.delay_ms, arguments.jitter_ms, seed).await;
            }
        });
    }
}

async fn connect(from: IpAddr, target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = match target {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(target).await
}

async fn relay(near: TcpStream, far: TcpStream, delay_ms: u64, jitter_ms: u64, seed: u64) {
    for stream in [&near, &far] {
        // Without it a delay would also gather small pieces into large ones; it fails on dead connections only.
        let _ = stream.set_nodelay(true);
    }
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let there = one_way(near_in, far_out, delay_ms, jitter_ms, seed);
    let back = one_way(far_in, near_out, delay_ms, jitter_ms, seed.wrapping_add(1));
    tokio::join!(there, back);
}

/// Relays one direction until it ends, then closes it, all after the delay.
async fn one_way(
    mut source: impl AsyncReadExt + Unpin,
    mut sink: impl AsyncWriteExt + Unpin,
    delay_ms: u64,
    jitter_ms: u64,
    seed: u64,
) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (send, mut receive) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let reading = async move {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = source.read(&mut piece).await {
            let held = Duration::from_millis(delay_ms + random.random_range(0..=jitter_ms));
            if send.send((Instant::now() + held, piece[..count].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let writing = async move {
        while let Some((due, piece)) = receive.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if sink.write_all(&piece).await.is_err() {
                return;
            }
        }
        // It fails only on a connection that is closed already.
        let _ = sink.shutdown().await;
    };
    tokio::join!(reading, writing);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_a_port_and_an_address() {
        let way = parse_way("9000=10.88.0.1:7500").expect("it is one");
        assert_eq!(way, Way { port: 9_000, target: ([10, 88, 0, 1], 7_500).into() });
        for wrong in ["9000", "x=10.88.0.1:1", "9000=host"] {
            assert!(parse_way(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn what_is_relayed_comes_whole_in_order_and_late() {
        let target = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let address = target.local_addr().expect("it is bound");
        let entrance = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let near = entrance.local_addr().expect("it is bound");
        let arguments =
            Arguments { from: [127, 0, 0, 1].into(), delay_ms: 30, jitter_ms: 20, ways: Vec::new() };
        tokio::spawn(accept(entrance, address, arguments, 1));
        let mut client = TcpStream::connect(near).await.expect("the relay listens");
        let (mut server, _) = target.accept().await.expect("the relay connects on");
        let begun = Instant::now();
        let sent: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        client.write_all(&sent).await.expect("it is open");
        client.shutdown().await.expect("it is open");
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.expect("it is closed in the end");
        assert_eq!(got, sent);
        assert!(begun.elapsed() >= Duration::from_millis(30));
    }
}
