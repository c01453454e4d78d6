//! Variables that a container platform makes beside ours, for a service whose name begins with `quorate`.
//!
//! Kubernetes tells each pod of every service in its namespace by variables with the service's name in front. A service
//! `quorate-peers` gives `QUORATE_PEERS_SERVICE_HOST`, `QUORATE_PEERS_SERVICE_PORT`, one more for each named port,
//! `QUORATE_PEERS_PORT=tcp://10.0.0.9:7500` and `QUORATE_PEERS_PORT_7500_TCP` with its parts. Docker's `--link` makes the
//! same, and `QUORATE_NAME=/web/quorate` and `QUORATE_ENV_...` too. The operator wrote none of them, so that they must not
//! end a start; and they must be told from a slip of the operator's, which must. So both the name and the value count:
//! `QUORATE_PORT=7400` is no link.
//!
//! `QUORATE_NAME` (and `QUORATE_CLUSTER_NAME`) is the one link whose name is a setting's too. No node's name has a slash,
//! and this link's always has two. A test keeps every other setting's name from looking like a link's.

use std::net::IpAddr;

/// What follows a port number in a link, with what may follow that.
const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// Whether a variable with our prefix is such a link.
pub fn is_link(name: &str, value: &str) -> bool {
    if let Some((_, port_name)) = name.split_once("_SERVICE_PORT") {
        let of_a_port = port_name.is_empty() || port_name.len() > 1 && port_name.starts_with('_');
        return of_a_port && value.parse::<u16>().is_ok();
    }
    if name.ends_with("_SERVICE_HOST") {
        return value.parse::<IpAddr>().is_ok();
    }
    if let Some((_, of_port)) = name.split_once("_PORT_")
        && let Some((number, rest)) = of_port.split_once('_')
        && number.parse::<u16>().is_ok()
    {
        let (protocol, part) = rest.split_once('_').unwrap_or((rest, ""));
        return PROTOCOLS.contains(&protocol) && matches!(part, "" | "PROTO" | "ADDR" | "PORT");
    }
    if name.ends_with("_PORT") {
        return PROTOCOLS.iter().any(|protocol| is_address(value, protocol));
    }
    name.ends_with("_NAME") && value.starts_with('/') && value.matches('/').count() == 2
        || name.contains("_ENV_")
}

/// `tcp://10.0.0.9:7400`
fn is_address(value: &str, protocol: &str) -> bool {
    let address =
        value.strip_prefix(&protocol.to_ascii_lowercase()).and_then(|rest| rest.strip_prefix("://"));
    address
        .is_some_and(|address| address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()))
}

/// The sentence that an operator needs about links that were passed over.
pub fn warning(links: &[String]) -> Option<String> {
    (!links.is_empty()).then(|| {
        format!(
            "passed over {}: these are no settings but links to a service, which Kubernetes (or Docker) makes for every \
             service whose name begins with 'quorate'; `enableServiceLinks: false` in the pod's spec, or another name \
             of the service, keeps them out",
            links.join(", ")
        )
    })
}
