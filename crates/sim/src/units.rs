//! Resource units: how SharePoint and OneDrive throttle (source: SharePoint, "Avoid getting
//! throttled or blocked in SharePoint Online", read 2026-11). One budget per application and
//! tenant, counted in minutes and days.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::http::{Call, GraphError};
use crate::route::Route;
use crate::tenant::Tenant;
use crate::throttle::Limits;

/// Seconds in the short window.
const MINUTE: i64 = 60;

/// Seconds in the long window.
const DAY: i64 = 86_400;

/// Seconds after which somebody who goes on asking has to have seen the first refusal.
const NOTICE: i64 = 1;

/// Seconds by which each further request prolongs a block.
const PENALTY: i64 = 10;

/// The longest block in seconds.
const BLOCK_MAX: i64 = 600;

/// What anything on permissions costs.
const PERMISSIONS: u64 = 5;

/// The budgets of all applications.
#[derive(Debug)]
pub struct Units {
    limits: Limits,
    uses: Mutex<HashMap<String, Use>>,
}

/// What one application used.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    minute: i64,
    in_minute: u64,
    day: i64,
    in_day: u64,
    /// When a block began and ends.
    block: Option<(i64, i64)>,
}

/// What a request costs: the price of its operation, but less with a token and more with
/// permissions.
pub fn cost(route: &Route, call: &Call) -> u64 {
    let expands = call.option("$expand").unwrap_or("").to_ascii_lowercase();
    if route.units > 0 && expands.contains("permissions") {
        return PERMISSIONS;
    }
    if route.path.ends_with("/delta") && crate::api::drive::delta::has_token(call) {
        return 1;
    }
    u64::from(route.units)
}

/// Takes the price of a request from the budget of its application; the headers that say how much
/// is left.
pub fn spend(
    tenant: &Tenant,
    app: &str,
    name: &str,
    cost: u64,
) -> Result<Vec<(&'static str, String)>, GraphError> {
    if cost == 0 {
        return Ok(Vec::new());
    }
    let headers = tenant.units().enter(app, cost, tenant.clock().now())?;
    tenant.counters().count(|stats| {
        stats.resource_units += cost;
        *stats.units.entry(name.to_owned()).or_default() += cost;
    });
    Ok(headers)
}

impl Units {
    /// Nothing is used.
    pub fn new(limits: Limits) -> Self {
        Self { limits, uses: Mutex::default() }
    }

    /// Lets a request in and gives the headers of its answer, or answers 429.
    pub fn enter(
        &self,
        app: &str,
        units: u64,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, String)>, GraphError> {
        let now = now.as_second();
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = uses.entry(app.to_owned()).or_default();
        entry.roll(now);
        if let Some(wait) = entry.blocked(now) {
            return Err(self.refused(entry, now, wait));
        }
        let over_day = entry.in_day.saturating_add(units) > self.limits.units_per_day;
        if over_day || entry.in_minute.saturating_add(units) > self.limits.units_per_minute {
            let end = if over_day { (entry.day + 1) * DAY } else { (entry.minute + 1) * MINUTE };
            entry.block = Some((now, end));
            return Err(self.refused(entry, now, end - now));
        }
        entry.in_minute += units;
        entry.in_day += units;
        Ok(self.headers(entry, now))
    }

    fn refused(&self, entry: &Use, now: i64, wait: i64) -> GraphError {
        let message = "The request has been throttled.";
        let mut error = GraphError::new(429, "activityLimitReached", message)
            .with("retry-after", wait.to_string());
        error.headers.extend(self.headers(entry, now));
        error
    }

    /// The headers come from 80 % of the minute on.
    fn headers(&self, entry: &Use, now: i64) -> Vec<(&'static str, String)> {
        let limit = self.limits.units_per_minute;
        if u128::from(entry.in_minute) * 10 < u128::from(limit) * 8 {
            return Vec::new();
        }
        vec![
            ("ratelimit-limit", limit.to_string()),
            ("ratelimit-remaining", limit.saturating_sub(entry.in_minute).to_string()),
            ("ratelimit-reset", ((entry.minute + 1) * MINUTE - now).to_string()),
        ]
    }
}

impl Use {
    fn roll(&mut self, now: i64) {
        let (minute, day) = (now.div_euclid(MINUTE), now.div_euclid(DAY));
        if minute != self.minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        if day != self.day {
            (self.day, self.in_day) = (day, 0);
        }
    }

    /// Seconds for which the application is blocked. Asking meanwhile prolongs it, unless the
    /// request was on its way when the block began.
    fn blocked(&mut self, now: i64) -> Option<i64> {
        let (since, until) = self.block.filter(|(_, until)| *until > now)?;
        let until = if now > since + NOTICE {
            (until + PENALTY).min(since + BLOCK_MAX).max(until)
        } else {
            until
        };
        self.block = Some((since, until));
        Some(until - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        // The beginning of a minute.
        Timestamp::from_second(1_770_000_000 + second).unwrap()
    }

    fn header<'a>(headers: &'a [(&'static str, String)], name: &str) -> &'a str {
        headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    #[test]
    fn a_minute_has_so_many_units() {
        let units = Units::new(Limits { units_per_minute: 10, ..Limits::default() });
        assert_eq!(units.enter("app", 7, at(10)).unwrap(), []);
        let headers = units.enter("app", 2, at(20)).unwrap();
        assert_eq!(header(&headers, "ratelimit-limit"), "10");
        assert_eq!(header(&headers, "ratelimit-remaining"), "1");
        assert_eq!(header(&headers, "ratelimit-reset"), "40");
        let error = units.enter("app", 2, at(30)).unwrap_err();
        assert_eq!((error.status, header(&error.headers, "retry-after")), (429, "30"));
        assert_eq!(header(&error.headers, "ratelimit-remaining"), "1");
        assert!(units.enter("other", 10, at(30)).is_ok());
        assert!(units.enter("app", 10, at(60)).is_ok());
    }

    #[test]
    fn who_does_not_wait_waits_longer() {
        let units = Units::new(Limits { units_per_minute: 1, ..Limits::default() });
        let wait = |second: i64| match units.enter("app", 1, at(second)) {
            Ok(_) => 0,
            Err(error) => header(&error.headers, "retry-after").parse::<i64>().unwrap(),
        };
        assert_eq!(wait(0), 0);
        assert_eq!((wait(10), wait(10), wait(11)), (50, 50, 49), "these were under way");
        assert_eq!((wait(20), wait(60)), (50, 20), "ten seconds more each time");
        assert_eq!(wait(79), 11);
        assert_eq!(wait(90), 0);
    }

    #[test]
    fn a_day_has_so_many_units() {
        let units = Units::new(Limits { units_per_day: 3, ..Limits::default() });
        units.enter("app", 3, at(0)).unwrap();
        let error = units.enter("app", 1, at(120)).unwrap_err();
        let left = DAY - at(120).as_second().rem_euclid(DAY);
        assert_eq!(header(&error.headers, "retry-after"), left.to_string());
    }
}
