//! Who may talk to whom; and both sides say why not.

use super::*;
use crate::handshake::{self, HandshakeError, RefusalReason};
use crate::hello::{Challenge, Hello, Step};
use crate::{Dismissal, Kind, Whereabouts, frame};
use quorate_model::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};

/// The dialer's and the acceptor's reason, once both have one.
async fn both_reasons(links: &Links, acceptor: &Acceptor) -> (String, String) {
    until("both sides know why", links, || {
        acceptor.server.last_refusal().is_some()
            && links
                .report()
                .iter()
                .any(|link| link.last_error.as_ref().is_some_and(|why| why.contains("refused")))
    })
    .await;
    let dialer = links.report().into_iter().find_map(|link| link.last_error).expect("there is one");
    (dialer, acceptor.server.last_refusal().expect("there is one"))
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_both_sides_say_so() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let links = links(identity(1), b"another secret", NodeId(2), acceptor.address);
    let (dialer, here) = both_reasons(&links, &acceptor).await;
    assert!(dialer.contains("secrets of the two nodes differ"), "{dialer}");
    assert!(here.contains("secrets of the two nodes differ"), "{here}");
    assert!(!links.is_up(NodeId(2)));
}

#[tokio::test]
async fn another_cluster_is_refused_and_both_sides_say_which() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let other = Identity { cluster: ClusterId(8), ..identity(1) };
    let links = links(other, SECRET, NodeId(2), acceptor.address);
    let (dialer, here) = both_reasons(&links, &acceptor).await;
    for why in [dialer, here] {
        assert!(why.contains(&ClusterId(8).to_string()) && why.contains(&ClusterId(7).to_string()), "{why}");
    }
}

#[tokio::test]
async fn an_address_that_belongs_to_another_node_is_refused() {
    let acceptor = Acceptor::start(identity(3), SECRET, Echo::default()).await;
    let links = links(identity(1), SECRET, NodeId(2), acceptor.address);
    let (dialer, here) = both_reasons(&links, &acceptor).await;
    assert!(dialer.contains("expected node n2") && here.contains("it is node n3"), "{dialer} / {here}");
}

#[tokio::test]
async fn a_second_live_process_with_the_same_id_is_refused_until_the_first_is_gone() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let first = links(identity(1), SECRET, NodeId(2), acceptor.address);
    connected(&first, NodeId(2)).await;
    let again = Identity { boot: Boot(999), ..identity(1) };
    let second = links(again, SECRET, NodeId(2), acceptor.address);
    let (dialer, here) = both_reasons(&second, &acceptor).await;
    assert!(dialer.contains("another live process") && here.contains("another live process"), "{dialer}");
    assert!(second.duplicate().borrow().is_some());
    first.close();
    connected(&second, NodeId(2)).await;
    assert!(second.duplicate().borrow().is_none());
}

#[tokio::test]
async fn a_flood_of_connections_that_prove_nothing_keeps_no_member_out() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let mut flood = Vec::new();
    for _ in 0..limits().unproven_max * 2 {
        flood.push(TcpStream::connect(acceptor.address).await.expect("connected"));
    }
    let links = links(identity(1), SECRET, NodeId(2), acceptor.address);
    connected(&links, NodeId(2)).await;
    let mut ended = [0];
    let first = flood.first_mut().expect("there is one");
    assert!(matches!(first.read(&mut ended).await, Ok(0) | Err(_)), "the oldest had to go");
}

#[tokio::test]
async fn a_node_that_is_no_member_is_refused() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let links = links(identity(95), SECRET, NodeId(2), acceptor.address);
    let (dialer, _) = both_reasons(&links, &acceptor).await;
    assert!(dialer.contains("not a member"), "{dialer}");
    assert_eq!(*links.gone().borrow(), None, "it may be one that the acceptor has not heard of yet");
}

