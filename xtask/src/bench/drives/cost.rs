//! What a backup cost the simulated tenant, by what was asked for.

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;

use crate::bench::tenant::Tenant;

/// Requests and resource units since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Requests to Graph.
    pub(super) requests: u64,
    /// Requests to the addresses of downloads.
    pub(super) downloads: u64,
    /// Answers 429.
    pub(super) throttled: u64,
    /// Units of changes, metadata and content of files.
    pub(super) files: u64,
    pub(super) permissions: u64,
    pub(super) versions: u64,
    /// Columns and labels: pages of list items.
    pub(super) columns: u64,
    /// Units of finding out which drives there are.
    pub(super) finding: u64,
}

impl Cost {
    /// Takes the figures and begins again at zero.
    pub(super) fn take(tenant: &Tenant) -> Result<Self> {
        let stats = tenant.get("stats")?;
        tenant.control(Method::DELETE, "stats", &Value::Null)?;
        Ok(Self::of(&stats))
    }

    fn of(stats: &Value) -> Self {
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let mut cost = Self {
            downloads: number(&stats["downloads"]),
            throttled: number(&stats["throttled"]),
            ..Self::default()
        };
        for by_status in stats["requests"].as_object().into_iter().flat_map(|map| map.values()) {
            let counts = by_status.as_object().into_iter().flat_map(|map| map.values());
            cost.requests += counts.map(number).sum::<u64>();
        }
        for (route, units) in stats["units"].as_object().into_iter().flatten() {
            *cost.sum_of(route) += number(units);
        }
        cost
    }

    fn sum_of(&mut self, route: &str) -> &mut u64 {
        if route.contains("ermission") {
            &mut self.permissions
        } else if route.contains("/versions") {
            &mut self.versions
        } else if route.contains("/list") {
            &mut self.columns
        } else if route.contains("/delta") || route.contains("/items/") {
            &mut self.files
        } else {
            &mut self.finding
        }
    }

    /// All units.
    pub(super) fn units(&self) -> u64 {
        self.files + self.permissions + self.versions + self.columns + self.finding
    }

    /// The units beyond those of the files, one by one.
    pub(super) fn beyond(&self) -> String {
        format!(
            "permissions {}, versions {}, columns and labels {}, which drives there are {}",
            self.permissions, self.versions, self.columns, self.finding
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn units_are_counted_by_what_they_bought() {
        let stats = json!({
            "downloads": 9, "throttled": 1,
            "requests": {"GET /drives/{id}/items/{id}/delta": {"200": 4, "429": 1}, "GET /users": {"200": 1}},
            "units": {
                "GET /drives/{id}/items/{id}/delta": 5,
                "GET /drives/{id}/items/{id}/content": 9,
                "GET /drives/{id}/items/{id}/permissions": 15,
                "GET /drives/{id}/items/{id}/versions": 2,
                "GET /drives/{id}/list": 1,
                "GET /sites/{id}/lists/{id}/items": 6,
                "GET /users/{id}/drive": 1,
            },
        });
        let cost = Cost::of(&stats);
        assert_eq!((cost.requests, cost.downloads, cost.throttled), (6, 9, 1));
        assert_eq!((cost.files, cost.permissions, cost.versions), (14, 15, 2));
        assert_eq!((cost.columns, cost.finding, cost.units()), (7, 1, 39));
    }
}
