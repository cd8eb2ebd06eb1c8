//! From a request to the engine: is it allowed, is it on record, then it is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use holdfast_catalog::{ResourceFilter, ResourceRow};
use holdfast_engine::Home;
use holdfast_engine::audit::{Audit, Begun};
use holdfast_model::audit::{Action, Event, Outcome};
use holdfast_model::{ResourceId, Workload};
use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use super::Api;
use super::problem::{Code, Problem, Result};
use super::who::Who;
use crate::access::{Denied, Reason, Right, Target, authorise, visible};

/// Where a right is needed.
#[derive(Clone)]
enum Place {
    /// Anywhere: the answer shows no more than the scope permits.
    Anywhere,
    Installation,
    Tenant(String),
    Resource {
        tenant: String,
        workload: Workload,
        id: ResourceId,
    },
}

impl Place {
    fn target(&self) -> Target<'_> {
        match self {
            Self::Anywhere => Target::Anywhere,
            Self::Installation => Target::Installation,
            Self::Tenant(name) => Target::Tenant(name),
            Self::Resource { tenant, workload, id } => {
                Target::Resource { tenant, workload: *workload, id }
            }
        }
    }
}

/// How grave it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It shows something: one entry in the record.
    View,
    /// It changes something: an entry when it begins and one when it has ended.
    Change,
    /// It destroys something, or could let others do so: it needs a person with a fresh proof.
    Grave,
}

/// What a request is about.
pub(super) struct Act {
    right: Right,
    weight: Weight,
    places: Vec<Place>,
    action: Action,
    tenant: String,
    resources: Vec<String>,
    items: Vec<String>,
    details: BTreeMap<String, String>,
    reads: bool,
}

impl Act {
    fn new(weight: Weight, right: Right, action: Action) -> Self {
        Self {
            right,
            weight,
            places: Vec::new(),
            action,
            tenant: String::new(),
            resources: Vec::new(),
            items: Vec::new(),
            details: BTreeMap::new(),
            reads: false,
        }
    }

    pub(super) fn view(right: Right, action: Action) -> Self {
        Self::new(Weight::View, right, action)
    }

    pub(super) fn change(right: Right, action: Action) -> Self {
        Self::new(Weight::Change, right, action)
    }

    pub(super) fn grave(right: Right, action: Action) -> Self {
        Self::new(Weight::Grave, right, action)
    }

    pub(super) fn made_grave_if(mut self, is_grave: bool) -> Self {
        if is_grave {
            self.weight = Weight::Grave;
        }
        self
    }

    /// It reads the vault, for which there are not many places.
    pub(super) fn reads(mut self) -> Self {
        self.reads = true;
        self
    }

    fn at(mut self, place: Place) -> Self {
        self.places.push(place);
        self
    }

    /// A list or search that shows what the scope permits.
    pub(super) fn anywhere(self) -> Self {
        self.at(Place::Anywhere)
    }

    pub(super) fn installation(self) -> Self {
        self.at(Place::Installation)
    }

    pub(super) fn tenant(mut self, name: &str) -> Self {
        self.tenant = name.to_owned();
        self.at(Place::Tenant(name.to_owned()))
    }

    pub(super) fn resource(mut self, row: &ResourceRow) -> Self {
        self.tenant.clone_from(&row.tenant);
        self.resources.push(row.name.clone());
        let (tenant, id) = (row.tenant.clone(), row.id.clone());
        self.at(Place::Resource { tenant, workload: row.workload, id })
    }

    /// Paths or ids of items.
    pub(super) fn items<'a>(mut self, items: impl IntoIterator<Item = &'a str>) -> Self {
        self.items.extend(items.into_iter().filter(|item| !item.is_empty()).map(str::to_owned));
        self
    }

    /// A detail that was given.
    pub(super) fn given(mut self, name: &str, value: Option<impl ToString>) -> Self {
        self.details.extend(value.map(|value| (name.to_owned(), value.to_string())));
        self
    }

    pub(super) fn right(&self) -> Right {
        self.right
    }

    pub(super) fn event(&self, who: &Who) -> Event {
        Event {
            tenant: self.tenant.clone(),
            resources: self.resources.clone(),
            items: self.items.clone(),
            details: self.details.clone(),
            ..Event::new(who.actor(), &who.from.address.to_string(), self.action)
        }
    }

    fn denied(&self, who: &Who) -> Option<Denied> {
        let refuse = |place: &Place| authorise(&who.principal, self.right, &place.target()).err();
        self.places.iter().find_map(refuse)
    }
}

impl Api {
    /// Does what a request asks for: `work` gets the installation, on a thread of its own, and is
    /// not cut off when the caller goes away.
    pub(super) async fn act<T, F, W>(&self, who: &Who, act: Act, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Home>) -> W + Send + 'static,
        W: Future<Output = Result<T>>,
    {
        self.permits(who, &act).await?;
        let event = act.event(who);
        if act.weight == Weight::Grave
            && let Err(problem) = self.fresh(who)
        {
            return Err(self.refused(event, problem).await?);
        }
        let place = if act.reads { Some(self.place_to_read().await?) } else { None };
        let work = |home| async move {
            // It stays with the work, also where the caller goes away.
            let _place = place;
            work(home).await
        };
        if act.weight != Weight::View {
            return self.recorded(event, work).await;
        }
        self.blocking(move |home| async move {
            Audit::open(&home).await?.record(event).await?;
            work(home).await
        })
        .await
    }

