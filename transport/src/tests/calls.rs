//! Calls end exactly once, and what is said about those without an answer is true.

use super::*;
use crate::{CallError, Header, Kind, frame, handshake};
use quorate_model::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

#[tokio::test]
async fn many_calls_at_once_each_get_their_own_answer() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let links = links(identity(1), SECRET, NodeId(2), acceptor.address);
    connected(&links, NodeId(2)).await;
    let calls: Vec<_> = (0..5_000u32)
        .map(|n| (n, links.call(NodeId(2), Lane::Data, Kind::Data, deadline(), &n.to_be_bytes())))
        .collect();
    for (n, call) in calls {
        assert_eq!(call.await.expect("answered")[..], n.to_be_bytes());
    }
}

#[tokio::test]
async fn a_call_to_nobody_is_not_sent() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let links = links(identity(1), SECRET, NodeId(2), acceptor.address);
    let stranger = links.call(NodeId(9), Lane::Data, Kind::Data, deadline(), b"x").await;
    assert!(matches!(stranger, Err(CallError::NotSent(_))), "{stranger:?}");
    links.cut(true);
    until("the links are down", &links, || !links.is_up(NodeId(2))).await;
    let cut = links.call(NodeId(2), Lane::Data, Kind::Data, deadline(), b"x").await;
    assert!(matches!(cut, Err(CallError::NotSent(_))), "{cut:?}");
    links.cut(false);
    connected(&links, NodeId(2)).await;
}

#[tokio::test]
async fn a_connection_that_dies_loses_all_its_calls_at_once() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo { keeps: true, ..Echo::default() }).await;
    let links = links(identity(1), SECRET, NodeId(2), acceptor.address);
    connected(&links, NodeId(2)).await;
    let calls: Vec<_> =
        (0..50).map(|_| links.call(NodeId(2), Lane::Data, Kind::Data, deadline(), b"x")).collect();
    until("the acceptor has them all", &links, || acceptor.echo.kept.lock().expect("unpoisoned").len() == 50)
        .await;
    let begun = Instant::now();
    acceptor.task.abort();
    acceptor.server.cut(true);
    for call in calls {
        let end = call.await;
        assert!(matches!(end, Err(CallError::Lost(_))), "it had arrived: {end:?}");
    }
    assert!(begun.elapsed() < PATIENCE / 2, "no call waited for a deadline");
}

#[tokio::test]
async fn a_call_without_an_answer_ends_at_its_deadline() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo { keeps: true, ..Echo::default() }).await;
    let links = links(identity(1), SECRET, NodeId(2), acceptor.address);
    connected(&links, NodeId(2)).await;
    let soon = Instant::now() + Duration::from_millis(100);
    let end = links.call(NodeId(2), Lane::Data, Kind::Data, soon, b"x").await;
    assert!(matches!(end, Err(CallError::Lost(_))), "{end:?}");
    assert!(Instant::now() >= soon);
    assert!(links.is_up(NodeId(2)), "a slow answer is no reason to hang up");
}

/// While a peer is past its share its socket is not read, and its death would go unnoticed.
#[tokio::test]
async fn a_peer_whose_requests_do_not_end_is_hung_up_on() {
    let nothing = Limits { working_bytes_max: 0, ..limits() };
    let echo = Echo { keeps: true, ..Echo::default() };
    let acceptor = Acceptor::limited(identity(2), SECRET, echo, nothing).await;
    let links = links(identity(1), SECRET, NodeId(2), acceptor.address);
    connected(&links, NodeId(2)).await;
    let begun = Instant::now();
    let end = links.call(NodeId(2), Lane::Data, Kind::Data, deadline(), b"x").await;
    assert!(matches!(end, Err(CallError::Lost(_))), "it had arrived: {end:?}");
    assert!(begun.elapsed() < PATIENCE / 2, "the connection has ended, not the deadline come");
}

/// A peer that stops reading: what the operating system has not taken is reported as not sent.
#[tokio::test]
async fn what_was_queued_and_never_written_is_not_sent() {
    let (links, mut deaf) = connected_to_a_deaf_peer().await;
    // Far more than two socket buffers hold.
    let large = vec![7; 4 * 1024 * 1024];
    let calls: Vec<_> =
        (0..12).map(|_| links.call(NodeId(2), Lane::Data, Kind::Data, deadline(), &large)).collect();
    let mut ends = Vec::new();
    let count = async {
        for call in calls {
            ends.push(call.await);
        }
    };
    count.await;
    let not_sent = ends.iter().filter(|end| matches!(end, Err(CallError::NotSent(_)))).count();
    let lost = ends.iter().filter(|end| matches!(end, Err(CallError::Lost(_)))).count();
    assert_eq!(not_sent + lost, 12, "{ends:?}");
    assert!(lost >= 1 && not_sent >= 1, "{lost} lost, {not_sent} not sent");
    // The truth of it: the peer finds only bytes of those that are lost.
    let mut received = Vec::new();
    drop(deaf.read_to_end(&mut received).await);
    assert!(received.len() <= lost * (large.len() + 18) + 1_000, "{} bytes", received.len());
}

