//! Do all owners of a key hold the same? Read out of an answer of `explain`, which looks and does not repair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;

use crate::workload::Run;

/// How many keys are looked at at once.
const LOOKS_AT_ONCE: usize = 8;

/// The time between two looks at the keys whose owners still differed.
const PAUSE: Duration = Duration::from_millis(100);

/// What it means when no owner holds anything of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptiness {
    /// They agree: it may be that nothing was ever stored.
    IsEqual,
    /// They do not: something was stored.
    Differs,
}

/// Waits until the owners of every key hold the same, but for nodes that need not answer. Returns how long that took, or,
/// when the time since that moment is up, what was seen of each key whose owners still differed.
pub async fn wait(
    run: &Arc<Run>,
    keys: Vec<String>,
    since: Instant,
    timeout: Duration,
    emptiness: Emptiness,
) -> Result<Duration, BTreeMap<String, String>> {
    let mut open: BTreeMap<String, String> =
        keys.into_iter().map(|key| (key, "not looked at".to_owned())).collect();
    loop {
        let keys: Vec<String> = open.keys().cloned().collect();
        for some in keys.chunks(LOOKS_AT_ONCE) {
            let mut looks = JoinSet::new();
            for (turn, key) in some.iter().cloned().enumerate() {
                let run = Arc::clone(run);
                looks.spawn(async move {
                    let seen = look(&run, &key, turn, emptiness).await;
                    (key, seen)
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
        match (open.is_empty(), since.elapsed()) {
            (true, took) if took <= timeout => return Ok(took),
            (_, took) if took > timeout => return Err(open),
            (_, _) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Of these keys, how many differ between their owners.
pub async fn count_different<'a>(run: &Run, keys: impl Iterator<Item = &'a String>) -> usize {
    let mut count = 0;
    for (turn, key) in keys.enumerate() {
        count += usize::from(look(run, key, turn, Emptiness::Differs).await.is_some());
    }
    count
}

/// How the owners of a key differ, or why that can't be said; `None` if they hold the same.
async fn look(run: &Run, key: &str, turn: usize, emptiness: Emptiness) -> Option<String> {
    match run.explain(key, run.looker(turn)).await {
        Ok(explained) => difference(&explained, &run.absent_names(), emptiness),
        Err(why) => Some(why),
    }
}

/// How the owners in an answer of `explain` differ; `None` if there are at least two, each with a replica, and all
/// replicas hold the same: version, tombstone, expiry and bytes. Nodes of these names are not looked at.
pub fn difference(explained: &Value, absent: &BTreeSet<String>, emptiness: Emptiness) -> Option<String> {
    let list = |name: &str| explained[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (owners, replicas) = (list("owners"), list("replicas"));
    let is_absent = |owner: &Value| owner["name"].as_str().is_some_and(|name| absent.contains(name));
    let absent_ids: BTreeSet<&str> =
        owners.iter().filter(|owner| is_absent(owner)).filter_map(|owner| owner["node"].as_str()).collect();
    let looked_at: Vec<&Value> = replicas
        .iter()
        .filter(|replica| replica["node"].as_str().is_none_or(|node| !absent_ids.contains(node)))
        .collect();
    let held = |replica: &&Value| {
        ["version", "tombstone", "expired", "digest", "error"].map(|member| replica[member].to_string())
    };
    let all_held: BTreeSet<[String; 5]> = looked_at.iter().map(held).collect();
    let all_hold_one = looked_at.iter().all(|replica| !replica["version"].is_null());
    let all_are_empty =
        looked_at.iter().all(|replica| replica["version"].is_null() && replica["error"].is_null());
    let is_equal = owners.len() >= 2
        && replicas.len() == owners.len()
        && !looked_at.is_empty()
        && all_held.len() == 1
        && (all_hold_one || (all_are_empty && emptiness == Emptiness::IsEqual));
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

    fn apart(explained: &Value) -> Option<String> {
        difference(explained, &BTreeSet::new(), Emptiness::Differs)
    }

    #[test]
    fn who_is_excused_is_not_asked_and_emptiness_is_equal_if_it_may_be() {
        let mut explained = explained(&["5-n1".into(), "5-n1".into(), "4-n1".into()]);
        explained["owners"][2]["name"] = "third".into();
        explained["replicas"][2]["node"] = "n3".into();
        assert!(difference(&explained, &BTreeSet::new(), Emptiness::IsEqual).is_some());
        assert_eq!(difference(&explained, &BTreeSet::from(["third".to_owned()]), Emptiness::IsEqual), None);
        let empty = super::tests::explained(&[Value::Null, Value::Null, Value::Null]);
        assert_eq!(difference(&empty, &BTreeSet::new(), Emptiness::IsEqual), None);
    }

    #[test]
    fn owners_are_equal_only_if_all_hold_the_same() {
        let (old, new) = (Value::from("4-n2"), Value::from("5-n1"));
        assert_eq!(apart(&explained(&[new.clone(), new.clone(), new.clone()])), None);
        assert!(apart(&explained(&[new.clone(), new.clone(), old])).is_some());
        assert!(apart(&explained(&[new.clone(), new.clone(), Value::Null])).is_some());
        assert!(apart(&explained(&[Value::Null, Value::Null, Value::Null])).is_some());
        assert!(apart(&explained(&[new.clone(), new])).is_some(), "one owner was not asked");
        assert!(apart(&json!({})).is_some());
    }

    #[test]
    fn an_owner_that_does_not_answer_is_not_equal() {
        let mut explained = explained(&["5-n1".into(), "5-n1".into(), "5-n1".into()]);
        explained["replicas"][1] = json!({ "node": "n2", "error": "down" });
        assert!(apart(&explained).is_some());
    }

    #[test]
    fn a_tombstone_and_a_value_of_one_version_differ() {
        let mut explained = explained(&["5-n1".into(), "5-n1".into(), "5-n1".into()]);
        explained["replicas"][2]["tombstone"] = true.into();
        assert!(apart(&explained).is_some());
    }
}
