//! Who may do what: the permissions of IAM that matter here, and the usual sets of them.

use std::collections::BTreeSet;

/// A permission, named as IAM's action without `s3:`.
///
/// Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon
/// S3" (2026-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "IAM's own names")]
pub enum Right {
    AbortMultipartUpload,
    BypassGovernanceRetention,
    CreateBucket,
    DeleteObject,
    DeleteObjectVersion,
    GetBucketLocation,
    GetBucketObjectLockConfiguration,
    GetBucketVersioning,
    GetObject,
    GetObjectLegalHold,
    GetObjectRetention,
    GetObjectVersion,
    ListAllMyBuckets,
    ListBucket,
    ListBucketMultipartUploads,
    ListBucketVersions,
    ListMultipartUploadParts,
    PutBucketObjectLockConfiguration,
    PutBucketVersioning,
    PutObject,
    PutObjectLegalHold,
    PutObjectRetention,
}

use Right as R;

const READ: [Right; 9] = [
    R::GetBucketLocation,
    R::GetBucketObjectLockConfiguration,
    R::GetBucketVersioning,
    R::GetObject,
    R::GetObjectLegalHold,
    R::GetObjectRetention,
    R::GetObjectVersion,
    R::ListBucket,
    R::ListBucketVersions,
];
const WRITE: [Right; 5] = [
    R::AbortMultipartUpload,
    R::ListBucketMultipartUploads,
    R::ListMultipartUploadParts,
    R::PutObject,
    R::PutObjectRetention,
];
const MAINTAIN: [Right; 3] = [R::DeleteObject, R::DeleteObjectVersion, R::PutObjectLegalHold];
const OWN: [Right; 5] = [
    R::BypassGovernanceRetention,
    R::CreateBucket,
    R::ListAllMyBuckets,
    R::PutBucketObjectLockConfiguration,
    R::PutBucketVersioning,
];

/// The four credentials that a fake has unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Gets and lists, old versions too.
    Reader,
    /// Reader, and writes: puts objects and retentions (which without the right to bypass can only
    /// grow). No deleting of any kind, no legal hold, no bypass.
    Writer,
    /// Writer, and deletes, also versions, and sets and lifts legal holds. No bypass.
    Maintenance,
    /// Everything, bypass included.
    Root,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Writer, Self::Maintenance, Self::Root];

    /// Its permissions.
    pub fn rights(self) -> BTreeSet<Right> {
        let (write, maintain, own) = match self {
            Self::Reader => (&[][..], &[][..], &[][..]),
            Self::Writer => (&WRITE[..], &[][..], &[][..]),
            Self::Maintenance => (&WRITE[..], &MAINTAIN[..], &[][..]),
            Self::Root => (&WRITE[..], &MAINTAIN[..], &OWN[..]),
        };
        [&READ[..], write, maintain, own].into_iter().flatten().copied().collect()
    }
}

/// An access key and what it may do.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The id of the access key.
    pub access_key: String,
    /// Signs requests. A test value, not a secret.
    pub secret_key: String,
    /// What it may do.
    pub rights: BTreeSet<Right>,
}

impl Credential {
    /// The credential of a role: key and secret are made from its name.
    pub fn of(role: Role) -> Self {
        let name = format!("{role:?}").to_uppercase();
        Self::new(&format!("AKIAHOLDFAST{name}"), role.rights())
    }

    /// A credential of its own, with a secret made from the key.
    pub fn new(access_key: &str, rights: BTreeSet<Right>) -> Self {
        let secret_key = format!("secret/of+{access_key}");
        Self { access_key: access_key.to_owned(), secret_key, rights }
    }

    /// The same with one more right.
    #[must_use]
    pub fn with(mut self, right: Right) -> Self {
        self.rights.insert(right);
        self
    }

    pub(crate) fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Credential");
        shown.field("access_key", &self.access_key).field("rights", &self.rights).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_cannot_take_away() {
        let rights = Role::Writer.rights();
        assert!(rights.contains(&R::PutObject) && rights.contains(&R::PutObjectRetention));
        let forbidden =
            [R::DeleteObject, R::DeleteObjectVersion, R::PutObjectLegalHold, OWN[0], OWN[4]];
        assert!(forbidden.iter().all(|right| !rights.contains(right)));
        assert!(!Role::Maintenance.rights().contains(&R::BypassGovernanceRetention));
        assert_eq!(Role::Root.rights().len(), 22);
    }
}
