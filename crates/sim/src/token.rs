//! Access tokens: the token endpoint of Entra ID, its key document, and the check of a token
//! that comes with a request.
//!
//! Errors carry Entra's numbers (source: learn.microsoft.com, "Microsoft Entra authentication and
//! authorization error codes", read 2026-11).

use std::collections::BTreeSet;
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::assertion;
use crate::error::SimError;
use crate::http::{Call, Reply};
use crate::registration::Registration;
use crate::seal;
use crate::tenant::Tenant;

/// The audience of tokens for Graph.
const AUDIENCE: &str = "https://graph.microsoft.com";

/// The shortest life of a token in seconds; Entra gives 60 to 90 minutes.
const LIFE_MIN: i64 = 3600;

/// What is added to [`LIFE_MIN`] at most.
const LIFE_SPREAD: i64 = 1800;

/// The key that signs access tokens. A process makes one for all its tenants, which takes a tenth
/// of a second; after a restart older tokens are refused, as after a roll of Entra's keys.
static KEY: OnceLock<TokenKey> = OnceLock::new();

/// A key that signs access tokens.
pub struct TokenKey {
    pair: KeyPair,
    id: String,
}

/// What the tenant reads from a token of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    aud: String,
    iss: String,
    iat: i64,
    nbf: i64,
    /// End of validity, seconds since 1970.
    pub exp: i64,
    /// The client id.
    pub appid: String,
    idtyp: String,
    oid: String,
    /// The granted application permissions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<String>,
    sub: String,
    tid: String,
    uti: String,
    ver: String,
}

impl TokenKey {
    /// The key of this process.
    pub fn of_process() -> Result<&'static Self, SimError> {
        if let Some(key) = KEY.get() {
            return Ok(key);
        }
        let key = Self::new()?;
        Ok(KEY.get_or_init(|| key))
    }

    fn new() -> Result<Self, SimError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| SimError::Key)?;
        let hash =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, pair.public_key().as_ref());
        Ok(Self { id: URL_SAFE_NO_PAD.encode(&hash.as_ref()[..20]), pair })
    }

    fn sign(&self, claims: &Claims) -> Option<String> {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": self.id});
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).ok()?)
        );
        let mut mac = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut mac).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// The claims of a token with our signature.
    fn verify(&self, token: &str) -> Option<Claims> {
        let (signed, mac) = token.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let key = self.pair.public_key().as_ref();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
        key.verify(signed.as_bytes(), &mac).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        serde_json::from_slice(&claims).ok()
    }

    /// The key document (`jwks_uri`).
    fn jwks(&self) -> Value {
        let key = self.pair.public_key();
        let (n, e) = (key.modulus(), key.exponent());
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": self.id,
            "n": URL_SAFE_NO_PAD.encode(n.big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(e.big_endian_without_leading_zero()),
        }]})
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why Entra gives no token.
#[derive(Debug)]
pub struct Denied {
    status: u16,
    error: &'static str,
    code: u32,
    message: String,
}

impl Denied {
    /// A refusal with Entra's number.
    pub fn new(status: u16, error: &'static str, code: u32, message: impl Into<String>) -> Self {
        Self { status, error, code, message: message.into() }
    }

    fn reply(&self, now: Timestamp) -> Reply {
        let time = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let (trace, correlation) = (seal::random_guid(), seal::random_guid());
        let text = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
            self.code, self.message
        );
        Reply::json(
            self.status,
            json!({
                "error": self.error,
                "error_description": text,
                "error_codes": [self.code],
                "timestamp": time,
                "trace_id": trace,
                "correlation_id": correlation,
                "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
            }),
        )
    }
}

/// The form of a token request (RFC 6749, section 4.4).
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn need(&self, name: &'static str) -> Result<&str, Denied> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            let message =
                format!("The request body must contain the following parameter: '{name}'.");
            Denied::new(400, "invalid_request", 900_144, message)
        })
    }
}

/// Answers the paths of Entra ID; `None` if the path is none of them.
pub fn answer(tenant: &Tenant, call: &Call) -> Option<Reply> {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("POST", [name, "oauth2", "v2.0", "token"]) => {
            let answer = issue(tenant, call, name);
            Some(answer.unwrap_or_else(|denied| denied.reply(tenant.clock().now())))
        }
        ("GET", [name, "v2.0", ".well-known", "openid-configuration"]) => {
            let known = check_tenant(tenant, name).map(|()| configuration(tenant, call, name));
            Some(known.unwrap_or_else(|denied| denied.reply(tenant.clock().now())))
        }
        ("GET", [_, "discovery", "v2.0", "keys"]) => {
            Some(Reply::json(200, tenant.token_key().jwks()))
        }
        _ => None,
    }
}

