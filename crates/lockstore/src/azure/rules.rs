//! The rules of Azure Blob as pure functions over state and request, and the table that says
//! where each is known from.
//!
//! [`RULES`] is what a reader checks against Microsoft's pages; the rows of the conformance suite
//! name their rule, and a rule without a row fails that suite.

use jiff::{SignedDuration, Timestamp};

use super::error::{self, Refusal};

/// How a rule is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The page says so.
    Documented,
    /// A recorded answer of the real service, or a report of one, says so.
    Recorded,
    /// The page says that it is refused, or says nothing; status or code are our choice, the
    /// stricter one. A client must not lean on the exact code.
    Assumed,
}

/// One rule of the service.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// By which the rows of the conformance suite refer to it.
    pub name: &'static str,
    /// The rule.
    pub text: &'static str,
    /// The page below learn.microsoft.com, and its date where it bears one.
    pub source: &'static str,
    /// How it is known.
    pub evidence: Evidence,
}

const PUT_BLOB: &str = "rest/api/storageservices/put-blob";
const PUT_BLOCK: &str = "rest/api/storageservices/put-block";
const PUT_BLOCK_LIST: &str = "rest/api/storageservices/put-block-list";
const GET_BLOB: &str = "rest/api/storageservices/get-blob";
const LIST_BLOBS: &str = "rest/api/storageservices/list-blobs";
const DELETE_BLOB: &str = "rest/api/storageservices/delete-blob, 2021-02-01";
const BLOB_BATCH: &str = "rest/api/storageservices/blob-batch";
const CONDITIONS: &str =
    "rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations";
const ERROR_CODES: &str = "rest/api/storageservices/blob-service-error-codes";
const SHARED_KEY: &str = "rest/api/storageservices/authorize-with-shared-key";
const SERVICE_SAS: &str = "rest/api/storageservices/create-service-sas";
const SET_POLICY: &str = "rest/api/storageservices/set-blob-immutability-policy, 2021-07-16";
const DELETE_POLICY: &str = "rest/api/storageservices/delete-blob-immutability-policy, 2021-07-16";
const LEGAL_HOLD: &str = "rest/api/storageservices/set-blob-legal-hold";
const VERSION_WORM: &str = "azure/storage/blobs/immutable-version-level-worm-policies, 2024-03-26";
const IMMUTABLE: &str = "azure/storage/blobs/immutable-storage-overview, 2024-05-01";
const VERSIONING: &str = "azure/storage/blobs/versioning-overview";

const fn rule(
    name: &'static str,
    text: &'static str,
    source: &'static str,
    evidence: Evidence,
) -> Rule {
    Rule { name, text, source, evidence }
}

use Evidence::{Assumed, Documented, Recorded};

