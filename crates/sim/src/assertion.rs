//! Client assertions: a JWT signed with the key of a certificate that was uploaded for the
//! application (source: learn.microsoft.com, "Certificate credentials", read 2026-11).

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

use crate::http::Call;
use crate::registration::{Certificate, Registration};
use crate::tenant::Tenant;
use crate::token::Denied;

/// How far the clocks of client and Entra may be apart, in seconds.
const CLOCK_SKEW: i64 = 300;

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    sub: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
}

/// Checks a client assertion; the refusal is Entra's.
pub fn check(
    tenant: &Tenant,
    call: &Call,
    registration: &Registration,
    assertion: &str,
    now: Timestamp,
) -> Result<(), Denied> {
    let malformed = || denied(50_027, "JWT token is invalid or malformed.");
    let (signed, mac) = assertion.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let header: Header = decode(header).ok_or_else(malformed)?;
    let claims: Claims = decode(claims).ok_or_else(malformed)?;
    let certificate = certificate(registration, &header).ok_or_else(|| {
        denied(
            700_027,
            "The certificate with identifier used to sign the client assertion is not registered \
             on application. [Reason - The key was not found.]",
        )
    })?;
    let algorithm: &RsaParameters = match header.alg.as_str() {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        _ => return Err(denied(5_002_738, "Invalid JWT token. Unsupported key algorithm.")),
    };
    let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| malformed())?;
    UnparsedPublicKey::new(algorithm, &certificate.public_key)
        .verify(signed.as_bytes(), &mac)
        .map_err(|_| denied(700_027, "Client assertion contains an invalid signature."))?;
    check_claims(tenant, call, registration, &claims)?;
    check_times(certificate, &claims, now)
}

fn denied(code: u32, message: &str) -> Denied {
    Denied::new(401, "invalid_client", code, message)
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn certificate<'a>(registration: &'a Registration, header: &Header) -> Option<&'a Certificate> {
    let print = |text: &Option<String>| {
        // Some clients pad, some do not.
        text.as_ref().and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok())
    };
    let (sha1, sha256) = (print(&header.x5t), print(&header.x5t_s256));
    registration.certificates.iter().find(|certificate| match (&sha256, &sha1) {
        (Some(sha256), _) => certificate.sha256 == *sha256,
        (None, Some(sha1)) => certificate.sha1 == *sha1,
        (None, None) => false,
    })
}

fn check_claims(
    tenant: &Tenant,
    call: &Call,
    registration: &Registration,
    claims: &Claims,
) -> Result<(), Denied> {
    if claims.iss != registration.client_id || claims.sub != registration.client_id {
        let message = "Client assertion's issuer and subject must be the client id.";
        return Err(denied(700_021, message));
    }
    let own = [tenant.tenant_id(), tenant.domain()].map(|name| {
        ["/oauth2/v2.0/token", "/v2.0"].map(|path| format!("{}/{name}{path}", call.base))
    });
    if own.iter().flatten().any(|audience| *audience == claims.aud) {
        return Ok(());
    }
    Err(denied(700_023, "Client assertion audience claim does not match Realm issuer."))
}

fn check_times(certificate: &Certificate, claims: &Claims, now: Timestamp) -> Result<(), Denied> {
    let now = now.as_second();
    let early = claims.nbf.is_some_and(|start| start > now + CLOCK_SKEW);
    if early || claims.exp < now - CLOCK_SKEW {
        let message = "Client assertion is not within its valid time range.";
        return Err(denied(700_024, message));
    }
    if certificate.not_after < now {
        return Err(denied(1_000_502, "The provided certificate is not within its valid period."));
    }
    Ok(())
}