    /// Does something between two entries of the record, to its end whether or not the caller goes
    /// away.
    pub(super) async fn recorded<T, F, W>(&self, event: Event, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Home>) -> W + Send + 'static,
        W: Future<Output = Result<T>>,
    {
        self.blocking(move |home| async move {
            let audit = Audit::open(&home).await?;
            let begun = audit.begin(event).await?;
            let worked = work(Arc::clone(&home)).await;
            end(begun, worked.as_ref().err()).await?;
            worked
        })
        .await
    }

    /// Refuses who has not the right in all the places that it is about.
    pub(super) async fn permits(&self, who: &Who, act: &Act) -> Result<()> {
        match act.denied(who) {
            None => Ok(()),
            Some(denied) => Err(self.refused(act.event(who), denied.into()).await?),
        }
    }

    /// Refuses who has the right nowhere, before anything is looked up for him.
    pub(super) async fn may(&self, who: &Who, act: &Act) -> Result<()> {
        match authorise(&who.principal, act.right, &Target::Anywhere) {
            Ok(()) => Ok(()),
            Err(denied) => Err(self.refused(act.event(who), denied.into()).await?),
        }
    }

    /// A resource by id, name or Graph id, if who asks may do there what he asks for; else that is
    /// on record, and he learns no more than he may.
    pub(super) async fn resource(
        &self,
        who: &Who,
        act: Act,
        tenant: Option<&str>,
        name: &str,
    ) -> Result<(Act, ResourceRow)> {
        self.may(who, &act).await?;
        let mut rows = self.home.catalog.resource_find(tenant, name).await?;
        let (may, sees) =
            (visible(&who.principal, act.right), visible(&who.principal, Right::ViewResources));
        let within = |scope: &ResourceFilter, row: &ResourceRow| {
            scope.permits(&row.tenant, row.workload, &row.id)
        };
        // Of what he may not know he does not even learn that it has the same name.
        rows.retain(|row| within(&may, row) || within(&sees, row));
        match rows.len() {
            1 if within(&may, &rows[0]) => Ok((act.resource(&rows[0]), rows.remove(0))),
            1 => {
                let denied = Denied { right: act.right, reason: Reason::Scope };
                Err(self.refused(act.resource(&rows[0]).event(who), denied.into()).await?)
            }
            0 => {
                let missing = Problem::not_found(&format!("resource '{name}'"));
                Err(self.refused(act.event(who), missing).await?)
            }
            _ => Err(Problem::invalid(format!("'{name}' fits several resources; give the id"))),
        }
    }

    /// Puts a refusal on record.
    pub(super) async fn refused(&self, event: Event, problem: Problem) -> Result<Problem> {
        let cause = match problem.code() {
            Code::StepUp => "step_up",
            Code::NotFound => "not_found",
            _ => "denied",
        };
        let event = Event { outcome: Outcome::Refused, cause: cause.to_owned(), ..event };
        self.record(event).await?;
        Ok(problem)
    }

    /// Puts on record what was done, or tried, without the engine.
    pub(super) async fn record(&self, event: Event) -> Result<()> {
        self.blocking(|home| async move {
            Audit::open(&home).await?.record(event).await?;
            Ok(())
        })
        .await
    }

    fn fresh(&self, who: &Who) -> Result<()> {
        Ok(self.access.require_fresh(&who.session()?.session)?)
    }

    /// Lets the engine work on a thread of its own: parts of it block.
    pub(super) async fn blocking<T, F, W>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Home>) -> W + Send + 'static,
        W: Future<Output = Result<T>>,
    {
        let place = Arc::clone(&self.acts).acquire_owned().await.map_err(stopping)?;
        let (home, runtime) = (Arc::clone(&self.home), Handle::current());
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            runtime.block_on(work(home))
        });
        done.await.map_err(|_| Problem::broken())?
    }

    /// A place among those that read the vault.
    async fn place_to_read(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.reads).acquire_owned().await.map_err(stopping)
    }

    /// Waits until everything that was begun is done, and lets nothing more begin.
    pub(crate) async fn settle(&self) {
        // It is closed here only.
        let _all = self.acts.acquire_many(super::ACTS).await;
        self.acts.close();
    }
}

fn stopping(_: AcquireError) -> Problem {
    Problem::later("the server is stopping")
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let hint = match denied.reason {
            Reason::Role | Reason::Scope => "an administrator gives roles and their scope",
            Reason::Token => "make a token with this right, as far as its maker has it",
            Reason::OwnRequest => "ask another person with this right",
        };
        Self::new(StatusCode::FORBIDDEN, Code::Denied, denied.to_string()).hint(hint)
    }
}

async fn end(begun: Begun<'_>, problem: Option<&Problem>) -> Result<()> {
    let (outcome, cause) = match problem.map(Problem::code) {
        None => (Outcome::Done, ""),
        Some(Code::Denied | Code::Refused | Code::StepUp | Code::NotSignedIn) => {
            (Outcome::Refused, "refused")
        }
        Some(Code::Invalid) => (Outcome::Failed, "usage"),
        Some(Code::NotFound) => (Outcome::Failed, "not_found"),
        Some(Code::Later) => (Outcome::Failed, "later"),
        Some(_) => (Outcome::Failed, "failed"),
    };
    begun.end(outcome, cause, BTreeMap::new()).await?;
    Ok(())
}