/// Every rule that the fake keeps, by subject.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // who may
    rule("signature", "A request signed with another key, or changed after signing, is 403 AuthenticationFailed.", SHARED_KEY, Documented),
    rule("anonymous", "A request without authorization is refused: 401 NoAuthenticationInformation.", ERROR_CODES, Recorded),
    rule("sas-rights", "A SAS can do what its permissions say: r read, l list, c create, w write, d delete, x delete version, i immutability; else 403 AuthorizationPermissionMismatch.", SERVICE_SAS, Documented),
    rule("sas-create-only", "With c and not w a blob can be made, an existing one not overwritten: 403 UnauthorizedBlobOverwrite.", SERVICE_SAS, Documented),
    rule("sas-lock-on-write", "Policy and hold headers on a write need i besides: 403.", "azure-sdk-for-net issue 27243, 2022-02-28", Recorded),
    rule("sas-expiry", "A SAS whose time is over, or that was altered, is 403 AuthenticationFailed.", SERVICE_SAS, Documented),
    // writing
    rule("create-if-absent", "If-None-Match: * on an existing blob is 409 BlobAlreadyExists, also on Put Block List; nothing is written.", CONDITIONS, Recorded),
    rule("replace-if-same", "If-Match with another etag, or where there is no blob, is 412 ConditionNotMet.", CONDITIONS, Documented),
    rule("md5", "A body whose Content-MD5 is wrong is 400 Md5Mismatch, and nothing is stored; an MD5 that is none is 400 InvalidMd5.", PUT_BLOB, Documented),
    rule("blob-md5", "x-ms-blob-content-md5 is verified by Put Blob, and only stored by Put Block List.", PUT_BLOCK_LIST, Documented),
    rule("crc64", "A body whose x-ms-content-crc64 is wrong is 400 Crc64Mismatch; with Content-MD5 beside it, 400.", PUT_BLOB, Documented),
    rule("block-list", "Put Block List makes the blob of the listed blocks in their order; other uncommitted blocks are dropped.", PUT_BLOCK_LIST, Documented),
    rule("block-list-unknown", "A list that names a block that is not there is 400 InvalidBlockList, and nothing changes.", PUT_BLOCK_LIST, Documented),
    rule("block-ids", "Block ids are base64 of at most 64 bytes, of one length in a blob: 400 InvalidBlobOrBlock.", PUT_BLOCK, Documented),
    rule("block-uncommitted", "A blob of uncommitted blocks alone does not exist: 404, not listed.", PUT_BLOCK, Documented),
    rule("block-conditions", "Put Block takes no conditional headers: 400 ConditionHeadersNotSupported.", CONDITIONS, Assumed),
    // reading
    rule("range", "A range answers 206 with Content-Range, shorter at the end; one that begins at or after the end is 416 InvalidRange.", GET_BLOB, Documented),
    rule("read-conditions", "If-None-Match with the same etag answers 304; If-Match with another 412.", CONDITIONS, Documented),
    rule("not-found", "A blob that is not there is 404 BlobNotFound, a container ContainerNotFound.", ERROR_CODES, Documented),
    // listing
    rule("list-order", "Blobs are listed by name; a page ends at maxresults and NextMarker goes on from there.", LIST_BLOBS, Documented),
    rule("list-delimiter", "With a delimiter names are rolled up to BlobPrefix, which counts towards maxresults.", LIST_BLOBS, Documented),
    rule("list-versions", "include=versions lists every version, the oldest first, and marks only the current one.", LIST_BLOBS, Documented),
    rule("list-immutability", "include=immutabilitypolicy and legalhold add the policy, its mode in lower case, and the hold.", LIST_BLOBS, Recorded),
    rule("list-metadata", "include=metadata adds the metadata; without it there is none.", LIST_BLOBS, Documented),
    // versions
    rule("overwrite-version", "A write makes a new version; the old one stays readable by its id.", VERSIONING, Documented),
    rule("delete-version-stays", "Delete Blob without versionid makes the current version a previous one: the blob is gone, the version is not; even when it is protected.", VERSION_WORM, Documented),
    rule("delete-root", "The current version cannot be deleted by its id: 403 OperationNotAllowedOnRootBlob.", DELETE_BLOB, Recorded),
    rule("delete-version", "A previous version without protection is deleted by its id, for good.", DELETE_BLOB, Documented),
    rule("delete-again", "Deleting what is not there is 404 BlobNotFound.", DELETE_BLOB, Documented),
    rule("create-after-delete", "After a delete If-None-Match: * succeeds, though versions are left.", VERSIONING, Documented),
    rule("permanent-delete", "deletetype=permanent without soft delete is 409.", DELETE_BLOB, Documented),
    rule("batch", "A batch deletes up to 256 blobs, each by its own authorization, each with its own answer.", BLOB_BATCH, Documented),
    // immutability
    rule("lock-on-write", "Policy and hold given with Put Blob or Put Block List hold from then on and are shown by Get Blob Properties, the mode in lower case.", PUT_BLOB, Recorded),
    rule("lock-on-write-both", "Of until-date and mode one without the other is 400.", PUT_BLOB, Assumed),
    rule("default-policy", "A write without policy headers takes the container's default: its days from now, its mode.", VERSION_WORM, Documented),
    rule("default-overridden", "A policy given with the write stands instead of the default, even a shorter one.", VERSION_WORM, Documented),
    rule("default-changed", "A changed default leaves the policies of existing blobs as they are.", VERSION_WORM, Documented),
    rule("protected-version", "A version under a policy that has not ended cannot be deleted: 409 BlobImmutableDueToPolicy, locked or not, account key or not.", VERSION_WORM, Documented),
    rule("protected-hold", "A version under a legal hold cannot be deleted: 409 BlobImmutableDueToLegalHold, until the hold is lifted.", ERROR_CODES, Documented),
    rule("protected-expired", "When the policy has ended the version can be deleted.", IMMUTABLE, Documented),
    rule("protected-overwrite", "Overwriting a protected blob makes a new version; the old one keeps its bytes and policy, the new one has none of it.", VERSION_WORM, Documented),
    rule("protected-metadata", "Set Blob Metadata on a version with a policy, even an ended one, or a hold is 409.", VERSION_WORM, Documented),
    rule("policy-past", "An until-date that is not in the future is 400 InvalidHeaderValue, as is one beyond 146,000 days.", SET_POLICY, Documented),
    rule("policy-unlocked", "An unlocked policy can be prolonged, shortened, locked and deleted.", SET_POLICY, Documented),
    rule("policy-locked-longer", "A locked policy can be prolonged, any number of times.", IMMUTABLE, Documented),
    rule("policy-locked-shorter", "A locked policy cannot be shortened: 409 BlobImmutableDueToPolicy.", SET_POLICY, Assumed),
    rule("policy-locked-unlock", "A locked policy cannot become unlocked, which is also what a request without a mode asks for: 409 BlobImmutableDueToPolicy.", SET_POLICY, Assumed),
    rule("policy-locked-delete", "A locked policy cannot be deleted: 409 BlobImmutableDueToPolicy.", DELETE_POLICY, Assumed),
    rule("policy-etag", "Setting or deleting a policy leaves the etag as it is.", SET_POLICY, Documented),
    rule("policy-version", "Policy and hold can be set on a previous version by its id, and concern it alone.", SET_POLICY, Documented),
    rule("policy-again", "A policy set again as it is succeeds.", SET_POLICY, Assumed),
    rule("hold", "A hold is set and lifted with x-ms-legal-hold: true, false, and is independent of the policy.", LEGAL_HOLD, Documented),
    rule("no-support", "Where the container has no version-level support, policy, hold and their headers on a write are refused, never ignored.", VERSION_WORM, Assumed),
    rule("container-delete", "A container with version-level support that holds a blob, be it a previous version, cannot be deleted: 409.", VERSION_WORM, Documented),
    rule("container-support", "Get Container Properties says whether the container has version-level support.", "rest/api/storageservices/get-container-properties", Documented),
    rule("api-version", "Policy and hold need x-ms-version 2020-06-12 or later.", SET_POLICY, Documented),
];

