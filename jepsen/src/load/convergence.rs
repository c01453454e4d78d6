//! Have all owners of these keys the same version? Asked of `explain`, which looks and does not repair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::clients::Clients;
use crate::agreement::{Emptiness, difference};

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
        Some(answer) if answer.status == 200 => {
            difference(&answer.json(), &BTreeSet::new(), Emptiness::Differs)
        }
        Some(answer) => Some(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))),
        None => Some("no answer to explain".to_owned()),
    }
}
