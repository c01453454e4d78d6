//! A user that may administer everything, which the operator of this machine makes: the first one of a cluster that is
//! founded, or one in a cluster whose admins can't say any more who they are.
//!
//! An operator who can start a node with the cluster's secret could change the catalog anyway: this opens no new door.

use super::{NodeConfig, StartError};
use crate::access_note::AccessNote;
use crate::control::{Control, ProposeError};
use quorate_ring::NewAdmin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Pause between two of them.
const PAUSE: Duration = Duration::from_secs(1);

/// Who may do what, as the folder remembers it.
pub async fn noted(config: &NodeConfig) -> Result<Option<AccessNote>, StartError> {
    let folder = config.data.clone();
    let read = tokio::task::spawn_blocking(move || AccessNote::read(&folder)).await;
    let read = read.map_err(|error| StartError::Runtime(error.to_string()))?;
    read.map_err(|error| StartError::Folder { folder: config.data.clone(), error })
}

/// The first admin of a cluster that is being founded: access control is on before the first request is answered.
pub async fn make_first(control: &Control, admin: &NewAdmin) -> Result<(), StartError> {
    let made = control.make_admin(admin, Some(true), Instant::now() + ATTEMPT).await;
    made.map_err(|error| StartError::Founding(error.to_string()))
}

/// An admin in a cluster that lives, as soon as it takes one. Whether access control is on stays as it is.
pub async fn make_again(control: Arc<Control>, admin: NewAdmin) {
    let (user, mut said) = (&admin.user, false);
    loop {
        match control.make_admin(&admin, None, Instant::now() + ATTEMPT).await {
            Ok(()) => {
                tracing::warn!(
                    user,
                    "the catalog has a new token of this user, who may administer everything: start the node without \
                     reset-admin from now on"
                );
                return;
            }
            Err(ProposeError::Rejected(rejection)) => {
                tracing::error!(user, "the catalog takes no new token of this user: {rejection}");
                return;
            }
            // Harmless to repeat: it is the same token.
            Err(error @ (ProposeError::Unavailable { .. } | ProposeError::Unknown { .. })) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(
                        user,
                        "this user has no new token yet: {error}; trying until the catalog takes it"
                    );
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
