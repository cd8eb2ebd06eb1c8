//! The simulated tenant: state, a Graph-speaking HTTPS server, faults, virtual clock, generator
