//! Tests of the fakes through their network interface.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "all of this is test code")]

mod azure;
mod s3;
mod serve;
