//! Request lines and headers.

use super::{Guard, send, send_all};
use crate::rig::{key, shared};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Instant;

#[test]
fn bombs_of_headers_are_refused_before_they_are_whole() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "bombs"));
    let line = format!("GET {} HTTP/1.1\r\nHost: {node}\r\n", key("bombs"));
    let one = format!("{line}X: {}\r\n\r\n", "x".repeat(1 << 20));
    send_all(node, one.as_bytes()).refuses(431, "headers-too-large");
    let many: String = (0..101).map(|at| format!("x{at}: y\r\n")).collect();
    send_all(node, format!("{line}{many}\r\n").as_bytes()).refuses(431, "headers-too-large");
    let name = format!("{line}{}: y\r\n\r\n", "n".repeat(70_000));
    send_all(node, name.as_bytes()).is_refused("a long name");
    let same = format!("{line}{}\r\n", "Cookie: a=b\r\n".repeat(5_000));
    send_all(node, same.as_bytes()).refuses(431, "headers-too-large");
    guard.holds();
}

#[test]
fn a_head_without_an_end_is_refused_after_a_bounded_number_of_bytes() {
    let cluster = shared();
    let guard = Guard::new(&cluster, "endless");
    for beginning in ["GET / HTTP/1.1\r\nX: ", "GET /", "X"] {
        let mut socket = TcpStream::connect(cluster.at(0)).unwrap();
        socket.set_read_timeout(Some(super::END)).unwrap();
        let began = Instant::now();
        socket.write_all(beginning.as_bytes()).unwrap();
        let piece = vec![b'a'; 64 * 1024];
        let mut taken = 0;
        // What the node and the two sockets between us hold, and what it reads and throws away after its last word.
        while taken < 256 << 20 && socket.write_all(&piece).is_ok() {
            taken += piece.len();
        }
        assert!(taken < 256 << 20, "{beginning}: the node takes a head without an end");
        super::listen(&mut socket, began).is_refused(beginning);
    }
    guard.holds();
}

#[test]
fn malformed_headers_hide_no_request() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "hidden"));
    let attack = guard.attack();
    let put = format!("PUT {} HTTP/1.1\r\nHost: {node}\r\n", key("hiding"));
    for headers in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1, 2\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: 1e1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length:\r\n",
        "Content-Length : 1\r\n",
        "Content Length: 1\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 1\r\n",
        "X: a\r\n folded: b\r\nContent-Length: 1\r\n",
        "X\0: a\r\n",
        "X: a\0b\r\n",
        ": a\r\n",
        "\u{ff}: a\r\n",
        "X: a\rContent-Length: 1\r\n",
    ] {
        let ended = send_all(node, format!("{put}{headers}\r\n{attack}").as_bytes());
        ended.is_refused(headers);
    }
    guard.holds();
}

#[test]
fn a_length_beside_chunks_decides_nothing() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "both"));
    let put = format!("PUT {} HTTP/1.1\r\nHost: {node}\r\n", key("both-body"));
    let attack = guard.attack();
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5000\r\n",
    ] {
        let ended = send_all(node, format!("{put}{headers}\r\n0\r\n\r\n{attack}").as_bytes());
        assert!(ended.statuses().len() <= 1, "{headers}: {}", ended.said);
    }
    guard.holds();
}

#[test]
fn hosts_and_origins_that_are_not_ours_get_nothing() {
    let cluster = shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "hosts"));
    let delete = format!("DELETE {} HTTP/1.1\r\nConnection: close\r\n", key("hosts"));
    for headers in [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: evil.example\r\n",
        "Host: localhost.\u{0}evil.example\r\n",
        "Host: localhost@evil.example\r\n",
        "Host: evil.example#localhost\r\n",
        "Host: [::1\r\n",
        "Host: [::1]evil.example\r\n",
        "Host: localhost:99999999\r\n",
        "Host: 0.0.0.0\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
        "Host: localhost\r\nOrigin: http://localhost.evil.example\r\n",
        "Host: localhost\r\nOrigin: file://\r\n",
        "Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: localhost\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        let ended = send(node, &[format!("{delete}{headers}\r\n").as_bytes()]);
        assert!(matches!(ended.statuses()[..], [400 | 421]), "{headers}: {}", ended.said);
    }
    guard.holds();
}
