//! The server: who may come in, and what he may do ([`access`]).

pub mod access;