/// The longest policy (immutable-storage-overview, 2024-05-01).
const LONGEST_POLICY: SignedDuration = SignedDuration::from_hours(146_000 * 24);

/// Whether a policy may still be shortened or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It can be changed in every way by who holds the permission `i`.
    Unlocked,
    /// It can only be prolonged, by nobody shortened.
    Locked,
}

/// A time-based retention policy of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When it ends, in whole seconds.
    pub until: Timestamp,
    /// Its mode.
    pub mode: Mode,
}

/// What a container gives to blobs that are written without a policy of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultPolicy {
    /// How many days from the write.
    pub days: u16,
    /// Its mode.
    pub mode: Mode,
}

/// What protects a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// The policy, which may have ended.
    pub policy: Option<Policy>,
    /// Whether a legal hold is set.
    pub hold: bool,
}

impl DefaultPolicy {
    pub(crate) fn from(self, now: Timestamp) -> Policy {
        let days = SignedDuration::from_hours(i64::from(self.days) * 24);
        Policy { until: now.saturating_add(days).unwrap_or(Timestamp::MAX), mode: self.mode }
    }
}

/// The policy that a version has after a client asked for `wanted`.
pub(crate) fn set_policy(
    now: Timestamp,
    has: Option<Policy>,
    wanted: Policy,
) -> Result<Policy, Refusal> {
    in_the_future(now, wanted)?;
    match has {
        Some(Policy { mode: Mode::Locked, until })
            if wanted.mode == Mode::Unlocked || wanted.until < until =>
        {
            Err(error::IMMUTABLE_POLICY.into())
        }
        _ => Ok(wanted),
    }
}

