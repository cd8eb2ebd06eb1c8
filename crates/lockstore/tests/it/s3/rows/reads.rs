//! Reading, listing, signatures and rights.

use holdfast_lockstore::s3::Role;

use super::super::client::Client;
use super::super::world::{Outcome, World, retain, same};

pub(crate) async fn ranges_are_read(w: &World) -> Outcome {
    w.put("plain", "range", "0123456789").await?.expect(200)?;
    for (range, expected, shown) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
    ] {
        let call = w.root.call("GET", w.path("plain", "range")).header("range", range);
        let got = call.send().await?.expect(206)?;
        same(&got.body[..], expected.as_bytes())?;
        same(got.header("content-range"), shown)?;
    }
    let call = w.root.call("GET", w.path("plain", "range")).header("range", "bytes=10-");
    call.send().await?.refused(416, "InvalidRange")
}

pub(crate) async fn head_has_no_body(w: &World) -> Outcome {
    w.put("plain", "head", "0123456789").await?.expect(200)?;
    let head = w.root.call("HEAD", w.path("plain", "head")).send().await?.expect(200)?;
    same(head.header("content-length"), "10")?;
    same(head.body.len(), 0)?;
    let absent = w.root.call("HEAD", w.path("plain", "headless")).send().await?.expect(404)?;
    same(absent.body.len(), 0)
}

pub(crate) async fn metadata_comes_back(w: &World) -> Outcome {
    let call = w.root.call("PUT", w.path("plain", "meta")).body("x");
    let call = call.header("x-amz-meta-colour", "blue").header("content-type", "text/plain");
    call.send().await?.expect(200)?;
    let head = w.root.call("HEAD", w.path("plain", "meta")).send().await?.expect(200)?;
    same([head.header("x-amz-meta-colour"), head.header("content-type")], ["blue", "text/plain"])
}

pub(crate) async fn reads_can_be_conditional(w: &World) -> Outcome {
    let tag = w.put("plain", "conditional", "x").await?.expect(200)?.header("etag").to_owned();
    let get = || w.root.call("GET", w.path("plain", "conditional"));
    get().header("if-none-match", &tag).send().await?.expect(304)?;
    get().header("if-match", &tag).send().await?.expect(200)?;
    let other = get().header("if-match", "\"other\"").send().await?;
    other.refused(412, "PreconditionFailed")
}

async fn fill(w: &World, kind: &str, folder: &str) -> Outcome {
    for name in ["a", "b/1", "b/2", "c%20d", "e%26", "f"] {
        w.put(kind, &format!("{folder}/{name}"), "x").await?.expect(200)?;
    }
    Ok(())
}

pub(crate) async fn listings_have_pages(w: &World) -> Outcome {
    fill(w, "plain", "pages").await?;
    let (mut found, mut after) = (Vec::new(), String::new());
    for page in 0..3 {
        let path = format!("{}?list-type=2&prefix=pages/&max-keys=2{after}", w.bucket("plain"));
        let got = w.root.call("GET", path).send().await?.expect(200)?;
        found.extend(got.all("Key"));
        same(got.all("IsTruncated"), vec![(page < 2).to_string()])?;
        let token = got.all("NextContinuationToken").first().cloned().unwrap_or_default();
        let token =
            percent_encoding::utf8_percent_encode(&token, percent_encoding::NON_ALPHANUMERIC);
        after = format!("&continuation-token={token}");
    }
    let names = ["a", "b/1", "b/2", "c d", "e&amp;", "f"];
    same(found, names.map(|name| format!("pages/{name}")).to_vec())
}

pub(crate) async fn listings_have_folders(w: &World) -> Outcome {
    fill(w, "plain", "folders").await?;
    let path = format!("{}?list-type=2&prefix=folders/&delimiter=/", w.bucket("plain"));
    let got = w.root.call("GET", path).send().await?.expect(200)?;
    same(got.all("Key").len(), 4)?;
    // The first is the echo of what was asked.
    same(got.all("Prefix")[1..].to_vec(), vec!["folders/b/".to_owned()])?;
    got.has("KeyCount", "5")
}

pub(crate) async fn listings_encode_on_request(w: &World) -> Outcome {
    fill(w, "plain", "encoded").await?;
    let path = format!(
        "{}?list-type=2&prefix=encoded/&encoding-type=url&start-after=encoded/b/2",
        w.bucket("plain")
    );
    let keys = w.root.call("GET", path).send().await?.expect(200)?.all("Key");
    same(keys.len(), 3)?;
    // A blank may be written either way.
    same(keys[0] == "encoded/c%20d" || keys[0] == "encoded/c+d", true)?;
    same(keys[1].as_str(), "encoded/e%26")
}

pub(crate) async fn listings_hide_markers(w: &World) -> Outcome {
    fill(w, "versioned", "hidden").await?;
    w.delete("versioned", "hidden/a").await?.expect(204)?;
    w.delete("versioned", "hidden/b/1").await?.expect(204)?;
    w.delete("versioned", "hidden/b/2").await?.expect(204)?;
    let path = format!("{}?list-type=2&prefix=hidden/&delimiter=/", w.bucket("versioned"));
    let got = w.root.call("GET", path).send().await?.expect(200)?;
    same(got.all("Key").len(), 3)?;
    same(got.all("CommonPrefixes").len(), 0)
}

