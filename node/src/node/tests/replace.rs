//! Members whose data are gone, and who come back on an empty folder.

use super::*;
use quorate_model::Guarantee;
use quorate_storage::Identity;

impl Cluster {
    /// A node that was killed gets an empty folder; what was its folder.
    fn lose(&mut self, index: usize) -> TempDir {
        std::mem::replace(&mut self.folders[index], tempfile::tempdir().expect("a folder"))
    }

    fn replacing(&self, member: &str) -> Entry {
        Entry::Replace { member: member.to_owned(), addresses: vec![self.contact.to_string()] }
    }

    async fn come_back(&mut self, index: usize, member: &str) {
        let entry = self.replacing(member);
        self.restart_with(index, |config| config.entry = entry).await;
    }

    fn is_whole(&self, index: usize) -> bool {
        let (owned, whole) = self.node(index).core().local.replica().wholeness();
        owned > 0 && owned == whole
    }

    fn incarnation(&self, seen_by: usize, node: NodeId) -> u32 {
        self.node(seen_by).core().view().catalog().node(node).expect("a member").incarnation
    }
}

/// Three nodes with twenty keys, of which the last is gone; its folder.
async fn with_one_gone() -> (Cluster, Arc<Table>, TempDir) {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    for n in 0..20 {
        put(cluster.node(0), &table, &format!("k{n}"), "v").await.expect("written");
    }
    cluster.kill(2).await;
    let old = cluster.lose(2);
    (cluster, table, old)
}

#[tokio::test]
async fn a_member_whose_disk_is_lost_comes_back_on_an_empty_folder_and_fills_itself() {
    let (mut cluster, table, old) = with_one_gone().await;
    // At the same address, and killed as soon as it is a member again.
    cluster.come_back(2, "n3").await;
    assert_eq!((cluster.node(2).id(), cluster.incarnation(0, NodeId(3))), (NodeId(3), 2));
    let voters = cluster.node(0).core().control.voters();
    assert!(
        !voters.contains(&NodeId(3)) || cluster.node(2).core().leader().is_some(),
        "it votes anew: {voters:?}"
    );
    cluster.kill(2).await;
    // Told the same once more, it goes on where it was.
    cluster.come_back(2, "n3").await;
    until("it holds everything again", || cluster.is_whole(2)).await;
    assert_eq!(cluster.incarnation(0, NodeId(3)), 2);
    cluster.settled().await;
    cluster.kill(0).await;
    for n in 0..20 {
        let read = get(cluster.node(2), &table, &format!("k{n}"), 2).await.expect("answered");
        assert_eq!(read.guarantee, Guarantee::Linearizable, "nothing was lost");
        assert_eq!(value(Ok(read)), Some("v".into()));
    }
    // The old disk turns up.
    cluster.restart(0).await;
    cluster.kill(2).await;
    cluster.folders[2] = old;
    cluster.restart(2).await;
    let doubt = || cluster.node(2).core().statistics().replica_doubt;
    until("it knows that it does not count", || doubt().is_some()).await;
    let reason = doubt().expect("it doubts").reason;
    assert!(
        reason.contains("incarnation 2") && reason.contains("from before the member went on"),
        "{reason}"
    );
    let refused = cluster.node(2).core().accept_loss(Instant::now() + TIMEOUT).await.expect_err("refused");
    let says_so = |said: &str| {
        let way_out = "this one may be removed; if the later one is lost too";
        said.contains("went on as incarnation 2, in another folder") && said.contains(way_out)
    };
    assert!(says_so(&refused.to_string()), "{refused}");
    let reasons = cluster.node(2).core().readiness().join("; ");
    assert!(says_so(&reasons) && reasons.contains("--replace-self n3"), "{reasons}");
    assert!(!reasons.contains("accept-loss"), "that would be refused: {reasons}");
    assert!(get(cluster.node(2), &table, "k1", 1).await.is_err());
}

#[tokio::test]
async fn a_member_comes_back_at_another_address_by_its_name() {
    let (mut cluster, table, _old) = with_one_gone().await;
    cluster.addresses[2] = loopback(0);
    cluster.come_back(2, "n3").await;
    let moved = cluster.node(2).peer_address().to_string();
    until("it holds everything again", || cluster.is_whole(2)).await;
    cluster.settled().await;
    let known = cluster.node(0).core().view().catalog().node(NodeId(3)).map(|node| node.peer_address.clone());
    assert_eq!(known, Some(moved));
    put(cluster.node(2), &table, "k1", "w").await.expect("written");
}