/// Whether the policy may be deleted.
pub(crate) fn delete_policy(has: Option<Policy>) -> Result<(), Refusal> {
    match has {
        Some(Policy { mode: Mode::Locked, .. }) => Err(error::IMMUTABLE_POLICY.into()),
        _ => Ok(()),
    }
}

/// What protects a new version, given what its write asked for and the container's default.
pub(crate) fn on_write(
    now: Timestamp,
    asked: Protection,
    default: Option<DefaultPolicy>,
) -> Result<Protection, Refusal> {
    if let Some(policy) = asked.policy {
        in_the_future(now, policy)?;
    }
    let policy = asked.policy.or_else(|| default.map(|default| default.from(now)));
    Ok(Protection { policy, hold: asked.hold })
}

fn in_the_future(now: Timestamp, policy: Policy) -> Result<(), Refusal> {
    let from_now = policy.until.duration_since(now);
    if from_now > SignedDuration::ZERO && from_now <= LONGEST_POLICY {
        return Ok(());
    }
    Err(error::INVALID_HEADER.about("x-ms-immutability-policy-until-date"))
}

/// Whether a version may be removed for good.
pub(crate) fn remove(now: Timestamp, protection: Protection) -> Result<(), Refusal> {
    if protection.hold {
        return Err(error::IMMUTABLE_HOLD.into());
    }
    match protection.policy {
        Some(policy) if policy.until > now => Err(error::IMMUTABLE_POLICY.into()),
        _ => Ok(()),
    }
}

/// Whether the metadata of a version may be written. An ended policy still forbids it.
pub(crate) fn write_metadata(protection: Protection) -> Result<(), Refusal> {
    match protection {
        Protection { hold: true, .. } => Err(error::IMMUTABLE_HOLD.into()),
        Protection { policy: Some(_), .. } => Err(error::IMMUTABLE_POLICY.into()),
        Protection { .. } => Ok(()),
    }
}

/// Whether a container may be deleted.
pub(crate) fn delete_container(version_level: bool, versions: usize) -> Result<(), Refusal> {
    if version_level && versions > 0 {
        return Err(error::CONTAINER_PROTECTED.into());
    }
    Ok(())
}

