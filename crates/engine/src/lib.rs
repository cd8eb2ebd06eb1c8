//! One file per operation: what Holdfast does, in the order in which it does it.
//!
//! The engine joins the crates below it: it reads a workload through Graph, writes to the vault,
//! and keeps the catalog. It knows nothing of HTTP servers, schedules or screens; progress is
//! counted in [`Progress`], results are values that serialise to the `--json` forms.
//!
//! Entry points: [`Home`] (an installation), [`backup::backup`], [`restore::restore`],
//! [`export::export`], [`find::find`], [`browse`], [`rebuild::rebuild`], [`recover::Recovery`], [`verify::check`], [`doctor::doctor`], [`maintain::prune`],
//! [`maintain::erase`], [`hold`], [`schedule`], [`users`], [`audit`], [`support`].

pub mod audit;
pub mod backup;
pub mod browse;
mod catalog_place;
mod compare;
pub mod copy;
pub mod deleted;
pub mod diff;
pub mod discover;
pub mod doctor;
mod error;
pub mod export;
pub mod find;
pub mod history;
pub mod hold;
mod home;
mod instance;
mod intent;
mod join;
pub mod maintain;
pub mod overview;
mod process;
mod progress;
mod reading;
pub mod rebuild;
pub mod recover;
mod released;
pub mod restore;
pub mod schedule;
mod seal;
mod select;
mod shards;
pub mod stats;
mod storage;
pub mod support;
pub mod tenant;
pub mod users;
mod vaults;
pub mod verify;
mod walk;

pub use catalog_place::catalog_url;
pub use error::{Error, Exit, Result};
pub use home::{Home, InitOptions, Unlock};
pub use process::{
    for_people as process_for_people, is_dead as process_is_dead, name as process_name,
};
pub use progress::{Progress, Seen};
pub use shards::ShardLimits;
pub use storage::Storage;
pub use vaults::noted::Protection;
pub use vaults::{AddedVault, ListedVault, NewVault};

use holdfast_model::Workload;
use holdfast_vault::{Fanout, Fanouts};
use holdfast_workloads::Layout;

/// How the items of a folder are spread (`docs/format.md`): messages by month, above 256 by day,
/// then by digits of the short id, joined again below 64; files only above 10,000, joined again
/// below 2,500.
pub const FANOUTS: Fanouts = Fanouts::ByPath(fanout_of_path);

/// The spread below the folders of a workload.
pub fn fanout(workload: Workload) -> Fanout {
    let layout = Layout::of(workload);
    let levels = layout.fanout_levels();
    match layout.is_drive() {
        false => Fanout { levels, always: 1, split_above: 256, merge_below: 64 },
        true => Fanout { levels, always: 0, split_above: 10_000, merge_below: 2_500 },
    }
}

/// The first component of a path in a snapshot is the workload.
fn fanout_of_path(path: &[&str]) -> Fanout {
    let workload = path.first().and_then(|name| name.parse().ok());
    fanout(workload.unwrap_or(Workload::Exchange))
}
