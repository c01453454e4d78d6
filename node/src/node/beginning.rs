//! What consensus begins from, when a node starts: its log, the last catalog that it knows, and a recovery that an operator
//! has decided.

use super::{NodeConfig, StartError};
use crate::engine::{Engine, Replica};
use crate::recovering::Recovering;
use quorate_consensus::{Log, Machine, Openraft, Publish, begin_alone};
use quorate_model::NodeId;
use quorate_storage::RaftStore;
use quorate_transport::Links;
use std::path::PathBuf;
use std::sync::Arc;

/// What consensus begins from.
pub struct Beginning {
    pub node: NodeId,
    pub engine: Arc<Engine>,
    pub replica: Arc<Replica>,
    pub publisher: Arc<dyn Publish>,
    pub folder: PathBuf,
    /// The recovery that this start carries out.
    pub recovering: Option<Recovering>,
}

impl Beginning {
    /// Puts the last catalog in force that this disk knows, as far as it can be read, whether it is doubted or not.
    pub async fn last_known_catalog(&self) {
        let log = Log::new(RaftStore::of_doubted(Arc::clone(&self.engine)), Arc::clone(&self.replica));
        if let Err(error) = Machine::publish_last_known(log, Arc::clone(&self.publisher)).await {
            tracing::warn!("the last known catalog cannot be read whole: {error}");
        }
    }

    /// Consensus from what is on the disk. On a disk that is doubted, or found to be doubtful now, it stays silent: a
    /// vote may have been lost there. The node still starts, to say so.
    pub async fn consensus(self, links: &Arc<Links>) -> Result<Arc<Openraft>, StartError> {
        if self.replica.is_doubtful() {
            return Ok(Openraft::silent(self.node));
        }
        match self.speaking(links).await {
            Ok(consensus) => Ok(consensus),
            Err(why) if self.replica.is_doubtful() => {
                tracing::error!("consensus does not begin: {why}");
                Ok(Openraft::silent(self.node))
            }
            Err(why) => Err(StartError::Consensus(why)),
        }
    }

    async fn speaking(&self, links: &Arc<Links>) -> Result<Arc<Openraft>, String> {
        let log = Log::new(RaftStore::new(Arc::clone(&self.engine)), Arc::clone(&self.replica));
        if let Some(recovering) = self.recovering.clone() {
            begin_alone(log.clone(), self.node).await.map_err(|error| error.to_string())?;
            // Before any other can vote with it: it is not done a second time.
            let (alone, folder) = (Recovering { is_alone: true, ..recovering }, self.folder.clone());
            let noted = tokio::task::spawn_blocking(move || alone.write(&folder)).await;
            noted.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            tracing::warn!(
                "this node is the only voter on the catalog from now on, as its operator has decided"
            );
        }
        let machine = Machine::load(log.clone(), Arc::clone(&self.publisher)).await;
        let machine = machine.map_err(|error| error.to_string())?;
        Openraft::start(self.node, log, machine, Arc::clone(links)).await
    }
}

/// The recovery that was decided and is not carried out.
pub async fn recovering(config: &NodeConfig) -> Result<Option<Recovering>, StartError> {
    let folder = config.data.clone();
    let read = tokio::task::spawn_blocking(move || Recovering::read(&folder)).await;
    let read = read.map_err(|error| StartError::Runtime(error.to_string()))?;
    read.map_err(|error| StartError::Folder { folder: config.data.clone(), error })
}
