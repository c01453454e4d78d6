//! Free ports for nodes that will be killed and must get the same ports back.
//!
//! Ports that the operating system hands out for outgoing connections (from 32768 upwards on Linux) are not used:
//! while a node is down, some connection could take its port, and the node could not come back.

use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Error;

const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;

/// So many ports of loopback that nobody listens on at this moment.
pub(super) fn free(count: usize) -> Result<Vec<u16>, Error> {
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    // Where the search starts differs between runs that start at the same time.
    free_from(moment ^ std::process::id().wrapping_mul(7919), count)
}

/// The first so many free ports from a place in the range on, past its end from its beginning on.
fn free_from(start: u32, count: usize) -> Result<Vec<u16>, Error> {
    let span = u32::from(LAST - FIRST);
    let mut held: Vec<(u16, TcpListener)> = Vec::with_capacity(count);
    for step in 0..span {
        if held.len() == count {
            break;
        }
        let offset = (start % span + step) % span;
        let port = FIRST + u16::try_from(offset).expect("the span is below 65536");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        return Err(Error::NoFreePorts);
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn they_are_distinct_and_not_ephemeral_also_past_the_end_of_the_range() {
        let ports = free_from(u32::from(LAST - FIRST) - 3, 20).expect("some are free");
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 20);
        assert!(ports.iter().all(|port| (FIRST..LAST).contains(port)));
    }

    #[test]
    fn what_somebody_listens_on_is_not_chosen() {
        let somebody = TcpListener::bind(("127.0.0.1", free(1).expect("one is free")[0]));
        let taken = somebody.as_ref().expect("it was free").local_addr().expect("it is bound").port();
        let ports = free_from(u32::from(taken - FIRST), 5).expect("some are free");
        assert!(!ports.contains(&taken), "{taken} is taken");
    }
}
