//! One restore at a time writes into a mailbox or drive, on whatever machine: two that run side by
//! side would each take the other's items for leftovers of its own.
//!
//! The right to write is a lease in the catalog. It ends with this value; of a process that died on
//! this machine it is taken over at once, of any other when it has given no sign of life for a while ([`Home::lease_ttl`]).

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use holdfast_catalog::{Catalog, Error as CatalogError, Kind, RestoreLease};
use holdfast_model::ResourceId;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::{Error, Home, Result, process};

/// The sole right to restore into a resource.
pub(super) struct Alone {
    lease: RestoreLease,
    catalog: Catalog,
    ttl: Duration,
    /// When the last sign of life was given.
    alive: watch::Receiver<Instant>,
    /// Ends when the lease is lost.
    beat: JoinHandle<CatalogError>,
}

impl Alone {
    /// Takes the right.
    ///
    /// # Errors
    /// [`Error::RestoreRunning`] names who has it.
    pub async fn begin(home: &Home, target: &ResourceId) -> Result<Self> {
        let (catalog, me, ttl) = (home.catalog.clone(), process::name(), home.lease_ttl);
        let begun = Instant::now();
        let taken = match catalog.restore_lease_take(target, None, &me, ttl).await {
            Err(CatalogError::RestoreHeld { owner, .. }) if process::is_dead(&owner) => {
                catalog.restore_lease_take(target, Some(&owner), &me, ttl).await
            }
            taken => taken,
        };
        let lease = taken.map_err(|error| match error {
            CatalogError::RestoreHeld { owner, until } => {
                Error::RestoreRunning { owner: process::for_people(&owner), until }
            }
            error => error.into(),
        })?;
        let (tell, alive) = watch::channel(begun);
        let beat = tokio::spawn(heartbeat(catalog.clone(), lease.clone(), ttl, tell));
        Ok(Self { lease, catalog, ttl, alive, beat })
    }

    /// By which the catalog knows the holder.
    pub fn lease(&self) -> RestoreLease {
        self.lease.clone()
    }

    /// Does work as long as the lease lasts, and gives it back. Where the lease is lost the work is
    /// dropped where it stands. After a sleep past its end the work does not go on at all: the
    /// service knows no fence, and would take a request that is behind its time.
    pub async fn during<T>(mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = pin!(work);
        let (alive, ttl, lease) = (self.alive.clone(), self.ttl, self.lease.clone());
        let in_time = poll_fn(|context| {
            let slept = alive.borrow().elapsed();
            if slept < ttl {
                return work.as_mut().poll(context);
            }
            let (target, fence) = (lease.target.clone(), lease.fence);
            Poll::Ready(Err(CatalogError::RestoreLost { target, fence }.into()))
        });
        let done = tokio::select! {
            done = in_time => done,
            lost = &mut self.beat => Err(lost.map_or(Error::Thread, Error::from)),
        };
        if let Err(error) = self.catalog.restore_lease_release(&self.lease).await {
            tracing::warn!(%error, "the lease of a restore ends by itself");
        }
        done
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.beat.abort();
        let (catalog, lease) = (self.catalog.clone(), self.lease.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Where this does not come to pass the lease ends by itself.
            runtime.spawn(async move { catalog.restore_lease_release(&lease).await });
        }
    }
}

/// Gives signs of life until the lease is lost, or must be taken to be.
async fn heartbeat(
    catalog: Catalog,
    lease: RestoreLease,
    ttl: Duration,
    alive: watch::Sender<Instant>,
) -> CatalogError {
    loop {
        sleep(ttl / 3).await;
        let now = Instant::now();
        match catalog.restore_lease_renew(&lease, ttl).await {
            Ok(()) => drop(alive.send_replace(now)),
            Err(error) if error.kind() == Kind::FenceLost => return error,
            // Who cannot say that he lives must take himself for dead in time.
            Err(error) if alive.borrow().elapsed() > ttl * 5 / 6 => return error,
            Err(error) => tracing::warn!(%error, "the lease of a restore could not be renewed"),
        }
    }
}
