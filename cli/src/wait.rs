//! A wait that is explained: a request that takes a while says what the cluster lacks, instead of being silent.

use crate::context::Context;
use crate::output::printable;
use quorate_client::{Client, Options};
use std::pin::pin;
use std::time::Duration;

/// A request that takes longer than this is explained.
const WORDLESS_MAX: Duration = Duration::from_millis(500);

/// How long the question about it may take; after that it is said that nothing is known.
const QUESTION: Duration = Duration::from_millis(300);

/// After so long it is looked again; what is the same as before is not repeated.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl Context {
    /// Waits for a request. `doing` is what it does, such as "making table t".
    pub(crate) async fn told<T>(&self, doing: &str, request: impl Future<Output = T>) -> T {
        let mut request = pin!(request);
        let (mut pause, mut said) = (WORDLESS_MAX, String::new());
        loop {
            tokio::select! {
                biased;
                answer = &mut request => return answer,
                () = tokio::time::sleep(pause) => {}
            }
            let sentence = tokio::select! {
                biased;
                answer = &mut request => return answer,
                sentence = self.state_of_the_cluster() => sentence,
            };
            if sentence != said {
                self.output.note(&format!("{doing} takes a while: {sentence}"));
                said = sentence;
            }
            pause = LOOK_AGAIN;
        }
    }

    /// What the first node that answers says of the cluster, in half a sentence.
    async fn state_of_the_cluster(&self) -> String {
        let options = Options { timeout: QUESTION, admin_timeout: QUESTION, ..self.options.clone() };
        let Ok(client) = Client::new(options) else { return "the node has not answered yet".to_owned() };
        match tokio::time::timeout(QUESTION, client.cluster()).await {
            Ok(Ok(cluster)) => {
                let cluster = cluster.read;
                let of_leader = if cluster.leader.is_none() { "the catalog has no leader; " } else { "" };
                format!("{of_leader}{}", printable(&cluster.health))
            }
            Ok(Err(_)) | Err(_) => "the node has not answered yet".to_owned(),
        }
    }
}
