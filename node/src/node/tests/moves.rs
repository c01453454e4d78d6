//! Where members are: an address belongs to the process that is heard there with the proof of its identity.

use super::*;
use quorate_model::Boot;
use quorate_ring::NewNode;
use quorate_transport::{Forgetful, Identity, Links};

/// Where each member is reached by clients and by peers, as a node's catalog has it.
fn known(node: &Node) -> Vec<(String, String)> {
    let view = node.core().view();
    view.catalog().nodes().map(|it| (it.http_address.clone(), it.peer_address.clone())).collect()
}

fn reached(node: &Node) -> (String, String) {
    (node.core().reached().http_address.clone(), node.peer_address().to_string())
}

/// Waits until every running node's catalog has every running node where it is.
async fn found(cluster: &Cluster) {
    until("each catalog knows where each member is", || {
        cluster.running().all(|seer| {
            let known = known(seer);
            cluster
                .nodes
                .iter()
                .zip(known)
                .all(|(node, known)| node.as_ref().is_none_or(|node| reached(node) == known))
        })
    })
    .await;
    cluster.settled().await;
}

/// Restarts nodes so that each has the addresses that another one had.
async fn restart_at(cluster: &mut Cluster, moves: &[(usize, &(String, SocketAddr))]) {
    for (index, (http, peers)) in moves {
        cluster.addresses[*index] = *peers;
        cluster.restart_with(*index, |config| config.http_address.clone_from(http)).await;
    }
}

fn addresses(cluster: &Cluster) -> Vec<(String, SocketAddr)> {
    cluster.running().map(|node| (reached(node).0, node.peer_address())).collect()
}

#[tokio::test]
async fn members_that_return_with_each_others_addresses_are_known_there_within_seconds() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    let before = addresses(&cluster);
    for index in 0..3 {
        cluster.kill(index).await;
    }
    restart_at(&mut cluster, &[(0, &before[1]), (1, &before[2]), (2, &before[0])]).await;
    found(&cluster).await;
    put(cluster.node(1), &table, "k", "v").await.expect("written");
    for index in 0..3 {
        assert_eq!(cluster.node(index).failed().borrow().clone(), None);
        assert_eq!(value(get(cluster.node(index), &table, "k", 3).await), Some("v".into()));
    }
}

#[tokio::test]
async fn a_running_member_finds_two_others_that_have_changed_places() {
    let mut cluster = Cluster::start(3).await;
    let before = addresses(&cluster);
    cluster.kill(0).await;
    cluster.kill(1).await;
    restart_at(&mut cluster, &[(0, &before[1]), (1, &before[0])]).await;
    found(&cluster).await;
}

#[tokio::test]
async fn a_running_member_finds_two_others_that_have_moved_and_they_find_each_other() {
    let mut cluster = Cluster::start(3).await;
    cluster.kill(0).await;
    cluster.kill(1).await;
    let elsewhere = [("127.0.0.1:11".to_owned(), loopback(0)), ("127.0.0.1:12".to_owned(), loopback(0))];
    restart_at(&mut cluster, &[(0, &elsewhere[0]), (1, &elsewhere[1])]).await;
    found(&cluster).await;
    assert_eq!(cluster.node(0).core().whereabouts_unknown(), None);
}

#[tokio::test]
async fn a_moved_member_claims_no_health_until_the_catalog_knows_where_it_is() {
    let mut cluster = Cluster::start(3).await;
    for index in 0..3 {
        cluster.kill(index).await;
    }
    restart_at(&mut cluster, &[(0, &("127.0.0.1:11".to_owned(), loopback(0)))]).await;
    let said = cluster.node(0).core().whereabouts_unknown().expect("no member has heard it yet");
    assert!(said.contains("n1 has moved"), "{said}");
}

