//! The rows of the conformance suite: one function for each rule of the table.

mod locks;
mod reads;
mod versions;
mod writes;

use futures::future::BoxFuture;

use super::world::{Outcome, World};

/// A rule as client calls.
pub(crate) struct Test {
    /// The rule's id in the table.
    pub(crate) id: &'static str,
    /// It moves the clock, or needs several users, or watches the server.
    pub(crate) only_on_the_fake: bool,
    pub(crate) run: for<'a> fn(&'a World) -> BoxFuture<'a, Outcome>,
}

macro_rules! tests {
    ($module:ident: $($name:ident,)* $(; $($own:ident,)*)?) => {
        vec![
            $(Test {
                id: stringify!($name),
                only_on_the_fake: false,
                run: |world| Box::pin($module::$name(world)),
            },)*
            $($(Test {
                id: stringify!($own),
                only_on_the_fake: true,
                run: |world| Box::pin($module::$own(world)),
            },)*)?
        ]
    };
}

pub(crate) fn all() -> Vec<Test> {
    [of_versions(), of_locks(), of_writes(), of_reads()].into_iter().flatten().collect()
}

fn of_versions() -> Vec<Test> {
    tests! {
        versions:
        overwrite_is_a_new_version,
        delete_makes_a_marker,
        delete_of_nothing_makes_a_marker,
        marker_is_not_readable_by_id,
        version_delete_is_final,
        malformed_version_id,
        versions_are_listed_newest_first,
        plain_bucket_keeps_one_version,
        suspended_writes_replace_null,
        lock_bucket_cannot_be_suspended,
        copy_is_a_new_version,
    }
}

fn of_locks() -> Vec<Test> {
    tests! {
        locks:
        lock_is_shown,
        compliance_version_cannot_be_deleted,
        compliance_is_never_shortened,
        compliance_is_never_downgraded,
        compliance_is_never_removed,
        compliance_can_be_extended,
        governance_needs_bypass_to_delete,
        governance_needs_bypass_to_shorten,
        governance_is_extended_without_bypass,
        governance_needs_bypass_to_change_mode,
        hold_keeps_a_version,
        hold_on_write,
        locked_versions_stay_under_markers_and_writes,
        batch_delete_judges_each_key,
        lock_needs_a_lock_bucket,
        retention_needs_a_lock_bucket,
        past_dates_are_refused,
        half_a_retention_is_refused,
        unknown_modes_are_refused,
        lock_on_write_needs_a_checksum,
        lock_requests_need_a_checksum,
        default_retention_is_given,
        own_retention_beats_the_default,
        default_retention_needs_a_checksum,
        default_retention_is_days_or_years,
        lock_configuration_needs_versions,
        absent_locks_are_not_found,
        copies_do_not_inherit_the_lock,
        ;
        hold_outlives_retention,
        lock_ends_at_its_date,
        ended_lock_can_be_renewed,
    }
}

fn of_writes() -> Vec<Test> {
    tests! {
        writes:
        wrong_md5_is_refused,
        wrong_checksum_is_refused,
        checksum_is_kept,
        one_checksum_at_a_time,
        entity_tag_is_the_md5,
        create_never_replaces,
        create_goes_over_a_marker,
        of_many_creates_one_wins,
        replace_needs_the_right_tag,
        create_takes_only_the_star,
        parts_make_an_object,
        small_parts_are_refused,
        parts_are_named_in_order,
        parts_are_named_by_their_tag,
        part_numbers_are_limited,
        wrong_md5_of_a_part_is_refused,
        aborted_uploads_are_gone,
        completing_can_be_conditional,
        parts_keep_the_lock,
        parts_keep_the_hold,
        parts_get_the_default_retention,
        uploads_need_a_lock_bucket_for_locks,
        locked_parts_need_a_checksum,
        ;
        delete_during_a_create_is_a_conflict,
    }
}

fn of_reads() -> Vec<Test> {
    tests! {
        reads:
        ranges_are_read,
        head_has_no_body,
        metadata_comes_back,
        reads_can_be_conditional,
        listings_have_pages,
        listings_have_folders,
        listings_encode_on_request,
        listings_hide_markers,
        batch_delete_needs_a_checksum,
        absent_buckets_are_not_found,
        unsigned_bodies_are_taken,
        ;
        requests_are_signed,
        writer_cannot_take_away,
        maintenance_cannot_bypass,
        reader_only_reads,
    }
}