fn configuration(tenant: &Tenant, call: &Call, name: &str) -> Reply {
    let base = &call.base;
    Reply::json(
        200,
        json!({
            "token_endpoint": format!("{base}/{name}/oauth2/v2.0/token"),
            "token_endpoint_auth_methods_supported":
                ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("{base}/{name}/discovery/v2.0/keys"),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": format!("{base}/{}/v2.0", tenant.tenant_id()),
            "authorization_endpoint": format!("{base}/{name}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{base}/{name}/oauth2/v2.0/devicecode"),
            "end_session_endpoint": format!("{base}/{name}/oauth2/v2.0/logout"),
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "tid", "ver"],
            "tenant_region_scope": "EU",
        }),
    )
}

fn check_tenant(tenant: &Tenant, name: &str) -> Result<(), Denied> {
    if name.eq_ignore_ascii_case(tenant.tenant_id()) || name.eq_ignore_ascii_case(tenant.domain()) {
        return Ok(());
    }
    let message = format!(
        "Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are \
         signing into the correct cloud."
    );
    Err(Denied::new(400, "invalid_request", 90_002, message))
}

fn issue(tenant: &Tenant, call: &Call, name: &str) -> Result<Reply, Denied> {
    let form = Form(url::form_urlencoded::parse(&call.body).into_owned().collect());
    check_tenant(tenant, name)?;
    if form.need("grant_type")? != "client_credentials" {
        let message = "The app requested an unsupported grant type.";
        return Err(Denied::new(400, "unsupported_grant_type", 70_003, message));
    }
    let client = form.need("client_id")?;
    let registration = tenant.registration(client).ok_or_else(|| {
        let message = format!(
            "Application with identifier '{client}' was not found in the directory 'Contoso'."
        );
        Denied::new(400, "unauthorized_client", 700_016, message)
    })?;
    if !form.need("scope")?.ends_with("/.default") {
        let message = "The provided value for scope is not valid. Client credential flows must \
                       have a scope value with /.default suffixed to the resource identifier.";
        return Err(Denied::new(400, "invalid_scope", 1_002_012, message));
    }
    let now = tenant.clock().now();
    match form.get("client_assertion") {
        Some(assertion) => assertion::check(tenant, call, &registration, assertion, now)?,
        None => check_secret(&registration, form.get("client_secret"), now)?,
    }
    Ok(grant(tenant, call, &registration, now))
}

fn check_secret(
    registration: &Registration,
    secret: Option<&str>,
    now: Timestamp,
) -> Result<(), Denied> {
    let app = &registration.client_id;
    let Some(secret) = secret else {
        let message = "The request body must contain the following parameter: 'client_assertion' \
                       or 'client_secret'.";
        return Err(Denied::new(401, "invalid_client", 7_000_218, message));
    };
    if secret != registration.secret {
        let message = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the \
             client secret value, not the client secret ID, for a secret added to app '{app}'."
        );
        return Err(Denied::new(401, "invalid_client", 7_000_215, message));
    }
    if registration.secret_expires.is_some_and(|end| end <= now) {
        let message = format!(
            "The provided client secret keys for app '{app}' are expired. Visit the Azure portal \
             to create new keys for your app."
        );
        return Err(Denied::new(401, "invalid_client", 7_000_222, message));
    }
    Ok(())
}

fn grant(tenant: &Tenant, call: &Call, registration: &Registration, now: Timestamp) -> Reply {
    let serial = seal::random_guid();
    let spread = serial.bytes().fold(0, |sum, byte| sum + i64::from(byte)) % LIFE_SPREAD;
    let life = LIFE_MIN + spread;
    let claims = Claims {
        aud: AUDIENCE.to_owned(),
        iss: format!("{}/{}/", call.base, tenant.tenant_id()),
        iat: now.as_second(),
        nbf: now.as_second(),
        exp: now.as_second() + life,
        appid: registration.client_id.clone(),
        idtyp: "app".to_owned(),
        oid: registration.object_id.clone(),
        roles: registration.roles.clone(),
        sub: registration.object_id.clone(),
        tid: tenant.tenant_id().to_owned(),
        uti: serial,
        ver: "1.0".to_owned(),
    };
    match tenant.token_key().sign(&claims) {
        Some(token) => Reply::json(
            200,
            json!({"token_type": "Bearer", "expires_in": life, "ext_expires_in": life,
                   "access_token": token}),
        ),
        None => {
            Denied::new(500, "server_error", 90_033, "A transient error has occurred.").reply(now)
        }
    }
}

