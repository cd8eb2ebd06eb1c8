//! Buckets, their versioning, and deleting many objects at once.

use http::StatusCode;

use super::call::{Answer, Call, empty};
use super::error::{self, Error};
use super::objects::delete_one;
use super::request::Operation;
use super::rules::{self, BucketLock, Versioning};
use super::state::{Bucket, Store};
use super::xml;

/// `CreateBucket`.
pub(crate) fn create(call: &Call<'_>, store: &mut Store) -> Answer {
    let name = &call.head.bucket;
    if store.buckets.contains_key(name) {
        return Err(Error::new(
            409,
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        ));
    }
    let has_lock = call.head.header("x-amz-bucket-object-lock-enabled") == Some("true");
    let mut bucket = Bucket::default();
    if has_lock {
        bucket.versioning = Versioning::Enabled;
        bucket.lock = Some(BucketLock::default());
    }
    store.buckets.insert(name.clone(), bucket);
    Ok(empty(StatusCode::OK))
}

/// `ListBuckets`.
pub(crate) fn list(store: &Store) -> Answer {
    let names = store.buckets.keys();
    let buckets: String =
        names.map(|name| format!("<Bucket>{}</Bucket>", xml::element("Name", name))).collect();
    Ok(xml::document("ListAllMyBucketsResult", &format!("<Buckets>{buckets}</Buckets>")))
}

/// `PutBucketVersioning`.
pub(crate) fn put_versioning(call: &Call<'_>, store: &mut Store) -> Answer {
    let asked: xml::VersioningConfiguration =
        xml::read(&call.payload.body, "VersioningConfiguration")?;
    let bucket = call.bucket_mut(store)?;
    bucket.versioning = rules::versioning(bucket.lock.is_some(), asked.status.as_deref())?;
    Ok(empty(StatusCode::OK))
}

/// `GetBucketVersioning`.
pub(crate) fn get_versioning(call: &Call<'_>, store: &Store) -> Answer {
    let status = match call.bucket(store)?.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some("Enabled"),
        Versioning::Suspended => Some("Suspended"),
    };
    Ok(xml::document("VersioningConfiguration", &xml::optional("Status", status)))
}

/// `DeleteObjects`: each key is judged by itself.
pub(crate) fn delete_many(call: &Call<'_>, store: &mut Store) -> Answer {
    if !call.payload.has_checksum {
        return Err(Error::request("Missing required header for this request: Content-MD5"));
    }
    let asked: xml::Delete = xml::read(&call.payload.body, "Delete")?;
    if asked.object.is_empty() || asked.object.len() > 1000 {
        return Err(error::MALFORMED_XML);
    }
    let mut results = String::new();
    for object in &asked.object {
        let version = object.version_id.as_deref().filter(|id| !id.is_empty());
        let named = xml::element("Key", &object.key) + &xml::optional("VersionId", version);
        match delete_one(call, store, &object.key, version) {
            Ok(_) if asked.quiet => {}
            Ok(deleted) => {
                let made = deleted.is_marker.then_some("true");
                let marker = xml::optional("DeleteMarker", made);
                let id = deleted.version.filter(|_| deleted.is_marker);
                let id = xml::optional("DeleteMarkerVersionId", id);
                results.push_str(&format!("<Deleted>{named}{marker}{id}</Deleted>"));
            }
            Err(error) => {
                let code = xml::element("Code", error.code);
                let message = xml::element("Message", error.message);
                results.push_str(&format!("<Error>{named}{code}{message}</Error>"));
            }
        }
    }
    Ok(xml::document("DeleteResult", &results))
}

/// Operations on an existing bucket that take no body and change nothing.
pub(crate) fn about(call: &Call<'_>, store: &Store) -> Answer {
    call.bucket(store)?;
    match call.head.operation {
        // The home region is named by an empty element.
        Operation::GetBucketLocation => Ok(xml::document("LocationConstraint", "")),
        _ => Ok(empty(StatusCode::OK)),
    }
}
