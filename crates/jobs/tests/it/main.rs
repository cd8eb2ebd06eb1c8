//! Jobs from outside: real backups of a simulated tenant, and days of a large one in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod days;
mod maintain;
mod work;
