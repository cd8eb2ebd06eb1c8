//! Queueing of jobs.

use holdfast_catalog::{JobClass, NewJob};
use holdfast_engine::Home;
use holdfast_model::Timestamp;
use uuid::Uuid;

use crate::error::Result;
use crate::work::Work;

/// Queues work and gives the id of its job: a living one where the same was asked for already.
/// `deadline` decides within the class.
pub async fn submit(
    home: &Home,
    work: &Work,
    class: JobClass,
    deadline: Timestamp,
    requested_by: &str,
) -> Result<String> {
    let job = NewJob {
        id: Uuid::now_v7().to_string(),
        kind: work.kind().to_owned(),
        tenant: work.tenant().to_owned(),
        class,
        request: serde_json::to_string(work).expect("work has text keys only"),
        dedupe: work.dedupe(),
        requested_by: requested_by.to_owned(),
        not_before: home.clock.now(),
        deadline,
    };
    Ok(home.catalog.job_submit(&job).await?)
}