pub(crate) async fn batch_delete_needs_a_checksum(w: &World) -> Outcome {
    let call = w.root.call("POST", format!("{}?delete", w.bucket("plain")));
    let body = "<Delete><Object><Key>k</Key></Object></Delete>";
    call.body(body).send().await?.refused(400, "InvalidRequest")
}

pub(crate) async fn absent_buckets_are_not_found(w: &World) -> Outcome {
    w.get("absent", "k").await?.refused(404, "NoSuchBucket")?;
    w.put("absent", "k", "x").await?.refused(404, "NoSuchBucket")
}

pub(crate) async fn requests_are_signed(w: &World) -> Outcome {
    let fake = w.fake.as_ref().expect("on the fake only");
    let url = format!("{}/{}", fake.endpoint(), w.path("plain", "k"));
    let naked = reqwest::get(&url).await.map_err(|error| error.to_string())?;
    same(naked.status().as_u16(), 403)?;
    let user =
        |key: &str, secret: &str, region: &str| Client::new(&fake.endpoint(), region, key, secret);
    let root = fake.credential(Role::Root);
    let path = w.path("plain", "k");
    let stranger = user("AKIASTRANGER", "x", "us-east-1");
    stranger.call("GET", &*path).send().await?.refused(403, "InvalidAccessKeyId")?;
    let forger = user(&root.access_key, "x", "us-east-1");
    forger.call("GET", &*path).send().await?.refused(403, "SignatureDoesNotMatch")?;
    let traveller = user(&root.access_key, &root.secret_key, "eu-west-1");
    traveller.call("GET", &*path).send().await?.refused(400, "AuthorizationHeaderMalformed")
}

pub(crate) async fn writer_cannot_take_away(w: &World) -> Outcome {
    let writer = w.user(Role::Writer);
    let id = w.put_locked("kept", "GOVERNANCE", 120).await?;
    let path = w.path("locked", "kept");
    let denied = async |method: &str, path: String| {
        writer.call(method, path).send().await?.refused(403, "AccessDenied")
    };
    denied("DELETE", path.clone()).await?;
    denied("DELETE", format!("{path}?versionId={id}")).await?;
    let longer = Some(("GOVERNANCE", 240));
    let shorter = Some(("GOVERNANCE", 60));
    retain(&writer, w, ("kept", &id), longer, false).await?.expect(200)?;
    for bypass in [false, true] {
        let got = retain(&writer, w, ("kept", &id), shorter, bypass).await?;
        got.refused(403, "AccessDenied")?;
    }
    let call = writer.call("POST", format!("{}?delete", w.bucket("locked")));
    let body = "<Delete><Object><Key>kept</Key></Object></Delete>";
    let got = call.body(body).md5().send().await?.expect(200)?;
    got.has("Code", "AccessDenied")?;
    for (query, body) in [
        (
            "versioning",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        ),
        (
            "object-lock",
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
        ),
    ] {
        let call = writer.call("PUT", format!("{}?{query}", w.bucket("locked")));
        call.body(body).md5().send().await?.refused(403, "AccessDenied")?;
    }
    let hold = writer.call("PUT", format!("{path}?legal-hold")).md5();
    hold.send().await?.refused(403, "AccessDenied")?;
    same(&w.get("locked", "kept").await?.expect(200)?.body[..], b"locked")
}

pub(crate) async fn maintenance_cannot_bypass(w: &World) -> Outcome {
    let user = w.user(Role::Maintenance);
    let id = w.put_locked("guarded", "GOVERNANCE", 120).await?;
    let path = format!("{}?versionId={id}", w.path("locked", "guarded"));
    for bypass in ["false", "true"] {
        let call = user.call("DELETE", &*path);
        let call = call.header("x-amz-bypass-governance-retention", bypass);
        call.send().await?.refused(403, "AccessDenied")?;
    }
    w.wait(120);
    user.call("DELETE", path).send().await?.expect(204).map(drop)
}

pub(crate) async fn reader_only_reads(w: &World) -> Outcome {
    let reader = w.user(Role::Reader);
    w.put_locked("read", "GOVERNANCE", 120).await?;
    let got = reader.call("GET", w.path("locked", "read")).send().await?.expect(200)?;
    same(got.header("x-amz-object-lock-mode"), "GOVERNANCE")?;
    let call = reader.call("PUT", w.path("locked", "read")).body("x");
    call.send().await?.refused(403, "AccessDenied")?;
    let call = reader.call("POST", format!("{}?uploads", w.path("locked", "read")));
    call.send().await?.refused(403, "AccessDenied")?;
    let call = reader.call("DELETE", w.path("locked", "read"));
    call.send().await?.refused(403, "AccessDenied")
}

pub(crate) async fn unsigned_bodies_are_taken(w: &World) -> Outcome {
    let call = w.root.call("PUT", w.path("plain", "unsigned")).body("x").unsigned_body();
    call.send().await?.expect(200)?;
    same(&w.get("plain", "unsigned").await?.expect(200)?.body[..], b"x")
}
