//! Have all owners of these keys the same version? Asked of `explain`, which looks and does not repair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;

use super::clients::Clients;

/// How many keys are looked at at once.
const LOOKS_AT_ONCE: usize = 8;

/// The time between two looks at the keys that still differed.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until every owner of every key has the same version. Returns how long that took, or, when the time is up,
/// what was seen of each key that still differed.
pub(super) async fn wait(
    clients: &Arc<Clients>,
    keys: BTreeSet<String>,
    since: Instant,
    timeout: Duration,
) -> Result<Duration, Vec<String>> {
    let mut open: BTreeMap<String, String> =
        keys.into_iter().map(|key| (key, "not looked at".to_owned())).collect();
    loop {
        let keys: Vec<String> = open.keys().cloned().collect();
        for some in keys.chunks(LOOKS_AT_ONCE) {
            let mut looks = JoinSet::new();
            for (turn, key) in some.iter().cloned().enumerate() {
                let clients = Arc::clone(clients);
                looks.spawn(async move {
                    let difference = look(&clients, &key, turn).await;
                    (key, difference)
                });
            }
            for (key, difference) in looks.join_all().await {
                match difference {
                    Some(difference) => open.insert(key, difference),
                    None => open.remove(&key),
                };
            }
            if since.elapsed() > timeout {
                break;
            }
        }
        if open.is_empty() && since.elapsed() <= timeout {
            return Ok(since.elapsed());
        }
        if since.elapsed() > timeout {
            return Err(open.into_iter().map(|(key, difference)| format!("{key}: {difference}")).collect());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Of these keys, how many differ between their owners.
pub(super) async fn count_different(clients: &Clients, keys: impl Iterator<Item = &String>) -> usize {
    let mut count = 0;
    for (turn, key) in keys.enumerate() {
        count += usize::from(look(clients, key, turn).await.is_some());
    }
    count
}

/// How the owners of a key differ, or why that cannot be said; `None` if they are equal.
async fn look(clients: &Clients, key: &str, turn: usize) -> Option<String> {
    match clients.look(&format!("explain/{key}"), turn).await {
        Some(answer) if answer.status == 200 => difference(&answer.json()),
        Some(answer) => Some(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))),
        None => Some("no answer to explain".to_owned()),
    }
}

/// How the owners in an answer of `explain` differ; `None` if there are at least two, each with a replica, and all
/// replicas hold the same: version, tombstone, expiry and bytes.
fn difference(explained: &Value) -> Option<String> {
    let list = |name: &str| explained[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (owners, replicas) = (list("owners"), list("replicas"));
    let held = |replica: &Value| {
        ["version", "tombstone", "expired", "digest"].map(|member| replica[member].to_string())
    };
    let all_held: BTreeSet<[String; 4]> = replicas.iter().map(held).collect();
    let all_hold_one = replicas.iter().all(|replica| !replica["version"].is_null());
    let is_equal = owners.len() >= 2 && replicas.len() == owners.len() && all_hold_one && all_held.len() == 1;
    (!is_equal).then(|| explained.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// An answer about a key with three owners, of which these versions are known.
    fn explained(versions: &[Value]) -> Value {
        let replicas: Vec<Value> =
            versions.iter().map(|version| json!({ "version": version, "tombstone": false })).collect();
        json!({ "owners": [{ "node": "n1" }, { "node": "n2" }, { "node": "n3" }], "replicas": replicas })
    }

    #[test]
    fn owners_are_equal_only_if_all_hold_the_same() {
        let (old, new) = (Value::from("4-n2"), Value::from("5-n1"));
        assert_eq!(difference(&explained(&[new.clone(), new.clone(), new.clone()])), None);
        assert!(difference(&explained(&[new.clone(), new.clone(), old])).is_some());
        assert!(difference(&explained(&[new.clone(), new.clone(), Value::Null])).is_some());
        assert!(difference(&explained(&[Value::Null, Value::Null, Value::Null])).is_some());
        assert!(difference(&explained(&[new.clone(), new])).is_some(), "one owner was not asked");
        assert!(difference(&json!({})).is_some());
    }

    #[test]
    fn an_owner_that_does_not_answer_is_not_equal() {
        let mut explained = explained(&["5-n1".into(), "5-n1".into(), "5-n1".into()]);
        explained["replicas"][1] = json!({ "node": "n2", "error": "down" });
        assert!(difference(&explained).is_some());
    }

    #[test]
    fn a_tombstone_and_a_value_of_one_version_differ() {
        let mut explained = explained(&["5-n1".into(), "5-n1".into(), "5-n1".into()]);
        explained["replicas"][2]["tombstone"] = true.into();
        assert!(difference(&explained).is_some());
    }
}
