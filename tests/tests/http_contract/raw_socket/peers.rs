//! The peers' port: strangers, noise and old recordings. None of it may cost the cluster a quorum.

use super::{END, Guard, send, send_all};
use crate::ask::{get, put};
use crate::rig::{Cluster, key, shared, until};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// A stranger has 3 s to prove the secret; twice that is surely over.
const HANDSHAKE: Duration = Duration::from_secs(6);

fn peer_port(cluster: &Cluster, node: usize) -> SocketAddr {
    cluster.with(node, |instance| instance.node().peer_address())
}

/// A frame of a kind: 3 is a step of the handshake, 16 a request for data.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 14).unwrap();
    [&length.to_be_bytes()[..], &[1, kind], &[0; 12], payload].concat()
}

fn step(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/handshake").join(name)).unwrap()
}

/// What follows an incomplete frame never comes, so the node must not wait for it.
#[track_caller]
fn ends_soon(port: SocketAddr, what: &str, bytes: &[u8]) {
    let ended = send(port, &[bytes]);
    assert!(ended.after < HANDSHAKE, "{what}: {:?}", ended.after);
    assert!(!ended.said.contains("HTTP"), "{what}: {}", ended.said);
}

#[test]
fn what_is_no_handshake_is_closed_soon() {
    let cluster = shared();
    let (port, guard) = (peer_port(&cluster, 0), Guard::new(&cluster, "noise"));
    let hello = frame(3, &step("ok-1"));
    let huge = [&[0xff; 4][..], &hello[4..]].concat();
    let another = [&hello[..4], &[9], &hello[5..]].concat();
    for (what, bytes) in [
        ("HTTP", &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..]),
        ("TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"),
        ("zeros", &[0; 4096]),
        ("ones", &[0xff; 4096]),
        ("a huge length", &huge),
        ("another version", &another),
        ("another kind", &frame(99, b"x")),
        ("a request before the handshake", &frame(16, &step("ok-1"))),
        ("an empty step", &frame(3, b"")),
        ("noise as a step", &frame(3, &[0x9b; 64])),
        ("a hello of another cluster", &hello),
        ("a proof first", &frame(3, &step("ok-3"))),
        ("a challenge first", &frame(3, &step("ok-2"))),
        ("half a frame", &hello[..hello.len() / 2]),
        ("one byte", &[0]),
    ] {
        ends_soon(port, what, bytes);
        assert!(send_all(port, bytes).after < HANDSHAKE, "{what}");
    }
    ends_soon(port, "silence", b"");
    guard.holds();
}

#[test]
fn a_recorded_handshake_opens_nothing() {
    let cluster = shared();
    let (port, guard) = (peer_port(&cluster, 0), Guard::new(&cluster, "recorded"));
    // All that a dialer ever says, in one go, with a request behind it.
    let all = [frame(3, &step("ok-1")), frame(3, &step("ok-3")), frame(16, b"\x00")].concat();
    let ended = send_all(port, &all);
    assert!(ended.after < HANDSHAKE, "{:?}", ended.after);
    guard.holds();
}

#[test]
fn connections_without_a_proof_cost_no_quorum() {
    let cluster = Cluster::of_three();
    let guard = Guard::new(&cluster, "unproven");
    let ports: Vec<SocketAddr> = (0..3).map(|node| peer_port(&cluster, node)).collect();
    let strangers: Vec<TcpStream> = (0..300)
        .map(|at| {
            let mut socket = TcpStream::connect(ports[at % 3]).unwrap();
            // Some say half of something.
            if at % 2 == 0 {
                let _ = socket.write_all(&[0, 0]);
            }
            socket.set_read_timeout(Some(END)).unwrap();
            socket
        })
        .collect();
    for at in 0..50 {
        put(&key("strangers"), at.to_string()).of(cluster.at(at % 3)).is(200);
        assert_eq!(get(&key("strangers")).of(cluster.at((at + 1) % 3)).is(200).text(), at.to_string());
    }
    let began = Instant::now();
    for mut socket in strangers {
        // Closed or reset: over.
        let _ = socket.read_to_end(&mut Vec::new());
    }
    assert!(began.elapsed() < END, "{:?}", began.elapsed());
    until("every node still sees every node", || {
        let seen = get("/v1/cluster").of(cluster.at(0)).is(200).json();
        (seen["nodes_up"] == 3).then_some(())
    });
    guard.holds();
}
