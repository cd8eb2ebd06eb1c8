//! The rules in words: what AWS documents, and the error that a client sees.
//!
//! Sources are pages of the AWS documentation in their state of 2025. Statuses and codes that the
//! pages do not name are those that the service is known to answer.

/// A rule of the service.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name of its test.
    pub id: &'static str,
    /// What holds.
    pub rule: &'static str,
    /// The page that says so.
    pub source: &'static str,
}

const fn row(id: &'static str, rule: &'static str, source: &'static str) -> Row {
    Row { id, rule, source }
}

const LOCK: &str = "Amazon S3 User Guide, Locking objects with Object Lock";
const CONSIDER: &str = "Amazon S3 User Guide, Object Lock considerations";
const VERSIONS: &str =
    "Amazon S3 User Guide, Retaining multiple versions of objects with S3 Versioning";
const MARKERS: &str = "Amazon S3 User Guide, Working with delete markers";
const SUSPEND: &str = "Amazon S3 User Guide, Adding objects to versioning-suspended buckets";
const CONDITIONAL: &str =
    "Amazon S3 User Guide, How to prevent object overwrites with conditional writes";
const MULTIPART: &str =
    "Amazon S3 User Guide, Uploading and copying objects using multipart upload; limits";
const INTEGRITY: &str = "Amazon S3 User Guide, Checking object integrity in Amazon S3";
const SIGNING: &str = "Amazon S3 API Reference, Authenticating Requests (AWS Signature Version 4)";
const ERRORS: &str = "Amazon S3 API Reference, Error responses";
const PUT: &str = "Amazon S3 API Reference, PutObject";
const GET: &str = "Amazon S3 API Reference, GetObject and HeadObject";
const LIST: &str = "Amazon S3 API Reference, ListObjectsV2";
const LISTV: &str = "Amazon S3 API Reference, ListObjectVersions";
const BATCH: &str = "Amazon S3 API Reference, DeleteObjects";
const COPY: &str = "Amazon S3 API Reference, CopyObject";
const RETENTION: &str = "Amazon S3 API Reference, PutObjectRetention";
const HOLD: &str = "Amazon S3 API Reference, PutObjectLegalHold";
const CONFIG: &str = "Amazon S3 API Reference, PutObjectLockConfiguration";
const COMPLETE: &str = "Amazon S3 API Reference, CompleteMultipartUpload";
const RIGHTS: &str =
    "Service Authorization Reference, Actions, resources, and condition keys for Amazon S3";

