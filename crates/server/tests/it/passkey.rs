//! Passkeys, with an authenticator in software.

use holdfast_engine::users;
use holdfast_model::{Role, Secret};
use holdfast_server::access::{Access, Entered, Error, Factor, Proof, Settings, SignedIn};
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

use crate::{CHEAP, Door, ORIGIN, PASSWORD, caller, text};

/// Makes a passkey that verifies its user, or only says that somebody is there, whatever it was
/// asked for.
async fn make(door: &Door, entered: &Entered, verifies: bool) -> Result<SoftPasskey, Error> {
    let challenge = door.access.begin_passkey(entered).await.unwrap();
    let mut options = serde_json::to_value(challenge.options).unwrap();
    if !verifies {
        options["publicKey"]["authenticatorSelection"]["userVerification"] = "discouraged".into();
    }
    let options = serde_json::from_value(options).unwrap();
    let mut key = SoftPasskey::new(verifies);
    let made = key.do_registration(ORIGIN.parse().unwrap(), options).unwrap();
    door.access.confirm_passkey(entered, &challenge.handle, "my\nkey", &made).await?;
    Ok(key)
}

async fn answer(door: &Door, handle: &Secret, key: &mut SoftPasskey, origin: &str) -> Proof {
    let challenge = door.access.passkey_challenge(handle).await.unwrap();
    let credential = key.do_authentication(origin.parse().unwrap(), challenge.options).unwrap();
    Proof::Passkey { handle: challenge.handle, credential: Box::new(credential) }
}

#[tokio::test]
async fn a_passkey_lets_in_and_steps_up_and_an_answer_counts_once() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let mut key = make(&door, &entered, true).await.unwrap();
    let kept = users::get(&door.home, &ada.id).await.unwrap();
    assert_eq!((kept.passkeys[0].label.as_str(), kept.recovery_codes.len()), ("mykey", 10));

    let signed_in = door.try_in("ada", PASSWORD).await.unwrap();
    let SignedIn::SecondFactor(pending) = signed_in else { panic!("{signed_in:?}") };
    assert_eq!(pending.factors, [Factor::Passkey, Factor::RecoveryCode]);
    let proof = answer(&door, &pending.handle, &mut key, ORIGIN).await;
    let session = door.access.second_factor(&pending.handle, &proof, &caller()).await.unwrap();
    let used = users::get(&door.home, &ada.id).await.unwrap();
    assert_ne!(used.passkeys[0].credential, kept.passkeys[0].credential, "its counter rose");
    assert_eq!(used.revision, kept.revision);

    let replayed = door.access.second_factor(&door.half_in("ada").await, &proof, &caller()).await;
    assert!(matches!(replayed, Err(Error::Refused)));
    let entered = door.access.session(&session.secret).await.unwrap();
    let challenge = door.access.passkey_step_up(&entered).await.unwrap();
    let credential = key.do_authentication(ORIGIN.parse().unwrap(), challenge.options).unwrap();
    let proof = Proof::Passkey { handle: challenge.handle, credential: Box::new(credential) };
    door.access.step_up(&session.secret, &proof, &caller()).await.unwrap();
}

#[tokio::test]
async fn a_passkey_that_does_not_verify_its_user_is_refused() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    assert!(matches!(make(&door, &entered, false).await, Err(Error::Refused)));
    door.sign_in("ada").await;
}

#[tokio::test]
async fn an_answer_to_another_site_or_of_another_user_is_refused() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    door.user("eve", Role::Operator).await;
    let mut of_ada = make(&door, &door.enter("ada").await, true).await.unwrap();
    let mut of_eve = make(&door, &door.enter("eve").await, true).await.unwrap();
    let ada = door.half_in("ada").await;
    let phished = answer(&door, &ada, &mut of_ada, "https://login.backup.example").await;
    let refused = door.access.second_factor(&ada, &phished, &caller()).await;
    assert!(matches!(refused, Err(Error::Refused)));
    let eve = door.half_in("eve").await;
    let of_another = answer(&door, &eve, &mut of_eve, ORIGIN).await;
    let refused = door.access.second_factor(&ada, &of_another, &caller()).await;
    assert!(matches!(refused, Err(Error::Refused)));
}

#[tokio::test]
async fn a_removed_passkey_lets_nobody_in() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let mut key = make(&door, &entered, true).await.unwrap();
    crate::factor::set_up_totp(&door, &entered).await;
    let handle = door.half_in("ada").await;
    let proof = answer(&door, &handle, &mut key, ORIGIN).await;
    let id = users::get(&door.home, &ada.id).await.unwrap().passkeys[0].id.clone();
    door.access.remove_passkey(&entered, &id).await.unwrap();
    let refused = door.access.second_factor(&handle, &proof, &caller()).await;
    assert!(matches!(refused, Err(Error::Refused)));
    let again = door.access.remove_passkey(&entered, &id).await;
    assert!(matches!(again, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn under_an_ip_address_there_are_no_passkeys() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let origin = "https://192.0.2.1:8443".parse().unwrap();
    let settings = Settings { origin, cost: CHEAP };
    let access = Access::new(door.home.clone(), settings).unwrap();
    assert!(matches!(access.begin_passkey(&entered).await, Err(Error::NoPasskeys)));
}

#[tokio::test]
async fn the_state_of_a_ceremony_stays_on_the_server() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let challenge = door.access.begin_passkey(&entered).await.unwrap();
    assert_eq!(challenge.handle.expose().len(), 64);
    let shown = format!("{:?}", challenge.handle);
    assert!(!shown.contains(text(&challenge.handle)), "{shown}");
}
