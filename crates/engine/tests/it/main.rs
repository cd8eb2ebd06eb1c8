//! Operations against the simulated tenant, judged by stock restic and by the tenant's own view.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(clippy::print_stdout, reason = "a test says what it could not prove")]

mod audit;
mod backup;
mod bad;
mod checkpoint;
mod compare;
mod corpus;
mod deleted;
mod diff;
mod drive_columns;
mod drive_corpus;
mod drive_faults;
mod drive_item_faults;
mod drive_keep;
mod drive_names;
mod drive_restore;
mod drive_restore_again;
mod drive_restore_faults;
mod drive_scale;
mod drive_sequence;
mod drives;
mod export;
mod faults;
mod find;
mod history;
mod item_faults;
mod kept;
mod maintain;
mod moves;
mod objects;
mod rebuild;
mod recover;
mod restore;
mod restore_alone;
mod resume;
mod schedule;
mod second_vault;
mod sequence;
mod shards;
mod site;
mod stats;
mod users;
mod zombie;
