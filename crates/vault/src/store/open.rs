//! Opens a store at a location, and finds out what it can do.

use std::sync::Arc;

use holdfast_model::Clock;

use super::azure::Azure;
use super::kept::KeptStore;
use super::object::Objects;
use super::options::Credentials;
use super::s3::S3;
use super::{LocalStore, Location, Store, StoreOptions};
use crate::error::{Error, Result};

/// What the credentials of a store may do, and whether the store does what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The writing credentials may delete: whoever steals them can destroy what is not locked.
    pub writer_removes: bool,
    /// The maintenance credentials may delete; `None` where there are no others.
    pub maintenance_removes: Option<bool>,
}

/// Opens a store for reading and writing. Nothing is sent yet.
///
/// # Errors
/// [`crate::Error::Invalid`] where the options make no sense.
pub fn open_store(at: &Location, options: &StoreOptions, clock: Clock) -> Result<Arc<dyn Store>> {
    open(at, options, options.credentials.as_ref(), false, clock)
}

/// Opens a store for removing too: with the maintenance credentials where there are any.
///
/// # Errors
/// As [`open_store`].
pub fn open_for_maintenance(
    at: &Location,
    options: &StoreOptions,
    clock: Clock,
) -> Result<Arc<dyn Store>> {
    let credentials = options.maintenance.as_ref().or(options.credentials.as_ref());
    open(at, options, credentials, true, clock)
}

/// Tries a store before a vault is entrusted to it: that it never replaces a file that is to be
/// made, that it locks what it is asked to lock, and who may delete. It leaves a small file named
/// `probe` beside `vault.json`.
///
/// # Errors
/// [`Error::Invalid`] where the store cannot hold a vault, [`Error::Denied`] where the credentials
/// do not suffice for writing.
pub fn probe(at: &Location, options: &StoreOptions, clock: Clock) -> Result<Rights> {
    let other = options.maintenance.as_ref();
    let given = options.credentials.as_ref();
    let try_with = |credentials, clock: Clock| -> Result<bool> {
        match at {
            Location::Folder(_) => Ok(!options.append_only && !options.immutable),
            Location::S3(at) => bucket(at, credentials, options, true, clock)?.probe(),
            Location::Azure(at) => container(at, credentials, options, true, clock)?.probe(),
        }
    };
    let writer_removes = try_with(given, clock.clone())?;
    let maintenance_removes = other.map(|_| try_with(other, clock)).transpose()?;
    Ok(Rights { writer_removes, maintenance_removes })
}

fn open(
    at: &Location,
    options: &StoreOptions,
    credentials: Option<&Credentials>,
    maintenance: bool,
    clock: Clock,
) -> Result<Arc<dyn Store>> {
    match at {
        Location::Folder(_) if options.lock.is_some() => Err(Error::invalid(
            "a folder knows no locks with a period; use an append-only or immutable one",
        )),
        Location::Folder(path) if options.append_only || options.immutable => {
            Ok(Arc::new(KeptStore::new(path, options.immutable, maintenance)))
        }
        Location::Folder(path) => Ok(Arc::new(LocalStore::new(path))),
        Location::S3(at) => Ok(Arc::new(bucket(at, credentials, options, maintenance, clock)?)),
        Location::Azure(at) => {
            Ok(Arc::new(container(at, credentials, options, maintenance, clock)?))
        }
    }
}

fn bucket(
    at: &super::S3Location,
    credentials: Option<&Credentials>,
    options: &StoreOptions,
    maintenance: bool,
    clock: Clock,
) -> Result<Objects<S3>> {
    let bucket = S3::new(at.clone(), credentials, options, clock.clone())?;
    Ok(Objects::new(bucket, options, maintenance, clock))
}

fn container(
    at: &super::AzureLocation,
    credentials: Option<&Credentials>,
    options: &StoreOptions,
    maintenance: bool,
    clock: Clock,
) -> Result<Objects<Azure>> {
    let container = Azure::new(at.clone(), credentials, options, clock.clone())?;
    Ok(Objects::new(container, options, maintenance, clock))
}