#[tokio::test]
async fn a_new_node_joins_at_the_address_of_a_member_that_lost_its_disk() {
    let mut cluster = Cluster::start(3).await;
    let lost = addresses(&cluster)[2].clone();
    cluster.kill(2).await;
    let folder = tempfile::tempdir().expect("a folder");
    let entry = Entry::Join { addresses: vec![cluster.contact.to_string()] };
    let mut anew = config(3, folder.path(), entry, lost.1);
    anew.http_address = lost.0;
    let anew = start(anew).await.expect("it joins");
    assert_eq!(anew.id(), NodeId(4));
    until("the catalog has it there, and the lost one nowhere", || {
        let known = known(cluster.node(0));
        known.len() == 4 && known[2] == (String::new(), String::new()) && known[3] == reached(&anew)
    })
    .await;
    anew.kill().await;
}

#[tokio::test]
async fn an_address_at_which_a_member_is_heard_is_not_taken_from_it() {
    let cluster = Cluster::start(2).await;
    let (http, peers) = reached(cluster.node(1));
    let (boot, request) = (Boot(5), request_id());
    let new = NewNode {
        request,
        name: "n9".into(),
        zone: "z".into(),
        weight: Weight::ONE,
        http_address: http,
        peer_address: peers,
        boot,
    };
    let refused = cluster.node(0).core().propose(Command::Admit(new), TIMEOUT).await.expect_err("refused");
    assert!(refused.to_string().contains("is another member's (n2), which is heard there"), "{refused}");
    found(&cluster).await;
}

#[tokio::test]
async fn a_node_that_is_refused_leaves_no_folder() {
    let cluster = Cluster::start(1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let entry = Entry::Join { addresses: vec![cluster.contact.to_string()] };
    let error = start(config(0, &data, entry, loopback(0))).await.err().expect("its name is taken");
    assert!(matches!(error, StartError::Join(_)), "{error}");
    assert!(!data.exists(), "the next start finds nothing");
}

/// The folder of a node is started elsewhere while its old process seems alive: its host was cut off, so that no
/// connection has ended.
#[tokio::test]
async fn a_folder_that_starts_elsewhere_waits_until_the_old_process_is_surely_silent() {
    let mut cluster = Cluster::start(3).await;
    let known = cluster.node(2).core().view();
    let boot = known.catalog().node(NodeId(3)).expect("a member").boot;
    let cluster_id = cluster.node(0).core().cluster().id;
    let members: Vec<_> =
        (0..2).map(|index| (NodeId(index + 1), reached(cluster.node(index as usize)).1)).collect();
    cluster.kill(2).await;
    // What is left of the old process: connections on which nothing comes.
    let identity = Identity { cluster: cluster_id, node: NodeId(3), boot, incarnation: 1 };
    let never = Duration::from_hours(1);
    let never =
        transport::Limits { keepalive: never, alive: never, backoff_min: never, ..Default::default() };
    let old = Links::new(identity, Secret::new(&b"the secret of the tests"[..]), never, Arc::new(Forgetful));
    old.set_members(members.iter().map(|(node, address)| (*node, address.as_str())));
    until("the old process seems alive", || old.is_up(NodeId(1)) && old.is_up(NodeId(2))).await;
    cluster.addresses[2] = loopback(0);
    cluster.restart(2).await;
    found(&cluster).await;
    assert_eq!(cluster.node(2).failed().borrow().clone(), None);
}

/// Copies of all data folders, taken while no node runs.
struct Copies {
    folders: Vec<TempDir>,
    nodes: Vec<Node>,
}

impl Copies {
    async fn of(cluster: &mut Cluster) -> Self {
        let mut folders = Vec::new();
        for index in 0..3 {
            cluster.nodes[index].take().expect("it runs").shutdown().await;
            folders.push(tempfile::tempdir().expect("a folder"));
            copy_folder(cluster.folders[index].path(), folders[index].path());
        }
        Self { folders, nodes: Vec::new() }
    }

    /// Starts them on other ports, each told where the first of them is.
    async fn start(&mut self) {
        for (index, folder) in self.folders.iter().enumerate() {
            let entry = match self.nodes.first() {
                None => Entry::Existing,
                Some(first) => Entry::Join { addresses: vec![serve_page(first).await.to_string()] },
            };
            let node = start(config(index, folder.path(), entry, loopback(0))).await.expect("starts");
            self.nodes.push(node);
        }
    }

    async fn all_end(&self) {
        until("every copy ends", || self.nodes.iter().all(|node| node.failed().borrow().is_some())).await;
        for node in &self.nodes {
            let why = node.failed().borrow().clone().expect("it said so").to_string();
            assert!(why.contains("another live process has the id") && why.contains("stop one"), "{why}");
        }
    }
}

async fn originals_go_on(cluster: &Cluster, table: &Arc<Table>, key: &str, wanted: Option<&str>) {
    cluster.settled().await;
    for node in cluster.running() {
        assert_eq!(node.failed().borrow().clone(), None, "an original goes on");
        assert!(!node.core().local.replica().is_doubtful(), "an original trusts its disk");
        assert_eq!(value(get(node, table, key, 3).await).as_deref(), wanted);
    }
}

#[tokio::test]
async fn copies_that_start_beside_their_originals_end_with_a_sentence() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    put(cluster.node(0), &table, "k", "original").await.expect("written");
    let mut copies = Copies::of(&mut cluster).await;
    for index in 0..3 {
        cluster.restart(index).await;
    }
    cluster.settled().await;
    copies.start().await;
    copies.all_end().await;
    originals_go_on(&cluster, &table, "k", Some("original")).await;
}

