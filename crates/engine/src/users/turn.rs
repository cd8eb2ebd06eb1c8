//! One change of users at a time, in this process and in all others on the same catalog: vault and
//! catalog are written one after the other, and two at once could leave them in different orders.

use std::time::Duration;

use tokio::sync::MutexGuard;
use uuid::Uuid;

use crate::{Error, Home, Result, process};

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
        // Several homes of one process are several owners.
        let owner = format!("{} {}", Uuid::new_v4(), process::name());
        let has_it = home.catalog.account_lease_take(&owner, TTL).await?
            || (let_go_by_the_dead(home).await?
                && home.catalog.account_lease_take(&owner, TTL).await?);
        match has_it {
            true => Ok(Self { owner, _in_process: in_process }),
            false => Err(Error::UsersBusy),
        }
    }

    pub async fn end(self, home: &Home) -> Result<()> {
        Ok(home.catalog.account_lease_release(&self.owner).await?)
    }
}

/// A process of this machine that was killed has the turn no more; true where it was one.
async fn let_go_by_the_dead(home: &Home) -> Result<bool> {
    let Some(owner) = home.catalog.account_lease_owner().await? else { return Ok(true) };
    let is_dead = owner.split_once(' ').is_some_and(|(_, process)| process::is_dead(process));
    if is_dead {
        home.catalog.account_lease_release(&owner).await?;
    }
    Ok(is_dead)
}
