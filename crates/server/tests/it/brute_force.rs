//! Many attempts.

use holdfast_model::{Role, Timestamp};
use holdfast_server::access::{Error, MAX_WAIT, Proof, SignedIn};

use crate::{CHEAP, Door, PASSWORD, access, from, secret};

const WRONG: &str = "not the password at all";

/// Until when nothing more is tried; `None` where the attempt was made and refused.
fn wait(result: Result<SignedIn, Error>) -> Option<Timestamp> {
    match result.unwrap_err() {
        Error::TooMany { until } => Some(until),
        Error::Refused => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_account_takes_five_wrong_passwords_and_then_fewer_and_fewer() {
    let door = Door::new().await;
    door.user("ada", Role::Administrator).await;
    for _ in 0..6 {
        assert_eq!(wait(door.try_in("ada", WRONG).await), None);
    }
    let mut waits = Vec::new();
    for _ in 0..12 {
        let until = wait(door.try_in("ada", PASSWORD).await).expect("not even the right one");
        waits.push(until.duration_since(door.clock.now()).as_secs());
        door.clock.advance(until.duration_since(door.clock.now()));
        assert_eq!(wait(door.try_in("ada", WRONG).await), None);
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
}

#[tokio::test]
async fn an_administrator_is_never_locked_out_for_good() {
    let door = Door::new().await;
    door.user("ada", Role::Administrator).await;
    for _ in 0..500 {
        let _ = door.try_in("ada", WRONG).await;
        door.advance(1);
    }
    // Refused attempts do not prolong the wait.
    let until = wait(door.try_in("ada", PASSWORD).await).unwrap();
    assert!(until.duration_since(door.clock.now()).unsigned_abs() <= MAX_WAIT);
    door.clock.advance(until.duration_since(door.clock.now()));
    door.sign_in("ada").await;
    assert_eq!(wait(door.try_in("ada", WRONG).await), None, "the count began anew");
}

#[tokio::test]
async fn the_count_survives_a_restart_and_holds_for_all_processes() {
    let door = Door::new().await;
    door.user("ada", Role::Administrator).await;
    let second = access(&door.home, CHEAP);
    for turn in 0..6 {
        let by = if turn % 2 == 0 { &door.access } else { &second };
        assert_eq!(wait(by.sign_in("ada", &secret(WRONG), &from("192.0.2.1")).await), None);
    }
    let third = access(&door.home, CHEAP);
    assert!(wait(third.sign_in("ada", &secret(PASSWORD), &from("192.0.2.2")).await).is_some());
}

#[tokio::test]
async fn many_at_once_are_not_all_let_through() {
    let door = Door::new().await;
    door.user("ada", Role::Administrator).await;
    let mut tries = tokio::task::JoinSet::new();
    let access = std::sync::Arc::new(access(&door.home, CHEAP));
    for n in 0..40 {
        let access = std::sync::Arc::clone(&access);
        tries.spawn(async move {
            let caller = from(&format!("192.0.2.{n}"));
            wait(access.sign_in("ada", &secret(WRONG), &caller).await)
        });
    }
    let results = tries.join_all().await;
    let made = results.iter().filter(|wait| wait.is_none()).count();
    assert_eq!((made, results.len()), (6, 40));
}

#[tokio::test]
async fn an_address_cannot_try_one_password_on_everybody() {
    let door = Door::new().await;
    for n in 0..21 {
        assert_eq!(wait(door.try_in(&format!("user{n}"), WRONG).await), None);
    }
    assert!(wait(door.try_in("user99", WRONG).await).is_some());
    let elsewhere = door.access.sign_in("user99", &secret(WRONG), &from("198.51.100.9")).await;
    assert_eq!(wait(elsewhere), None);
}

#[tokio::test]
async fn codes_cannot_be_tried_without_end_by_who_knows_the_password() {
    let door = Door::new().await;
    door.user("ada", Role::Administrator).await;
    let entered = door.enter("ada").await;
    crate::factor::set_up_totp(&door, &entered).await;
    let mut codes = 0;
    for n in 0..30 {
        let Ok(SignedIn::SecondFactor(pending)) = door.try_in("ada", PASSWORD).await else {
            continue;
        };
        let proof = Proof::Totp(secret(&format!("{n:06}")));
        let tried = door.access.second_factor(&pending.handle, &proof, &from("192.0.2.7")).await;
        codes += usize::from(matches!(tried.unwrap_err(), Error::Refused));
    }
    assert_eq!(codes, 3);
}
