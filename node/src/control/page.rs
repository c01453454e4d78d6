//! What is learnt of a member at an address that an operator gave: which cluster it belongs to, who it is, and where peers
//! reach it.
//!
//! ```text
//!   host:port ──┬─ speaks HTTP: GET /v1/peer-address ──> id, name, node, peer address
//!               └─ does not: a port for peers ─────────> it names its cluster to who names another one
//! ```
//!
//! Both say it to everyone, and neither says more: whatever depends on it is asked on the port for peers afterwards, where
//! both sides prove the secret. So no token is needed to join, and with the address of a port for peers no HTTP.

use quorate_model::{Boot, ClusterId, NodeId, Protocol};
use quorate_transport::{HandshakeError, Identity, Kind, OnceError, RefusalReason, Secret, ask_once};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

/// How long one attempt may take.
pub(super) const ATTEMPT: Duration = Duration::from_secs(5);

/// Where a member says it.
const PAGE: &str = "/v1/peer-address";

/// Where a member of an earlier version says the same, among much else.
const FORMER_PAGE: &str = "/v1/cluster";

/// A header of a node that waits to become a member: where it says that clients reach it, so that one that asks itself
/// knows.
pub const WAITING: &str = "quorate-waiting";

/// Largest page of a member, in bytes.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// The page, as far as it is needed.
#[derive(Deserialize)]
struct Page {
    id: String,
    name: Option<String>,
    node: Option<String>,
    peer_address: String,
}

/// A member, as it says itself.
#[derive(Debug)]
pub(super) struct Member {
    /// Its cluster.
    pub cluster: ClusterId,
    /// The name of that; `None`: it was not said.
    pub name: Option<String>,
    /// Who it is; `None`: it was not said.
    pub node: Option<NodeId>,
    /// Where peers reach it.
    pub peer_address: String,
}

/// Why there is no page.
#[derive(Debug)]
pub(super) enum NoPage {
    /// The node there is not a member yet; where it says that clients reach it.
    Waiting {
        /// That address.
        address: String,
    },
    /// HTTP is spoken there, and nothing is known of such a page.
    NotFound,
    /// What is there answers, but not as HTTP.
    NotHttp(String),
    /// Another reason.
    Failed(String),
}

impl std::fmt::Display for NoPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoPage::Waiting { .. } => f.write_str("the node there waits to become a member"),
            NoPage::NotFound => f.write_str("it answered 404 Not Found"),
            NoPage::NotHttp(why) | NoPage::Failed(why) => f.write_str(why),
        }
    }
}

impl Page {
    fn member(self) -> Result<Member, String> {
        let Self { id, name, node, peer_address } = self;
        let cluster = id.parse().map_err(|_| format!("{id:?} is not a cluster id"))?;
        let number = |node: String| node.strip_prefix('n').and_then(|number| number.parse().ok());
        Ok(Member { cluster, name, node: node.and_then(number).map(NodeId), peer_address })
    }
}

/// The member at this address: of its HTTP port, or of its port for peers.
pub(super) async fn member_at(address: &str) -> Result<Member, NoPage> {
    // Building a client panics without one; where `main` has installed it, this changes nothing.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let page = match read(address, PAGE).await {
        Err(NoPage::NotFound) => read(address, FORMER_PAGE).await,
        page => page,
    };
    match page {
        Ok(page) => understood(&page).and_then(Page::member).map_err(NoPage::Failed),
        Err(NoPage::NotHttp(why)) => match cluster_of_peers(address).await {
            Some(cluster) => Ok(Member { cluster, name: None, node: None, peer_address: address.to_owned() }),
            None => Err(NoPage::Failed(why)),
        },
        Err(why @ (NoPage::Waiting { .. } | NoPage::NotFound | NoPage::Failed(_))) => Err(why),
    }
}

/// The cluster that a port for peers says that it belongs to, to a stranger who names another one; `None`: it is none.
async fn cluster_of_peers(address: &str) -> Option<ClusterId> {
    let stranger = Identity { cluster: ClusterId(0), node: NodeId(0), boot: Boot(0), incarnation: 1 };
    let (no_secret, asked) = (Secret::new(Vec::new()), Kind::Control.asked_since(Protocol::OLDEST));
    let deadline = Instant::now() + ATTEMPT;
    match ask_once(address, &no_secret, stranger, asked, &[], deadline).await {
        Err(OnceError::Handshake(HandshakeError::There {
            reason: RefusalReason::Cluster { acceptor, .. },
            ..
        })) => Some(acceptor),
        Ok(_) | Err(_) => None,
    }
}

async fn read(address: &str, path: &str) -> Result<Vec<u8>, NoPage> {
    let failed = |error: reqwest::Error| {
        let why = because(&error);
        if error.is_connect() || error.is_timeout() { NoPage::Failed(why) } else { NoPage::NotHttp(why) }
    };
    let client = reqwest::Client::builder()
        // Plain HTTP alone: a system without certificates of authorities is no reason to fail.
        .tls_certs_only([])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ATTEMPT)
        .build()
        .map_err(|error| NoPage::Failed(error.to_string()))?;
    let url = format!("http://{address}{path}");
    let mut response = client.get(url).send().await.map_err(failed)?;
    if !response.status().is_success() {
        if let Some(address) = response.headers().get(WAITING) {
            let address = address.to_str().unwrap_or_default().to_owned();
            return Err(NoPage::Waiting { address });
        }
        return Err(match response.status() {
            reqwest::StatusCode::NOT_FOUND => NoPage::NotFound,
            status => NoPage::Failed(format!("it answered {status}")),
        });
    }
    let mut page = Vec::new();
    let broken = |error: reqwest::Error| NoPage::Failed(because(&error));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if page.len() + chunk.len() > PAGE_BYTES_MAX {
            return Err(NoPage::Failed("its answer is too long for a Quorate node's".to_owned()));
        }
        page.extend_from_slice(&chunk);
    }
    Ok(page)
}

fn understood(page: &[u8]) -> Result<Page, String> {
    serde_json::from_slice(page).map_err(|error| format!("its answer is not a Quorate node's: {error}"))
}

/// Whether these bytes are a page by which a node could join; for the tests of the decoders.
pub fn takes(bytes: &[u8]) -> bool {
    understood(bytes).and_then(Page::member).is_ok()
}

/// The innermost cause: what the outer ones say, an operator knows.
fn because(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
