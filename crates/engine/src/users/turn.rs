//! One change of users at a time, in this process and in all others on the same catalog: vault and
//! catalog are written one after the other, and two at once could leave them in different orders.

use std::time::Duration;

use tokio::sync::MutexGuard;
use uuid::Uuid;

use crate::{Error, Home, Result};

/// A holder that died is waited for this long.
const TTL: Duration = Duration::from_secs(60);

/// The sole right to change users in the vault.
pub(super) struct Turn<'a> {
    owner: String,
    _in_process: MutexGuard<'a, ()>,
}

impl<'a> Turn<'a> {
    /// Waits for others of this process, not for other processes.
    pub async fn take(home: &'a Home) -> Result<Self> {
        let in_process = home.changing_users.lock().await;
        let owner = Uuid::new_v4().to_string();
        match home.catalog.account_lease_take(&owner, TTL).await? {
            true => Ok(Self { owner, _in_process: in_process }),
            false => Err(Error::UsersBusy),
        }
    }

    pub async fn end(self, home: &Home) -> Result<()> {
        Ok(home.catalog.account_lease_release(&self.owner).await?)
    }
}
