//! Checksums, conditional writes, multipart uploads.

use holdfast_lockstore::checksum::{Algorithm, md5, to_base64};

use super::super::client::Got;
use super::super::world::{Outcome, World, same};

const SHORT: i64 = 120;
const PART: usize = 5 << 20;

pub(crate) async fn wrong_md5_is_refused(w: &World) -> Outcome {
    let call = w.root.call("PUT", w.path("plain", "md5")).body("right");
    call.header("content-md5", to_base64(&md5(b"wrong")))
        .send()
        .await?
        .refused(400, "BadDigest")?;
    let call = w.root.call("PUT", w.path("plain", "md5")).body("right");
    call.header("content-md5", "no digest").send().await?.refused(400, "InvalidDigest")?;
    w.get("plain", "md5").await?.refused(404, "NoSuchKey")
}

pub(crate) async fn wrong_checksum_is_refused(w: &World) -> Outcome {
    for algorithm in Algorithm::ALL {
        let call = w.root.call("PUT", w.path("plain", "sum")).body("right");
        let wrong = to_base64(&algorithm.of(b"wrong"));
        call.header(algorithm.header(), wrong).send().await?.refused(400, "BadDigest")?;
        let call = w.root.call("PUT", w.path("plain", "sum")).body("right");
        call.header(algorithm.header(), "AA==").send().await?.refused(400, "InvalidRequest")?;
    }
    w.get("plain", "sum").await?.refused(404, "NoSuchKey")
}

pub(crate) async fn checksum_is_kept(w: &World) -> Outcome {
    for algorithm in Algorithm::ALL {
        let sum = to_base64(&algorithm.of(b"right"));
        let call = w.root.call("PUT", w.path("plain", "kept")).body("right");
        call.header(algorithm.header(), &sum).send().await?.expect(200)?;
        let call = w.root.call("HEAD", w.path("plain", "kept"));
        let head = call.header("x-amz-checksum-mode", "ENABLED").send().await?.expect(200)?;
        same(head.header(algorithm.header()), sum.as_str())?;
    }
    Ok(())
}

pub(crate) async fn one_checksum_at_a_time(w: &World) -> Outcome {
    let call = w.root.call("PUT", w.path("plain", "two-sums")).body("x");
    let call = call.header("x-amz-checksum-crc32c", to_base64(&Algorithm::Crc32c.of(b"x")));
    let call = call.header("x-amz-checksum-sha256", to_base64(&Algorithm::Sha256.of(b"x")));
    call.send().await?.refused(400, "InvalidRequest")
}

pub(crate) async fn entity_tag_is_the_md5(w: &World) -> Outcome {
    let tag = format!("\"{}\"", "9dd4e461268c8034f5c8564e155c67a6");
    let put = w.put("plain", "tag", "x").await?.expect(200)?;
    same(put.header("etag"), tag.as_str())
}

async fn create(w: &World, kind: &str, key: &str, body: &str) -> Result<Got, String> {
    let call = w.root.call("PUT", w.path(kind, key)).body(body.to_owned()).md5();
    call.header("if-none-match", "*").send().await
}

pub(crate) async fn create_never_replaces(w: &World) -> Outcome {
    for kind in ["plain", "versioned", "locked"] {
        create(w, kind, "create", "one").await?.expect(200)?;
        create(w, kind, "create", "two").await?.refused(412, "PreconditionFailed")?;
        same(&w.get(kind, "create").await?.expect(200)?.body[..], b"one")?;
    }
    Ok(())
}

pub(crate) async fn create_goes_over_a_marker(w: &World) -> Outcome {
    w.put("versioned", "recreate", "one").await?.expect(200)?;
    w.delete("versioned", "recreate").await?.expect(204)?;
    create(w, "versioned", "recreate", "two").await?.expect(200).map(drop)
}

pub(crate) async fn of_many_creates_one_wins(w: &World) -> Outcome {
    let bodies: Vec<_> = (0..8).map(|n| format!("body {n}")).collect();
    let calls = bodies.iter().map(|body| create(w, "locked", "race", body));
    let (mut winners, mut losers) = (Vec::new(), 0);
    for (got, body) in futures::future::join_all(calls).await.into_iter().zip(&bodies) {
        match got?.status {
            200 => winners.push(body.clone()),
            412 | 409 => losers += 1,
            other => return Err(format!("status {other}")),
        }
    }
    same((winners.len(), losers), (1, 7))?;
    same(&w.get("locked", "race").await?.expect(200)?.body[..], winners[0].as_bytes())
}

pub(crate) async fn delete_during_a_create_is_a_conflict(w: &World) -> Outcome {
    let fake = w.fake.as_ref().expect("on the fake only");
    w.put("versioned", "conflict", "one").await?.expect(200)?;
    let (deletes, faults) = (w.root.clone(), fake.faults().clone());
    let path = w.path("versioned", "conflict");
    let meanwhile = async move {
        while faults.count("PutObject") < 2 {
            tokio::task::yield_now().await;
        }
        deletes.call("DELETE", path).send().await?.expect(204).map(drop)
    };
    let call = w.root.call("PUT", w.path("versioned", "conflict")).body("two");
    let got = call.header("if-none-match", "*").send_around(meanwhile).await?;
    got.refused(409, "ConditionalRequestConflict")?;
    create(w, "versioned", "conflict", "two").await?.expect(200).map(drop)
}

