//! Becoming a member, and who may not.

use super::*;
use crate::node::StartError;
use quorate_model::ClusterId;
use quorate_storage::{Identity, IdentityError, Stage};

#[tokio::test]
async fn nodes_that_join_become_members_and_the_first_three_vote() {
    let mut cluster = Cluster::start(1).await;
    assert_eq!(cluster.node(0).core().view().catalog().voters().count(), 1);
    for _ in 1..4 {
        cluster.join().await;
    }
    cluster.settled().await;
    let view = cluster.node(3).core().view();
    let ids: Vec<NodeId> = view.catalog().nodes().map(|node| node.id).collect();
    assert_eq!(ids, [NodeId(1), NodeId(2), NodeId(3), NodeId(4)]);
    assert_eq!(view.catalog().voters().count(), 3);
}

#[tokio::test]
async fn an_empty_folder_with_neither_entry_is_refused_with_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = start(config(0, folder.path(), Entry::Existing, loopback(0))).await.err().expect("refused");
    assert!(matches!(error, StartError::EmptyFolder(_)));
    let sentence = error.to_string();
    assert!(sentence.contains("--bootstrap") && sentence.contains("--join"), "{sentence}");
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_for_good() {
    let cluster = Cluster::start(1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let entry = Entry::Join { addresses: vec![cluster.contact.to_string()] };
    let error = start(config(0, folder.path(), entry, loopback(0))).await.err().expect("refused");
    assert!(matches!(error, StartError::Join(_)), "{error}");
    assert!(error.to_string().contains("\"n1\""), "{error}");
}

#[tokio::test]
async fn a_node_that_moves_is_found_at_its_new_address() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    cluster.kill(2).await;
    let old = cluster.addresses[2];
    cluster.addresses[2] = loopback(0);
    cluster.restart(2).await;
    assert_ne!(cluster.node(2).peer_address(), old);
    cluster.settled().await;
    put(cluster.node(2), &table, "k", "v").await.expect("written");
    assert_eq!(value(get(cluster.node(0), &table, "k", 3).await), Some("v".into()));
}

#[tokio::test]
async fn a_copied_folder_is_not_let_in_beside_the_living_node() {
    let cluster = Cluster::start(3).await;
    let copy = tempfile::tempdir().expect("a folder");
    let original = Identity::read(cluster.folders[2].path()).expect("read").expect("there");
    let founding = Identity { stage: Stage::Joining, ..original };
    founding.write(copy.path()).expect("written");
    let twin = start(config(2, copy.path(), Entry::Existing, loopback(0))).await.expect("starts");
    // It knows no member, so none is dialed; the others never let it in. It is not ready and never will be.
    assert!(!twin.core().readiness().is_empty());
    assert_eq!(cluster.node(0).core().view().catalog().node(NodeId(3)).expect("there").peer_address, {
        cluster.addresses[2].to_string()
    });
    twin.kill().await;
}

#[tokio::test]
async fn a_folder_of_another_cluster_is_refused() {
    let cluster = Cluster::start(1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let other = Identity {
        cluster: ClusterId(7),
        cluster_name: "others".into(),
        node: NodeId(2),
        incarnation: 1,
        stage: Stage::Member,
        accepted: None,
    };
    other.write(folder.path()).expect("written");
    let entry = Entry::Join { addresses: vec![cluster.contact.to_string()] };
    let error = start(config(1, folder.path(), entry, loopback(0))).await.err().expect("refused");
    assert!(matches!(error, StartError::Identity(IdentityError::OtherCluster { .. })), "{error}");
    let entry = Entry::found("tests");
    let error = start(config(1, folder.path(), entry, loopback(0))).await.err().expect("refused");
    assert!(error.to_string().contains("belongs to the cluster others, not to tests"), "{error}");
}

#[tokio::test]
async fn a_second_process_on_a_copied_folder_ends_itself_and_the_first_goes_on() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    cluster.kill(2).await;
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(cluster.folders[2].path(), copy.path());
    cluster.restart(2).await;
    cluster.settled().await;
    let twin = start(config(2, copy.path(), Entry::Existing, loopback(0))).await.expect("starts");
    until("the copy gives up", || twin.failed().borrow().is_some()).await;
    assert!(get(&twin, &table, "k", 1).await.is_err(), "a copy serves no keys");
    twin.kill().await;
    assert_eq!(cluster.node(2).failed().borrow().clone(), None);
    put(cluster.node(2), &table, "k", "v").await.expect("written");
}
