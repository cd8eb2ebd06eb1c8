//! Versions, delete markers and the versioning of a bucket.

use super::super::world::{Outcome, World, same};

pub(crate) async fn overwrite_is_a_new_version(w: &World) -> Outcome {
    let first = w.put("versioned", "overwrite", "one").await?.expect(200)?.version()?;
    let second = w.put("versioned", "overwrite", "two").await?.expect(200)?.version()?;
    if first == second {
        return Err("two writes have one version id".into());
    }
    let old = w.get("versioned", &format!("overwrite?versionId={first}")).await?.expect(200)?;
    same(&old.body[..], b"one")?;
    same(&w.get("versioned", "overwrite").await?.expect(200)?.body[..], b"two")
}

pub(crate) async fn delete_makes_a_marker(w: &World) -> Outcome {
    let first = w.put("versioned", "marked", "one").await?.expect(200)?.version()?;
    let deleted = w.delete("versioned", "marked").await?.expect(204)?;
    same(deleted.header("x-amz-delete-marker"), "true")?;
    let marker = deleted.version()?;
    let hidden = w.get("versioned", "marked").await?;
    same(hidden.header("x-amz-delete-marker"), "true")?;
    hidden.refused(404, "NoSuchKey")?;
    let old = w.get("versioned", &format!("marked?versionId={first}")).await?.expect(200)?;
    same(&old.body[..], b"one")?;
    let path = format!("marked?versionId={marker}");
    let gone = w.delete("versioned", &path).await?.expect(204)?;
    same(gone.header("x-amz-delete-marker"), "true")?;
    same(&w.get("versioned", "marked").await?.expect(200)?.body[..], b"one")
}

pub(crate) async fn delete_of_nothing_makes_a_marker(w: &World) -> Outcome {
    let deleted = w.delete("versioned", "never").await?.expect(204)?;
    same(deleted.header("x-amz-delete-marker"), "true")
}

pub(crate) async fn marker_is_not_readable_by_id(w: &World) -> Outcome {
    w.put("versioned", "marker", "one").await?.expect(200)?;
    let marker = w.delete("versioned", "marker").await?.expect(204)?.version()?;
    let got = w.get("versioned", &format!("marker?versionId={marker}")).await?;
    same(got.header("x-amz-delete-marker"), "true")?;
    got.refused(405, "MethodNotAllowed")
}

pub(crate) async fn version_delete_is_final(w: &World) -> Outcome {
    let first = w.put("versioned", "final", "one").await?.expect(200)?.version()?;
    w.put("versioned", "final", "two").await?.expect(200)?;
    let path = format!("final?versionId={first}");
    w.delete("versioned", &path).await?.expect(204)?;
    w.get("versioned", &path).await?.refused(404, "NoSuchVersion")?;
    same(&w.get("versioned", "final").await?.expect(200)?.body[..], b"two")
}

pub(crate) async fn malformed_version_id(w: &World) -> Outcome {
    w.put("versioned", "malformed", "one").await?.expect(200)?;
    w.get("versioned", "malformed?versionId=-").await?.refused(400, "InvalidArgument")
}

pub(crate) async fn versions_are_listed_newest_first(w: &World) -> Outcome {
    let mut ids = Vec::new();
    for body in ["one", "two", "three"] {
        ids.push(w.put("versioned", "order/a", body).await?.expect(200)?.version()?);
    }
    ids.push(w.delete("versioned", "order/a").await?.expect(204)?.version()?);
    ids.reverse();
    ids.push(w.put("versioned", "order/b", "x").await?.expect(200)?.version()?);
    let (mut found, mut after) = (Vec::new(), String::new());
    for _ in 0..3 {
        let path = format!("{}?versions&prefix=order/&max-keys=2{after}", w.bucket("versioned"));
        let page = w.root.call("GET", path).send().await?.expect(200)?;
        found.extend(page.all("VersionId"));
        let [key, id] = ["NextKeyMarker", "NextVersionIdMarker"]
            .map(|name| page.all(name).first().cloned().unwrap_or_default());
        let is_truncated = page.all("IsTruncated") == ["true"];
        same(is_truncated, found.len() < 5)?;
        after = format!("&key-marker={key}&version-id-marker={id}");
    }
    same(found, ids)
}

pub(crate) async fn plain_bucket_keeps_one_version(w: &World) -> Outcome {
    let first = w.put("plain", "single", "one").await?.expect(200)?;
    same(first.header("x-amz-version-id"), "")?;
    w.put("plain", "single", "two").await?.expect(200)?;
    let listed = w.root.call("GET", format!("{}?versions&prefix=single", w.bucket("plain")));
    let listed = listed.send().await?.expect(200)?;
    same(listed.all("VersionId"), vec!["null".to_owned()])?;
    let deleted = w.delete("plain", "single").await?.expect(204)?;
    same(deleted.header("x-amz-delete-marker"), "")?;
    w.get("plain", "single").await?.refused(404, "NoSuchKey")
}

pub(crate) async fn suspended_writes_replace_null(w: &World) -> Outcome {
    w.create_bucket("suspended", false).await?.expect(200)?;
    w.versioning("suspended", "Enabled").await?.expect(200)?;
    let kept = w.put("suspended", "k", "one").await?.expect(200)?.version()?;
    w.versioning("suspended", "Suspended").await?.expect(200)?;
    for body in ["two", "three"] {
        w.put("suspended", "k", body).await?.expect(200)?;
    }
    let listed = w.root.call("GET", format!("{}?versions", w.bucket("suspended")));
    same(listed.send().await?.expect(200)?.all("VersionId"), vec!["null".to_owned(), kept])?;
    same(&w.get("suspended", "k?versionId=null").await?.expect(200)?.body[..], b"three")
}

pub(crate) async fn lock_bucket_cannot_be_suspended(w: &World) -> Outcome {
    w.create_bucket("always", true).await?.expect(200)?;
    w.versioning("always", "Suspended").await?.refused(409, "InvalidBucketState")?;
    let state = w.root.call("GET", format!("{}?versioning", w.bucket("always")));
    state.send().await?.expect(200)?.has("Status", "Enabled")
}

pub(crate) async fn copy_is_a_new_version(w: &World) -> Outcome {
    let source = w.put("versioned", "copy/from", "one").await?.expect(200)?.version()?;
    w.put("versioned", "copy/from", "two").await?.expect(200)?;
    w.put("versioned", "copy/to", "three").await?.expect(200)?;
    let from = format!("/{}?versionId={source}", w.path("versioned", "copy/from"));
    let copy = w.root.call("PUT", w.path("versioned", "copy/to"));
    copy.header("x-amz-copy-source", from).send().await?.expect(200)?;
    same(&w.get("versioned", "copy/to").await?.expect(200)?.body[..], b"one")?;
    let listed = w.root.call("GET", format!("{}?versions&prefix=copy/to", w.bucket("versioned")));
    same(listed.send().await?.expect(200)?.all("VersionId").len(), 2)
}
