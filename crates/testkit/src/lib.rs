//! Test context: simulated tenant, temporary vault and catalog, clock, seed
