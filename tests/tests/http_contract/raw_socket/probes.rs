//! What load balancers and monitors ask, as they ask it: HTTP/1.0 without a host, any `Accept`; of a node in every state
//! that it can be in.

use super::{Ended, send};
use crate::rig::{Cluster, key};
use quorate_http::Server;
use quorate_model::Durability;
use std::net::SocketAddr;

/// The states of a node, with where one in that state is asked, and the statuses of `/health/ready` and of a key.
struct States {
    cluster: Cluster,
    starting: Server,
    joining: Server,
}

impl States {
    fn new() -> Self {
        let cluster = Cluster::of_three();
        cluster.make_table("alone", 1, Durability::Os);
        let (starting, joining) = (cluster.server_without_node(), cluster.server_without_node());
        joining.wait_to_join("127.0.0.1:1");
        cluster.with(1, |instance| instance.node().core().drain());
        Self { cluster, starting, joining }
    }

    fn all(&self) -> [(&'static str, SocketAddr, u16, u16); 4] {
        [
            ("serving", self.cluster.at(0), 200, 404),
            ("draining", self.cluster.at(1), 503, 503),
            ("starting", self.starting.address(), 503, 503),
            ("waiting to join", self.joining.address(), 503, 503),
        ]
    }
}

fn said(node: SocketAddr, head: &str) -> Ended {
    send(node, &[format!("{head}\r\n\r\n").as_bytes()])
}

/// The status of an answer that may be of HTTP/1.0.
fn status(ended: &Ended) -> u16 {
    let status = ended.said.get(9..12).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status: {}", ended.said))
}

/// As HAProxy's `option httpchk` asks.
#[test]
fn http_1_0_may_look_without_a_host() {
    let states = States::new();
    for (state, node, ready, key_status) in states.all() {
        let of = |head: &str| status(&said(node, head));
        for (path, expected) in [("/health/live", 200), ("/health/ready", ready)] {
            for method in ["GET", "HEAD"] {
                assert_eq!(of(&format!("{method} {path} HTTP/1.0")), expected, "{state}: {method} {path}");
            }
            assert_eq!(of(&format!("GET {path} HTTP/1.0\r\nHost: evil.example")), 421, "{state}: {path}");
            // What a browser adds is no probe, and no browser leaves out the host.
            for origin in ["Origin: http://localhost", "Sec-Fetch-Site: cross-site"] {
                assert_eq!(of(&format!("GET {path} HTTP/1.0\r\n{origin}")), 400, "{state}: {path} {origin}");
            }
            let newer = said(node, &format!("GET {path} HTTP/1.1\r\nConnection: close"));
            newer.refuses(400, "bad-request");
        }
        let of_key = format!("GET {} HTTP/1.0", key("probed"));
        assert_eq!(of(&of_key), 400, "{state}: a key needs a host");
        assert_eq!(of(&format!("{of_key}\r\nHost: {node}")), key_status, "{state}: a key with a host");
    }
    for path in ["/metrics", "/v1/limits"] {
        for (state, node, ..) in &states.all()[..2] {
            assert_eq!(status(&said(*node, &format!("GET {path} HTTP/1.0"))), 200, "{state}: {path}");
        }
        for (state, node, ..) in &states.all()[2..] {
            said(*node, &format!("GET {path} HTTP/1.0")).is_starting(state);
        }
    }
}

impl Ended {
    #[track_caller]
    fn is_starting(&self, what: &str) {
        assert_eq!(status(self), 503, "{what}: {}", self.said);
        assert!(self.said.contains("\"code\":\"starting\""), "{what}: {}", self.said);
    }
}

/// There is one form of each, and of metrics one that all are given who ask for no other; and a refusal is a problem
/// document, whatever is accepted.
#[test]
fn health_metrics_and_refusals_answer_whatever_is_accepted() {
    let states = States::new();
    for (state, node, ready, key_status) in states.all() {
        let metrics = if matches!(state, "serving" | "draining") { 200 } else { 503 };
        for accept in ["text/plain", "", "nonsense", "text/html;q=0, */*;q=0", ",;/", "image/png"] {
            let of_key = key("probed");
            for (path, expected) in [
                ("/health/live", 200),
                ("/health/ready", ready),
                ("/metrics", metrics),
                (&*of_key, key_status),
            ] {
                let head =
                    format!("GET {path} HTTP/1.1\r\nHost: {node}\r\nAccept: {accept}\r\nConnection: close");
                let ended = said(node, &head);
                assert_eq!(ended.statuses(), [expected], "{state}: {path}, {accept:?}: {}", ended.said);
            }
        }
    }
}
