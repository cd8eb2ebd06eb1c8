//! The client against a scripted server, over TLS: what exactly it asks, how long it waits, what it
//! makes of each answer. Fault numbers are those of the project's Graph reference: faults that
//! others have seen in the real service.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "clippy allows the first only in functions marked as tests; the second keeps calls short"
)]

mod batch;
mod call;
mod download;
mod faults;
mod pages;
mod permissions;
mod server;
mod sign_in;
mod throttle;
mod upload;