/// Why a token that came with a request is refused: Graph's message.
pub fn check_bearer(tenant: &Tenant, header: Option<&str>) -> Result<Claims, &'static str> {
    let header = header.ok_or("Access token is empty.")?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err("Access token is empty.");
    }
    if token.split('.').count() != 3 {
        return Err("IDX14100: JWT is not well formed, there are no dots (.).");
    }
    let claims = tenant
        .token_key()
        .verify(token)
        .ok_or("Access token validation failure. Invalid signature.")?;
    if claims.aud != AUDIENCE || claims.tid != tenant.tenant_id() {
        return Err("Access token validation failure. Invalid audience.");
    }
    if claims.exp <= tenant.clock().now().as_second() {
        return Err("Lifetime validation failed, the token is expired.");
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;
    use crate::desk::Desk;

    fn ask(desk: &Desk, tenant: &str, client: usize, secret: Option<&str>) -> Reply {
        let registration = desk.tenant.state().registrations[client].clone();
        let secret = secret.unwrap_or(&registration.secret);
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={secret}&\
             scope=https%3A%2F%2Fgraph.microsoft.com%2F.default",
            registration.client_id
        );
        // The JavaScript client adds a query.
        let target = format!("/{tenant}/oauth2/v2.0/token?client-request-id=x");
        let call = Call::new("POST", &target, HeaderMap::new(), Bytes::from(form), "https://x");
        answer(&desk.tenant, &call).unwrap()
    }

    fn code(reply: &Reply) -> u64 {
        reply.json.as_ref().unwrap()["error_codes"][0].as_u64().unwrap_or(0)
    }

    #[test]
    fn secrets_tenants_and_their_errors() {
        let desk = Desk::empty(1);
        let id = desk.tenant.tenant_id().to_owned();
        let good = ask(&desk, &id, 0, None);
        assert_eq!(good.status, 200);
        let life = good.json.as_ref().unwrap()["expires_in"].as_i64().unwrap();
        assert!((LIFE_MIN..=LIFE_MIN + LIFE_SPREAD).contains(&life));
        assert_eq!(ask(&desk, desk.tenant.domain(), 0, None).status, 200);
        let wrong = ask(&desk, &id, 0, Some("wrong"));
        assert_eq!((wrong.status, code(&wrong)), (401, 7_000_215));
        let elsewhere = ask(&desk, "00000000-0000-0000-0000-000000000000", 0, None);
        assert_eq!((elsewhere.status, code(&elsewhere)), (400, 90_002));
        let client = desk.tenant.state().registrations[0].client_id.clone();
        desk.tenant.secret_expires(&client, desk.tenant.clock().now()).unwrap();
        let expired = ask(&desk, &id, 0, None);
        assert_eq!((expired.status, code(&expired)), (401, 7_000_222));
    }

    #[test]
    fn tokens_end_and_keep_the_roles_of_their_issue() {
        let desk = Desk::empty(1);
        let id = desk.tenant.tenant_id().to_owned();
        let issue = || {
            let reply = ask(&desk, &id, 1, None).json.unwrap();
            format!("Bearer {}", reply["access_token"].as_str().unwrap())
        };
        let check = |header: &str| check_bearer(&desk.tenant, Some(header));
        let first = issue();
        let client = desk.tenant.state().registrations[1].client_id.clone();
        desk.tenant.registration_revoke(&client, "Mail.Read").unwrap();
        desk.tenant.registration_grant(&client, "Mail.ReadWrite").unwrap();
        assert!(check(&first).unwrap().roles.contains("Mail.Read"));
        let roles = check(&issue()).unwrap().roles;
        assert!(!roles.contains("Mail.Read") && roles.contains("Mail.ReadWrite"));

        let mut forged = first.clone();
        forged.replace_range(forged.len() - 8.., "AAAAAAAA");
        assert!(check(&forged).is_err());
        assert!(check("Bearer x").is_err());
        assert!(check("Basic abc").is_err());
        assert!(check_bearer(&desk.tenant, None).is_err());
        desk.tenant.clock().advance(Duration::from_secs(5400));
        assert!(check(&first).is_err());
    }
}
