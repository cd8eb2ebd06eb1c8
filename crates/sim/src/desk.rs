//! Test support: requests to a tenant without a server between.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::SimConfig;
use crate::fault;
use crate::http::{Call, Reply};
use crate::route;
use crate::tenant::Tenant;

/// The time at which the clock of a desk stands.
pub const NOW: &str = "2026-11-02T09:00:00Z";

/// Somebody who may do everything, in front of a tenant.
pub struct Desk {
    pub tenant: Tenant,
}

impl Desk {
    /// A tenant without mail, its clock standing still.
    pub fn empty(users: usize) -> Self {
        Self::of(SimConfig { users, empty: true, ..SimConfig::default() })
    }

    pub fn of(config: SimConfig) -> Self {
        let config = SimConfig { now: config.now.or(NOW.parse().ok()), ..config };
        let hosts = vec!["127.0.0.1:4430".to_owned(), "graph.example".to_owned()];
        Self { tenant: Tenant::open(&config, hosts).unwrap() }
    }

    /// The name of a user.
    pub fn user(&self, index: usize) -> String {
        self.tenant.users()[index].upn.clone()
    }

    pub fn request(&self, method: &str, target: &str, prefer: &str, body: &[u8]) -> Reply {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        };
        set("prefer", prefer);
        set("content-type", "application/json");
        let target = target.strip_prefix("https://127.0.0.1:4430").unwrap_or(target);
        let body = Bytes::copy_from_slice(body);
        self.carry_out(Call::new(method, target, headers, body, "https://127.0.0.1:4430"))
    }

    pub fn carry_out(&self, mut call: Call) -> Reply {
        let now = self.tenant.clock().now();
        let answer = route::find(&mut call).and_then(|route| {
            let all = ["Mail.Read", "Mail.ReadWrite", "User.Read.All", "Sites.ReadWrite.All"];
            call.roles = all.map(str::to_owned).into_iter().collect();
            let (id, upn) = self.tenant.user_names(call.param(0));
            call.faults = self.tenant.faults().strike(&call, [&id, &upn]);
            match fault::refuse(&call, now) {
                Some(reply) => Ok(reply),
                None => (route.handler)(&self.tenant, &call),
            }
        });
        answer.unwrap_or_else(|error| error.reply(&call, now))
    }

    /// A request with immutable ids that has to give this status; its JSON.
    pub fn json(&self, method: &str, target: &str, body: &Value, status: u16) -> Value {
        let reply =
            self.request(method, target, "IdType=\"ImmutableId\"", body.to_string().as_bytes());
        assert_eq!(reply.status, status, "{method} {target}: {:?}", reply.json);
        reply.json.unwrap_or(Value::Null)
    }

    pub fn get(&self, target: &str) -> Value {
        self.json("GET", target, &Value::Null, 200)
    }

    /// The code of the error that a request gives, with its status.
    pub fn refusal(&self, method: &str, target: &str, body: &Value) -> (u16, String) {
        let reply =
            self.request(method, target, "IdType=\"ImmutableId\"", body.to_string().as_bytes());
        let code =
            reply.json.unwrap_or_default()["error"]["code"].as_str().unwrap_or("").to_owned();
        (reply.status, code)
    }
}

/// A small message.
pub fn mime(number: usize) -> Vec<u8> {
    format!(
        "From: a@contoso.example\r\nTo: b@contoso.example\r\nSubject: Number {number}\r\n\
         Message-ID: <{number}@contoso.example>\r\nDate: Mon, 2 Nov 2026 08:00:00 +0000\r\n\r\n\
         Text {number}\r\n"
    )
    .into_bytes()
}