#[tokio::test]
async fn a_node_that_was_removed_or_banned_is_told_so_and_believes_it() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    for (node, gone, words) in [(96, Gone::Removed, "was removed"), (97, Gone::Banned, "gone for good")] {
        let links = links(identity(node), SECRET, NodeId(2), acceptor.address);
        let (dialer, here) = both_reasons(&links, &acceptor).await;
        assert!(dialer.contains("any more") && dialer.contains(words), "{dialer}");
        assert!(here.contains(words), "{here}");
        until("it knows", &links, || links.gone().borrow().is_some()).await;
        assert_eq!(*links.gone().borrow(), Some(Dismissal { peer: NodeId(2), gone }));
    }
}

/// Anything may listen at an address that a member had: a refusal without a proof ends no node.
#[tokio::test]
async fn a_dismissal_without_a_proof_of_the_secret_is_not_believed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let links = links(identity(97), SECRET, NodeId(2), listener.local_addr().expect("bound"));
    let framed = |step: Step| {
        let payload = minicbor::to_vec(step).expect("encodes");
        let header = crate::Header { kind: Kind::Handshake, id: 0, remaining_ms: 0 };
        frame::encode(header, |out| out.extend_from_slice(&payload))
    };
    let (mut socket, _) = listener.accept().await.expect("dialed");
    read_frame(&mut socket).await;
    let Identity { cluster, node, boot, incarnation } = identity(2);
    let nonce = [0; 32];
    let challenge = Challenge { protocol: 1, cluster, node, boot, nonce, incarnation, remembered: None };
    socket.write_all(&framed(Step::Challenge(challenge))).await.expect("written");
    read_frame(&mut socket).await;
    let reason = RefusalReason::NotMember { node: NodeId(97), gone: Some(Gone::Banned) };
    socket.write_all(&framed(Step::Refused(reason, None))).await.expect("written");
    let heard = || {
        links.report().iter().any(|link| link.last_error.as_ref().is_some_and(|why| why.contains("any more")))
    };
    until("it has heard it", &links, heard).await;
    assert_eq!(*links.gone().borrow(), None);
}

#[tokio::test]
async fn the_connections_of_a_node_that_is_no_member_any_more_end() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let (stays, goes) = (
        links(identity(1), SECRET, NodeId(2), acceptor.address),
        links(identity(3), SECRET, NodeId(2), acceptor.address),
    );
    connected(&stays, NodeId(2)).await;
    connected(&goes, NodeId(2)).await;
    let connects = |links: &Links| links.report().iter().map(|link| link.connects).sum::<u64>();
    let before = (connects(&stays), connects(&goes));
    acceptor.server.end_connections(|node| node == NodeId(3));
    until("all three were made again", &goes, || connects(&goes) == before.1 + 3).await;
    assert_eq!(connects(&stays), before.0);
}

#[tokio::test]
async fn a_dialer_of_a_future_protocol_is_refused_with_both_ranges() {
    let (mut dialer, mut acceptor) = duplex(64 * 1024);
    let secret = Secret::new(SECRET);
    let accept = async {
        handshake::accept(&mut acceptor, &secret, identity(2), &Forgetful, |_, _| Ok::<_, RefusalReason>(()))
            .await
            .err()
    };
    let future = Protocol::NEWEST.0 + 1;
    let hello = Hello {
        protocol_min: future,
        protocol_max: future + 2,
        cluster: ClusterId(7),
        node: NodeId(1),
        boot: Boot(1),
        expected: NodeId(2),
        lane: Lane::Data,
        nonce: [0; 32],
        incarnation: 1,
        remembered: None,
        peer_address: None,
        cluster_name: None,
    };
    let payload = minicbor::to_vec(Step::Hello(hello)).expect("encodes");
    let header = crate::Header { kind: Kind::Handshake, id: 0, remaining_ms: 0 };
    let hello = frame::encode(header, |out| out.extend_from_slice(&payload));
    dialer.write_all(&hello).await.expect("written");
    match accept.await {
        Some(HandshakeError::Here(RefusalReason::Protocol { dialer_min, dialer_max, .. })) => {
            assert_eq!((dialer_min, dialer_max), (future, future + 2));
        }
        other => panic!("{other:?}"),
    }
    let mut answer = Vec::new();
    dialer.read_to_end(&mut answer).await.expect("read");
    assert!(answer.len() > 18, "the dialer is told");
}