pub(crate) async fn replace_needs_the_right_tag(w: &World) -> Outcome {
    let tag = w.put("plain", "replace", "one").await?.expect(200)?.header("etag").to_owned();
    let replace = |key: &str, tag: &str| {
        let call = w.root.call("PUT", w.path("plain", key)).body("two");
        call.header("if-match", tag)
    };
    replace("replace", &tag).send().await?.expect(200)?;
    replace("replace", &tag).send().await?.refused(412, "PreconditionFailed")?;
    replace("replace-nothing", &tag).send().await?.refused(404, "NoSuchKey")
}

pub(crate) async fn create_takes_only_the_star(w: &World) -> Outcome {
    let call = w.root.call("PUT", w.path("plain", "star")).body("x");
    call.header("if-none-match", "\"abc\"").send().await?.refused(501, "NotImplemented")
}

/// An upload that has been started.
struct Upload<'a> {
    w: &'a World,
    path: String,
    id: String,
}

impl<'a> Upload<'a> {
    async fn start(
        w: &'a World,
        (kind, key): (&str, &str),
        headers: &[(&'static str, String)],
    ) -> Result<Self, String> {
        let path = w.path(kind, key);
        let mut call = w.root.call("POST", format!("{path}?uploads"));
        for (name, value) in headers {
            call = call.header(name, value);
        }
        let id = call.send().await?.expect(200)?.all("UploadId").remove(0);
        Ok(Self { w, path, id })
    }

    async fn part(&self, number: u32, body: Vec<u8>) -> Result<String, String> {
        let path = format!("{}?partNumber={number}&uploadId={}", self.path, self.id);
        let got = self.w.root.call("PUT", path).body(body).md5().send().await?.expect(200)?;
        Ok(got.header("etag").to_owned())
    }

    async fn complete(&self, parts: &[(u32, &str)], create: bool) -> Result<Got, String> {
        let parts = parts.iter().map(|(number, tag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
        });
        let parts: String = parts.collect();
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let call = self.w.root.call("POST", format!("{}?uploadId={}", self.path, self.id));
        let call = if create { call.header("if-none-match", "*") } else { call };
        call.body(body).send().await
    }
}

pub(crate) async fn parts_make_an_object(w: &World) -> Outcome {
    let upload = Upload::start(w, ("versioned", "parts"), &[]).await?;
    let (one, two) = (upload.part(1, vec![1; PART]).await?, upload.part(7, vec![2; 10]).await?);
    let listed = w.root.call("GET", format!("{}?uploadId={}", upload.path, upload.id));
    let listed = listed.send().await?.expect(200)?;
    same(listed.all("PartNumber"), vec!["1".to_owned(), "7".to_owned()])?;
    w.get("versioned", "parts").await?.refused(404, "NoSuchKey")?;
    upload.complete(&[(1, &one), (7, &two)], false).await?.expect(200)?;
    let got = w.get("versioned", "parts").await?.expect(200)?;
    same(got.body.len(), PART + 10)?;
    same(got.body[PART..] == [2; 10] && got.body[..PART] == vec![1; PART][..], true)?;
    let digests = [md5(&vec![1; PART]), md5(&[2; 10])].concat();
    same(got.header("etag"), format!("\"{}-2\"", hex::encode(md5(&digests))).as_str())
}

pub(crate) async fn small_parts_are_refused(w: &World) -> Outcome {
    let upload = Upload::start(w, ("plain", "small"), &[]).await?;
    let one = upload.part(1, vec![1; PART - 1]).await?;
    let two = upload.part(2, vec![2; 10]).await?;
    upload.complete(&[(1, &one), (2, &two)], false).await?.refused(400, "EntityTooSmall")
}

pub(crate) async fn parts_are_named_in_order(w: &World) -> Outcome {
    let upload = Upload::start(w, ("plain", "order"), &[]).await?;
    let one = upload.part(1, vec![1; PART]).await?;
    let two = upload.part(2, vec![2; PART]).await?;
    let got = upload.complete(&[(2, &two), (1, &one)], false).await?;
    got.refused(400, "InvalidPartOrder")
}

pub(crate) async fn parts_are_named_by_their_tag(w: &World) -> Outcome {
    let upload = Upload::start(w, ("plain", "tags"), &[]).await?;
    upload.part(1, vec![1; 10]).await?;
    let other = "\"9dd4e461268c8034f5c8564e155c67a6\"";
    upload.complete(&[(1, other)], false).await?.refused(400, "InvalidPart")?;
    upload.complete(&[(2, other)], false).await?.refused(400, "InvalidPart")
}

pub(crate) async fn part_numbers_are_limited(w: &World) -> Outcome {
    let upload = Upload::start(w, ("plain", "numbers"), &[]).await?;
    let path = format!("{}?partNumber=10001&uploadId={}", upload.path, upload.id);
    w.root.call("PUT", path).body("x").send().await?.refused(400, "InvalidArgument")
}

pub(crate) async fn wrong_md5_of_a_part_is_refused(w: &World) -> Outcome {
    let upload = Upload::start(w, ("plain", "part-md5"), &[]).await?;
    let path = format!("{}?partNumber=1&uploadId={}", upload.path, upload.id);
    let call = w.root.call("PUT", path).body("right");
    call.header("content-md5", to_base64(&md5(b"wrong"))).send().await?.refused(400, "BadDigest")
}

pub(crate) async fn aborted_uploads_are_gone(w: &World) -> Outcome {
    let upload = Upload::start(w, ("plain", "abort"), &[]).await?;
    let one = upload.part(1, vec![1; 10]).await?;
    let path = format!("{}?uploadId={}", upload.path, upload.id);
    w.root.call("DELETE", path).send().await?.expect(204)?;
    upload.complete(&[(1, &one)], false).await?.refused(404, "NoSuchUpload")?;
    w.get("plain", "abort").await?.refused(404, "NoSuchKey")
}

pub(crate) async fn completing_can_be_conditional(w: &World) -> Outcome {
    let upload = Upload::start(w, ("versioned", "taken"), &[]).await?;
    let one = upload.part(1, vec![1; 10]).await?;
    w.put("versioned", "taken", "first").await?.expect(200)?;
    upload.complete(&[(1, &one)], true).await?.refused(412, "PreconditionFailed")?;
    same(&w.get("versioned", "taken").await?.expect(200)?.body[..], b"first")
}

pub(crate) async fn parts_keep_the_lock(w: &World) -> Outcome {
    let headers = [
        ("x-amz-object-lock-mode", "COMPLIANCE".to_owned()),
        ("x-amz-object-lock-retain-until-date", w.until(SHORT)),
    ];
    let upload = Upload::start(w, ("locked", "locked-parts"), &headers).await?;
    let one = upload.part(1, vec![1; 10]).await?;
    upload.complete(&[(1, &one)], false).await?.expect(200)?;
    let head = w.root.call("HEAD", w.path("locked", "locked-parts")).send().await?.expect(200)?;
    same(head.header("x-amz-object-lock-mode"), "COMPLIANCE")?;
    let got = w.erase(("locked-parts", &head.version()?), true).await?;
    got.refused(403, "AccessDenied")
}

pub(crate) async fn parts_keep_the_hold(w: &World) -> Outcome {
    let headers = [("x-amz-object-lock-legal-hold", "ON".to_owned())];
    let upload = Upload::start(w, ("locked", "held-parts"), &headers).await?;
    let one = upload.part(1, vec![1; 10]).await?;
    upload.complete(&[(1, &one)], false).await?.expect(200)?;
    let head = w.root.call("HEAD", w.path("locked", "held-parts")).send().await?.expect(200)?;
    let id = head.version()?;
    w.erase(("held-parts", &id), true).await?.refused(403, "AccessDenied")?;
    w.hold(("held-parts", &id), "OFF").await?.expect(200)?;
    w.erase(("held-parts", &id), false).await?.expect(204).map(drop)
}

pub(crate) async fn parts_get_the_default_retention(w: &World) -> Outcome {
    w.create_bucket("default-parts", true).await?.expect(200)?;
    let rule = "<Mode>GOVERNANCE</Mode><Days>1</Days>";
    w.default_retention("default-parts", rule).await?.expect(200)?;
    let upload = Upload::start(w, ("default-parts", "k"), &[]).await?;
    let one = upload.part(1, vec![1; 10]).await?;
    upload.complete(&[(1, &one)], false).await?.expect(200)?;
    let head = w.root.call("HEAD", w.path("default-parts", "k")).send().await?.expect(200)?;
    same(head.header("x-amz-object-lock-mode"), "GOVERNANCE")
}

pub(crate) async fn uploads_need_a_lock_bucket_for_locks(w: &World) -> Outcome {
    let call = w.root.call("POST", format!("{}?uploads", w.path("plain", "unlockable-parts")));
    let call = call.header("x-amz-object-lock-mode", "GOVERNANCE");
    let call = call.header("x-amz-object-lock-retain-until-date", w.until(SHORT));
    call.send().await?.refused(400, "InvalidRequest")
}

pub(crate) async fn locked_parts_need_a_checksum(w: &World) -> Outcome {
    let headers = [
        ("x-amz-object-lock-mode", "GOVERNANCE".to_owned()),
        ("x-amz-object-lock-retain-until-date", w.until(SHORT)),
    ];
    let upload = Upload::start(w, ("locked", "unchecked-parts"), &headers).await?;
    let path = format!("{}?partNumber=1&uploadId={}", upload.path, upload.id);
    w.root.call("PUT", path).body("x").send().await?.refused(400, "InvalidRequest")
}
