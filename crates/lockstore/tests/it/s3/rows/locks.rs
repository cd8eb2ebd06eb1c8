//! Retention, legal hold, default retention.

use super::super::world::{Outcome, World, same};

const DAY: i64 = 86_400;
/// Long enough for a test, short enough for a bucket that somebody wants to empty.
const SHORT: i64 = 120;
const GOVERNANCE: &str = "GOVERNANCE";
const COMPLIANCE: &str = "COMPLIANCE";

pub(crate) async fn lock_is_shown(w: &World) -> Outcome {
    let id = w.put_locked("shown", GOVERNANCE, SHORT).await?;
    w.hold(("shown", &id), "ON").await?.expect(200)?;
    let [mode, until, hold] = w.lock_of("shown", &id).await?;
    same([mode.as_str(), hold.as_str()], [GOVERNANCE, "ON"])?;
    let path = format!("{}?retention&versionId={id}", w.path("locked", "shown"));
    let got = w.root.call("GET", path).send().await?.expect(200)?;
    got.has("Mode", GOVERNANCE)?;
    same(&got.all("RetainUntilDate")[0][..19], &until[..19])?;
    let path = format!("{}?legal-hold&versionId={id}", w.path("locked", "shown"));
    w.root.call("GET", path).send().await?.expect(200)?.has("Status", "ON")
}

pub(crate) async fn compliance_version_cannot_be_deleted(w: &World) -> Outcome {
    let id = w.put_locked("compliance", COMPLIANCE, SHORT).await?;
    for bypass in [false, true] {
        w.erase(("compliance", &id), bypass).await?.refused(403, "AccessDenied")?;
    }
    same(&w.get("locked", "compliance").await?.expect(200)?.body[..], b"locked")
}

pub(crate) async fn compliance_is_never_shortened(w: &World) -> Outcome {
    let id = w.put_locked("shorten", COMPLIANCE, 2 * SHORT).await?;
    for bypass in [false, true] {
        let got = w.retain(("shorten", &id), Some((COMPLIANCE, SHORT)), bypass).await?;
        got.refused(403, "AccessDenied")?;
    }
    Ok(())
}

pub(crate) async fn compliance_is_never_downgraded(w: &World) -> Outcome {
    let id = w.put_locked("downgrade", COMPLIANCE, SHORT).await?;
    for bypass in [false, true] {
        let got = w.retain(("downgrade", &id), Some((GOVERNANCE, 2 * SHORT)), bypass).await?;
        got.refused(403, "AccessDenied")?;
    }
    Ok(())
}

pub(crate) async fn compliance_is_never_removed(w: &World) -> Outcome {
    let id = w.put_locked("remove", COMPLIANCE, SHORT).await?;
    w.retain(("remove", &id), None, true).await?.refused(403, "AccessDenied")
}

pub(crate) async fn compliance_can_be_extended(w: &World) -> Outcome {
    let id = w.put_locked("extend", COMPLIANCE, SHORT).await?;
    w.retain(("extend", &id), Some((COMPLIANCE, 2 * SHORT)), false).await?.expect(200)?;
    let [_, until, _] = w.lock_of("extend", &id).await?;
    if until[..19] > w.until(SHORT + SHORT / 2)[..19] { Ok(()) } else { Err(until) }
}

pub(crate) async fn governance_needs_bypass_to_delete(w: &World) -> Outcome {
    let id = w.put_locked("governance", GOVERNANCE, SHORT).await?;
    w.erase(("governance", &id), false).await?.refused(403, "AccessDenied")?;
    w.erase(("governance", &id), true).await?.expect(204)?;
    w.get("locked", "governance").await?.refused(404, "NoSuchKey")
}

pub(crate) async fn governance_needs_bypass_to_shorten(w: &World) -> Outcome {
    let id = w.put_locked("shorter", GOVERNANCE, 2 * SHORT).await?;
    let shorter = Some((GOVERNANCE, SHORT));
    w.retain(("shorter", &id), shorter, false).await?.refused(403, "AccessDenied")?;
    w.retain(("shorter", &id), None, false).await?.refused(403, "AccessDenied")?;
    w.retain(("shorter", &id), shorter, true).await?.expect(200)?;
    w.retain(("shorter", &id), None, true).await?.expect(200)?;
    w.erase(("shorter", &id), false).await?.expect(204).map(drop)
}

pub(crate) async fn governance_is_extended_without_bypass(w: &World) -> Outcome {
    let id = w.put_locked("longer", GOVERNANCE, SHORT).await?;
    w.retain(("longer", &id), Some((GOVERNANCE, 2 * SHORT)), false).await?.expect(200).map(drop)
}