/// All rules. Each runs as client calls in the conformance suite.
pub const TABLE: &[Row] = &[
    // Versions.
    row(
        "overwrite_is_a_new_version",
        "Writing over a key makes a new version; the old one stays readable by its id.",
        VERSIONS,
    ),
    row(
        "delete_makes_a_marker",
        "DELETE without a version makes a delete marker: GET is then 404 NoSuchKey with \
         x-amz-delete-marker. Removing the marker brings the object back.",
        MARKERS,
    ),
    row(
        "delete_of_nothing_makes_a_marker",
        "DELETE of a key that never was makes a delete marker too.",
        MARKERS,
    ),
    row(
        "marker_is_not_readable_by_id",
        "GET of a delete marker by its id is 405 MethodNotAllowed with \
         x-amz-delete-marker.",
        MARKERS,
    ),
    row(
        "version_delete_is_final",
        "DELETE with a version removes that version for good; then it is 404 \
         NoSuchVersion.",
        VERSIONS,
    ),
    row("malformed_version_id", "What is no version id is 400 InvalidArgument.", ERRORS),
    row(
        "versions_are_listed_newest_first",
        "ListObjectVersions gives versions and markers by key, newest first, in pages \
         that continue inside a key.",
        LISTV,
    ),
    row(
        "plain_bucket_keeps_one_version",
        "Without versioning a write replaces, a DELETE removes, and the one version is \
         called null.",
        VERSIONS,
    ),
    row(
        "suspended_writes_replace_null",
        "With versioning suspended a write replaces the version null and leaves the \
         others.",
        SUSPEND,
    ),
    row(
        "lock_bucket_cannot_be_suspended",
        "Versioning of a bucket with Object Lock cannot be suspended: 409 \
         InvalidBucketState.",
        CONSIDER,
    ),
    row(
        "copy_is_a_new_version",
        "CopyObject writes a new version, from the version of the source that it names.",
        COPY,
    ),
    // Locks.
    row(
        "lock_is_shown",
        "Mode, end and legal hold of a version are shown by HEAD, GetObjectRetention \
         and GetObjectLegalHold.",
        CONSIDER,
    ),
    row(
        "compliance_version_cannot_be_deleted",
        "Nobody deletes a version under COMPLIANCE, root neither, with or without \
         bypass: 403 AccessDenied.",
        LOCK,
    ),
    row("compliance_is_never_shortened", "Nobody shortens COMPLIANCE: 403 AccessDenied.", LOCK),
    row(
        "compliance_is_never_downgraded",
        "Nobody changes COMPLIANCE to GOVERNANCE: 403 AccessDenied.",
        LOCK,
    ),
    row(
        "compliance_is_never_removed",
        "Nobody removes COMPLIANCE with an empty retention: 403 AccessDenied.",
        LOCK,
    ),
    row("compliance_can_be_extended", "COMPLIANCE can be extended.", LOCK),
    row(
        "governance_needs_bypass_to_delete",
        "A version under GOVERNANCE is deleted only with right and header to bypass.",
        LOCK,
    ),
    row(
        "governance_needs_bypass_to_shorten",
        "GOVERNANCE is shortened or removed only with right and header to bypass.",
        CONSIDER,
    ),
    row(
        "governance_is_extended_without_bypass",
        "GOVERNANCE is extended with PutObjectRetention alone.",
        CONSIDER,
    ),
    row(
        "governance_needs_bypass_to_change_mode",
        "GOVERNANCE becomes COMPLIANCE only with bypass: altering lock settings needs \
         it. The page does not name this change; this is the strict reading.",
        LOCK,
    ),
    row(
        "hold_keeps_a_version",
        "A version under legal hold cannot be deleted, bypass or not; once lifted, it \
         can.",
        LOCK,
    ),
    row("hold_on_write", "A legal hold can be set by a header of the write.", PUT),
    row(
        "hold_outlives_retention",
        "A legal hold protects independently of a retention that has ended.",
        LOCK,
    ),
    row("lock_ends_at_its_date", "A retention protects until its date and no longer.", LOCK),
    row(
        "ended_lock_can_be_renewed",
        "A retention that has ended can be replaced by any other in the future.",
        RETENTION,
    ),
    row(
        "locked_versions_stay_under_markers_and_writes",
        "Overwriting and deleting a locked key succeed, as new versions above the \
         locked one. Delete markers are never locked.",
        LOCK,
    ),
    row(
        "batch_delete_judges_each_key",
        "DeleteObjects answers 200 and AccessDenied for each locked version alone.",
        BATCH,
    ),
    row(
        "lock_needs_a_lock_bucket",
        "Lock headers on a bucket without Object Lock are 400 InvalidRequest, and \
         nothing is stored.",
        PUT,
    ),
    row(
        "retention_needs_a_lock_bucket",
        "PutObjectRetention on a bucket without Object Lock is 400 InvalidRequest.",
        RETENTION,
    ),
    row(
        "past_dates_are_refused",
        "A retain-until date in the past is 400 InvalidArgument, on write and later.",
        RETENTION,
    ),
    row(
        "half_a_retention_is_refused",
        "Mode without date or date without mode is 400 InvalidArgument.",
        PUT,
    ),
    row("unknown_modes_are_refused", "An unknown mode or hold status is 400 InvalidArgument.", PUT),
    row(
        "lock_on_write_needs_a_checksum",
        "A write with lock headers needs Content-MD5 or x-amz-checksum-…: 400 \
         InvalidRequest. It is verified.",
        PUT,
    ),
    row(
        "lock_requests_need_a_checksum",
        "PutObjectRetention and PutObjectLegalHold need Content-MD5 or \
         x-amz-checksum-…: 400 InvalidRequest.",
        HOLD,
    ),
    row(
        "default_retention_is_given",
        "A bucket's default retention applies from creation on to what is written after \
         it was set; a bucket with objects can get one.",
        LOCK,
    ),
    row(
        "own_retention_beats_the_default",
        "A retention in the write's headers takes the place of the default.",
        LOCK,
    ),
    row(
        "default_retention_needs_a_checksum",
        "A write that gets a default retention needs a checksum as well.",
        PUT,
    ),
    row(
        "default_retention_is_days_or_years",
        "A default has either days or years (else 400 MalformedXML), and at least one \
         (else 400 InvalidArgument).",
        CONFIG,
    ),
    row(
        "lock_configuration_needs_versions",
        "Object Lock cannot be turned on without versioning: 409 InvalidBucketState.",
        CONFIG,
    ),
    row(
        "absent_locks_are_not_found",
        "Absent configurations are 404 ObjectLockConfigurationNotFoundError and \
         NoSuchObjectLockConfiguration.",
        ERRORS,
    ),
    row("copies_do_not_inherit_the_lock", "A copy does not get the lock of its source.", COPY),
    // Writes.
    row(
        "wrong_md5_is_refused",
        "A wrong Content-MD5 is 400 BadDigest, a malformed one 400 InvalidDigest; \
         nothing is stored.",
        INTEGRITY,
    ),
    row(
        "wrong_checksum_is_refused",
        "A wrong x-amz-checksum-… is 400 BadDigest, a malformed one 400 InvalidRequest; \
         nothing is stored.",
        INTEGRITY,
    ),
    row(
        "checksum_is_kept",
        "A checksum is stored and shown with x-amz-checksum-mode: ENABLED.",
        INTEGRITY,
    ),
    row("one_checksum_at_a_time", "Two x-amz-checksum-… are 400 InvalidRequest.", PUT),
    row("entity_tag_is_the_md5", "The entity tag of an object written at once is its MD5.", PUT),
    row(
        "create_never_replaces",
        "If-None-Match: * refuses to write over a current version: 412 \
         PreconditionFailed.",
        CONDITIONAL,
    ),
    row(
        "create_goes_over_a_marker",
        "If-None-Match: * writes where a delete marker is on top.",
        CONDITIONAL,
    ),
    row(
        "of_many_creates_one_wins",
        "Of concurrent writes with If-None-Match: * exactly one succeeds; the others \
         are 412 or 409.",
        CONDITIONAL,
    ),
    row(
        "delete_during_a_create_is_a_conflict",
        "A conditional write during which the key is deleted is 409 \
         ConditionalRequestConflict.",
        CONDITIONAL,
    ),
    row(
        "replace_needs_the_right_tag",
        "If-Match writes only over that entity tag: else 412, or 404 if there is \
         nothing.",
        CONDITIONAL,
    ),
    row(
        "create_takes_only_the_star",
        "If-None-Match with an entity tag is 501 NotImplemented on a write.",
        PUT,
    ),
    row(
        "parts_make_an_object",
        "An upload becomes an object of the listed parts when completed; its tag is the \
         MD5 of the parts' MD5s and their count.",
        MULTIPART,
    ),
    row(
        "small_parts_are_refused",
        "A part of less than 5 MiB that is not the last is 400 EntityTooSmall on \
         completing.",
        MULTIPART,
    ),
    row("parts_are_named_in_order", "Parts named out of order are 400 InvalidPartOrder.", COMPLETE),
    row(
        "parts_are_named_by_their_tag",
        "An absent part or a wrong entity tag is 400 InvalidPart.",
        COMPLETE,
    ),
    row(
        "part_numbers_are_limited",
        "Part numbers are from 1 to 10,000, else 400 InvalidArgument.",
        MULTIPART,
    ),
    row(
        "wrong_md5_of_a_part_is_refused",
        "A wrong Content-MD5 of a part is 400 BadDigest.",
        INTEGRITY,
    ),
    row(
        "aborted_uploads_are_gone",
        "An aborted upload is 404 NoSuchUpload and leaves no object.",
        MULTIPART,
    ),
    row(
        "completing_can_be_conditional",
        "If-None-Match: * on CompleteMultipartUpload refuses to replace: 412 \
         PreconditionFailed.",
        CONDITIONAL,
    ),
    row(
        "parts_keep_the_lock",
        "A retention given when an upload is created protects the completed object.",
        MULTIPART,
    ),
    row(
        "parts_keep_the_hold",
        "A legal hold given when an upload is created protects the completed object.",
        MULTIPART,
    ),
    row(
        "parts_get_the_default_retention",
        "The default retention applies to completed uploads.",
        LOCK,
    ),
    row(
        "uploads_need_a_lock_bucket_for_locks",
        "Lock headers when creating an upload on a bucket without Object Lock are 400 \
         InvalidRequest.",
        MULTIPART,
    ),
    row(
        "locked_parts_need_a_checksum",
        "The parts of an upload with a lock need a checksum each: 400 InvalidRequest.",
        MULTIPART,
    ),
    // Reads.
    row(
        "ranges_are_read",
        "Ranges from, to and at the end are 206 with Content-Range; one past the end is \
         416 InvalidRange.",
        GET,
    ),
    row("head_has_no_body", "HEAD has the length and no body, also for errors.", GET),
    row("metadata_comes_back", "Content type and x-amz-meta-… come back on reading.", PUT),
    row(
        "reads_can_be_conditional",
        "If-None-Match on a read is 304, If-Match 412 PreconditionFailed.",
        GET,
    ),
    row(
        "listings_have_pages",
        "Listings are in the order of UTF-8 bytes, in pages that continue with a token.",
        LIST,
    ),
    row(
        "listings_have_folders",
        "With a delimiter, keys that share a prefix up to it are one common prefix, \
         counted as one.",
        LIST,
    ),
    row(
        "listings_encode_on_request",
        "encoding-type=url percent-encodes keys; start-after is exclusive.",
        LIST,
    ),
    row(
        "listings_hide_markers",
        "A key under a delete marker is in no listing, nor its folder.",
        LIST,
    ),
    row(
        "batch_delete_needs_a_checksum",
        "DeleteObjects without Content-MD5 or checksum is 400 InvalidRequest.",
        BATCH,
    ),
    row("absent_buckets_are_not_found", "An absent bucket is 404 NoSuchBucket.", ERRORS),
    row(
        "unsigned_bodies_are_taken",
        "UNSIGNED-PAYLOAD leaves the body out of the signature.",
        SIGNING,
    ),
    row(
        "requests_are_signed",
        "No signature, an unknown key, a wrong secret: 403; another region: 400.",
        SIGNING,
    ),
    row(
        "writer_cannot_take_away",
        "Without DeleteObject, DeleteObjectVersion, PutObjectLegalHold and \
         BypassGovernanceRetention a user can extend, but neither delete, shorten, hold \
         nor configure.",
        RIGHTS,
    ),
    row(
        "maintenance_cannot_bypass",
        "The bypass header without the right bypasses nothing.",
        RIGHTS,
    ),
    row("reader_only_reads", "With the rights to read and list nothing can be written.", RIGHTS),
];
