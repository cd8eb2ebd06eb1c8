//! Bad input: wrong credentials, damaged files, a store that cannot be written, a second writer.
//! Clear errors, never wrong bytes, never a panic, and nothing lost once the cause is gone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_engine::backup::{BackupReport, BackupRequest, backup};
use holdfast_engine::browse::{At, cat, ls};
use holdfast_engine::restore::restore;
use holdfast_engine::tenant::{self, Login, NewTenant, add};
use holdfast_engine::{Error, Exit, Home, InitOptions, Progress, Storage, Unlock, rebuild, verify};
use holdfast_model::{Outcome, Secret, ShardId};
use holdfast_testkit::{Options, PASSPHRASE, TENANT, TestContext, mailbox_view};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::backup::{assert_equal_to_live, stored};
use super::faults::{live_states, states};

const SPARE: &str = "empty@contoso.example";

async fn one_mailbox() -> (TestContext, String) {
    let t = TestContext::new(Options { users: 1, mails: 12, ..Options::default() }).await;
    let upn = t.people().remove(0);
    (t, upn)
}

async fn try_backup(t: &TestContext, home: &Home) -> Result<BackupReport, Error> {
    t.advance(Duration::from_secs(60));
    backup(home, &BackupRequest::default(), &Progress::default()).await
}

async fn opened_again(t: &TestContext) -> Result<Home, Error> {
    Home::open(t.home.dir(), None, t.home.clock.clone()).await
}

/// What the command line shows: the error and all its causes.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn mail(subject: &str) -> Vec<u8> {
    let head = "From: a@contoso.example\r\nDate: Mon, 2 Mar 2026 08:00:00 +0000\r\n";
    format!("{head}Subject: {subject}\r\n\r\nabout {subject}\r\n").into_bytes()
}

