//! The simulated tenant from outside: every answer against Microsoft's description of Graph.

mod contract;
mod operations;
mod session;
