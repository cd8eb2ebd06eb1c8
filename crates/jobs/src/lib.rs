//! Work that survives its worker: jobs are queued in the catalog, taken under leases, done by the
//! engine; and a scheduler that queues what is due by its objective.
//!
//! [`submit`] queues, [`Worker`] takes and does, [`tick`] looks for what is due; [`serve`] is the
//! whole of a process that works on the queue, [`list`] and [`show`] are what people see of it. Several processes
//! may work on one catalog: whoever loses the lease of a job, because it slept or hung, finds its
//! word refused (fencing), and the job is done by another.

mod error;
mod maintain;
mod perform;
mod pulse;
mod queue;
mod record;
mod scheduler;
mod service;
mod view;
mod work;
mod worker;

pub use error::{Error, Result};
pub use perform::{Performed, perform};
pub use queue::submit;
pub use scheduler::{Ticked, tick};
pub use service::{ServiceOptions, drain, serve, sweep};
pub use view::{JobDetail, JobView, StepView, changed, list, named, names, show};
pub use work::Work;
pub use worker::{Stop, Worker, WorkerOptions, stop_signal};