/// A proof that was overheard on one connection opens no other, and one's own proof sent back opens none either.
#[tokio::test]
async fn a_proof_is_good_for_one_connection_and_one_direction() {
    let secret = Secret::new(SECRET);
    let (mut dialer, mut middle) = duplex(64 * 1024);
    let (mut middle_out, mut acceptor) = duplex(64 * 1024);
    let (nowhere, whom) = (Whereabouts::default(), (NodeId(2), Lane::Data));
    let dial = handshake::dial(&mut dialer, &secret, identity(1), &nowhere, whom, &Forgetful);
    let accept =
        handshake::accept(&mut acceptor, &secret, identity(2), &Forgetful, |_, _| Ok::<_, RefusalReason>(()));
    // The one in the middle passes Hello and Challenge on, then answers the dialer's proof with the proof itself.
    let reflect =
        async {
            let hello = read_frame(&mut middle).await;
            middle_out.write_all(&hello).await.expect("passed on");
            let challenge = read_frame(&mut middle_out).await;
            middle.write_all(&challenge).await.expect("passed on");
            let proof = read_frame(&mut middle).await;
            let (_, payload) = frame::decode(&mut bytes::BytesMut::from(&proof[..]), 4_096)
                .expect("a frame")
                .expect("whole");
            let Ok(Step::Proof(mac)) = minicbor::decode(&payload) else { panic!("not a proof") };
            let reflected = minicbor::to_vec(Step::Accepted(mac)).expect("encodes");
            let header = crate::Header { kind: Kind::Handshake, id: 0, remaining_ms: 0 };
            let reflected = frame::encode(header, |out| out.extend_from_slice(&reflected));
            middle.write_all(&reflected).await.expect("sent back");
            // The same proof on a new connection, with another nonce.
            let (mut replay, mut fresh) = duplex(64 * 1024);
            let second = Secret::new(SECRET);
            let accept = handshake::accept(&mut fresh, &second, identity(2), &Forgetful, |_, _| {
                Ok::<_, RefusalReason>(())
            });
            let replayed = async {
                replay.write_all(&hello).await.expect("replayed");
                read_frame(&mut replay).await;
                replay.write_all(&proof).await.expect("replayed");
            };
            let (accepted, ()) = tokio::join!(accept, replayed);
            drop(middle_out);
            accepted.err()
        };
    let (dialed, _, replayed) = tokio::join!(dial, accept, reflect);
    assert!(matches!(dialed, Err(HandshakeError::Here(RefusalReason::Secret))), "{dialed:?}");
    assert!(matches!(replayed, Some(HandshakeError::Here(RefusalReason::Secret))), "{replayed:?}");
}

async fn read_frame<R: AsyncReadExt + Unpin>(from: &mut R) -> Vec<u8> {
    let mut frame = vec![0; 4];
    from.read_exact(&mut frame).await.expect("a length");
    let length = u32::from_be_bytes(frame[..4].try_into().expect("four bytes")) as usize;
    frame.resize(4 + length, 0);
    from.read_exact(&mut frame[4..]).await.expect("a frame");
    frame
}

#[tokio::test]
async fn a_stranger_gets_no_answer_to_a_request_before_the_handshake() {
    let acceptor = Acceptor::start(identity(2), SECRET, Echo::default()).await;
    let mut stranger = TcpStream::connect(acceptor.address).await.expect("connects");
    let header = crate::Header { kind: Kind::Data, id: 1, remaining_ms: 1_000 };
    stranger.write_all(&frame::encode(header, |out| out.extend_from_slice(b"hello"))).await.expect("written");
    let mut answer = Vec::new();
    // The connection is closed, or reset because what was written was not read.
    drop(stranger.read_to_end(&mut answer).await);
    assert!(answer.is_empty(), "{answer:?}");
}
