//! Azure Blob: the conformance suite, the `object_store` client, faults.

mod client;
mod conformance;
mod faults;
mod rows;
mod store;
