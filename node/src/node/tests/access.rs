//! Who may do what, as nodes know it from their first moment on; and joining without any page for clients.

use super::*;
use crate::access_note;
use quorate_model::WallTime;
use quorate_ring::catalog::access::{Token, TokenId};
use quorate_ring::{NewAdmin, SetAccess};

/// An admin with a token that differs by this number.
fn admin(number: u8) -> NewAdmin {
    let (id, digest) = (TokenId(number.into()), [number; 32]);
    NewAdmin { user: "root".to_owned(), token: Token { id, digest, created: WallTime(1), expires: None } }
}

fn knows_token(node: &Node, number: u8) -> bool {
    node.core().access().is_some_and(|access| access.token(TokenId(number.into())).is_some())
}

#[tokio::test]
async fn a_cluster_that_is_founded_with_an_admin_is_closed_from_its_beginning_and_so_is_who_joins_it() {
    let mut cluster = Cluster {
        folders: Vec::new(),
        nodes: Vec::new(),
        addresses: Vec::new(),
        contact: loopback(1),
        ports: Block::take().expect("free ports"),
    };
    cluster.add_with(Entry::found("tests"), |config| config.admin = Some(admin(1))).await;
    assert!(knows_token(cluster.node(0), 1), "it has begun");
    // The address for peers is all that it is told.
    let peers = cluster.addresses[0].to_string();
    cluster.add_with(Entry::Join { addresses: vec![peers] }, |_| ()).await;
    assert!(knows_token(cluster.node(1), 1), "whether or not the catalog is there yet");
    assert!(cluster.folders[1].path().join(access_note::FILE).exists());
    until("it is a member", || cluster.node(1).core().is_named()).await;
    let open = SetAccess { enabled: Some(false), admin: None };
    cluster.node(1).core().propose(Command::SetAccess(open), TIMEOUT).await.expect("written");
    until("access control is off on both", || cluster.running().all(|it| it.core().access().is_none())).await;
}

#[tokio::test]
async fn an_admin_is_made_again_by_who_starts_a_node() {
    let mut cluster = Cluster::start(1).await;
    let closed = SetAccess { enabled: Some(true), admin: Some(admin(1)) };
    cluster.node(0).core().propose(Command::SetAccess(closed), TIMEOUT).await.expect("written");
    cluster.kill(0).await;
    cluster.restart_with(0, |config| config.admin = Some(admin(2))).await;
    until("there is a second token", || knows_token(cluster.node(0), 2)).await;
    assert!(knows_token(cluster.node(0), 1), "what there was stays");
}