#[tokio::test]
async fn who_lives_or_is_not_known_is_not_replaced() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    put(cluster.node(0), &table, "k", "v").await.expect("written");
    let refused = async |member: &str, folder: &Path| {
        let config = config(7, folder, cluster.replacing(member), loopback(0));
        start(config).await.err().expect("refused").to_string()
    };
    let folder = tempfile::tempdir().expect("a folder");
    for (member, why) in [
        ("n2", "n2 (n2) is alive at 127.0.0.1"),
        ("n1", "n1 (n1) is alive: it leads"),
        ("n9", "no member n9: say one of n1 (n1), n2 (n2), n3 (n3)"),
    ] {
        let said = refused(member, folder.path()).await;
        // Which of them leads is not known.
        let is_alive = why.contains("alive") && said.contains(&format!("{member} ({member}) is alive"));
        assert!(is_alive || said.contains(why), "{said}");
        assert!(Identity::read(folder.path()).expect("readable").is_none(), "an empty folder stays one");
    }
    let other = cluster.folders[0].path().to_owned();
    cluster.kill(0).await;
    let entry = cluster.replacing("n2");
    let said = start(config(0, &other, entry, loopback(0))).await.err().expect("refused").to_string();
    assert!(said.contains("is that of n1 already") && said.contains("--replace-self n2"), "{said}");
}

/// Three nodes: the second one has the third one's id as its name, and the third one the second one's.
async fn with_each_others_ids_as_names() -> Cluster {
    let mut cluster = Cluster::start(1).await;
    for name in ["n3", "n2"] {
        cluster.join_with(|config| config.name = name.to_owned()).await;
    }
    cluster.settled().await;
    cluster
}

#[tokio::test]
async fn a_word_that_can_mean_two_members_replaces_neither() {
    let mut cluster = with_each_others_ids_as_names().await;
    let table = cluster.create_table("users", 3).await;
    put(cluster.node(0), &table, "k", "v").await.expect("written");
    cluster.kill(2).await;
    drop(cluster.lose(2));
    for member in ["n2", "n3"] {
        let config = config(2, cluster.folders[2].path(), cluster.replacing(member), cluster.addresses[2]);
        let said = start(config).await.err().expect("refused").to_string();
        assert!(said.contains("n2 (its name is n3)") && said.contains("n3 (its name is n2)"), "{said}");
        assert!(said.contains("nothing was changed") && said.contains("id:n3"), "{said}");
        assert!(Identity::read(cluster.folders[2].path()).expect("readable").is_none());
    }
    assert_eq!([2, 3].map(|node| cluster.incarnation(0, NodeId(node))), [1, 1]);
    cluster.come_back(2, "name:n2").await;
    assert_eq!(cluster.node(2).id(), NodeId(3));
    until("it holds everything again", || cluster.is_whole(2)).await;
    cluster.settled().await;
    assert_eq!([2, 3].map(|node| cluster.incarnation(0, NodeId(node))), [1, 2]);
    // Told the same once more, it knows that it is meant.
    cluster.kill(2).await;
    cluster.come_back(2, "id:3").await;
    cluster.settled().await;
}

#[tokio::test]
async fn a_node_with_damaged_files_comes_back_as_itself_whatever_another_is_called() {
    let mut cluster = with_each_others_ids_as_names().await;
    cluster.create_table("users", 3).await;
    cluster.kill(2).await;
    damage(cluster.folders[2].path());
    let entry = Entry::Join { addresses: vec![cluster.contact.to_string()] };
    cluster.restart_with(2, |config| (config.heal, config.entry) = (true, entry)).await;
    until("it holds everything again", || cluster.is_whole(2)).await;
    assert_eq!([2, 3].map(|node| cluster.incarnation(0, NodeId(node))), [1, 2]);
}