fn deliver(t: &TestContext, upn: &str, subject: &str) {
    let inbox = t.tenant().folder_by_path(upn, &["Inbox"]).unwrap();
    t.tenant().deliver(upn, &inbox, &mail(subject)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_expired_secret_says_what_to_do() {
    let (t, upn) = one_mailbox().await;
    t.backup().await;
    let row = tenant::find(&t.home, TENANT).await.unwrap();
    let wrong = Login::Secret(Secret::new("not-the-secret"));
    add(&t.home, NewTenant { login: wrong, ..t.new_tenant() }).await.unwrap();
    let wrong = try_backup(&t, &t.home).await.unwrap_err();
    add(&t.home, t.new_tenant()).await.unwrap();
    let ends = t.home.clock.now();
    t.tenant().secret_expires(&row.client_id, ends).unwrap();
    let expired = try_backup(&t, &t.home).await.unwrap_err();
    let row = tenant::find(&t.home, TENANT).await.unwrap();
    let tested = tenant::test(&t.home, &row).await.unwrap_err();
    for (error, code, word) in [
        (wrong, "AADSTS7000215", "wrong"),
        (expired, "AADSTS7000222", "expired"),
        (tested, "AADSTS7000222", "expired"),
    ] {
        assert_eq!(error.exit(), Exit::Denied);
        let text = told(&error);
        assert!(text.contains(code) && text.contains(word), "{text}");
        assert!(!text.contains("not-the-secret"));
    }
    let runs = t.home.catalog.run_list(1).await.unwrap();
    assert_eq!(runs[0].outcome, Some(Outcome::Failed));
    assert_equal_to_live(&t, &upn).await;
    let later = t.home.clock.now() + jiff::SignedDuration::from_hours(24);
    t.tenant().secret_expires(&row.client_id, later).unwrap();
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named() {
    let (t, upn) = one_mailbox().await;
    t.backup().await;
    deliver(&t, &upn, "new");
    let row = tenant::find(&t.home, TENANT).await.unwrap();
    for role in ["Mail.Read", "Mail.ReadWrite"] {
        t.tenant().registration_revoke(&row.client_id, role).unwrap();
    }
    let reports = tenant::test(&t.home, &row).await.unwrap();
    let missing: Vec<&str> = reports[0].permissions.missing.iter().map(|p| p.name).collect();
    assert_eq!(missing, ["Mail.Read", "Mail.ReadWrite"]);
    let report = t.backup().await;
    assert_eq!(report.outcome, Outcome::Failed, "{report:#?}");
    assert_eq!(report.resources[0].cause.as_deref(), Some("ErrorAccessDenied"));
    assert!(report.requests <= 4, "a refusal is not repeated: {}", report.requests);
    // Lists are shown to a wider permission, bodies are not.
    t.tenant().registration_grant(&row.client_id, "Mail.ReadWrite").unwrap();
    let report = t.backup().await;
    assert_eq!(report.counts.items_new, 0);
    assert_ne!(report.outcome, Outcome::Complete, "{report:#?}");
    t.tenant().registration_grant(&row.client_id, "Mail.Read").unwrap();
    let report = t.backup().await;
    assert_eq!((report.outcome, report.counts.items_new), (Outcome::Complete, 1), "{report:#?}");
    assert_equal_to_live(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_no_vault_is_left_alone() {
    let (t, _) = one_mailbox().await;
    let place = t.scratch("papers");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("letter.txt"), "mine").unwrap();
    let init = InitOptions {
        vault: place.clone().into(),
        storage: Storage::default(),
        unlock: Unlock::Passphrase(Secret::new(PASSPHRASE)),
        instance_key: Some(t.scratch("other.key")),
        catalog_url: None,
    };
    let home = t.scratch("other");
    let error = Home::init(&home, &init, t.home.clock.clone()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound);
    assert!(told(&error).contains("is not a vault"), "{}", told(&error));
    assert!(!home.exists() && fs::read_dir(&place).unwrap().count() == 1);
    let error = Home::open(&place, None, t.home.clock.clone()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    // A vault under another passphrase is not opened either.
    let init = InitOptions {
        vault: t.vault_dir().into(),
        unlock: Unlock::Passphrase(Secret::new("guess")),
        ..init
    };
    let error = Home::init(&home, &init, t.home.clock.clone()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Denied);
    assert!(!home.exists());
    // The vault itself went away: its disk is not mounted.
    t.backup().await;
    fs::rename(t.vault_dir(), t.scratch("away")).unwrap();
    let home = opened_again(&t).await.unwrap();
    let error = try_backup(&t, &home).await.unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound, "{}", told(&error));
    assert!(!t.vault_dir().exists(), "nothing is made in its place");
    fs::rename(t.scratch("away"), t.vault_dir()).unwrap();
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Half of a file, and the file with a bit turned over.
fn damages(sound: &[u8], rng: &mut ChaCha8Rng) -> [Vec<u8>; 2] {
    let mut flipped = sound.to_vec();
    let bit = rng.random_range(0..sound.len() * 8);
    flipped[bit / 8] ^= 1 << (bit % 8);
    [sound[..sound.len() / 2].to_vec(), flipped]
}

fn assert_damaged(error: &Error, path: &Path) {
    assert_eq!(error.exit(), Exit::Damaged, "{path:?}: {}", told(error));
}

/// Every message comes as it was stored, or not at all.
async fn assert_never_wrong(home: &Home, upn: &str, known: &[(String, String, Vec<u8>)]) -> usize {
    let mut refused = 0;
    for (_, path, bytes) in known {
        let mut found = Vec::new();
        match cat(home, None, upn, &At::Latest, path, &mut found).await {
            Ok(_) => assert!(found == *bytes, "wrong bytes"),
            Err(error) => {
                assert_damaged(&error, Path::new("a message"));
                assert!(bytes.starts_with(&found), "what was written before was right");
                refused += 1;
            }
        }
    }
    if let Err(error) = ls(home, None, upn, &At::Latest, "", true).await {
        assert_damaged(&error, Path::new("a folder"));
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_of_the_vault_are_found_and_never_give_wrong_bytes() {
    let (t, upn) = one_mailbox().await;
    t.backup().await;
    deliver(&t, &upn, "second snapshot");
    t.backup().await;
    let known = stored(&t, &upn).await;
    let some = known[0].0.clone();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut cases, mut refused, mut failed) = (0, 0, 0);
    for dir in ["data", "index", "snapshots"] {
        for path in files(&t.vault_dir().join("shards/1").join(dir)) {
            let sound = fs::read(&path).unwrap();
            for damaged in damages(&sound, &mut rng) {
                fs::write(&path, damaged).unwrap();
                let home = opened_again(&t).await.unwrap();
                match verify::check(&home, None, true, &Progress::default()).await {
                    Ok(check) => assert!(check.errors > 0, "the check misses {path:?}"),
                    Err(error) => assert_damaged(&error, &path),
                }
                refused += assert_never_wrong(&home, &upn, &known).await;
                t.tenant().message_update(&upn, &some, |m| m.is_read = !m.is_read).unwrap();
                if let Err(error) = try_backup(&t, &home).await {
                    assert_damaged(&error, &path);
                    failed += 1;
                }
                fs::write(&path, &sound).unwrap();
                cases += 1;
            }
        }
    }
    assert!(cases >= 12 && refused > 0 && failed > 0, "{cases} {refused} {failed}");
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    assert_eq!(verify::check(&t.home, None, true, &Progress::default()).await.unwrap().errors, 0);
    assert_eq!(states(&t, &upn).await, live_states(&t, &upn));
    assert_equal_to_live(&t, &upn).await;
    if let Some(restic) = t.restic().await {
        restic.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_keys_and_intent_are_refused() {
    let (t, upn) = one_mailbox().await;
    t.backup().await;
    let known = stored(&t, &upn).await;
    let mut places = files(&t.vault_dir().join("keys"));
    places.push(t.vault_dir().join("vault.json"));
    for dir in ["data", "index", "snapshots"] {
        places.extend(files(&t.vault_dir().join("control").join(dir)));
    }
    assert!(places.len() >= 5, "{places:?}");
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for path in places {
        let sound = fs::read(&path).unwrap();
        let [half, _] = damages(&sound, &mut rng);
        fs::write(&path, half).unwrap();
        let home = opened_again(&t).await.unwrap();
        match verify::check(&home, None, true, &Progress::default()).await {
            Ok(check) => assert!(check.errors > 0, "the check misses {path:?}"),
            Err(error) => assert_damaged(&error, &path),
        }
        assert_never_wrong(&home, &upn, &known).await;
        if let Err(error) = try_backup(&t, &home).await {
            assert_damaged(&error, &path);
        }
        fs::write(&path, &sound).unwrap();
    }
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    assert_equal_to_live(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_damaged_message_does_not_keep_the_others_from_being_restored() {
    let (t, upn) = one_mailbox().await;
    t.tenant().user_add("Empty Person", SPARE).unwrap();
    t.backup().await;
    let known = stored(&t, &upn).await;
    let packs = files(&t.vault_dir().join("shards/1/data"));
    let largest = packs.into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[100] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let home = opened_again(&t).await.unwrap();
    let refused = assert_never_wrong(&home, &upn, &known).await as u64;
    assert!((1..known.len() as u64).contains(&refused), "{refused} are damaged");
    let check = verify::check(&home, None, true, &Progress::default()).await.unwrap();
    let damaged = &check.shards[0].damaged;
    assert_eq!(damaged.len() as u64, refused, "{damaged:#?}");
    for item in damaged {
        assert_eq!(
            (item.resource.as_str(), item.kind.as_str(), item.current),
            (upn.as_str(), "message", true)
        );
        let live = mailbox_view(t.tenant(), &upn);
        let named = live.iter().any(|m| item.title == m.subject && !m.subject.is_empty());
        assert!(named && !item.folder.is_empty() && item.received.is_some(), "{item:#?}");
    }
    let mut request = t.restore_of(&upn);
    request.to = Some(SPARE.to_owned());
    for dry_run in [true, false] {
        request.dry_run = dry_run;
        let report = restore(&home, &request, &Progress::default()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Partial);
        assert_eq!(report.items_failed, refused, "{report:#?}");
        assert_eq!(report.items_restored, known.len() as u64 - refused);
        let failed = report.items.iter().find(|item| item.result == "failed").unwrap();
        assert!(failed.detail.as_ref().unwrap().contains("damaged"), "{failed:?}");
    }
    assert_eq!(mailbox_view(t.tenant(), SPARE).len() as u64, known.len() as u64 - refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_cannot_be_written_keeps_what_it_has() {
    let (t, upn) = one_mailbox().await;
    t.backup().await;
    deliver(&t, &upn, "new");
    let before = stored(&t, &upn).await;
    // A file in the place of the folder for temporary files: nothing can be written, whoever runs
    // the test; everything can be read.
    let tmp = t.vault_dir().join("shards/1/tmp");
    fs::remove_dir_all(&tmp).unwrap();
    fs::write(&tmp, "").unwrap();
    let error = try_backup(&t, &t.home).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Error);
    assert!(told(&error).contains("cannot"), "{}", told(&error));
    assert!(stored(&t, &upn).await == before);
    assert_eq!(verify::check(&t.home, None, true, &Progress::default()).await.unwrap().errors, 0);
    fs::remove_file(&tmp).unwrap();
    let report = t.backup().await;
    assert_eq!((report.outcome, report.counts.items_new), (Outcome::Complete, 1), "{report:#?}");
    assert_equal_to_live(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_catalog_is_refused_and_can_be_rebuilt() {
    let (mut t, upn) = one_mailbox().await;
    t.backup().await;
    let catalog = t.home.dir().join("catalog.db");
    let instance_key = t.home.key_path().to_owned();
    t.home.catalog.close().await;
    for path in files(t.home.dir()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("catalog.db-") {
            fs::remove_file(path).unwrap();
        }
    }
    let sound = fs::read(&catalog).unwrap();
    for damaged in [b"not a catalog".to_vec(), sound[..sound.len() / 2].to_vec(), Vec::new()] {
        fs::write(&catalog, &damaged).unwrap();
        let error = match opened_again(&t).await {
            Err(error) => error,
            Ok(home) => try_backup(&t, &home).await.unwrap_err(),
        };
        assert!(matches!(error, Error::Catalog(_)), "{}", told(&error));
        let text = told(&error);
        assert!(text.contains("damaged") || text.contains("database"), "{text}");
    }
    fs::remove_file(&catalog).unwrap();
    let error = opened_again(&t).await.unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound, "{}", told(&error));
    // The machine is lost with it: a new home on the same vault.
    assert!(instance_key.exists());
    let home = t.second_home().await;
    let report = rebuild::rebuild(&home).await.unwrap();
    assert!(report.items > 10 && report.restore_points == 1, "{report:?}");
    let refused = try_backup(&t, &home).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Denied, "credentials are not in the vault");
    t.home = home;
    add(&t.home, t.new_tenant()).await.unwrap();
    let again = t.backup().await;
    assert!(again.counts.is_idle(), "{again:#?}");
    assert_equal_to_live(&t, &upn).await;
    deliver(&t, &upn, "new");
    assert_eq!(t.backup().await.counts.items_new, 1);
    assert_equal_to_live(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_instance_key_is_needed_and_must_be_private() {
    let (t, _) = one_mailbox().await;
    let path = t.home.key_path().to_owned();
    let key = fs::read(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = opened_again(&t).await.unwrap_err();
    assert!(matches!(error, Error::KeyExposed(_)));
    assert!(told(&error).contains("chmod 600"));
    fs::remove_file(&path).unwrap();
    let error = opened_again(&t).await.unwrap_err();
    assert!(told(&error).contains("--instance-key"), "{}", told(&error));
    assert_eq!(error.exit(), Exit::Denied);
    let write = |text: &[u8]| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(b"nonsense");
    let error = opened_again(&t).await.unwrap_err();
    assert!(matches!(error, Error::InstanceKey { .. }), "{}", told(&error));
    // Another key is a key, but opens nothing.
    write(format!("{}\n", "0".repeat(64)).as_bytes());
    let home = opened_again(&t).await.unwrap();
    let error = try_backup(&t, &home).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Denied, "{}", told(&error));
    write(&key);
    let home = opened_again(&t).await.unwrap();
    assert_eq!(try_backup(&t, &home).await.unwrap().outcome, Outcome::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_names_the_holder_of_the_shard() {
    let (t, upn) = one_mailbox().await;
    t.backup().await;
    deliver(&t, &upn, "new");
    let vault = t.home.vault(None).await.unwrap().id().to_owned();
    let ttl = Duration::from_secs(3600);
    let owner = "elsewhere boot pid:[1] 4711 1";
    let lease = t.home.catalog.lease_take(&vault, ShardId(1), owner, ttl).await.unwrap();
    let error = try_backup(&t, &t.home).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Later);
    assert!(told(&error).contains("process 4711 on elsewhere"), "{}", told(&error));
    t.home.catalog.lease_release(&lease).await.unwrap();
    // Two at once: one of them works, the other one gives way.
    let (a, b) = tokio::join!(try_backup(&t, &t.home), try_backup(&t, &t.home));
    let (done, refused): (Vec<_>, Vec<_>) = [a, b].into_iter().partition(Result::is_ok);
    let new: u64 = done.iter().map(|report| report.as_ref().unwrap().counts.items_new).sum();
    assert_eq!(new, 1, "{done:#?} {refused:#?}");
    for refusal in refused {
        assert_eq!(refusal.unwrap_err().exit(), Exit::Later);
    }
    assert_equal_to_live(&t, &upn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_beyond_the_limit_of_a_node_comes_back() {
    let (t, upn) = one_mailbox().await;
    t.tenant().user_add("Empty Person", SPARE).unwrap();
    deliver(&t, &upn, "many categories");
    let inbox = t.tenant().folder_by_path(&upn, &["Inbox"]).unwrap();
    let id = t.tenant().messages(&upn, &inbox).unwrap().into_iter().next().unwrap().id;
    let categories: Vec<String> = (0..200).map(|n| format!("{n:0>255}")).collect();
    t.tenant().message_update(&upn, &id, |m| m.categories.clone_from(&categories)).unwrap();
    assert_eq!(t.backup().await.outcome, Outcome::Complete);
    assert_eq!(states(&t, &upn).await[&id].1, categories);
    assert_equal_to_live(&t, &upn).await;
    // A change of its state, a move, and fewer categories: the file beside it follows.
    let kept = t.tenant().folder_create(&upn, None, "Kept").unwrap();
    t.tenant().message_move(&upn, &id, &kept).unwrap();
    t.tenant().message_update(&upn, &id, |m| m.is_read = !m.is_read).unwrap();
    let report = t.backup().await;
    assert_eq!((report.counts.items_changed, report.counts.bytes), (1, 0), "{report:#?}");
    assert_eq!(states(&t, &upn).await, live_states(&t, &upn));
    let mut request = t.restore_of(&upn);
    (request.to, request.path) = (Some(SPARE.to_owned()), Some("Kept".to_owned()));
    let report = t.restore(request).await;
    assert_eq!((report.items_restored, report.items_failed), (1, 0), "{report:#?}");
    let restored = mailbox_view(t.tenant(), SPARE).remove(0);
    assert_eq!(restored.state[4], categories.join(","));
    t.tenant().message_update(&upn, &id, |m| m.categories.clear()).unwrap();
    t.backup().await;
    assert_eq!(states(&t, &upn).await, live_states(&t, &upn));
    if let Some(restic) = t.restic().await {
        restic.check();
        let files = restic.run(&["ls", "latest", "--no-lock"]);
        let beside = |line: &&str| line.contains(&upn) && line.ends_with(".meta.json");
        assert_eq!(files.lines().find(beside), None, "the file beside it is gone");
    }
}
