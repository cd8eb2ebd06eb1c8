//! In-process object stores for tests: S3 and Azure Blob with versions, locks and holds, strict
//! where the common emulators are not.
//!
//! The rules of the real services stand in tables (`s3::rules`, `azure::rules`), each with its
//! source and a test; the same rows run as client calls against the fakes and, where the
//! environment names one, against a real endpoint. Time is injected ([`Clock`]), faults follow
//! rules with a seed ([`Faults`]), and tests can look behind the interface and flip bits.
//!
//! The crate knows none of ours, so that a misreading of a service is not shared.

pub mod azure;
pub mod checksum;
pub mod clock;
pub mod fault;
pub mod s3;
pub mod serve;

pub use clock::Clock;
pub use fault::{Fault, Faults, Rule};
