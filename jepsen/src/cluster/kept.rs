//! Whether the probes are still there when everything is over: keys that all their owners had acknowledged, and that no
//! client touched since.
//!
//! Members may have come and gone meanwhile, and shards have moved several times. So nobody is asked what was moved: the
//! list of what was written before is held against what each owner of today holds, and against a read at a quorum.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::doubt::{PROBE_VALUE, Probe};
use super::{COPIES, Cluster, POLL_INTERVAL};

/// How long owners may take to hold the same, once no shard moves any more.
const KEPT_TIMEOUT: Duration = Duration::from_secs(30);

impl Cluster {
    /// Probes that an owner lacks, or holds otherwise than they were acknowledged.
    ///
    /// Nothing is said of a table that a client has dropped, nor of one that acknowledges what a power cut may take back:
    /// there an owner may lack what it acknowledged, and say so.
    pub(super) async fn probes_not_kept(&self) -> Vec<String> {
        if self.forgets_on_power_cut || self.was_table_dropped().await {
            return Vec::new();
        }
        let deadline = Instant::now() + KEPT_TIMEOUT;
        let mut open: Vec<&Probe> = self.probes.iter().collect();
        loop {
            let mut amiss = Vec::new();
            for probe in std::mem::take(&mut open) {
                if let Err(why) = self.is_kept(probe).await {
                    amiss.push(format!("the key {} was acknowledged by all its owners: {why}", probe.key));
                    open.push(probe);
                }
            }
            if open.is_empty() || Instant::now() > deadline {
                return amiss;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn was_table_dropped(&self) -> bool {
        let Some(endpoint) = self.a_sound_endpoint() else { return false };
        let answer = self.http.get(&format!("{endpoint}/{}", self.table)).await.answer();
        answer.is_ok_and(|answer| {
            answer.status == 404 || (answer.is_success() && answer.json()["id"] != self.table_id)
        })
    }

    fn a_sound_endpoint(&self) -> Option<String> {
        let is_sound = |index: &usize| !self.damaged.contains_key(index) && self.nodes[*index].is_running();
        (0..self.nodes.len()).find(is_sound).map(|index| self.nodes[index].endpoint())
    }

    async fn is_kept(&self, probe: &Probe) -> Result<(), String> {
        let endpoint = self.a_sound_endpoint().ok_or("no node is left to ask")?;
        let url = format!("{endpoint}/{}/explain/{}", probe.table, probe.key);
        let explained = self.http.get(&url).await.success()?.json();
        let damaged: Vec<&str> = self.damaged.keys().map(|index| self.nodes[*index].member()).collect();
        all_hold(&explained, &probe.version, &damaged)?;
        let url = format!("{endpoint}/{}/keys/{}?consistency=quorum", probe.table, probe.key);
        let answer = self.http.get(&url).await.success()?;
        let body = String::from_utf8_lossy(&answer.body);
        if body == PROBE_VALUE { Ok(()) } else { Err(format!("a read at a quorum gives {body:?}")) }
    }
}

/// Whether every owner in an answer of `explain` holds this version, but for nodes of these names, which need not answer.
fn all_hold(explained: &Value, version: &str, damaged: &[&str]) -> Result<(), String> {
    let list = |member: &str| explained[member].as_array().map(Vec::as_slice).unwrap_or_default();
    let (owners, replicas) = (list("owners"), list("replicas"));
    if owners.len() < COPIES {
        return Err(format!("it has {} owners: {explained}", owners.len()));
    }
    let is_damaged = |owner: &&Value| owner["name"].as_str().is_some_and(|name| damaged.contains(&name));
    for owner in owners.iter().filter(|owner| !is_damaged(owner)) {
        let replica = replicas.iter().find(|replica| replica["node"] == owner["node"]);
        let replica = replica.ok_or_else(|| format!("{} does not say what it holds", owner["name"]))?;
        if replica["version"] != version || replica["tombstone"] == true {
            return Err(format!("{} holds not version {version}: {replica}", owner["name"]));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn explained(third: &Value) -> Value {
        let owner = |number| json!({ "node": format!("id-{number}"), "name": format!("n{number}") });
        let replica =
            |number| json!({ "node": format!("id-{number}"), "version": "4-n2", "tombstone": false });
        let owners = [owner(1), owner(2), owner(3)];
        json!({ "owners": owners, "replicas": [replica(1), replica(2), third] })
    }

    #[test]
    fn a_probe_is_kept_if_every_owner_holds_what_was_acknowledged() {
        let held = json!({ "node": "id-3", "version": "4-n2", "tombstone": false });
        assert_eq!(all_hold(&explained(&held), "4-n2", &[]), Ok(()));
        let older = json!({ "node": "id-3", "version": "3-n1", "tombstone": false });
        let nothing = json!({ "node": "id-3", "version": null });
        let removed = json!({ "node": "id-3", "version": "4-n2", "tombstone": true });
        let stranger = json!({ "node": "id-4", "version": "4-n2", "tombstone": false });
        for other in [older, nothing, removed, stranger] {
            assert!(
                all_hold(&explained(&other), "4-n2", &[]).is_err_and(|why| why.contains("n3")),
                "{other}"
            );
            assert_eq!(all_hold(&explained(&other), "4-n2", &["n3"]), Ok(()));
        }
        assert!(all_hold(&json!({}), "4-n2", &[]).is_err(), "nobody owns it");
    }
}
