//! Asks the node that an endpoint names for the cluster, and every member for itself.

use super::facts::{Answer, Facts, Member, Refusing};
use crate::document;
use crate::exit::Failure;
use crate::output::printable;
use quorate_client::{Client, Endpoint, Options};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long each member may take to say how it is.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(1);

/// What the cluster's nodes said.
pub struct Asked {
    /// The cluster, as the node that was asked sees it.
    pub cluster: Json,
    /// Its members.
    pub members: Vec<Said>,
    /// The limits in force at that node; `None`: it did not say.
    limits: Option<Json>,
}

/// One member: what the node that was asked says of it, and what it says itself.
pub struct Said {
    /// The former.
    pub document: Json,
    /// Whether it is ready.
    answer: Answer,
    /// What only it can say: its hints, its disk. `None`: it did not answer.
    here: Option<Json>,
}

impl Asked {
    /// Asks them, all members at once.
    pub async fn of(client: &Client) -> Result<Self, Failure> {
        let cluster = client.cluster().await?;
        let documents = document::elements(client.nodes().await?, "nodes");
        let limits = client.limits().await.ok();
        let mut asked = JoinSet::new();
        for (at, document) in documents.iter().enumerate() {
            let endpoint = document.get("address").and_then(|address| address.as_str()?.parse().ok());
            asked.spawn(async move { (at, ask(endpoint).await) });
        }
        let mut answers = vec![None; documents.len()];
        while let Some(answer) = asked.join_next().await {
            let (at, said) = answer.expect("asking a member does not panic");
            answers[at] = Some(said);
        }
        let members = documents
            .into_iter()
            .zip(answers)
            .map(|(document, said)| {
                let (answer, here) = said.expect("each was asked");
                Said { document, answer, here }
            })
            .collect();
        Ok(Self { cluster, members, limits })
    }

    /// The members' documents, with what they said themselves.
    pub fn documents(&self) -> Vec<Json> {
        let document = |said: &Said| {
            let mut node = said.document.clone();
            node["ready"] = json!(said.answer == Answer::Ready);
            node["hints"] = json!(self.hints_for(said));
            node["here"] = json!(said.here);
            match &said.answer {
                Answer::Ready => {}
                Answer::NotReady { why, .. } | Answer::Silent(why) => node["error"] = json!(why),
            }
            node
        };
        self.members.iter().map(document).collect()
    }

    /// What the judgement needs.
    pub fn facts(&self) -> Facts {
        let of = |name: &str| self.cluster.get(name);
        let words = |name: &str| of(name).and_then(Json::as_str).map(printable);
        let number = |name: &str| of(name).and_then(Json::as_u64);
        let asked = words("node").unwrap_or_default();
        let refusing = number("shards_refusing_reads").zip(number("shards_refusing_writes"));
        let risks = of("at_risk").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let is_loopback =
            |said: &Said| said.text("address").is_some_and(|address| address.starts_with("127."));
        Facts {
            asked,
            members: self.members.iter().map(|said| self.member(said)).collect(),
            leader: words("leader"),
            shards: number("shards").unwrap_or(0),
            refusing: refusing.map(|(reads, writes)| Refusing { reads, writes }),
            at_risk: risks.iter().filter_map(Json::as_str).map(printable).collect(),
            complaint: words("health").filter(|_| of("healthy").and_then(Json::as_bool) == Some(false)),
            free_bytes_min: self
                .limits
                .as_ref()
                .and_then(|all| all.get("replica")?.get("free_bytes_min")?.as_u64()),
            is_dev: words("name").as_deref() == Some("dev") && self.members.iter().all(is_loopback),
        }
    }

    fn member(&self, said: &Said) -> Member {
        let here = |name: &str| said.here.as_ref().and_then(|here| here.get(name));
        let full = here("disk_full").or_else(|| said.document.get("disk_full"));
        let free = here("free_bytes").or_else(|| said.document.get("free_bytes"));
        let doubt = here("doubt_cause").and_then(Json::as_str).map(printable);
        let is = |name: &str| said.document.get(name).and_then(Json::as_bool) == Some(true);
        let id = said.text("id").unwrap_or_default();
        Member {
            name: said.text("name").unwrap_or_else(|| id.clone()),
            id,
            address: said.text("address").unwrap_or_default(),
            peer_address: said.text("peer_address").unwrap_or_default(),
            is_heard: said.text("state").as_deref() == Some("up"),
            is_voter: is("voter"),
            answer: said.answer.clone(),
            doubt: doubt.or_else(|| said.text("doubt")),
            disk_full: full.and_then(Json::as_bool) == Some(true),
            free_bytes: free.and_then(Json::as_u64),
            version: said.text("version"),
            hints: self.hints_for(said),
            hints_overflow: here("hints_overflow").and_then(Json::as_u64).unwrap_or(0),
        }
    }

    /// Hints that wait for a member, at every member that answered.
    fn hints_for(&self, owner: &Said) -> u64 {
        let Some(id) = owner.text("id") else { return 0 };
        let kept = |said: &Said| said.here.as_ref()?.get("hints_waiting")?.get(&id)?.as_u64();
        self.members.iter().filter_map(kept).sum()
    }

    /// The cluster in one line, and what this screen does not know.
    pub fn summary(&self) -> String {
        let mut text = self.cluster.get("name").map(document::word).unwrap_or_default();
        for name in ["epoch", "leader", "tables", "shards"] {
            if let Some(value) = self.cluster.get(name) {
                write!(text, "  {name} {}", document::word(value)).expect("a String takes every write");
            }
        }
        let silent: Vec<String> = self
            .members
            .iter()
            .filter(|said| said.here.is_none())
            .filter_map(|said| said.text("id"))
            .collect();
        if !silent.is_empty() {
            write!(text, "\nhints that {} may keep are not counted", silent.join(", "))
                .expect("a String takes every write");
        }
        text
    }
}

impl Said {
    fn text(&self, name: &str) -> Option<String> {
        self.document.get(name).and_then(Json::as_str).map(printable)
    }
}

/// Asks one member how it is: whether it is ready, and what only it can say.
async fn ask(endpoint: Option<Endpoint>) -> (Answer, Option<Json>) {
    let Some(endpoint) = endpoint else {
        return (Answer::Silent("its address is not known".to_owned()), None);
    };
    let options =
        Options { endpoints: vec![endpoint], timeout: MEMBER_TIMEOUT, admin_timeout: MEMBER_TIMEOUT };
    let client = match Client::new(options) {
        Ok(client) => client,
        Err(error) => return (Answer::Silent(error.to_string()), None),
    };
    let (ready, cluster) = tokio::join!(client.ready(), client.cluster());
    let answer = match ready {
        Ok(()) => Answer::Ready,
        Err(quorate_client::Error::Problem { problem, .. }) => {
            Answer::NotReady { code: problem.code.into_owned(), why: printable(&problem.detail) }
        }
        Err(error) => Answer::Silent(printable(&error.cause())),
    };
    (answer, cluster.ok().and_then(|cluster| cluster.get("here").cloned()))
}
