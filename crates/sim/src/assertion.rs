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

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaSignatureEncoding};
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::desk::Desk;
    use crate::token;

    struct Client {
        desk: Desk,
        id: String,
        key: KeyPair,
        thumbprint: String,
    }

    /// A self-signed certificate for the key, by hand of rcgen.
    fn certificate_pem(key: &KeyPair) -> String {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let der = rustls_pki_types::PrivatePkcs8KeyDer::from(der.as_ref().to_vec());
        let key =
            rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256).unwrap();
        rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem()
    }

    fn client() -> Client {
        let desk = Desk::empty(1);
        let id = desk.tenant.state().registrations[1].client_id.clone();
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pem = certificate_pem(&key);
        desk.tenant.certificate_upload(&id, &pem).unwrap();
        let print = Certificate::from_pem(&pem).unwrap().sha256;
        Client { desk, id, key, thumbprint: URL_SAFE_NO_PAD.encode(print) }
    }

    impl Client {
        fn claims(&self) -> Value {
            let now = self.desk.tenant.clock().now().as_second();
            let audience = format!(
                "https://127.0.0.1:4430/{}/oauth2/v2.0/token",
                self.desk.tenant.tenant_id()
            );
            json!({"aud": audience, "iss": self.id, "sub": self.id, "jti": "1",
                   "nbf": now, "exp": now + 600})
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let signed = format!(
                "{}.{}",
                URL_SAFE_NO_PAD.encode(header.to_string()),
                URL_SAFE_NO_PAD.encode(claims.to_string())
            );
            let algorithm: &'static RsaSignatureEncoding =
                if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
            let mut mac = vec![0; self.key.public_modulus_len()];
            self.key.sign(algorithm, &SystemRandom::new(), signed.as_bytes(), &mut mac).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
        }

        /// The number of Entra's error, or 0 for a token.
        fn ask(&self, assertion: &str) -> u64 {
            let form = format!(
                "grant_type=client_credentials&client_id={}&scope=https%3A%2F%2Fgraph.microsoft.com\
                 %2F.default&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-\
                 type%3Ajwt-bearer&client_assertion={assertion}",
                self.id
            );
            let target = format!("/{}/oauth2/v2.0/token", self.desk.tenant.tenant_id());
            let base = "https://127.0.0.1:4430";
            let call = Call::new("POST", &target, HeaderMap::new(), Bytes::from(form), base);
            let reply = token::answer(&self.desk.tenant, &call).unwrap().json.unwrap();
            assert!(reply["error_codes"].is_array() != reply["access_token"].is_string());
            reply["error_codes"][0].as_u64().unwrap_or(0)
        }
    }

    #[test]
    fn assertions_are_checked_to_the_last_claim() {
        let client = client();
        let header = |alg: &str| json!({"alg": alg, "typ": "JWT", "x5t#S256": client.thumbprint});
        for alg in ["PS256", "RS256"] {
            assert_eq!(client.ask(&client.sign(&header(alg), &client.claims())), 0, "{alg}");
        }
        let with = |name: &str, value: Value| {
            let mut claims = client.claims();
            claims[name] = value;
            client.ask(&client.sign(&header("PS256"), &claims))
        };
        let now = client.desk.tenant.clock().now().as_second();
        assert_eq!(with("aud", json!("https://elsewhere.example")), 700_023);
        assert_eq!(with("iss", json!("somebody")), 700_021);
        assert_eq!(with("exp", json!(now - 301)), 700_024);
        assert_eq!(with("nbf", json!(now + 301)), 700_024);

        let unknown = json!({"alg": "PS256", "x5t#S256": "AAAA"});
        assert_eq!(client.ask(&client.sign(&unknown, &client.claims())), 700_027);
        let good = client.sign(&header("PS256"), &client.claims());
        let (signed, _) = good.rsplit_once('.').unwrap();
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
        assert_eq!(client.ask(&forged), 700_027);
        let none = client.sign(&header("none"), &client.claims());
        assert_eq!(client.ask(&none), 5_002_738);
        assert_eq!(client.ask("a.b"), 50_027);
    }

    #[test]
    fn only_rsa_certificates_are_taken() {
        let key = rcgen::KeyPair::generate().unwrap();
        let pem =
            rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
        assert!(Certificate::from_pem(&pem).is_err());
        assert!(Certificate::from_pem("nothing").is_err());
    }
}
