//! Whether the cluster that this node is about to found lives already.
//!
//! A folder that was lost looks like one that never was, so a node that is told to found a cluster may be a former
//! member of it. It would found a second cluster of the same name, healthy and empty. So it looks first: at the members
//! that it was told of, and at the processes that dial its peer port. Members that are alive dial a member's address
//! again and again, and prove the secret.
//!
//! Left out: certainty. A founder that can reach no member founds; a unit file should not say `--bootstrap`.

use super::page::member_at;
use quorate_model::{Boot, ClusterId};
use quorate_transport::{Knock, Secret, hear_knock};
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long one that dials may take to prove the secret.
const PROOF: Duration = Duration::from_secs(1);

/// Pause after a connection could not be taken.
const REST: Duration = Duration::from_millis(50);

/// A cluster that lives already.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a cluster named {name} lives already ({cluster}): {seen}")]
pub struct Living {
    /// Its name.
    pub name: String,
    /// Its id.
    pub cluster: ClusterId,
    /// How it was noticed: half a sentence.
    pub seen: String,
}

/// Looks for a living cluster of this name: asks at addresses of members, and hears for a while who dials the peer port.
pub async fn find(
    name: &str,
    contacts: &[String],
    knocks: Duration,
    (listener, secret, boot): (&TcpListener, &Secret, Boot),
) -> Option<Living> {
    let until = Instant::now() + knocks;
    let heard = tokio::time::timeout_at(until, heard(name, listener, secret, boot));
    let (asked, heard) = tokio::join!(asked(name, contacts), heard);
    asked.or_else(|| heard.ok())
}

async fn asked(name: &str, contacts: &[String]) -> Option<Living> {
    let mut asking = JoinSet::new();
    for address in contacts {
        let address = address.clone();
        asking.spawn(async move { (member_at(&address).await, address) });
    }
    while let Some(answer) = asking.join_next().await {
        if let Ok((Ok(member), address)) = answer
            && member.name.as_deref().is_none_or(|named| named == name)
        {
            let seen = format!("the node at {address} belongs to it");
            return Some(Living { name: name.to_owned(), cluster: member.cluster, seen });
        }
    }
    None
}

/// Takes connections until one comes from a cluster of this name.
async fn heard(name: &str, listener: &TcpListener, secret: &Secret, boot: Boot) -> Living {
    let mut proving = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((mut socket, _)) => {
                    let secret = secret.clone();
                    proving.spawn(async move {
                        let heard = hear_knock(&mut socket, &secret, boot);
                        tokio::time::timeout(PROOF, heard).await.ok()?.ok()
                    });
                }
                Err(_) => tokio::time::sleep(REST).await,
            },
            Some(knock) = proving.join_next() => {
                if let Ok(Some(knock)) = knock
                    && let Some(living) = living(name, &knock)
                {
                    return living;
                }
            }
        }
    }
}

/// What a knock says of a cluster of this name. A node of an earlier version does not say which name its cluster has;
/// that it expects a member here is enough.
fn living(name: &str, knock: &Knock) -> Option<Living> {
    let Knock { cluster, cluster_name, node, expected, peer_address } = knock;
    if cluster_name.as_deref().is_some_and(|theirs| theirs != name) {
        return None;
    }
    let place = peer_address.as_ref().map(|address| format!(" at {address}")).unwrap_or_default();
    let seen = format!("its member {node}{place} dials this address and expects {expected} here");
    Some(Living { name: name.to_owned(), cluster: *cluster, seen })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::NodeId;

    #[test]
    fn a_knock_counts_if_it_comes_from_a_cluster_of_the_name() {
        let knock = |cluster_name: Option<&str>| Knock {
            cluster: ClusterId(5),
            cluster_name: cluster_name.map(str::to_owned),
            node: NodeId(2),
            expected: NodeId(1),
            peer_address: Some("a:7502".into()),
        };
        let said = living("orders", &knock(Some("orders"))).expect("it lives").to_string();
        assert!(
            said.contains("orders") && said.contains("n2 at a:7502") && said.contains("expects n1"),
            "{said}"
        );
        assert_eq!(living("orders", &knock(Some("users"))), None, "another cluster had this address");
        assert!(living("orders", &knock(None)).is_some(), "an earlier version");
    }
}
