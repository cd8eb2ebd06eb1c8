//! The simulated tenant from outside: every answer against Microsoft's description of Graph.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "all of this is test code")]

mod access;
mod born;
mod company;
mod contract;
mod corpus;
mod documents;
mod drive_faults;
mod drive_writes;
mod drives;
mod faults;
mod operations;
mod semantics;
mod session;
