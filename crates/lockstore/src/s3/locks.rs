//! Retention and legal hold of stored versions, and the lock configuration of a bucket.

use http::StatusCode;

use super::call::{Answer, Call, empty};
use super::error::{self, Error};
use super::rules::{self, Mode, Period, Retention};
use super::state::{Store, Version};
use super::xml;

const NO_CHECKSUM: Error =
    Error::request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*");

/// `PutObjectRetention`.
pub(crate) fn put_retention(call: &Call<'_>, store: &mut Store) -> Answer {
    let bypass = call.bypasses();
    let asked: xml::RetentionBody = checked(call, "Retention")?;
    let version = version_mut(call, store)?;
    let new = match (&asked.mode, &asked.retain_until_date) {
        (None, None) => None,
        (Some(mode), Some(until)) => rules::retention(Some(mode), Some(until))?,
        _ => return Err(error::MALFORMED_XML),
    };
    rules::may_retain(version.lock.retention, new, call.now, bypass)?;
    version.lock.retention = new;
    Ok(empty(StatusCode::OK))
}

/// `GetObjectRetention`.
pub(crate) fn get_retention(call: &Call<'_>, store: &mut Store) -> Answer {
    let Retention { mode, until } =
        version_mut(call, store)?.lock.retention.ok_or(NO_CONFIGURATION)?;
    let until = xml::element("RetainUntilDate", xml::time(until));
    Ok(xml::document("Retention", &format!("{}{until}", xml::element("Mode", mode.name()))))
}

/// `PutObjectLegalHold`.
pub(crate) fn put_hold(call: &Call<'_>, store: &mut Store) -> Answer {
    let asked: xml::HoldBody = checked(call, "LegalHold")?;
    let version = version_mut(call, store)?;
    version.lock.hold = rules::hold(&asked.status).map_err(|_| error::MALFORMED_XML)?;
    Ok(empty(StatusCode::OK))
}

/// `GetObjectLegalHold`.
pub(crate) fn get_hold(call: &Call<'_>, store: &mut Store) -> Answer {
    let status = if version_mut(call, store)?.lock.hold { "ON" } else { "OFF" };
    Ok(xml::document("LegalHold", &xml::element("Status", status)))
}

const NO_CONFIGURATION: Error = Error::new(
    404,
    "NoSuchObjectLockConfiguration",
    "The specified object does not have a ObjectLock configuration",
);

/// `PutObjectLockConfiguration`.
pub(crate) fn put_configuration(call: &Call<'_>, store: &mut Store) -> Answer {
    let asked = checked(call, "ObjectLockConfiguration")?;
    let bucket = call.bucket_mut(store)?;
    bucket.lock = Some(rules::bucket_lock(bucket.versioning, &asked)?);
    Ok(empty(StatusCode::OK))
}

/// `GetObjectLockConfiguration`.
pub(crate) fn get_configuration(call: &Call<'_>, store: &Store) -> Answer {
    let lock = call.bucket(store)?.lock.ok_or(Error::new(
        404,
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ))?;
    let rule = lock.default.map_or_else(String::new, |default| {
        let (unit, count) = match default.period {
            Period::Days(days) => ("Days", days),
            Period::Years(years) => ("Years", years),
        };
        let mode = xml::element("Mode", Mode::name(default.mode));
        let period = xml::element(unit, count.to_string());
        format!("<Rule><DefaultRetention>{mode}{period}</DefaultRetention></Rule>")
    });
    let enabled = xml::element("ObjectLockEnabled", "Enabled");
    Ok(xml::document("ObjectLockConfiguration", &format!("{enabled}{rule}")))
}

/// The body of a request that must come with a checksum.
fn checked<T: serde::de::DeserializeOwned>(call: &Call<'_>, root: &str) -> Result<T, Error> {
    if !call.payload.has_checksum {
        return Err(NO_CHECKSUM);
    }
    xml::read(&call.payload.body, root)
}

/// The version that a request about locks names, or the current one.
fn version_mut<'s>(call: &Call<'_>, store: &'s mut Store) -> Result<&'s mut Version, Error> {
    let asked = call.head.version()?;
    let bucket = call.bucket_mut(store)?;
    if bucket.lock.is_none() {
        return Err(rules::NO_LOCK);
    }
    let absent = if asked.is_some() { error::NO_SUCH_VERSION } else { error::NO_SUCH_KEY };
    let version = bucket.version_mut(&call.head.key, asked).ok_or(absent)?;
    if version.is_marker() { Err(error::METHOD_NOT_ALLOWED) } else { Ok(version) }
}