/// Whether the current version is meant by its id, which is how it cannot be deleted.
pub(crate) fn delete_by_id(is_current: bool) -> Result<(), Refusal> {
    if is_current {
        return Err(error::ROOT_BLOB.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Mode::{Locked, Unlocked};
    use super::*;

    const NOW: i64 = 1_000_000;
    const POLICY: &str = "BlobImmutableDueToPolicy";
    const HOLD: &str = "BlobImmutableDueToLegalHold";
    const HEADER: &str = "InvalidHeaderValue";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A policy that ends so many seconds from now.
    fn policy(seconds: i64, mode: Mode) -> Policy {
        Policy { until: at(NOW + seconds), mode }
    }

    fn code<T>(result: Result<T, Refusal>) -> Option<&'static str> {
        result.err().map(|refusal| refusal.code.name)
    }

    #[test]
    fn changes_of_a_policy() {
        let longest = 146_000 * 86_400;
        for (has, wanted, refused) in [
            (None, policy(1, Unlocked), None),
            (None, policy(1, Locked), None),
            (None, policy(0, Unlocked), Some(HEADER)),
            (None, policy(-1, Locked), Some(HEADER)),
            (None, policy(longest, Locked), None),
            (None, policy(longest + 1, Locked), Some(HEADER)),
            (Some(policy(9, Unlocked)), policy(10, Unlocked), None),
            (Some(policy(9, Unlocked)), policy(8, Unlocked), None),
            (Some(policy(9, Unlocked)), policy(8, Locked), None),
            (Some(policy(9, Locked)), policy(10, Locked), None),
            (Some(policy(9, Locked)), policy(9, Locked), None),
            (Some(policy(9, Locked)), policy(8, Locked), Some(POLICY)),
            (Some(policy(9, Locked)), policy(10, Unlocked), Some(POLICY)),
            (Some(policy(9, Locked)), policy(0, Locked), Some(HEADER)),
            // Ended, a locked policy can begin again, but not become unlocked.
            (Some(policy(-9, Locked)), policy(1, Locked), None),
            (Some(policy(-9, Locked)), policy(1, Unlocked), Some(POLICY)),
        ] {
            let result = set_policy(at(NOW), has, wanted);
            assert_eq!(code(result.clone()), refused, "{has:?} to {wanted:?}");
            assert!(refused.is_some() || result == Ok(wanted), "{has:?} to {wanted:?}");
        }
    }

    #[test]
    fn deletions_of_a_policy() {
        assert_eq!(code(delete_policy(None)), None);
        assert_eq!(code(delete_policy(Some(policy(9, Unlocked)))), None);
        assert_eq!(code(delete_policy(Some(policy(9, Locked)))), Some(POLICY));
        assert_eq!(code(delete_policy(Some(policy(-9, Locked)))), Some(POLICY));
    }

    #[test]
    fn what_protects_a_new_version() {
        let day = 86_400;
        let default = |mode| Some(DefaultPolicy { days: 2, mode });
        for (asked, default, expected) in [
            (None, None, None),
            (None, default(Locked), Some(policy(2 * day, Locked))),
            (None, default(Unlocked), Some(policy(2 * day, Unlocked))),
            (Some(policy(1, Unlocked)), default(Locked), Some(policy(1, Unlocked))),
            (Some(policy(1, Locked)), None, Some(policy(1, Locked))),
        ] {
            for hold in [false, true] {
                let result = on_write(at(NOW), Protection { policy: asked, hold }, default);
                assert_eq!(result, Ok(Protection { policy: expected, hold }), "{asked:?}");
            }
        }
        let past = Protection { policy: Some(policy(0, Unlocked)), hold: false };
        assert_eq!(code(on_write(at(NOW), past, None)), Some(HEADER));
    }

    #[test]
    fn what_a_protected_version_refuses() {
        for (policy, hold, removal, metadata) in [
            (None, false, None, None),
            (Some(policy(1, Unlocked)), false, Some(POLICY), Some(POLICY)),
            (Some(policy(1, Locked)), false, Some(POLICY), Some(POLICY)),
            (Some(policy(0, Locked)), false, None, Some(POLICY)),
            (Some(policy(-1, Unlocked)), false, None, Some(POLICY)),
            (None, true, Some(HOLD), Some(HOLD)),
            (Some(policy(-1, Locked)), true, Some(HOLD), Some(HOLD)),
            (Some(policy(1, Locked)), true, Some(HOLD), Some(HOLD)),
        ] {
            let protection = Protection { policy, hold };
            assert_eq!(code(remove(at(NOW), protection)), removal, "{protection:?}");
            assert_eq!(code(write_metadata(protection)), metadata, "{protection:?}");
        }
    }

    #[test]
    fn containers_and_current_versions() {
        for (version_level, versions, refused) in
            [(true, 0, false), (true, 1, true), (false, 0, false), (false, 1, false)]
        {
            assert_eq!(delete_container(version_level, versions).is_err(), refused);
        }
        assert_eq!(code(delete_by_id(true)), Some("OperationNotAllowedOnRootBlob"));
        assert_eq!(code(delete_by_id(false)), None);
    }

    #[test]
    fn every_rule_has_a_sentence_and_a_source() {
        for rule in RULES {
            assert!(rule.text.ends_with('.') && rule.text.len() > 20, "{}", rule.name);
            assert!(!rule.source.is_empty(), "{}", rule.name);
        }
    }
}
