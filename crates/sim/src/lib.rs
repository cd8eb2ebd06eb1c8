//! The simulated tenant: state, a Graph-speaking HTTPS server, faults, virtual clock, generator

pub mod content;
pub mod mail;
