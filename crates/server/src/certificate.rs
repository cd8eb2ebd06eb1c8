//! The certificate of the server: a given one, or one of its own that is made at the first start.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use holdfast_model::Timestamp;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Result};

/// How long a certificate of our own is good: what browsers take at most is 398 days (CA/Browser
/// Forum, baseline requirements 6.3.2).
const DAYS: i64 = 397;

/// It is made anew at a start when it is this old.
const RENEWED_AFTER: i64 = DAYS - 60;

/// Certificate and key, ready for use.
pub(crate) struct Certificate {
    pub(crate) config: ServerConfig,
    /// The file with the certificate, if it is our own.
    pub(crate) own: Option<PathBuf>,
    /// SHA-256 of the certificate in hexadecimal, to be compared with what a browser shows.
    pub(crate) fingerprint: String,
}

impl Certificate {
    /// That of two PEM files.
    pub(crate) fn given(certificate: &Path, key: &Path) -> Result<Self> {
        let meta = fs::metadata(key).map_err(file("read", key))?;
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(Error::KeyExposed(key.to_owned()));
        }
        let (chain, key) = (read(certificate)?, read(key)?);
        Self::of(&chain, &key, None)
    }

    /// Our own, in the home folder: made where there is none, or one for other names, or an old one.
    pub(crate) fn own(dir: &Path, names: &[String], now: Timestamp) -> Result<Self> {
        let (path, key_path) = (dir.join("server.pem"), dir.join("server.key"));
        let noted = dir.join("server.names");
        let wanted = names.join("\n");
        let is_young = fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok())
            .is_some_and(|made| {
                now.duration_since(made) < SignedDuration::from_hours(24 * RENEWED_AFTER)
            });
        let is_for_them = fs::read_to_string(&noted).is_ok_and(|names| names == wanted);
        let kept = || Self::of(&read(&path)?, &read(&key_path)?, Some(path.clone()));
        // A start that was cut off may have left a key that does not fit its certificate.
        if is_young
            && is_for_them
            && let Ok(kept) = kept()
        {
            return Ok(kept);
        }
        let (pem, key) = make(names, now)?;
        write(&key_path, &key, 0o600)?;
        write(&path, &pem, 0o644)?;
        write(&noted, &wanted, 0o644)?;
        kept()
    }

    fn of(chain: &[u8], key: &[u8], own: Option<PathBuf>) -> Result<Self> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(unusable)?;
        let first = chain.first().ok_or_else(|| unusable("the file holds no certificate"))?;
        let fingerprint = hex::encode(digest(&SHA256, first));
        let key = PrivateKeyDer::from_pem_slice(key).map_err(unusable)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config, own, fingerprint })
    }
}

fn make(names: &[String], now: Timestamp) -> Result<(String, String)> {
    let mut params = CertificateParams::new(names.to_vec()).map_err(unusable)?;
    params.distinguished_name.push(DnType::CommonName, "Holdfast");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let day = |offset: i64| {
        let time = now.checked_add(SignedDuration::from_hours(24 * offset)).unwrap_or(now);
        let date = time.to_zoned(TimeZone::UTC).date();
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(date.year().into(), month, day)
    };
    (params.not_before, params.not_after) = (day(-1), day(DAYS - 1));
    let key = KeyPair::generate().map_err(unusable)?;
    let certificate = params.self_signed(&key).map_err(unusable)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// The names under which a server of this machine is reached.
pub(crate) fn names(host: &str, listen: IpAddr) -> Vec<String> {
    let mut names = vec![host.trim_matches(['[', ']']).to_owned(), "localhost".to_owned()];
    names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    names.sort();
    names.dedup();
    names
}

fn unusable(why: impl std::fmt::Display) -> Error {
    Error::Certificate(format!("{why}"))
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(file("read", path))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let passing = path.with_extension("new");
    // What a start that was cut off has left behind.
    let _ = fs::remove_file(&passing);
    let mut options = fs::OpenOptions::new();
    let made = options.write(true).create_new(true).mode(mode).open(&passing);
    made.and_then(|mut made| made.write_all(text.as_bytes()).and_then(|()| made.sync_all()))
        .and_then(|()| fs::rename(&passing, path))
        .map_err(file("write", path))
}
