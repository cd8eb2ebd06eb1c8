//! What a list may show: a union of scopes, in a form that SQL can use.
//!
//! A statement takes no sets as arguments on both databases, so the sets are rows, written once
//! under the SHA-256 of the filter, and a list asks for them by that id (`visible!`).

use holdfast_model::{Limit, ResourceId, Scope, Workload, short_id};

use crate::account::text_of;
use crate::catalog::Catalog;
use crate::error::Result;
use crate::job::{JobFilter, JobRow, JobState};
use crate::resource::ResourceRow;
use crate::sql::{Arguments, sql};

/// What a list may show: a resource that is in one of these scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceFilter {
    scopes: Vec<Scope>,
}

/// The condition of a list: `$filter` is the argument with the id of the filter, the others are
/// the columns of the resource in question.
macro_rules! visible {
    ($filter:literal, $tenant:literal, $workload:literal, $resource:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM visible_scope v WHERE v.filter_id = ",
            $filter,
            " AND (v.all_tenants = 1 OR EXISTS (SELECT 1 FROM visible_member m ",
            "WHERE m.filter_id = v.filter_id AND m.number = v.number ",
            "AND m.kind = 'tenant' AND m.value = ",
            $tenant,
            ")) AND (v.all_workloads = 1 OR EXISTS (SELECT 1 FROM visible_member m ",
            "WHERE m.filter_id = v.filter_id AND m.number = v.number ",
            "AND m.kind = 'workload' AND m.value = ",
            $workload,
            ")) AND (v.all_resources = 1 OR EXISTS (SELECT 1 FROM visible_member m ",
            "WHERE m.filter_id = v.filter_id AND m.number = v.number ",
            "AND m.kind = 'resource' AND m.value = ",
            $resource,
            ")))"
        )
    };
}

impl ResourceFilter {
    /// What is in one of the scopes; nothing where there are none.
    pub fn new(scopes: Vec<Scope>) -> Self {
        let mut kept: Vec<Scope> = Vec::new();
        for scope in scopes {
            if !kept.iter().any(|wider| scope.is_within(wider)) {
                kept.retain(|narrower| !narrower.is_within(&scope));
                kept.push(scope);
            }
        }
        Self { scopes: kept }
    }

    /// The scopes, none of them within another.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// True where a resource may be shown.
    pub fn permits(&self, tenant: &str, workload: Workload, resource: &ResourceId) -> bool {
        self.scopes.iter().any(|scope| scope.permits(tenant, workload, resource))
    }

    /// True where something of a tenant, or all of it, may be shown.
    pub fn reaches(&self, tenant: &str) -> bool {
        self.scopes.iter().any(|scope| scope.tenants.permits(&tenant.to_owned()))
    }

    /// True where nothing can be shown.
    pub fn is_empty(&self) -> bool {
        fn none<T: Ord>(limit: &Limit<T>) -> bool {
            matches!(limit, Limit::Only(things) if things.is_empty())
        }
        self.scopes.iter().all(|s| none(&s.tenants) || none(&s.workloads) || none(&s.resources))
    }

    fn text(&self) -> String {
        text_of(&self.scopes)
    }
}

/// The members of a dimension, under its kind.
fn members<T: Ord + ToString>(kind: &'static str, limit: &Limit<T>) -> Vec<(&'static str, String)> {
    match limit {
        Limit::All => Vec::new(),
        Limit::Only(things) => things.iter().map(|thing| (kind, thing.to_string())).collect(),
    }
}

fn members_of(scope: &Scope) -> Vec<(&'static str, String)> {
    let mut all = members("tenant", &scope.tenants);
    all.extend(members("workload", &scope.workloads));
    all.extend(members("resource", &scope.resources));
    all
}

