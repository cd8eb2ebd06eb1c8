//! The binary `holdfast` from outside: what it prints, what it exits with, what it leaves behind.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking")]

mod audit;
mod demo;
mod exits;
mod export;
mod help;
mod jobs;
mod kill;
mod kill_server;
mod kill_workers;
mod line;
mod postgres;
mod recover;
mod remote;
mod remote_maintain;
mod remote_refused;
mod remote_stop;
mod restic;
mod running;
mod sim;
mod site;
mod support;
mod tenants;
mod workers;
