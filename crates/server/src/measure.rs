//! Figures for monitoring: what the process counts, and how the installation stands.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use holdfast_catalog::{JobClass, JobState};
use holdfast_engine::Home;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::api::Api;
use crate::error::{Error, Result};

/// Bounds of the classes of durations, in seconds.
const SECONDS: [f64; 9] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

const REQUESTS: &str = "holdfast_http_requests_total";
const DURATION: &str = "holdfast_http_request_duration_seconds";
const JOBS: &str = "holdfast_jobs";
const RESOURCES: &str = "holdfast_resources";
const OVERDUE: &str = "holdfast_resources_overdue";
const UNPROTECTED: &str = "holdfast_resources_without_restore_point";
const OLDEST: &str = "holdfast_oldest_restore_point_seconds";
const AUDIT: &str = "holdfast_audit_entries_unsigned";

/// Counts and collects.
pub(crate) struct Measure {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Measure {
    pub(crate) fn new() -> Result<Self> {
        let failed =
            |error: metrics_exporter_prometheus::BuildError| Error::Measure(error.to_string());
        let recorder =
            PrometheusBuilder::new().set_buckets(&SECONDS).map_err(failed)?.build_recorder();
        let measure = Self { handle: recorder.handle(), recorder };
        measure.with(describe);
        Ok(measure)
    }

    fn with(&self, count: impl FnOnce()) {
        metrics::with_local_recorder(&self.recorder, count);
    }

    /// Reads how the installation stands.
    pub(crate) async fn catalog(&self, home: &Home) -> holdfast_engine::Result<()> {
        let now = home.catalog.now().await?;
        let jobs = home.catalog.job_counts().await?;
        let stands = home.catalog.stand_list().await?;
        let chain = home.catalog.audit_chain().await?;
        let age = |time: holdfast_model::Timestamp| now.duration_since(time).as_millis();
        let active = || stands.iter().filter(|stand| stand.is_available);
        let ages =
            active().filter_map(|stand| Some((age(stand.restore_point?), stand.objective_ms)));
        let late = |objective: Option<u64>, age: i128| {
            objective.is_some_and(|objective| age > i128::from(objective))
        };
        let overdue = ages.clone().filter(|(age, objective)| late(*objective, *age)).count();
        let oldest = ages.map(|(age, _)| age).max().unwrap_or(0);
        let without = active().filter(|stand| stand.restore_point.is_none()).count();
        self.with(|| {
            for (state, class) in JobState::ALL.iter().flat_map(|s| JobClass::ALL.map(|c| (*s, c)))
            {
                let found = jobs.iter().find(|(s, c, _)| (*s, *c) == (state, class));
                let n = found.map_or(0, |(.., n)| *n);
                gauge!(JOBS, "state" => state.as_str(), "class" => class.as_str()).set(n as f64);
            }
            gauge!(RESOURCES).set(stands.len() as f64);
            gauge!(OVERDUE).set(overdue as f64);
            gauge!(UNPROTECTED).set(without as f64);
            gauge!(OLDEST).set(oldest as f64 / 1_000.0);
            gauge!(AUDIT).set(chain.number.saturating_sub(chain.head_number) as f64);
        });
        Ok(())
    }

    /// Sums up what was counted: without that every request would leave a sample.
    pub(crate) fn tidy_up(&self) {
        self.handle.run_upkeep();
    }

    /// The text form of Prometheus.
    pub(crate) fn text(&self) -> String {
        self.handle.render()
    }
}

fn describe() {
    describe_counter!(REQUESTS, "Requests that were answered, by route, method and status.");
    describe_histogram!(DURATION, "Seconds from a request to the head of its answer.");
    describe_gauge!(JOBS, "Jobs by state and class.");
    describe_gauge!(RESOURCES, "Resources that are known.");
    describe_gauge!(OVERDUE, "Resources whose restore point is older than their objective.");
    describe_gauge!(UNPROTECTED, "Resources that can be read and have no restore point yet.");
    describe_gauge!(OLDEST, "Age of the oldest newest restore point.");
    describe_gauge!(
        AUDIT,
        "Entries of the audit record that no head in the vault vouches for yet."
    );
}

/// Counts requests. Of addresses the pattern is kept, not what stands in it.
pub(crate) async fn watch(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    let method = match request.method() {
        known
        @ (&Method::GET | &Method::POST | &Method::PUT | &Method::PATCH | &Method::DELETE) => {
            known.to_string()
        }
        _ => "other".to_owned(),
    };
    let answer = next.run(request).await;
    let status = answer.status().as_u16().to_string();
    api.measure.with(|| {
        counter!(REQUESTS, "route" => route.clone(), "method" => method, "status" => status)
            .increment(1);
        histogram!(DURATION, "route" => route).record(begun.elapsed().as_secs_f64());
    });
    answer
}