impl Catalog {
    /// Writes a filter where it is not there yet; gives the id by which lists use it.
    pub(crate) async fn filter_id(&self, filter: &ResourceFilter) -> Result<String> {
        let text = filter.text();
        // 128 bits of SHA-256: people cannot find two sets of scopes with one id.
        let id = format!("{}{}", short_id(&text), short_id(&format!("{text} ")));
        let known = sql("SELECT COUNT(*) AS n FROM visible_scope WHERE filter_id = $1").text(&id);
        if filter.scopes.is_empty() || self.count(known).await? > 0 {
            return Ok(id);
        }
        let mut change = self.begin().await?;
        for (number, scope) in (1..).zip(&filter.scopes) {
            for (kind, value) in members_of(scope) {
                let statement = sql("INSERT INTO visible_member (filter_id, number, kind, value) \
                     VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING");
                let statement = statement.text(&id).number(number).text(kind).text(&value);
                statement.execute(&mut *change).await?;
            }
            let statement = sql("INSERT INTO visible_scope \
                 (filter_id, number, all_tenants, all_workloads, all_resources) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
            .text(&id)
            .number(number)
            .flag(scope.tenants == Limit::All)
            .flag(scope.workloads == Limit::All)
            .flag(scope.resources == Limit::All);
            statement.execute(&mut *change).await?;
        }
        change.commit().await?;
        Ok(id)
    }

    /// The resources that may be shown, of one tenant or all, by id, after the one named; at most
    /// `limit`.
    pub async fn resource_page(
        &self,
        filter: &ResourceFilter,
        tenant: Option<&str>,
        after: Option<&ResourceId>,
        limit: u32,
    ) -> Result<Vec<ResourceRow>> {
        let id = self.filter_id(filter).await?;
        let statement = sql(concat!(
            "SELECT r.* FROM resource r WHERE r.id > $2 AND ($4 IS NULL OR r.tenant = $4) AND ",
            visible!("$1", "r.tenant", "r.workload", "r.id"),
            " ORDER BY r.id LIMIT $3"
        ));
        let after = after.map(ResourceId::as_str).unwrap_or_default();
        let statement = statement.text(&id).text(after).number(limit.into()).opt_text(tenant);
        self.all(statement).await
    }

    /// Jobs that may be shown, newest first: those of tenants of which all is in a scope, and those
    /// that `own` has asked for in tenants of which something is.
    pub async fn job_page(
        &self,
        jobs: &JobFilter,
        filter: &ResourceFilter,
        own: Option<&str>,
        limit: u32,
    ) -> Result<Vec<JobRow>> {
        let id = self.filter_id(filter).await?;
        let statement = sql("SELECT j.* FROM job j \
             WHERE ($1 IS NULL OR j.tenant = $1) AND ($2 IS NULL OR j.state = $2) \
                 AND ($3 IS NULL OR j.kind = $3) AND ($4 IS NULL OR j.id < $4) \
                 AND EXISTS (SELECT 1 FROM visible_scope v WHERE v.filter_id = $7 \
                     AND (j.requested_by = $6 OR (v.all_workloads = 1 AND v.all_resources = 1)) \
                     AND (v.all_tenants = 1 OR EXISTS (SELECT 1 FROM visible_member m \
                         WHERE m.filter_id = v.filter_id AND m.number = v.number \
                         AND m.kind = 'tenant' AND m.value = j.tenant))) \
             ORDER BY j.id DESC LIMIT $5");
        let statement = statement
            .opt_text(jobs.tenant.as_deref())
            .opt_text(jobs.state.map(JobState::as_str))
            .opt_text(jobs.kind.as_deref())
            .opt_text(jobs.before.as_deref())
            .number(limit.into())
            .opt_text(own)
            .text(&id);
        self.all(statement).await
    }

    /// How many resources may be shown.
    pub async fn resource_count(&self, filter: &ResourceFilter) -> Result<u64> {
        let id = self.filter_id(filter).await?;
        let statement = sql(concat!(
            "SELECT COUNT(*) AS n FROM resource r WHERE ",
            visible!("$1", "r.tenant", "r.workload", "r.id")
        ));
        self.count(statement.text(&id)).await
    }
}
