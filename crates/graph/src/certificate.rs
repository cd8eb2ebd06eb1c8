//! Certificates by which an application proves who it is. Entra ID takes RSA keys of 2048 bits or
//! more, self-signed (Microsoft, "Create a self-signed public certificate to authenticate your
//! application", read 2026-08).

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use holdfast_model::Secret;
use jiff::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::parse_x509_certificate;

use crate::error::{Error, Result};

/// Longest life that [`make`] gives, in days (ten years).
pub const LONGEST_DAYS: u32 = 3660;

/// The certificate is valid from this long before it was made, for clocks that lag.
const SKEW_SECONDS: i64 = 3600;

/// A new certificate with its key.
#[derive(Clone, Debug)]
pub struct Made {
    /// The public half, PEM: given to Holdfast together with the key.
    pub certificate_pem: String,
    /// The public half, DER: the `.cer` file that is uploaded to the app registration.
    pub certificate_der: Vec<u8>,
    /// The RSA key, PKCS#8 PEM, not encrypted: for a file that only its owner can read.
    pub key_pem: Secret,
    /// SHA-1 of the DER form, upper-case hexadecimal: what the Entra portal shows.
    pub thumbprint_sha1_hex: String,
    /// SHA-256 of the DER form, lower-case hexadecimal: what `openssl x509 -fingerprint -sha256`
    /// shows (there with colons).
    pub thumbprint_sha256_hex: String,
    /// End of its validity; before that a new one must be uploaded.
    pub not_after: Timestamp,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// SHA-1 of the DER form, upper-case hexadecimal: what the Entra portal shows.
    pub thumbprint_sha1_hex: String,
    /// SHA-256 of the DER form, lower-case hexadecimal.
    pub thumbprint_sha256_hex: String,
    /// End of its validity.
    pub not_after: Timestamp,
    pub(crate) sha256: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
}

/// Makes a self-signed certificate for client authentication with a new RSA-2048 key, valid for
/// `days` from `now`. Making the key takes a part of a second of processor time.
///
/// Fails for zero days or more than [`LONGEST_DAYS`].
pub fn make(common_name: &str, now: Timestamp, days: u32) -> Result<Made> {
    if days == 0 || days > LONGEST_DAYS {
        let what = format!("a certificate is valid for 1 to {LONGEST_DAYS} days, not {days}");
        return Err(Error::config(what));
    }
    let failed = |error: rcgen::Error| Error::config(format!("cannot make a certificate: {error}"));
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(failed)?;
    let certificate = parameters(common_name, now, days).self_signed(&key).map_err(failed)?;
    let facts = inspect_der(certificate.der())?;
    Ok(Made {
        certificate_pem: certificate.pem(),
        certificate_der: certificate.der().to_vec(),
        key_pem: Secret::new(key.serialize_pem()),
        thumbprint_sha1_hex: facts.thumbprint_sha1_hex,
        thumbprint_sha256_hex: facts.thumbprint_sha256_hex,
        not_after: facts.not_after,
    })
}

fn parameters(common_name: &str, now: Timestamp, days: u32) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let now = u64::try_from(now.as_second()).unwrap_or_default();
    let at = |second: u64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(second);
    params.not_before = at(now.saturating_sub(SKEW_SECONDS as u64));
    params.not_after = at(now + u64::from(days) * 24 * 3600);
    params
}

/// Reads the first certificate of a PEM text.
pub fn inspect(certificate_pem: &str) -> Result<Facts> {
    let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
        .map_err(|_| Error::config("the certificate file holds no PEM certificate"))?;
    inspect_der(&der)
}

fn inspect_der(der: &[u8]) -> Result<Facts> {
    let wrong = || Error::config("the certificate is damaged or not an X.509 certificate");
    let (_, certificate) = parse_x509_certificate(der).map_err(|_| wrong())?;
    let end = certificate.validity().not_after.timestamp();
    let sha256 = digest(&SHA256, der).as_ref().to_vec();
    Ok(Facts {
        thumbprint_sha1_hex: hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, der)),
        thumbprint_sha256_hex: hex::encode(&sha256),
        not_after: Timestamp::from_second(end).map_err(|_| wrong())?,
        sha256,
        public_key: certificate.public_key().subject_public_key.data.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_made_certificate_says_what_was_asked() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let made = make("Holdfast for Contoso", now, 365).unwrap();
        assert_eq!(made.not_after.to_string(), "2027-11-22T10:00:00Z");
        let facts = inspect(&made.certificate_pem).unwrap();
        assert_eq!(facts.thumbprint_sha1_hex, made.thumbprint_sha1_hex);
        assert_eq!(facts.thumbprint_sha256_hex, made.thumbprint_sha256_hex);
        assert_eq!((facts.thumbprint_sha1_hex.len(), facts.thumbprint_sha256_hex.len()), (40, 64));
        let (_, parsed) = parse_x509_certificate(&made.certificate_der).unwrap();
        assert_eq!(parsed.subject().to_string(), "CN=Holdfast for Contoso");
        assert_eq!(parsed.validity().not_before.timestamp(), now.as_second() - SKEW_SECONDS);
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &facts.public_key);
        let signature = &parsed.signature_value.data;
        assert!(key.verify(parsed.tbs_certificate.as_ref(), signature).is_ok());
        assert!(made.key_pem.expose().starts_with(b"-----BEGIN PRIVATE KEY-----"));
    }

    #[test]
    fn odd_lives_and_files_are_refused() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(make("x", now, 0).is_err());
        assert!(make("x", now, LONGEST_DAYS + 1).is_err());
        assert!(inspect("").is_err());
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(inspect(garbage).unwrap_err().to_string().contains("damaged"));
    }
}
