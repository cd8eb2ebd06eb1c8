//! Who asks: the user behind a cookie or a token, and from where.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use holdfast_model::Secret;
use holdfast_model::audit::{Actor, ActorKind};

use super::problem::{Problem, Result};
use super::{Api, only_looks};
use crate::access::{Caller, Entered, Error, Principal};

/// The cookie. Its name makes browsers refuse one that another host, another path or plain HTTP
/// has set.
pub(super) const COOKIE: &str = "__Host-holdfast";

/// The header with the token that a request with the cookie carries where it changes something.
pub(super) const CSRF: HeaderName = HeaderName::from_static("x-holdfast-csrf");

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// From where somebody asks.
pub(super) struct From(pub(super) Caller);

impl FromRequestParts<Arc<Api>> for From {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let peer = peer.ok_or_else(|| Problem::invalid("the request has no sender"))?;
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let address = address(peer, &parts.headers, &api.trusted_proxies);
        Ok(Self(Caller { address, agent: agent.unwrap_or_default().to_owned() }))
    }
}

/// The address that asks: what a trusted proxy says last, and before that each trusted one.
fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let said: Vec<&[u8]> = headers
        .get_all(FORWARDED)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .collect();
    let mut address = peer.to_canonical();
    for name in said.iter().rev() {
        if !trusted.contains(&address) {
            break;
        }
        let Some(next) = std::str::from_utf8(name).ok().and_then(parsed) else { break };
        address = next.to_canonical();
    }
    address
}

/// An address as proxies write it, some with a port.
fn parsed(name: &str) -> Option<IpAddr> {
    let name = name.trim();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.ok().or_else(|| Some(name.parse::<SocketAddr>().ok()?.ip()))
}

/// Somebody who is in.
pub(super) struct Who {
    /// Who he is and what he may do.
    pub(super) principal: Principal,
    /// His session; none where a token acts for him.
    pub(super) entered: Option<Entered>,
    /// From where.
    pub(super) from: Caller,
}

impl FromRequestParts<Arc<Api>> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self> {
        let From(from) = From::from_request_parts(parts, api).await?;
        if let Some(token) = bearer(&parts.headers) {
            let principal = api.access.token(&token).await?;
            return Ok(Self { principal, entered: None, from });
        }
        let cookie = cookie(&parts.headers).ok_or(Error::Ended)?;
        let entered = api.access.session(&cookie).await?;
        if !only_looks(&parts.method) {
            let given = parts.headers.get(CSRF).and_then(|token| token.to_str().ok());
            entered.check_csrf(given.unwrap_or_default())?;
        }
        Ok(Self { principal: entered.principal.clone(), entered: Some(entered), from })
    }
}

impl Who {
    /// Who it is in the audit record.
    pub(super) fn actor(&self) -> Actor {
        let (kind, id) = match &self.principal.token {
            Some(token) => (ActorKind::ApiToken, token.id.clone()),
            None => (ActorKind::User, self.principal.user.to_string()),
        };
        Actor { kind, id, name: self.principal.name.clone() }
    }

    /// His session, for what tokens cannot do.
    pub(super) fn session(&self) -> Result<&Entered> {
        let message = "an API token cannot do this; sign in with a browser";
        let denied = || Problem::new(StatusCode::FORBIDDEN, super::Code::Denied, message);
        self.entered.as_ref().ok_or_else(denied)
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
}

/// The value of our cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<Secret> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE).map(|(_, value)| Secret::new(value.trim()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn from(peer: &str, said: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in said {
            headers.append(FORWARDED, value.parse().unwrap());
        }
        let trusted: Vec<IpAddr> = trusted.iter().map(|ip| ip.parse().unwrap()).collect();
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_say_for_whom_they_speak() {
        assert_eq!(from("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(from("192.0.2.1", &["203.0.113.9"], &["192.0.2.1"]), "203.0.113.9");
        // What the client itself wrote in front is not believed.
        let said = ["198.51.100.1, 203.0.113.9"];
        assert_eq!(from("192.0.2.1", &said, &["192.0.2.1"]), "203.0.113.9");
        let two = ["203.0.113.9", "192.0.2.2"];
        assert_eq!(from("::ffff:192.0.2.1", &two, &["192.0.2.1", "192.0.2.2"]), "203.0.113.9");
        assert_eq!(from("192.0.2.1", &["nonsense"], &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(from("192.0.2.1", &["203.0.113.9:4711"], &["192.0.2.1"]), "203.0.113.9");
        assert_eq!(from("192.0.2.1", &["[2001:db8::1]:4711"], &["192.0.2.1"]), "2001:db8::1");
        let hostile = HeaderValue::from_bytes(b"\xff, 203.0.113.9").unwrap();
        let headers = HeaderMap::from_iter([(FORWARDED, hostile)]);
        let trusted = ["192.0.2.1".parse().unwrap()];
        let found = address(trusted[0], &headers, &trusted);
        assert_eq!(found.to_string(), "203.0.113.9");
    }
}
