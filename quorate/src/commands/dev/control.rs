//! Finding the command port of a development cluster from another terminal.

use crate::dev::{CONTROL_STEP, NODES_MAX, PORT_STEP};
use quorate_cli::{Context, Exit, Failure};
use quorate_client::{Client, Endpoint, Options};
use std::time::Duration;

/// How long killing or starting a node may take.
const ACT_TIMEOUT: Duration = Duration::from_mins(1);

/// The command port of the cluster that the endpoints belong to: nine ports above the first node's, on loopback.
pub async fn find(context: &Context) -> Result<Client, Failure> {
    for endpoint in &context.options.endpoints {
        for candidate in candidates(endpoint) {
            let options =
                Options { endpoints: vec![candidate], admin_timeout: ACT_TIMEOUT, ..context.options.clone() };
            let client = Client::new(options)?;
            if client.ask("/v1/dev".to_owned()).await.is_ok() {
                return Ok(client);
            }
        }
    }
    let names: Vec<String> = context.options.endpoints.iter().map(ToString::to_string).collect();
    Err(Failure::new(Exit::Unavailable, format!("no development cluster is found by {}", names.join(", ")))
        .next("start one with `quorate dev`, or name its first node with --endpoint 127.0.0.1:PORT"))
}

/// Where the command port may be, if this is the endpoint of one of its nodes, or the command port itself.
fn candidates(endpoint: &Endpoint) -> Vec<Endpoint> {
    let port = endpoint.port();
    let of_node = (0..NODES_MAX as u16).filter_map(|at| {
        let first = port.checked_sub(at * PORT_STEP)?;
        Some(Endpoint::new(endpoint.host(), first.checked_add(CONTROL_STEP)?))
    });
    of_node.chain([endpoint.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_port_follows_from_any_node() {
        let found = |port| candidates(&Endpoint::new("127.0.0.1", port)).iter().any(|c| c.port() == 7409);
        assert!(found(7400) && found(7410) && found(7480) && found(7409));
        assert!(!found(7411));
    }
}
