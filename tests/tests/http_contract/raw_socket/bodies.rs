//! Bodies: chunks, lengths, expectations, ends that come too early.

use super::{Guard, send, send_all};
use crate::ask::{by_admin, get};
use crate::rig::{key, shared};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

fn chunked(node: std::net::SocketAddr, name: &str) -> String {
    format!("PUT {} HTTP/1.1\r\nHost: {node}\r\nTransfer-Encoding: chunked\r\n\r\n", key(name))
}

#[test]
fn malformed_chunks_store_nothing_and_hide_no_request() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "chunks"));
    let attack = guard.attack();
    for body in [
        "ffffffffffffffff\r\n",
        "fffffffffffffffff\r\nx",
        "-1\r\nx\r\n",
        "1",
        "z\r\nx\r\n0\r\n\r\n",
        "1\r\nxx\r\n0\r\n\r\n",
        "1\nx\n0\n\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "\r\n\r\n",
    ] {
        let ended = send_all(node, format!("{}{body}{attack}", chunked(node, "malformed")).as_bytes());
        ended.is_refused(body);
    }
    guard.holds();
    get(&key("malformed")).of(node).refuses(404, "no-such-key");
}

#[test]
fn bombs_of_chunks_are_refused_at_the_limit_of_a_value() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "chunk-bombs"));
    let head = chunked(node, "bomb").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let large = format!("{:x}\r\n", 64 << 20);
    send(node, &[head.as_bytes(), large.as_bytes(), &vec![b'x'; 4 << 20]]).refuses(413, "value-too-large");
    let tiny = "1\r\nx\r\n".repeat((1 << 20) + 1);
    send(node, &[head.as_bytes(), tiny.as_bytes(), b"0\r\n\r\n"]).refuses(413, "value-too-large");
    let extension = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(1 << 20));
    send_all(node, format!("{head}{extension}").as_bytes()).is_refused("an extension of 1 MiB");
    let trailers = format!("1\r\nx\r\n0\r\n{}\r\n", "t: v\r\n".repeat(100_000));
    send_all(node, format!("{head}{trailers}").as_bytes()).is_refused("600 KB of trailers");
    guard.holds();
    get(&key("bomb")).of(node).refuses(404, "no-such-key");
}

#[test]
fn a_body_that_ends_too_early_is_not_stored() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "early"));
    let head = format!("PUT {} HTTP/1.1\r\nHost: {node}\r\nContent-Length: 10\r\n\r\n", key("cut"));
    send_all(node, format!("{head}12345").as_bytes()).is_refused("half a body");
    send_all(node, head.as_bytes()).is_refused("no body");
    send_all(node, format!("{}5\r\n123", chunked(node, "cut")).as_bytes()).is_refused("half a chunk");
    send_all(node, format!("{}3\r\n123\r\n", chunked(node, "cut")).as_bytes()).is_refused("no last chunk");
    get(&key("cut")).of(node).refuses(404, "no-such-key");
    guard.holds();
}

/// A client that closes its sending side is taken for gone, as most servers take it: `mget` and `batch` then begin no
/// further item.
#[test]
fn a_half_closed_client_holds_nothing() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "half-closed"));
    let get = format!("GET {} HTTP/1.1\r\nHost: {node}\r\n\r\n", key("half-closed"));
    for _ in 0..20 {
        let ended = send_all(node, get.as_bytes());
        assert!(matches!(ended.statuses()[..], [] | [200]), "{}", ended.said);
        assert!(ended.after < super::END / 4, "{:?}", ended.after);
    }
    guard.holds();
}

#[test]
fn a_client_that_goes_away_leaves_nothing_behind() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "gone"));
    let head =
        format!("PUT {} HTTP/1.1\r\nHost: {node}\r\nContent-Length: 1000000\r\n\r\n", key("abandoned"));
    for _ in 0..100 {
        let mut socket = TcpStream::connect(node).unwrap();
        socket.write_all(&by_admin(head.as_bytes())).unwrap();
        socket.write_all(&[b'x'; 10_000]).unwrap();
        let _ = socket.shutdown(Shutdown::Both);
    }
    guard.holds();
    get(&key("abandoned")).of(node).refuses(404, "no-such-key");
    crate::rig::until("the connections are gone", || {
        let text = get("/metrics").of(node).is(200).text();
        let line = text.lines().find(|line| line.starts_with("quorate_http_connections_open "))?;
        let open: u32 = line.rsplit(' ').next()?.parse().ok()?;
        (open < 50).then_some(())
    });
}

#[test]
fn a_body_is_invited_only_if_it_will_be_taken() {
    let cluster = shared();
    let node = cluster.at(0);
    let ask = |name: &str, headers: &str| {
        let mut socket = TcpStream::connect(node).unwrap();
        socket.set_read_timeout(Some(super::END)).unwrap();
        let head =
            format!("PUT {} HTTP/1.1\r\nHost: {node}\r\nExpect: 100-continue\r\n{headers}\r\n", key(name));
        socket.write_all(&by_admin(head.as_bytes())).unwrap();
        socket
    };
    let mut socket = ask("invited", "Connection: close\r\nContent-Length: 2\r\n");
    let mut interim = [0; 25];
    socket.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"ok").unwrap();
    assert_eq!(super::listen(&mut socket, Instant::now()).statuses(), [200]);
    for (name, headers, status) in [
        ("too-large", "Content-Length: 20000000\r\n", 413),
        ("no-form", "Content-Length: 2\r\nContent-Type: nonsense\r\n", 415),
        ("condition", "Content-Length: 2\r\nIf-Match: *\r\n", 400),
    ] {
        let mut socket = ask(name, headers);
        // The client does not send what was not asked for.
        let _ = socket.shutdown(Shutdown::Write);
        assert_eq!(super::listen(&mut socket, Instant::now()).statuses(), [status], "{name}");
        get(&key(name)).of(node).refuses(404, "no-such-key");
    }
}