#[tokio::test]
async fn copies_that_started_before_their_originals_end_and_no_value_of_theirs_crosses() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    let mut copies = Copies::of(&mut cluster).await;
    copies.start().await;
    until("the copies are a cluster", || {
        copies.nodes.iter().all(|node| node.core().readiness().is_empty() && node.core().leader().is_some())
    })
    .await;
    put(&copies.nodes[0], &table, "k", "copy").await.expect("the copies take it");
    for index in 0..3 {
        cluster.restart(index).await;
    }
    copies.all_end().await;
    originals_go_on(&cluster, &table, "k", None).await;
}

#[tokio::test]
async fn an_original_that_was_cut_off_does_not_doubt_its_disk_for_what_a_copy_of_it_did() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    cluster.nodes[2].take().expect("it runs").shutdown().await;
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(cluster.folders[2].path(), folder.path());
    cluster.restart(2).await;
    cluster.settled().await;
    cluster.node(2).cut(true);
    let copy = start(config(2, folder.path(), Entry::Existing, loopback(0))).await.expect("starts");
    until("the copy is taken for the member", || {
        let view = cluster.node(0).core().view();
        view.liveness().is_alive(NodeId(3)) && copy.core().readiness().is_empty()
    })
    .await;
    for n in 0..20 {
        put(cluster.node(0), &table, &format!("k{n}"), "v").await.expect("written");
    }
    copy.kill().await;
    cluster.node(2).cut(false);
    until("it says that a copy of its folder ran", || {
        let links = cluster.node(2).core().links();
        links.iter().any(|link| {
            link.last_error.as_deref().is_some_and(|why| why.contains("a copy of a data folder was started"))
        })
    })
    .await;
    assert!(
        !cluster.node(2).core().local.replica().is_doubtful(),
        "what the copy did is nothing that it lost"
    );
    // Started again it may no longer assume so: what the copy acknowledged is missing here.
    cluster.kill(2).await;
    cluster.restart(2).await;
    assert!(cluster.node(2).core().local.replica().is_doubtful());
}

#[tokio::test]
async fn a_founder_that_sees_a_living_cluster_of_the_name_does_not_found() {
    let mut cluster = Cluster::start(3).await;
    let contact = serve_page(cluster.node(1)).await.to_string();
    cluster.kill(0).await;
    let found =
        |contacts: Vec<String>, knocks| Entry::Found { cluster_name: "tests".into(), contacts, knocks };
    let knocks = found(Vec::new(), PATIENCE);
    let asks = found(vec![contact], Duration::ZERO);
    for (entry, seen) in [(knocks, "expects n1 here"), (asks, "belongs to it")] {
        let folder = tempfile::tempdir().expect("a folder");
        let emptied = config(0, folder.path(), entry, cluster.addresses[0]);
        let error = start(emptied).await.err().expect("it does not found").to_string();
        assert!(error.contains("a cluster named tests lives already") && error.contains(seen), "{error}");
        assert!(error.contains("--join HOST:PORT"), "{error}");
        assert!(std::fs::read_dir(folder.path()).expect("read").next().is_none(), "nothing was begun");
    }
}
