//! What a worker puts into the audit record: restores, which write to somebody's data, and what
//! changes a vault. That somebody asked for it was recorded when it was asked for; here is when it
//! was done, and what came of it.

use std::collections::BTreeMap;

use holdfast_catalog::JobRow;
use holdfast_engine::Home;
use holdfast_engine::audit::Audit;
use holdfast_engine::restore::RestoreRequest;
use holdfast_model::audit::{Action, Actor, Event, Outcome};

use crate::error::{Error, Result};
use crate::perform::Performed;
use crate::work::Work;

/// Does work between two entries. Where the first cannot be written it is not done; one that
/// is cut off has no second.
pub(crate) async fn recorded(
    home: &Home,
    job: &JobRow,
    event: Event,
    work: impl Future<Output = Result<Performed>>,
) -> Result<Performed> {
    let audit = Audit::open(home).await?;
    let begun = audit.begin(event).await?;
    let done = work.await;
    let outcome = match &done {
        Ok(Performed::Done(result)) => ended(result),
        Ok(Performed::Stopped) => (Outcome::Partial, "stopped".to_owned()),
        Err(error) => (Outcome::Failed, cause(error)),
    };
    let details = BTreeMap::from([("job".to_owned(), job.id.clone())]);
    let noted = begun.end(outcome.0, &outcome.1, details).await;
    let done = done?;
    noted?;
    Ok(done)
}

/// What is put on record of a job; `None` for one that only reads, or is on record as a run.
pub(crate) fn event(job: &JobRow, work: &Work) -> Option<Event> {
    let of = |action| {
        Event::new(Actor::system("worker"), "local", action)
            .detail("job", &job.id)
            .detail("requested_by", &job.requested_by)
    };
    Some(match work {
        Work::Restore(request) => of_restore(of(Action::ItemRestore), job, request),
        Work::Prune { vault, rules, dry_run: false } => {
            of(Action::VaultPrune).detail("vault", vault).detail("rules", rules.to_string())
        }
        Work::Repair { vault, from } => {
            let event = of(Action::VaultRepair).detail("vault", vault);
            from.iter().fold(event, |event, from| event.detail("from", from))
        }
        Work::Copy { vault, to } => of(Action::VaultCopy).detail("vault", vault).detail("to", to),
        Work::Due { .. }
        | Work::Backup { .. }
        | Work::Discover { .. }
        | Work::Check { .. }
        | Work::Prune { .. } => return None,
    })
}

fn of_restore(mut event: Event, job: &JobRow, request: &RestoreRequest) -> Event {
    event.tenant.clone_from(&job.tenant);
    event.resources =
        [Some(&request.resource), request.to.as_ref()].into_iter().flatten().cloned().collect();
    event.items.extend(request.path.clone());
    event
}

/// What a report says of the whole.
fn ended(result: &str) -> (Outcome, String) {
    let report: serde_json::Value = serde_json::from_str(result).unwrap_or_default();
    let outcome = match report["outcome"].as_str() {
        Some("complete") => Outcome::Done,
        Some("failed") => Outcome::Failed,
        Some(_) => Outcome::Partial,
        // Of a prune: shards that others had.
        None if report["failures"].as_array().is_some_and(|failed| !failed.is_empty()) => {
            Outcome::Partial
        }
        None => Outcome::Done,
    };
    (outcome, String::new())
}

fn cause(error: &Error) -> String {
    match error {
        Error::Engine(error) => error.cause(),
        Error::Catalog(_) => "catalog".to_owned(),
        Error::Request { .. } => "request".to_owned(),
    }
}