#[tokio::test]
async fn of_two_that_come_back_as_one_member_at_once_one_is_let_in_and_the_other_refused() {
    let (mut cluster, table, _old) = with_one_gone().await;
    let second = tempfile::tempdir().expect("a folder");
    let here = config(2, cluster.folders[2].path(), cluster.replacing("n3"), cluster.addresses[2]);
    let there = config(2, second.path(), cluster.replacing("n3"), loopback(0));
    let (here, there) = tokio::join!(start(here), start(there));
    let (node, refused, empty) = match (here, there) {
        (Ok(node), Err(refused)) => (node, refused, second),
        (Err(refused), Ok(node)) => (node, refused, std::mem::replace(&mut cluster.folders[2], second)),
        (Ok(_), Ok(_)) => panic!("both were let in"),
        (Err(one), Err(other)) => panic!("none was let in: {one}; {other}"),
    };
    assert!(refused.to_string().contains("n3 (n3) is alive at 127.0.0.1"), "{refused}");
    assert!(Identity::read(empty.path()).expect("readable").is_none(), "an empty folder stays one");
    cluster.nodes[2] = Some(node);
    until("it holds everything again", || cluster.is_whole(2)).await;
    cluster.settled().await;
    assert_eq!((cluster.node(2).id(), cluster.incarnation(0, NodeId(3))), (NodeId(3), 2), "once");
    put(cluster.node(2), &table, "k1", "w").await.expect("written");
}

#[tokio::test]
async fn a_member_that_comes_back_waits_for_a_majority() {
    let (mut cluster, _table, _old) = with_one_gone().await;
    cluster.kill(1).await;
    let config = config(2, cluster.folders[2].path(), cluster.replacing("n3"), cluster.addresses[2]);
    let soon = tokio::time::timeout(Duration::from_secs(4), start(config)).await;
    assert!(soon.is_err(), "no vote can be taken away");
    assert!(Identity::read(cluster.folders[2].path()).expect("readable").is_none());
    cluster.restart(1).await;
    cluster.come_back(2, "n3").await;
    until("it holds everything again", || cluster.is_whole(2)).await;
    cluster.settled().await;
}

/// One byte of each table file and of the list of them is another one.
fn damage(folder: &Path) {
    for entry in std::fs::read_dir(folder.join("db")).expect("readable") {
        let path = entry.expect("read").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.starts_with("MANIFEST") {
            let mut bytes = std::fs::read(&path).expect("readable");
            bytes[20] ^= 0x10;
            std::fs::write(&path, bytes).expect("written");
        }
    }
}

#[tokio::test]
async fn a_node_whose_files_are_damaged_sets_them_aside_and_fills_itself_if_it_may_heal() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    for n in 0..20 {
        put(cluster.node(0), &table, &format!("k{n}"), "v").await.expect("written");
    }
    cluster.kill(2).await;
    let folder = cluster.folders[2].path().to_owned();
    damage(&folder);
    let entry = Entry::Join { addresses: vec![cluster.contact.to_string()] };
    let heals = |config: &mut NodeConfig| (config.heal, config.entry) = (true, entry.clone());
    cluster.restart_with(2, heals).await;
    assert_eq!((cluster.node(2).id(), cluster.incarnation(0, NodeId(3))), (NodeId(3), 2));
    until("it holds everything again", || cluster.is_whole(2)).await;
    cluster.settled().await;
    let aside: Vec<_> = std::fs::read_dir(&folder)
        .expect("readable")
        .map(|entry| entry.expect("read").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("damaged-")))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(aside[0].join("db/CURRENT").exists(), "nothing damaged was deleted");
    cluster.kill(0).await;
    for n in 0..20 {
        let read = get(cluster.node(2), &table, &format!("k{n}"), 2).await;
        assert_eq!(value(read), Some("v".into()));
    }
}

#[tokio::test]
async fn damaged_files_stay_where_they_are_if_no_other_owners_have_everything() {
    let mut cluster = Cluster::start(3).await;
    let mut table = NewTable::hash("eager", request_id());
    (table.n, table.w, table.shards) = (3, Level::One, 2);
    cluster.node(0).core().propose(Command::CreateTable(table), TIMEOUT).await.expect("created");
    cluster.kill(2).await;
    damage(cluster.folders[2].path());
    let entry = Entry::Join { addresses: vec![cluster.contact.to_string()] };
    cluster.restart_with(2, |config| (config.heal, config.entry) = (true, entry.clone())).await;
    let doubt = cluster.node(2).core().statistics().replica_doubt.expect("it doubts its disk");
    assert_eq!(doubt.cause, quorate_storage::Cause::Damaged);
    assert_eq!(cluster.incarnation(0, NodeId(3)), 1, "nothing was decided");
    assert!(cluster.folders[2].path().join("db").exists());
}
