//! Users are intent: they come back from the vault, and no change is lost between vault and catalog.

use std::fs;
use std::path::PathBuf;

use holdfast_engine::rebuild::rebuild;
use holdfast_engine::users::{self, Effect, Passkey, User};
use holdfast_engine::{Error, Home};
use holdfast_model::{Grant, Role, Secret, Timestamp};
use holdfast_testkit::{Options, TestContext};

const HASH: &str = "$argon2id$v=19$m=19456$hash";

async fn context() -> TestContext {
    TestContext::new(Options { users: 1, mails: 0, ..Options::default() }).await
}

async fn administrator(home: &Home, name: &str) -> User {
    let grants = vec![Grant::everywhere(Role::Administrator)];
    let with = |user: &mut User| user.password_hash = Some(Secret::new(HASH));
    users::create(home, name, "Ada", grants, with).await.unwrap()
}

fn passkey(id: &str) -> Passkey {
    Passkey {
        id: id.into(),
        label: "key".into(),
        credential: Secret::new(r#"{"public":"credential-of-ada"}"#),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

async fn with_factors(home: &Home, user: &User) -> User {
    let edit = |user: &mut User| {
        user.totp = Some(Secret::new(b"totp-secret-of-ada-0".as_slice()));
        user.passkeys = vec![passkey("k1")];
        user.recovery_codes = vec!["c0ffee".into()];
        true
    };
    users::change(home, &user.id, Effect::Waits, edit).await.unwrap().unwrap()
}

fn disable(user: &mut User) -> bool {
    user.disabled = true;
    true
}

/// The vault goes away, and comes back with [`return_vault`].
fn take_vault_away(t: &TestContext) -> PathBuf {
    let away = t.scratch("vault-away");
    fs::rename(t.vault_dir(), &away).unwrap();
    away
}

fn return_vault(t: &TestContext, away: PathBuf) {
    fs::rename(away, t.vault_dir()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn users_come_back_from_the_vault_with_all_factors() {
    let t = context().await;
    let ada = with_factors(&t.home, &administrator(&t.home, "ada").await).await;
    let bob = administrator(&t.home, "bob").await;
    let second = t.second_home().await;
    assert_eq!(rebuild(&second).await.unwrap().users, 2);
    let found = users::list(&second).await.unwrap();
    assert!(found == [ada.clone(), bob.clone()], "{found:?}");
    assert_eq!(found[0].totp.as_ref().unwrap().expose(), b"totp-secret-of-ada-0");

    users::remove(&t.home, &bob.id).await.unwrap();
    assert_eq!(rebuild(&second).await.unwrap().users, 1);
    assert!(users::list(&second).await.unwrap() == [ada]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rights_wait_for_the_vault_and_protection_does_not() {
    let t = context().await;
    administrator(&t.home, "ada").await;
    let bob = administrator(&t.home, "bob").await;
    let away = take_vault_away(&t);
    let promote = |user: &mut User| {
        user.grants.push(Grant::everywhere(Role::Auditor));
        true
    };
    users::change(&t.home, &bob.id, Effect::Waits, promote).await.unwrap_err();
    users::create(&t.home, "eve", "Eve", vec![], |_| {}).await.unwrap_err();
    assert_eq!(users::list(&t.home).await.unwrap().len(), 2);
    assert!(users::get(&t.home, &bob.id).await.unwrap() == bob, "nothing took effect");

    users::change(&t.home, &bob.id, Effect::Protects, disable).await.unwrap().unwrap();
    assert!(users::get(&t.home, &bob.id).await.unwrap().disabled);
    users::flush(&t.home).await.unwrap_err();
    return_vault(&t, away);
    assert_eq!(users::flush(&t.home).await.unwrap(), 1);
    assert_eq!(users::flush(&t.home).await.unwrap(), 0);
    let second = t.second_home().await;
    rebuild(&second).await.unwrap();
    assert!(users::get(&second, &bob.id).await.unwrap().disabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_does_not_forget_a_protection_that_the_vault_lacks() {
    let t = context().await;
    administrator(&t.home, "ada").await;
    let bob = administrator(&t.home, "bob").await;
    let away = take_vault_away(&t);
    users::change(&t.home, &bob.id, Effect::Protects, disable).await.unwrap().unwrap();
    return_vault(&t, away);
    rebuild(&t.home).await.unwrap();
    assert!(users::get(&t.home, &bob.id).await.unwrap().disabled);
    assert_eq!(users::flush(&t.home).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays() {
    let t = context().await;
    let ada = administrator(&t.home, "ada").await;
    let grants = vec![Grant::everywhere(Role::Administrator)];
    let invited = users::create(&t.home, "bob", "Bob", grants, |_| {}).await.unwrap();
    let refused = |result: Result<(), Error>| {
        assert!(matches!(result.unwrap_err(), Error::LastAdministrator(name) if name == "ada"));
    };
    refused(users::remove(&t.home, &ada.id).await);
    let demote = |user: &mut User| {
        user.grants = vec![Grant::everywhere(Role::ReadOnly)];
        true
    };
    refused(users::change(&t.home, &ada.id, Effect::Protects, disable).await.map(drop));
    refused(users::change(&t.home, &ada.id, Effect::Protects, demote).await.map(drop));
    assert!(users::get(&t.home, &ada.id).await.unwrap() == ada);

    let password = |user: &mut User| {
        user.password_hash = Some(Secret::new(HASH));
        true
    };
    users::change(&t.home, &invited.id, Effect::Waits, password).await.unwrap().unwrap();
    users::remove(&t.home, &ada.id).await.unwrap();
    assert_eq!(users::list(&t.home).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_in_the_vault_takes_effect() {
    let t = context().await;
    let ada = administrator(&t.home, "ada").await;
    let bob = administrator(&t.home, "bob").await;
    // Another catalog on the same vault: what it does, the first has not heard of.
    let second = t.second_home().await;
    rebuild(&second).await.unwrap();
    users::remove(&second, &bob.id).await.unwrap();
    let newer = with_factors(&second, &ada).await;
    let cleo = administrator(&second, "cleo").await;
    assert_eq!(users::list(&t.home).await.unwrap().len(), 2);
    assert_eq!(users::reconcile(&t.home).await.unwrap(), 3);
    assert!(users::list(&t.home).await.unwrap() == [newer, cleo]);
    assert_eq!(users::reconcile(&t.home).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_are_all_kept() {
    let t = context().await;
    let ada = administrator(&t.home, "ada").await;
    let add = |n: usize| {
        let (home, id) = (&t.home, &ada.id);
        let effect = [Effect::Waits, Effect::Protects][n % 2];
        async move {
            let edit = |user: &mut User| {
                user.passkeys.push(passkey(&format!("k{n}")));
                true
            };
            users::change(home, id, effect, edit).await.unwrap().unwrap()
        }
    };
    futures::future::join_all((0..6).map(add)).await;
    let after = users::get(&t.home, &ada.id).await.unwrap();
    assert_eq!((after.passkeys.len(), after.revision), (6, 7));
    users::flush(&t.home).await.unwrap();
    let second = t.second_home().await;
    rebuild(&second).await.unwrap();
    assert!(users::get(&second, &ada.id).await.unwrap() == after);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_checked_and_nobody_has_anothers() {
    let t = context().await;
    let ada = administrator(&t.home, "Ada").await;
    for name in ["ADA", " ada ", "", "a b", "../x", "a\u{0}", "x\r\nSet-Cookie", &"x".repeat(101)] {
        let made = users::create(&t.home, name, "Name", vec![], |_| {}).await;
        assert!(matches!(made.unwrap_err(), Error::Usage(_)), "{name:?}");
    }
    assert_eq!(users::by_name(&t.home, "aDA").await.unwrap().unwrap().id, ada.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_in_the_catalog_and_absent_from_debug() {
    let t = context().await;
    let ada = with_factors(&t.home, &administrator(&t.home, "ada").await).await;
    let shown = format!("{ada:?}{:?}{:?}", ada.passkeys, t.home.catalog.account_list().await);
    t.home.catalog.close().await;
    let file = fs::read(t.home.dir().join("catalog.db")).unwrap();
    let hex = hex::encode("totp-secret-of-ada-0");
    for secret in ["totp-secret-of-ada-0", "credential-of-ada", &hex] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!file.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret}");
    }
    assert!(!shown.contains("argon2id") && !shown.contains("c0ffee"), "{shown}");
}