pub(crate) async fn governance_needs_bypass_to_change_mode(w: &World) -> Outcome {
    let id = w.put_locked("upgrade", GOVERNANCE, SHORT).await?;
    let stricter = Some((COMPLIANCE, SHORT));
    w.retain(("upgrade", &id), stricter, false).await?.refused(403, "AccessDenied")?;
    w.retain(("upgrade", &id), stricter, true).await?.expect(200)?;
    w.erase(("upgrade", &id), true).await?.refused(403, "AccessDenied")
}

pub(crate) async fn hold_keeps_a_version(w: &World) -> Outcome {
    let id = w.put("locked", "held", "x").await?.expect(200)?.version()?;
    w.hold(("held", &id), "ON").await?.expect(200)?;
    for bypass in [false, true] {
        w.erase(("held", &id), bypass).await?.refused(403, "AccessDenied")?;
    }
    w.hold(("held", &id), "OFF").await?.expect(200)?;
    w.erase(("held", &id), false).await?.expect(204).map(drop)
}

pub(crate) async fn hold_on_write(w: &World) -> Outcome {
    let call = w.root.call("PUT", w.path("locked", "written-held")).body("x").md5();
    let got = call.header("x-amz-object-lock-legal-hold", "ON").send().await?.expect(200)?;
    let id = got.version()?;
    w.erase(("written-held", &id), true).await?.refused(403, "AccessDenied")?;
    w.hold(("written-held", &id), "OFF").await?.expect(200)?;
    w.erase(("written-held", &id), false).await?.expect(204).map(drop)
}

pub(crate) async fn hold_outlives_retention(w: &World) -> Outcome {
    let id = w.put_locked("both", GOVERNANCE, SHORT).await?;
    w.hold(("both", &id), "ON").await?.expect(200)?;
    w.wait(2 * SHORT);
    w.erase(("both", &id), true).await?.refused(403, "AccessDenied")?;
    w.hold(("both", &id), "OFF").await?.expect(200)?;
    w.erase(("both", &id), false).await?.expect(204).map(drop)
}

pub(crate) async fn lock_ends_at_its_date(w: &World) -> Outcome {
    let id = w.put_locked("ending", COMPLIANCE, SHORT).await?;
    w.wait(SHORT - 60);
    w.erase(("ending", &id), false).await?.refused(403, "AccessDenied")?;
    w.wait(60);
    w.erase(("ending", &id), false).await?.expect(204).map(drop)
}

pub(crate) async fn ended_lock_can_be_renewed(w: &World) -> Outcome {
    let id = w.put_locked("renewed", COMPLIANCE, SHORT).await?;
    w.wait(SHORT);
    w.retain(("renewed", &id), Some((GOVERNANCE, SHORT)), false).await?.expect(200)?;
    w.erase(("renewed", &id), false).await?.refused(403, "AccessDenied")
}

pub(crate) async fn locked_versions_stay_under_markers_and_writes(w: &World) -> Outcome {
    let id = w.put_locked("attacked", COMPLIANCE, SHORT).await?;
    w.put("locked", "attacked", "garbage").await?.expect(200)?;
    let marker = w.delete("locked", "attacked").await?.expect(204)?.version()?;
    w.get("locked", "attacked").await?.refused(404, "NoSuchKey")?;
    let old = w.get("locked", &format!("attacked?versionId={id}")).await?.expect(200)?;
    same(&old.body[..], b"locked")?;
    // A marker has no lock: whoever may, removes it.
    w.erase(("attacked", &marker), false).await?.expect(204)?;
    same(&w.get("locked", "attacked").await?.expect(200)?.body[..], b"garbage")
}

pub(crate) async fn batch_delete_judges_each_key(w: &World) -> Outcome {
    let locked = w.put_locked("batch/locked", COMPLIANCE, SHORT).await?;
    let free = w.put("locked", "batch/free", "x").await?.expect(200)?.version()?;
    let object = |key: &str, id: &str| {
        format!("<Object><Key>{key}</Key><VersionId>{id}</VersionId></Object>")
    };
    let objects = object("batch/locked", &locked) + &object("batch/free", &free);
    let call = w.root.call("POST", format!("{}?delete", w.bucket("locked")));
    let got = call.body(format!("<Delete>{objects}</Delete>")).md5().send().await?.expect(200)?;
    got.has("Code", "AccessDenied")?;
    let keys = ["batch/locked", "batch/free"].map(str::to_owned);
    let mut found = got.all("Key");
    found.sort_by_key(|key| std::cmp::Reverse(key.clone()));
    same(found, keys.to_vec())?;
    same(got.all("Error").len(), 1)?;
    let path = format!("batch/free?versionId={free}");
    w.get("locked", &path).await?.refused(404, "NoSuchVersion")?;
    w.get("locked", "batch/locked").await?.expect(200).map(drop)
}

