//! Client assertions: a short-lived JWT, signed with the key of the application's certificate
//! (Microsoft, "Microsoft identity platform application authentication certificate credentials",
//! read 2026-08: PS256, `x5t#S256`, audience = the token endpoint).

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKey;
use aws_lc_rs::signature::{KeyPair, RSA_PSS_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_model::Secret;
use jiff::Timestamp;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::certificate;
use crate::error::{Error, Result};

/// Life of an assertion; Microsoft advises 5 to 10 minutes.
const LIFE_SECONDS: i64 = 600;

/// A clock that is this far ahead of Entra's still signs in.
const SKEW_SECONDS: i64 = 120;

pub(crate) struct Signer {
    key: RsaKey,
    thumbprint: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// Checks that both are readable and belong together.
    pub fn new(certificate_pem: &str, key_pem: &Secret) -> Result<Self> {
        let facts = certificate::inspect(certificate_pem)?;
        let key = rsa_key(key_pem)?;
        if facts.public_key != key.public_key().as_ref() {
            return Err(Error::config("the key does not belong to the certificate"));
        }
        Ok(Self { key, thumbprint: URL_SAFE_NO_PAD.encode(facts.sha256) })
    }

    /// A signed assertion that `client_id` is asking `audience` for a token.
    pub fn assertion(&self, client_id: &str, audience: &str, now: Timestamp) -> Result<String> {
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let now = now.as_second();
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": Uuid::new_v4().to_string(),
            "iat": now,
            "nbf": now - SKEW_SECONDS,
            "exp": now + LIFE_SECONDS,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| Error::config("the key of the certificate cannot sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn rsa_key(pem: &Secret) -> Result<RsaKey> {
    let wrong = |what: &str| Error::config(format!("the key of the certificate {what}"));
    let key = PrivateKeyDer::from_pem_slice(pem.expose())
        .map_err(|_| wrong("is not an unencrypted PEM private key"))?;
    let parsed = match &key {
        PrivateKeyDer::Pkcs8(der) => RsaKey::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKey::from_der(der.secret_pkcs1_der()),
        _ => return Err(wrong("is not an RSA key, which Entra ID needs")),
    };
    parsed.map_err(|_| wrong("is not an RSA key of 2048 bits or more, which Entra ID needs"))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    const NOW: &str = "2026-11-22T10:00:00Z";

    fn decode(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_verifies_with_the_certificates_key() {
        let now: Timestamp = NOW.parse().unwrap();
        let made = certificate::make("Holdfast", now, 30).unwrap();
        let signer = Signer::new(&made.certificate_pem, &made.key_pem).unwrap();
        let text =
            signer.assertion("app", "https://login.example/t/oauth2/v2.0/token", now).unwrap();
        let parts: Vec<&str> = text.split('.').collect();
        assert_eq!(decode(parts[0])["alg"], "PS256");
        let facts = certificate::inspect(&made.certificate_pem).unwrap();
        assert_eq!(decode(parts[0])["x5t#S256"], URL_SAFE_NO_PAD.encode(facts.sha256));
        let claims = decode(parts[1]);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("app"), &json!("app")));
        assert_eq!(claims["aud"], "https://login.example/t/oauth2/v2.0/token");
        assert_eq!(claims["exp"].as_i64().unwrap() - now.as_second(), 600);
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &facts.public_key);
        let signed = format!("{}.{}", parts[0], parts[1]);
        assert!(key.verify(signed.as_bytes(), &signature).is_ok());
        assert!(key.verify(b"something else", &signature).is_err());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let now: Timestamp = NOW.parse().unwrap();
        let (one, two) = (certificate::make("A", now, 1), certificate::make("B", now, 1));
        let error = Signer::new(&one.unwrap().certificate_pem, &two.unwrap().key_pem).unwrap_err();
        assert!(error.to_string().contains("does not belong"), "{error}");
        let made = certificate::make("A", now, 1).unwrap();
        let error = Signer::new(&made.certificate_pem, &Secret::new("nonsense")).unwrap_err();
        assert!(error.to_string().contains("PEM private key"), "{error}");
        assert!(Signer::new("nonsense", &made.key_pem).is_err());
    }
}
