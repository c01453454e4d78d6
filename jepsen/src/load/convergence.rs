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

/// How the owners of a key differ, or why that cannot be said; `None` if they are equal.
async fn look(clients: &Clients, key: &str, turn: usize) -> Option<String> {
    match clients.look(&format!("explain/{key}"), turn).await {
        Some(answer) if answer.status == 200 => difference(&answer.json()),
        Some(answer) => Some(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))),
        None => Some("no answer to explain".to_owned()),
    }
}

/// How the owners in an answer of `explain` differ; `None` if at least two are there and all have the same version,
/// and agree whether it is a tombstone.
fn difference(explained: &Value) -> Option<String> {
    let owners = explained["owners"].as_array().map(Vec::as_slice).unwrap_or_default();
    let versions: BTreeSet<String> =
        owners.iter().map(|owner| format!("{} {}", owner["version"], owner["tombstone"])).collect();
    let all_hold_one = owners.iter().all(|owner| !owner["version"].is_null());
    let is_equal = owners.len() >= 2 && all_hold_one && versions.len() == 1;
    (!is_equal).then(|| explained.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owners(versions: &[Value]) -> Value {
        let list: Vec<Value> =
            versions.iter().map(|version| json!({ "version": version, "tombstone": false })).collect();
        json!({ "owners": list })
    }

    #[test]
    fn owners_are_equal_only_if_all_hold_the_same() {
        assert_eq!(difference(&owners(&["5-n1".into(), "5-n1".into(), "5-n1".into()])), None);
        assert!(difference(&owners(&["5-n1".into(), "5-n1".into(), "4-n2".into()])).is_some());
        assert!(difference(&owners(&["5-n1".into(), "5-n1".into(), Value::Null])).is_some());
        assert!(difference(&owners(&[Value::Null, Value::Null, Value::Null])).is_some());
        assert!(difference(&owners(&["5-n1".into()])).is_some(), "one owner proves nothing");
        assert!(difference(&json!({})).is_some());
    }

    #[test]
    fn a_tombstone_and_a_value_of_one_version_differ() {
        let explained = json!({ "owners": [
            { "version": "5-n1", "tombstone": true },
            { "version": "5-n1", "tombstone": false },
        ]});
        assert!(difference(&explained).is_some());
    }
}