#[tokio::test]
async fn a_silent_peer_is_dead_after_a_while() {
    let (links, _deaf) = connected_to_a_deaf_peer().await;
    let end = links.call(NodeId(2), Lane::Data, Kind::Data, deadline(), b"x").await;
    assert!(matches!(end, Err(CallError::Lost(_))), "{end:?}");
    until("the link is down", &links, || !links.is_up(NodeId(2))).await;
    let why =
        links.report().into_iter().find(|link| link.lane == Lane::Data).and_then(|link| link.last_error);
    assert!(why.as_ref().is_some_and(|why| why.contains("said nothing")), "{why:?}");
}

/// A peer that shakes hands on the data lane once, and then neither reads nor writes.
async fn connected_to_a_deaf_peer() -> (Links, TcpStream) {
    use crate::handshake::{self, RefusalReason};
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let accepting = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.expect("accepts");
            let secret = Secret::new(SECRET);
            let admit = |_, _| Ok::<_, RefusalReason>(());
            let (proven, ()) = handshake::accept(&mut socket, &secret, identity(2), &Forgetful, admit)
                .await
                .expect("proven");
            if proven.lane == Lane::Data {
                return socket;
            }
            drop(socket.shutdown().await);
        }
    });
    let links = links(identity(1), SECRET, NodeId(2), address);
    until("the data lane is up", &links, || links.is_up(NodeId(2))).await;
    (links, accepting.await.expect("accepted"))
}

#[tokio::test]
async fn what_the_other_end_does_not_have_is_refused_at_once_and_not_sent() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo { keeps: true, ..Echo::default() }).await;
    let links = links(identity(1), SECRET, NodeId(2), acceptor.address);
    connected(&links, NodeId(2)).await;
    let later = Kind::Data.asked_since(Protocol(Protocol::NEWEST.0 + 1));
    let end = links.call(NodeId(2), Lane::Data, later, deadline(), b"x").await;
    assert_eq!(end, Err(CallError::NotUnderstood));
    let known = links.call(NodeId(2), Lane::Data, Kind::Data, deadline(), b"x");
    until("what it has arrives", &links, || acceptor.echo.kept.lock().expect("unpoisoned").len() == 1).await;
    acceptor.echo.kept.lock().expect("unpoisoned").remove(0).not_understood();
    assert_eq!(known.await, Err(CallError::NotUnderstood), "the other end may say so as well");
    assert!(links.is_up(NodeId(2)), "the connection goes on");
    assert_eq!(links.lacks(Protocol::NEWEST), None, "both have it");
    assert_eq!(links.lacks(Protocol(Protocol::NEWEST.0 + 1)), Some(NodeId(2)));
}

/// A dialer that did not know better, and sends a kind of frame that a later version has.
#[tokio::test]
async fn a_kind_of_frame_that_is_not_known_is_answered_at_once_and_the_next_one_served() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let mut socket = TcpStream::connect(acceptor.address).await.expect("connects");
    let secret = Secret::new(SECRET);
    let (nowhere, whom) = (crate::Whereabouts::default(), (NodeId(2), Lane::Data));
    let dialed = handshake::dial(&mut socket, &secret, identity(1), &nowhere, whom, &Forgetful).await;
    assert_eq!(dialed.expect("proven").protocol, Protocol::NEWEST);
    let frame_of = |kind, id| {
        frame::encode(Header { kind, id, remaining_ms: 10_000 }, |out| out.extend_from_slice(b"hello"))
    };
    for id in [7, 0] {
        let mut unknown = frame_of(Kind::Data, id);
        unknown[5] = 200;
        socket.write_all(&unknown).await.expect("written");
    }
    socket.write_all(&frame_of(Kind::Data, 8)).await.expect("written");
    let mut buffer = bytes::BytesMut::new();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let read = tokio::time::timeout(PATIENCE, socket.read_buf(&mut buffer)).await.expect("in time");
        assert!(read.expect("the connection goes on") > 0, "the connection goes on");
        while let Some((header, payload)) = frame::decode(&mut buffer, 4_096).expect("frames") {
            if header.kind != Kind::Alive {
                heard.push((header.kind, header.id, payload));
            }
        }
    }
    assert_eq!(heard[0], (Kind::NotUnderstood, 7, bytes::Bytes::new()));
    assert_eq!(heard[1], (Kind::Answer, 8, bytes::Bytes::from_static(b"hello")));
}
