//! Operations against the simulated tenant, judged by stock restic and by the tenant's own view.

mod backup;
mod restore;
