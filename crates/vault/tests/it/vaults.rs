//! Vaults, their keys, their recovery kit.

use std::fs;

use holdfast_vault::{Error, ErrorKind};

use super::restic::{assert_clean, is_installed};
use super::*;

#[test]
fn a_vault_opens_with_its_passphrase_and_secret_only() {
    let fixture = Fixture::new();
    let secret = Vault::unlock(fixture.path(), &passphrase()).unwrap();
    assert!(secret == fixture.secret);
    let again = Vault::open(fixture.path(), secret, fixture.clock.clone()).unwrap();
    assert_eq!(again.id(), fixture.vault.id());
    assert_eq!(again.shard_ids().unwrap(), [SHARD]);

    let err = Vault::unlock(fixture.path(), &Secret::new("wrong")).unwrap_err();
    assert!(matches!(err, Error::WrongPassphrase { .. }), "{err}");
    assert_eq!(err.kind(), ErrorKind::WrongKey);
    let other = VaultSecret::from_bytes([9; 32]);
    let err = Vault::open(fixture.path(), other, fixture.clock.clone()).unwrap_err();
    assert!(matches!(err, Error::WrongSecret { .. }), "{err}");
}

#[test]
fn folders_that_are_no_vault_are_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let missing = dir.path().join("missing");
    for path in [dir.path(), &missing, &dir.path().join("file")] {
        let err = Vault::unlock(path, &passphrase()).unwrap_err();
        assert!(matches!(err, Error::NotAVault { .. }), "{err}");
    }
    let clock = Clock::manual(time(0));
    let err = Vault::create(dir.path(), &passphrase(), clock.clone()).unwrap_err();
    assert!(matches!(err, Error::Exists { .. }), "{err}");
    let err = Vault::create(&dir.path().join("file/vault"), &passphrase(), clock).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Io, "{err}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn shards_are_found_on_disk_in_order_of_number() {
    let fixture = Fixture::new();
    for id in [10, 2] {
        fixture.vault.create_shard(ShardId(id)).unwrap();
    }
    fixture.vault.create_shard(ShardId(2)).unwrap();
    fs::create_dir(fixture.path().join("shards/77")).unwrap();
    fs::create_dir(fixture.path().join("shards/x")).unwrap();
    assert_eq!(fixture.vault.shard_ids().unwrap(), [ShardId(1), ShardId(2), ShardId(10)]);
    let err = fixture.vault.shard(ShardId(3)).err().unwrap();
    assert!(matches!(err, Error::NoShard { id: ShardId(3) }), "{err}");
    assert_eq!(fixture.vault.create_shard(ShardId(0)).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_shard_opens_without_its_sealed_key() {
    let fixture = Fixture::new();
    let key = fixture.path().join("keys/1.json");
    let bytes = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    fixture.shard().reader().unwrap();
    fs::copy(fixture.path().join("keys/control.json"), &key).unwrap();
    fixture.shard().reader().unwrap();
    let report = fixture.shard().check(false).unwrap();
    assert!(report.errors[0].starts_with("keys/1.json"), "{:?}", report.errors);
    fs::write(&key, bytes).unwrap();
    assert_eq!(fixture.shard().check(false).unwrap().errors, Vec::<String>::new());
}

#[test]
fn the_kit_carries_the_secret_and_overwrites_nothing() {
    let fixture = Fixture::new();
    let kit = fixture.dir.path().join("kit");
    let files = fixture.vault.recovery_kit(&kit).unwrap();
    let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["README.txt", "vault-secret.hex", "restic-password.sh"]);
    let mode = |path: &Path| {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    };
    assert_eq!(files.iter().map(|f| mode(f)).collect::<Vec<_>>(), [0o644, 0o600, 0o755]);
    let readme = fs::read_to_string(&files[0]).unwrap();
    assert!(readme.contains(fixture.vault.id()) && readme.contains("extended attributes"));

    assert!(Vault::secret_from_kit(&kit).unwrap() == fixture.secret);
    fixture.vault.verify_kit(&kit).unwrap();
    fs::write(&files[1], hex::encode([1; 32])).unwrap();
    let err = fixture.vault.verify_kit(&kit).unwrap_err();
    assert!(matches!(err, Error::WrongSecret { .. }), "{err}");
    fs::remove_file(&files[2]).unwrap();
    let err = fixture.vault.recovery_kit(&kit).unwrap_err();
    assert!(matches!(err, Error::Exists { .. }), "{err}");
    assert!(!files[2].exists(), "nothing is written when one file is in the way");
    fs::write(&files[1], "zz").unwrap();
    assert!(matches!(Vault::secret_from_kit(&kit), Err(Error::NotAKit { .. })));
}