pub(crate) async fn lock_needs_a_lock_bucket(w: &World) -> Outcome {
    for kind in ["plain", "versioned"] {
        let call = w.root.call("PUT", w.path(kind, "unlockable")).body("x").md5();
        let call = call.header("x-amz-object-lock-mode", GOVERNANCE);
        let call = call.header("x-amz-object-lock-retain-until-date", w.until(SHORT));
        call.send().await?.refused(400, "InvalidRequest")?;
        w.get(kind, "unlockable").await?.refused(404, "NoSuchKey")?;
    }
    Ok(())
}

pub(crate) async fn retention_needs_a_lock_bucket(w: &World) -> Outcome {
    w.put("versioned", "unretainable", "x").await?.expect(200)?;
    let body = format!(
        "<Retention><Mode>{GOVERNANCE}</Mode><RetainUntilDate>{}</RetainUntilDate></Retention>",
        w.until(SHORT)
    );
    let call = w.root.call("PUT", format!("{}?retention", w.path("versioned", "unretainable")));
    call.body(body).md5().send().await?.refused(400, "InvalidRequest")
}

pub(crate) async fn past_dates_are_refused(w: &World) -> Outcome {
    let call = w.root.call("PUT", w.path("locked", "past")).body("x").md5();
    let call = call.header("x-amz-object-lock-mode", GOVERNANCE);
    let call = call.header("x-amz-object-lock-retain-until-date", w.until(-60));
    call.send().await?.refused(400, "InvalidArgument")?;
    let id = w.put("locked", "past", "x").await?.expect(200)?.version()?;
    let got = w.retain(("past", &id), Some((GOVERNANCE, -60)), false).await?;
    got.refused(400, "InvalidArgument")
}

pub(crate) async fn half_a_retention_is_refused(w: &World) -> Outcome {
    let mode = w.root.call("PUT", w.path("locked", "half")).body("x").md5();
    let mode = mode.header("x-amz-object-lock-mode", GOVERNANCE);
    mode.send().await?.refused(400, "InvalidArgument")?;
    let until = w.root.call("PUT", w.path("locked", "half")).body("x").md5();
    let until = until.header("x-amz-object-lock-retain-until-date", w.until(SHORT));
    until.send().await?.refused(400, "InvalidArgument")
}

pub(crate) async fn unknown_modes_are_refused(w: &World) -> Outcome {
    let call = w.root.call("PUT", w.path("locked", "mode")).body("x").md5();
    let call = call.header("x-amz-object-lock-mode", "STRICT");
    let call = call.header("x-amz-object-lock-retain-until-date", w.until(SHORT));
    call.send().await?.refused(400, "InvalidArgument")?;
    let call = w.root.call("PUT", w.path("locked", "mode")).body("x").md5();
    let call = call.header("x-amz-object-lock-legal-hold", "MAYBE");
    call.send().await?.refused(400, "InvalidArgument")
}

pub(crate) async fn lock_on_write_needs_a_checksum(w: &World) -> Outcome {
    let call = || {
        let call = w.root.call("PUT", w.path("locked", "unchecked")).body("x");
        let call = call.header("x-amz-object-lock-mode", GOVERNANCE);
        call.header("x-amz-object-lock-retain-until-date", w.until(SHORT))
    };
    call().send().await?.refused(400, "InvalidRequest")?;
    let crc = call().header("x-amz-checksum-crc32c", "2Z9exg==");
    crc.send().await?.refused(400, "BadDigest")?;
    let sum = holdfast_lockstore::checksum::Algorithm::Crc32c.of(b"x");
    let sum = holdfast_lockstore::checksum::to_base64(&sum);
    call().header("x-amz-checksum-crc32c", sum).send().await?.expect(200).map(drop)
}

pub(crate) async fn lock_requests_need_a_checksum(w: &World) -> Outcome {
    let id = w.put("locked", "unchecked-hold", "x").await?.expect(200)?.version()?;
    let path = format!("{}?legal-hold&versionId={id}", w.path("locked", "unchecked-hold"));
    let body = "<LegalHold><Status>ON</Status></LegalHold>";
    w.root.call("PUT", path).body(body).send().await?.refused(400, "InvalidRequest")?;
    w.erase(("unchecked-hold", &id), false).await?.expect(204).map(drop)
}

