//! Time-based codes and recovery codes.

use holdfast_engine::users;
use holdfast_model::{Role, Secret};
use holdfast_server::access::{Entered, Error, Factor, Proof, SignedIn, TotpEnrolment};
use totp_rs::{Builder, Totp};

use crate::{CHEAP, Door, PASSWORD, access, caller, init, secret, text};

/// The app of the user.
pub fn app(enrolment: &TotpEnrolment) -> Totp {
    let secret = totp_rs::Secret::try_from_base32(text(&enrolment.secret)).unwrap();
    Builder::new().with_secret(secret).with_account_name("ada").build().unwrap()
}

pub fn code(door: &Door, app: &Totp, seconds: i64) -> Secret {
    let at = door.clock.now().as_second() + seconds;
    Secret::new(app.generate(at.try_into().unwrap()).to_string())
}

/// Sets a time-based code up, and waits until the next step; gives app and recovery codes.
pub async fn set_up_totp(door: &Door, entered: &Entered) -> (Totp, Vec<Secret>) {
    let enrolment = door.access.begin_totp(entered).await.unwrap();
    let app = app(&enrolment);
    let first = code(door, &app, 0);
    let codes = door.access.confirm_totp(entered, &enrolment.handle, &first).await.unwrap();
    door.advance(30);
    (app, codes)
}

async fn second(door: &Door, handle: &Secret, proof: Proof) -> Result<(), Error> {
    door.access.second_factor(handle, &proof, &caller()).await.map(drop)
}

#[tokio::test]
async fn a_code_lets_in_once_and_one_step_early_or_late() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let (app, _) = set_up_totp(&door, &entered).await;
    for (shift, is_right) in [(-60, false), (60, false), (30, true), (0, false), (30, false)] {
        let proof = Proof::Totp(code(&door, &app, shift));
        let tried = second(&door, &door.half_in("ada").await, proof).await;
        // The code of 30 seconds ahead was taken: that one and all earlier ones are used up.
        assert_eq!(tried.is_ok(), is_right, "{shift}: {tried:?}");
        door.home.catalog.attempt_clear("address 192.0.2.7").await.unwrap();
    }
    door.advance(900);
    let handle = door.half_in("ada").await;
    second(&door, &handle, Proof::Totp(code(&door, &app, -30))).await.unwrap();
    let again = second(&door, &handle, Proof::Totp(code(&door, &app, 0))).await;
    assert!(matches!(again, Err(Error::Ended)), "a sign-in ends with the session that it gives");
}

#[tokio::test]
async fn a_code_seen_by_somebody_else_is_refused_everywhere() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let (app, _) = set_up_totp(&door, &entered).await;
    let (mine, thief) = (door.half_in("ada").await, door.half_in("ada").await);
    let proof = || Proof::Totp(code(&door, &app, 0));
    let session = door.access.second_factor(&mine, &proof(), &caller()).await.unwrap();
    let replayed = second(&door, &thief, proof()).await;
    assert!(matches!(replayed, Err(Error::Refused)));
    let replayed = door.access.step_up(&session.secret, &proof(), &caller()).await;
    assert!(matches!(replayed, Err(Error::Refused)));
}

#[tokio::test]
async fn the_code_that_set_it_up_is_used_up_by_that() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let enrolment = door.access.begin_totp(&entered).await.unwrap();
    let url = text(&enrolment.url);
    assert!(url.starts_with("otpauth://totp/Holdfast:ada?secret="), "{url}");
    assert_eq!(enrolment.secret.expose().len(), 32, "160 bits");
    let app = app(&enrolment);
    let wrong = door.access.confirm_totp(&entered, &enrolment.handle, &secret("000000")).await;
    assert!(matches!(wrong, Err(Error::Refused)));
    assert!(matches!(door.try_in("ada", PASSWORD).await, Ok(SignedIn::Session(_))));
    let first = code(&door, &app, 0);
    door.access.confirm_totp(&entered, &enrolment.handle, &first).await.unwrap();
    let replayed = second(&door, &door.half_in("ada").await, Proof::Totp(first)).await;
    assert!(matches!(replayed, Err(Error::Refused)));
}

