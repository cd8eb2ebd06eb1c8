//! `events`: one stream of what changes, for pages that are open.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use futures::stream::{self, Stream};
use holdfast_catalog::{JobFilter, JobRow, JobState};
use holdfast_engine::Home;
use holdfast_jobs::Stop;
use holdfast_model::audit::Action;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio::time::sleep;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::problem::{Failures, Problem, Result};
use super::view::Event;
use super::who::{Who, cookie};
use super::{Api, Shared, jobs};
use crate::access::Right;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(watch))
}

/// Changes that wait for a slow reader.
const WAITING: usize = 256;

/// How often is looked for changes while somebody watches.
const LOOK: Duration = Duration::from_secs(1);

/// Jobs of each state that are looked at.
const LOOKED_AT: u32 = 200;

/// Tells all who watch what has changed.
pub(crate) struct Hub {
    changes: Sender<Arc<Change>>,
    /// The jobs as they were told last; absent while nobody watches.
    known: Mutex<Option<Known>>,
}

/// A job that has changed, and the names of users by id.
struct Change {
    job: JobRow,
    names: Arc<BTreeMap<String, String>>,
}

type Known = HashMap<String, JobRow>;

impl Default for Hub {
    fn default() -> Self {
        Self { changes: channel(WAITING).0, known: Mutex::default() }
    }
}

impl Hub {
    /// Looks for changes until it is told to stop. Nothing is asked while nobody watches.
    pub(crate) async fn run(&self, home: &Home, mut stop: Stop) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(LOOK) => {}
            }
            let mut known = self.known.lock().await;
            if self.changes.receiver_count() == 0 {
                *known = None;
                continue;
            }
            match look(home).await {
                Ok((jobs, names)) => {
                    self.tell(known.as_ref().unwrap_or(&Known::new()), &jobs, &Arc::new(names));
                    *known = Some(jobs);
                }
                Err(error) => tracing::warn!(%error, "changes of jobs could not be looked for"),
            }
        }
    }

    /// Somebody begins to watch: whatever changes from now on is told.
    async fn watch(&self, home: &Home) -> holdfast_jobs::Result<Receiver<Arc<Change>>> {
        let mut known = self.known.lock().await;
        let changes = self.changes.subscribe();
        if known.is_none() {
            *known = Some(look(home).await?.0);
        }
        Ok(changes)
    }

    /// Tells what differs.
    fn tell(&self, known: &Known, jobs: &Known, names: &Arc<BTreeMap<String, String>>) {
        for (id, job) in jobs {
            if known.get(id) != Some(job) {
                let change = Change { job: job.clone(), names: Arc::clone(names) };
                // Who has just gone needs nothing.
                let _ = self.changes.send(Arc::new(change));
            }
        }
    }
}

/// The jobs that live, however long they do, and the newest; and the names of users by id.
async fn look(home: &Home) -> holdfast_jobs::Result<(Known, BTreeMap<String, String>)> {
    let living = [JobState::Queued, JobState::Running, JobState::Paused].map(Some);
    let mut known = Known::new();
    for state in living.into_iter().chain([None]) {
        let filter = JobFilter { state, ..JobFilter::default() };
        let jobs = home.catalog.job_list(&filter, LOOKED_AT).await?;
        known.extend(jobs.into_iter().map(|job| (job.id.clone(), job)));
    }
    Ok((known, holdfast_jobs::names(home).await?))
}

/// Tells what changes, as server-sent events: `data` is an `Event`. It ends with the session.
#[utoipa::path(get, path = "/events", tag = "events",
    responses((status = OK, content_type = "text/event-stream", body = Event), Failures))]
async fn watch(
    State(api): Shared,
    who: Who,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>> {
    let act = Act::view(Right::ViewJobs, Action::JobList).anywhere();
    api.act(&who, act.given("what", Some("events")), |_| async { Ok(()) }).await?;
    let place = Arc::clone(&api.streams).try_acquire_owned();
    let place = place.map_err(|_| Problem::later("too many watch already"))?;
    let changes = api.hub.watch(&api.home).await?;
    let watching = Watching { changes, api, who, headers, _place: place };
    let events = stream::unfold(watching, |mut watching| async move {
        Some((Ok(watching.next().await?), watching))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Somebody who watches.
struct Watching {
    api: Arc<Api>,
    who: Who,
    headers: HeaderMap,
    changes: Receiver<Arc<Change>>,
    _place: OwnedSemaphorePermit,
}

/// How often is asked whether who watches is still in, where nothing changes.
const ASKED: Duration = Duration::from_secs(30);

impl Watching {
    /// The next thing that he may know; `None` where he may know nothing more.
    async fn next(&mut self) -> Option<sse::Event> {
        let mut stop = self.api.stop.clone();
        loop {
            let change = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return None,
                change = self.changes.recv() => Some(change),
                () = sleep(ASKED) => None,
            };
            let event = match change {
                None => {
                    self.is_still_in().await?;
                    continue;
                }
                Some(Ok(change)) => {
                    self.is_still_in().await?;
                    if !jobs::sees(&self.who, &change.job) {
                        continue;
                    }
                    let job = jobs::view(&self.who, &change.names, change.job.clone());
                    Event::Job { job: Box::new(job) }
                }
                Some(Err(RecvError::Lagged(_))) => Event::Missed,
                Some(Err(RecvError::Closed)) => return None,
            };
            return sse::Event::default().json_data(event).ok();
        }
    }

    /// Reads anew what he may; `None` where his session or token has ended.
    async fn is_still_in(&mut self) -> Option<()> {
        let access = &self.api.access;
        self.who.principal = match (&self.who.entered, super::who::bearer(&self.headers)) {
            (None, Some(token)) => access.token(&token).await.ok()?,
            _ => access.look(&cookie(&self.headers)?).await.ok()?.principal,
        };
        Some(())
    }
}
