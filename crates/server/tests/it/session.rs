//! Sessions: how they end, and what cannot be done with them.

use holdfast_engine::users::{self, Effect, User};
use holdfast_model::{Grant, Role};
use holdfast_server::access::{Error, FRESH, Proof};

use crate::{Door, PASSWORD, caller, secret, text};

fn has_ended<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Ended))
}

#[tokio::test]
async fn a_session_ends_half_an_hour_after_its_last_use() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let session = door.sign_in("ada").await;
    for _ in 0..5 {
        door.advance(30 * 60 - 1);
        door.access.session(&session.secret).await.unwrap();
    }
    door.advance(30 * 60);
    assert!(has_ended(&door.access.session(&session.secret).await));
    assert_eq!(door.access.sessions(&session.session.user).await.unwrap(), []);
}

#[tokio::test]
async fn a_session_in_use_ends_after_twelve_hours() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let session = door.sign_in("ada").await;
    for _ in 0..(12 * 60 / 20 - 1) {
        door.advance(20 * 60);
        door.access.session(&session.secret).await.unwrap();
    }
    door.advance(20 * 60);
    assert!(has_ended(&door.access.session(&session.secret).await));
}

#[tokio::test]
async fn a_secret_of_ones_own_choice_is_never_taken() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let planted = secret(&"0".repeat(64));
    assert!(has_ended(&door.access.session(&planted).await));
    let first = door.sign_in("ada").await;
    let second = door.sign_in("ada").await;
    assert_ne!(first.secret, second.secret);
    assert!(has_ended(&door.access.session(&planted).await));
    for thing in ["", "0", &first.session.id] {
        assert!(has_ended(&door.access.session(&secret(thing)).await), "{thing}");
    }
}

#[tokio::test]
async fn a_step_up_gives_a_new_secret_and_voids_the_old_one() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let old = door.sign_in("ada").await;
    door.advance(10 * 60);
    let entered = door.access.session(&old.secret).await.unwrap();
    assert!(!entered.session.is_fresh(door.clock.now(), FRESH));
    assert!(matches!(door.access.require_fresh(&entered.session), Err(Error::StepUp)));
    let wrong = Proof::Password(secret("not the password"));
    let refused = door.access.step_up(&old.secret, &wrong, &caller()).await.unwrap_err();
    assert!(matches!(refused, Error::Refused));

    let proof = Proof::Password(secret(PASSWORD));
    let new = door.access.step_up(&old.secret, &proof, &caller()).await.unwrap();
    assert_ne!(new.secret, old.secret);
    assert_ne!(new.csrf, old.csrf);
    assert_eq!(new.session.id, old.session.id);
    assert_eq!(new.session.created_at, old.session.created_at, "the twelve hours go on");
    assert!(new.session.is_fresh(door.clock.now(), FRESH));
    assert!(has_ended(&door.access.session(&old.secret).await));
    door.access.require_fresh(&door.access.session(&new.secret).await.unwrap().session).unwrap();
    door.advance(5 * 60);
    assert!(!new.session.is_fresh(door.clock.now(), FRESH));
}

#[tokio::test]
async fn requests_need_the_token_of_their_own_session() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let (mine, other) = (door.sign_in("ada").await, door.sign_in("ada").await);
    let entered = door.access.session(&mine.secret).await.unwrap();
    entered.check_csrf(text(&mine.csrf)).unwrap();
    for forged in ["", text(&other.csrf), text(&mine.secret), &text(&mine.csrf)[1..]] {
        assert!(matches!(entered.check_csrf(forged), Err(Error::Forged)));
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let bob = door.user("bob", Role::Operator).await;
    let (first, second) = (door.sign_in("ada").await, door.sign_in("ada").await);
    let of_bob = door.sign_in("bob").await;
    assert_eq!(door.access.sessions(&ada.id).await.unwrap().len(), 2);
    let foreign = door.access.end_session(&ada.id, &of_bob.session.id).await.unwrap_err();
    assert!(matches!(foreign, Error::NotFound { .. }));
    door.access.end_session(&ada.id, &first.session.id).await.unwrap();
    assert!(has_ended(&door.access.session(&first.secret).await));
    door.access.sign_out(&second.secret).await.unwrap();
    assert!(has_ended(&door.access.session(&second.secret).await));
    door.access.session(&of_bob.secret).await.unwrap();
    assert_eq!(door.access.end_sessions(&bob.id, None).await.unwrap(), 1);
    assert!(has_ended(&door.access.session(&of_bob.secret).await));
}

#[tokio::test]
async fn lost_rights_and_disabling_count_at_the_next_request() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let session = door.sign_in("ada").await;
    let demote = |user: &mut User| {
        user.grants = vec![Grant::everywhere(Role::ReadOnly)];
        true
    };
    users::change(&door.home, &ada.id, Effect::Protects, demote).await.unwrap();
    let entered = door.access.session(&session.secret).await.unwrap();
    assert_eq!(entered.principal.grants, [Grant::everywhere(Role::ReadOnly)]);
    let disable = |user: &mut User| {
        user.disabled = true;
        true
    };
    users::change(&door.home, &ada.id, Effect::Protects, disable).await.unwrap();
    assert!(has_ended(&door.access.session(&session.secret).await));
}

#[tokio::test]
async fn the_catalog_holds_no_secret_of_a_session_and_debug_shows_none() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let session = door.sign_in("ada").await;
    let entered = door.access.session(&session.secret).await.unwrap();
    let shown = format!("{session:?} {entered:?} {:?}", door.access);
    door.home.catalog.close().await;
    let file = std::fs::read(door.home.dir().join("catalog.db")).unwrap();
    for secret in [&session.secret, &session.csrf] {
        assert!(!shown.contains(text(secret)), "{shown}");
        assert!(!file.windows(64).any(|window| window == secret.expose()));
    }
    assert!(file.windows(36).any(|window| window == session.session.id.as_bytes()));
}

#[tokio::test]
async fn a_sweep_forgets_what_has_ended_and_saves_what_waits() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let ended = door.sign_in("ada").await;
    door.try_in("nobody", PASSWORD).await.unwrap_err();
    let (vault, away) = (door.dir.path().join("vault"), door.dir.path().join("away"));
    std::fs::rename(&vault, &away).unwrap();
    let disable = |user: &mut User| {
        user.disabled = true;
        true
    };
    users::change(&door.home, &ada.id, Effect::Protects, disable).await.unwrap();
    assert!(door.access.sweep().await.is_err(), "the vault is away");
    std::fs::rename(&away, &vault).unwrap();
    assert_eq!(door.home.catalog.account_unsaved().await.unwrap().len(), 1);
    let address = || door.home.catalog.attempt_get("address 192.0.2.7");
    door.advance(30 * 60);
    door.access.sweep().await.unwrap();
    assert_eq!(door.home.catalog.session_list(&ended.session.user).await.unwrap(), []);
    assert_eq!(door.home.catalog.account_unsaved().await.unwrap(), []);
    assert!(address().await.unwrap().is_some());
    door.advance(24 * 60 * 60);
    door.access.sweep().await.unwrap();
    assert_eq!(address().await.unwrap(), None);
}