#[tokio::test]
async fn a_recovery_code_lets_in_once_also_on_a_new_machine() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let (_, codes) = set_up_totp(&door, &entered).await;
    assert_eq!(codes.len(), 10);
    let proof = || Proof::RecoveryCode(secret(&text(&codes[3]).to_uppercase()));
    second(&door, &door.half_in("ada").await, proof()).await.unwrap();
    let again = second(&door, &door.half_in("ada").await, proof()).await;
    assert!(matches!(again, Err(Error::Refused)));
    assert_eq!(users::get(&door.home, &ada.id).await.unwrap().recovery_codes.len(), 9);

    let home = init(door.dir.path(), "second", &door.clock).await;
    holdfast_engine::rebuild::rebuild(&home).await.unwrap();
    let other = access(&home, CHEAP);
    let signed_in = other.sign_in("ada", &secret(PASSWORD), &caller()).await.unwrap();
    let SignedIn::SecondFactor(pending) = signed_in else { panic!("{signed_in:?}") };
    assert_eq!(pending.factors, [Factor::Totp, Factor::RecoveryCode]);
    let used = other.second_factor(&pending.handle, &proof(), &caller()).await;
    assert!(matches!(used, Err(Error::Refused)));
    let unused = Proof::RecoveryCode(codes[4].clone());
    other.second_factor(&pending.handle, &unused, &caller()).await.unwrap();
}

#[tokio::test]
async fn new_recovery_codes_replace_the_old_ones() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let without = door.access.new_recovery_codes(&entered).await.unwrap_err();
    assert!(matches!(without, Error::Invalid(_)));
    let (_, old) = set_up_totp(&door, &entered).await;
    let new = door.access.new_recovery_codes(&entered).await.unwrap();
    let handle = door.half_in("ada").await;
    let refused = second(&door, &handle, Proof::RecoveryCode(old[0].clone())).await;
    assert!(matches!(refused, Err(Error::Refused)));
    second(&door, &handle, Proof::RecoveryCode(new[0].clone())).await.unwrap();
}

#[tokio::test]
async fn a_password_is_no_second_factor() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let session = door.sign_in("ada").await;
    let entered = door.access.session(&session.secret).await.unwrap();
    set_up_totp(&door, &entered).await;
    let password = || Proof::Password(secret(PASSWORD));
    let tried = second(&door, &door.half_in("ada").await, password()).await;
    assert!(matches!(tried, Err(Error::Refused)));
    let stepped = door.access.step_up(&session.secret, &password(), &caller()).await;
    assert!(matches!(stepped, Err(Error::Refused)));
}

#[tokio::test]
async fn a_sign_in_under_way_ends_after_five_minutes_and_is_good_for_nothing_else() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let (app, _) = set_up_totp(&door, &entered).await;
    let handle = door.half_in("ada").await;
    assert!(matches!(door.access.session(&handle).await, Err(Error::Ended)));
    let confirmed = door.access.confirm_totp(&entered, &handle, &code(&door, &app, 0)).await;
    assert!(matches!(confirmed, Err(Error::Ended)));
    door.advance(300);
    let late = second(&door, &handle, Proof::Totp(code(&door, &app, 0))).await;
    assert!(matches!(late, Err(Error::Ended)));
}

#[tokio::test]
async fn factors_change_only_after_a_fresh_proof() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    set_up_totp(&door, &entered).await;
    door.advance(301);
    assert!(matches!(door.access.begin_totp(&entered).await, Err(Error::StepUp)));
    assert!(matches!(door.access.remove_totp(&entered).await, Err(Error::StepUp)));
    assert!(matches!(door.access.begin_passkey(&entered).await, Err(Error::StepUp)));
    assert!(matches!(door.access.new_recovery_codes(&entered).await, Err(Error::StepUp)));
}

#[tokio::test]
async fn debug_shows_no_factor() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let enrolment = door.access.begin_totp(&entered).await.unwrap();
    let shown = format!("{enrolment:?} {:?}", Proof::Totp(secret("123456")));
    for secret in [text(&enrolment.secret), text(&enrolment.handle), "123456", "otpauth"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