pub(crate) async fn default_retention_is_given(w: &World) -> Outcome {
    w.create_bucket("default", true).await?.expect(200)?;
    // Objects may be there before the rule; it does not reach back to them.
    let before = w.put("default", "before", "x").await?.expect(200)?.version()?;
    let rule = "<Mode>GOVERNANCE</Mode><Days>2</Days>";
    w.default_retention("default", rule).await?.expect(200)?;
    let head = w.root.call("HEAD", w.path("default", "before")).send().await?.expect(200)?;
    same(head.header("x-amz-object-lock-mode"), "")?;
    let path = format!("before?versionId={before}");
    w.delete("default", &path).await?.expect(204)?;

    w.put("default", "after", "x").await?.expect(200)?;
    let head = w.root.call("HEAD", w.path("default", "after")).send().await?.expect(200)?;
    same(head.header("x-amz-object-lock-mode"), GOVERNANCE)?;
    let until = head.header("x-amz-object-lock-retain-until-date");
    if until[..16] < w.until(2 * DAY - 300)[..16] || until[..16] > w.until(2 * DAY + 60)[..16] {
        return Err(format!("until {until}"));
    }
    let path = format!("after?versionId={}", head.version()?);
    w.delete("default", &path).await?.refused(403, "AccessDenied")
}

pub(crate) async fn own_retention_beats_the_default(w: &World) -> Outcome {
    w.create_bucket("beaten", true).await?.expect(200)?;
    let rule = "<Mode>GOVERNANCE</Mode><Years>1</Years>";
    w.default_retention("beaten", rule).await?.expect(200)?;
    let call = w.root.call("PUT", w.path("beaten", "k")).body("x").md5();
    let call = call.header("x-amz-object-lock-mode", COMPLIANCE);
    let call = call.header("x-amz-object-lock-retain-until-date", w.until(SHORT));
    call.send().await?.expect(200)?;
    let head = w.root.call("HEAD", w.path("beaten", "k")).send().await?.expect(200)?;
    same(head.header("x-amz-object-lock-mode"), COMPLIANCE)?;
    let until = head.header("x-amz-object-lock-retain-until-date");
    if until[..19] <= w.until(SHORT)[..19] { Ok(()) } else { Err(until.to_owned()) }
}

pub(crate) async fn default_retention_needs_a_checksum(w: &World) -> Outcome {
    w.create_bucket("unchecked", true).await?.expect(200)?;
    let rule = "<Mode>GOVERNANCE</Mode><Days>1</Days>";
    w.default_retention("unchecked", rule).await?.expect(200)?;
    let call = w.root.call("PUT", w.path("unchecked", "k")).body("x");
    call.send().await?.refused(400, "InvalidRequest")
}

pub(crate) async fn default_retention_is_days_or_years(w: &World) -> Outcome {
    w.create_bucket("periods", true).await?.expect(200)?;
    let set = |period: &'static str| async move {
        w.default_retention("periods", &format!("<Mode>GOVERNANCE</Mode>{period}")).await
    };
    set("<Days>1</Days><Years>1</Years>").await?.refused(400, "MalformedXML")?;
    set("").await?.refused(400, "MalformedXML")?;
    set("<Days>0</Days>").await?.refused(400, "InvalidArgument")
}

pub(crate) async fn lock_configuration_needs_versions(w: &World) -> Outcome {
    w.create_bucket("unversioned", false).await?.expect(200)?;
    let rule = "<Mode>GOVERNANCE</Mode><Days>1</Days>";
    w.default_retention("unversioned", rule).await?.refused(409, "InvalidBucketState")
}

pub(crate) async fn absent_locks_are_not_found(w: &World) -> Outcome {
    let call = w.root.call("GET", format!("{}?object-lock", w.bucket("plain")));
    call.send().await?.refused(404, "ObjectLockConfigurationNotFoundError")?;
    w.put("locked", "free", "x").await?.expect(200)?;
    let call = w.root.call("GET", format!("{}?retention", w.path("locked", "free")));
    call.send().await?.refused(404, "NoSuchObjectLockConfiguration")
}

pub(crate) async fn copies_do_not_inherit_the_lock(w: &World) -> Outcome {
    w.put_locked("source", COMPLIANCE, SHORT).await?;
    let call = w.root.call("PUT", w.path("locked", "target"));
    let call = call.header("x-amz-copy-source", format!("/{}", w.path("locked", "source")));
    let id = call.send().await?.expect(200)?.version()?;
    let [mode, ..] = w.lock_of("target", &id).await?;
    same(mode.as_str(), "")?;
    w.erase(("target", &id), false).await?.expect(204).map(drop)
}