#[test]
fn secrets_do_not_show() {
    let fixture = Fixture::new();
    let secret = hex::encode(fixture.secret.expose());
    let shown = format!("{:?} {:?}", fixture.vault, fixture.secret);
    assert!(!shown.contains(&secret[..8]), "{shown}");
}

#[test]
fn a_maker_that_was_cut_off_leaves_nothing_in_the_way() {
    let fixture = Fixture::new();
    let shards = fixture.path().join("shards");
    fixture.vault.create_shard(ShardId(2)).unwrap();
    // The key file of a maker that died before its `config`, in a shard that another one made.
    for (from, to) in [("1", "2"), ("1", "3")] {
        fs::create_dir_all(shards.join(to).join("keys")).unwrap();
        let key = fs::read_dir(shards.join(from).join("keys")).unwrap().next().unwrap().unwrap();
        fs::copy(key.path(), shards.join(to).join("keys").join(key.file_name())).unwrap();
    }
    assert_eq!(fixture.vault.shard_ids().unwrap(), [ShardId(1), ShardId(2)]);
    fixture.vault.create_shard(ShardId(3)).unwrap();
    for shard in [2, 3] {
        fs::remove_file(fixture.path().join(format!("keys/{shard}.json"))).unwrap();
        let shard = fixture.vault.shard(ShardId(shard)).unwrap();
        let writer = shard.writer().unwrap();
        let tree = writer.edit(None, holdfast_vault::Fanout::FLAT).save().unwrap();
        writer.snapshot(tree, &tags(1), time(0), "h", &[]).unwrap();
        drop(writer);
        assert_eq!(shard.snapshots().unwrap().len(), 1);
    }
}

#[test]
fn a_new_passphrase_takes_the_place_of_the_old_one() {
    let fixture = Fixture::new();
    let password = fixture.vault.shard_password(SHARD);
    fixture.vault.set_passphrase(&Secret::new("another one")).unwrap();
    let err = Vault::unlock(fixture.path(), &passphrase()).unwrap_err();
    assert!(matches!(err, Error::WrongPassphrase { .. }), "{err}");
    let secret = Vault::unlock(fixture.path(), &Secret::new("another one")).unwrap();
    let again = Vault::open(fixture.path(), secret, fixture.clock.clone()).unwrap();
    assert_eq!(again.id(), fixture.vault.id());
    assert_eq!(again.shard_password(SHARD).expose(), password.expose());
}

/// Makers that died before the `config` have left their key files; restic takes the first of them
/// that its password opens.
#[test]
fn what_cut_off_makers_left_opens_the_repository_too() {
    let fixture = Fixture::new();
    for _ in 0..4 {
        fs::remove_file(fixture.shard_path().join("config")).unwrap();
        fs::remove_file(fixture.path().join("keys/1.json")).unwrap();
        fixture.vault.create_shard(SHARD).unwrap();
    }
    assert_eq!(fs::read_dir(fixture.shard_path().join("keys")).unwrap().count(), 5);
    fs::remove_file(fixture.path().join("keys/1.json")).unwrap();
    fixture.vault.shard(SHARD).unwrap();
    if is_installed() {
        assert_clean(&fixture);
    }
}
