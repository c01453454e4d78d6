//! Clients that take their time, or all of the node's.

use super::{END, Guard, listen};
use crate::ask::{by_admin, get, put};
use crate::rig::{Cluster, key};
use quorate_http::Limits;
use quorate_model::Durability;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_millis(500);

/// Three nodes with little patience.
fn impatient() -> Cluster {
    let limits = Limits {
        head_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        stall_timeout: PATIENCE,
        body_timeout: PATIENCE * 2,
        ..Limits::default()
    };
    let cluster = Cluster::start(3, limits);
    cluster.make_table("t", 3, Durability::Os);
    cluster
}

fn open(node: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(node).unwrap();
    socket.set_read_timeout(Some(END)).unwrap();
    socket
}

/// Sends byte after byte, with a pause, until the node has closed.
fn dribble(mut socket: TcpStream, bytes: &[u8]) -> super::Ended {
    let began = Instant::now();
    for byte in bytes.iter().cycle() {
        if socket.write_all(&[*byte]).is_err() || began.elapsed() > END {
            break;
        }
        // The client's own pace.
        std::thread::sleep(Duration::from_millis(20));
    }
    listen(&mut socket, began)
}

#[test]
fn a_client_that_keeps_a_connection_for_nothing_loses_it() {
    let cluster = impatient();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "patience"));
    let silent: Vec<TcpStream> = (0..300).map(|_| open(node)).collect();
    let started: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut socket = open(node);
            socket.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
            socket
        })
        .collect();
    guard.holds();
    let began = Instant::now();
    for mut socket in silent {
        let ended = listen(&mut socket, began);
        assert!(ended.said.is_empty(), "nothing was asked: {}", ended.said);
    }
    for mut socket in started {
        listen(&mut socket, began).refuses(408, "request-timeout");
    }
    // All were patient at the same time.
    assert!(began.elapsed() < END, "{:?}", began.elapsed());
    guard.holds();
}

#[test]
fn dribbling_gains_no_time() {
    let cluster = impatient();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "dribble"));
    let ended = dribble(open(node), b"X");
    ended.is_refused("a request line that never ends");
    assert!(ended.after < END / 2, "{:?}", ended.after);
    let mut socket = open(node);
    socket.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let ended = dribble(socket, b"X: y\r\n");
    assert_eq!(ended.statuses().first(), Some(&408), "{}", ended.said);
    let mut socket = open(node);
    let head = format!("PUT {} HTTP/1.1\r\nHost: {node}\r\nContent-Length: 100000\r\n\r\n", key("dribbled"));
    socket.write_all(&by_admin(head.as_bytes())).unwrap();
    let ended = dribble(socket, b"x");
    assert_eq!(ended.statuses(), [408], "the whole body has its time too: {}", ended.said);
    get(&key("dribbled")).of(node).refuses(404, "no-such-key");
    guard.holds();
}

#[test]
fn a_client_that_takes_no_answer_is_hung_up_on() {
    let cluster = impatient();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "stall"));
    put(&key("stalled"), vec![b'x'; 1 << 20]).of(node).is(200);
    let request = format!("GET {} HTTP/1.1\r\nHost: {node}\r\n\r\n", key("stalled"));
    // More than the two sockets between us hold.
    let asked = 120;
    let mut stalled: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut socket = open(node);
            socket.write_all(&by_admin(request.repeat(asked).as_bytes())).unwrap();
            socket
        })
        .collect();
    let open = || {
        let text = get("/metrics").of(node).is(200).text();
        let line = text.lines().find(|line| line.starts_with("quorate_http_connections_open "));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).expect("a gauge")
    };
    crate::rig::until("all are served", || (open() > stalled.len()).then_some(()));
    crate::rig::until("all are hung up on", || (open() < 3).then_some(()));
    for socket in &mut stalled {
        let ended = listen(socket, Instant::now());
        let answers = ended.statuses().len();
        assert!(answers < asked, "{answers} answers were held for a client that does not read");
    }
    guard.holds();
}
