//! Names and passwords.

use std::sync::Arc;

use holdfast_engine::users::{self, Effect, User};
use holdfast_model::Role;
use holdfast_server::access::{Cost, Error, OWASP, SignedIn};

use crate::{CHEAP, Door, PASSWORD, access, caller, init, secret, text};

#[tokio::test]
async fn the_right_password_lets_in_and_names_have_no_case() {
    let door = Door::new().await;
    let ada = door.user("Ada", Role::Operator).await;
    let entered = door.enter("aDA").await;
    assert_eq!((entered.principal.user, entered.principal.token), (ada.id, None));
    assert_eq!(entered.principal.grants, ada.grants);
    assert_eq!(entered.session.agent, "Browser1", "no line can be put into a log or header");
}

/// What a caller can see of a refusal.
fn seen(result: Result<SignedIn, Error>) -> (String, String) {
    let error = result.unwrap_err();
    (error.to_string(), format!("{error:?}"))
}

#[tokio::test]
async fn unknown_disabled_and_invited_users_get_the_answer_of_a_wrong_password() {
    let door = Door::new().await;
    door.user("ada", Role::Administrator).await;
    let gone = door.user("gone", Role::Operator).await;
    let disable = |user: &mut User| {
        user.disabled = true;
        true
    };
    users::change(&door.home, &gone.id, Effect::Protects, disable).await.unwrap();
    users::create(&door.home, "invited", "Invited", vec![], |_| {}).await.unwrap();
    let wrong = seen(door.try_in("ada", "not the password at all").await);
    assert_eq!(wrong.1, "Refused");
    let long = "x".repeat(100_000);
    for name in ["nobody", "gone", "invited", "", "\0", "' OR 1=1 --", &long] {
        assert_eq!(seen(door.try_in(name, PASSWORD).await), wrong, "{name:.20}");
    }
    assert_eq!(seen(door.try_in("ada", &long).await), wrong);
}

#[tokio::test]
async fn locked_out_names_answer_alike_whether_they_exist_or_not() {
    let door = Door::new().await;
    door.user("ada", Role::Administrator).await;
    let mut answers = Vec::new();
    for name in ["ada", "nobody"] {
        let mut of_name = Vec::new();
        for _ in 0..8 {
            of_name.push(seen(door.try_in(name, "not the password at all").await));
        }
        answers.push(of_name);
    }
    assert!(answers[0][7].0.starts_with("too many attempts"), "{:?}", answers[0]);
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_hash_is_made_anew_when_passwords_become_dearer() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let dearer = access(&door.home, Cost { memory: 16, passes: 2, lanes: 1 });
    let hash = |user: &User| text(user.password_hash.as_ref().unwrap()).to_owned();
    assert!(hash(&ada).starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", hash(&ada));

    dearer.sign_in("ada", &secret("not the password at all"), &caller()).await.unwrap_err();
    assert_eq!(hash(&users::get(&door.home, &ada.id).await.unwrap()), hash(&ada));
    dearer.sign_in("ada", &secret(PASSWORD), &caller()).await.unwrap();
    let after = users::get(&door.home, &ada.id).await.unwrap();
    assert!(hash(&after).starts_with("$argon2id$v=19$m=16,t=2,p=1$"), "{}", hash(&after));
    // The cheaper one leaves the dearer hash alone.
    door.sign_in("ada").await;
    assert_eq!(hash(&users::get(&door.home, &ada.id).await.unwrap()), hash(&after));
}

#[test]
fn the_cost_is_the_one_that_owasp_advises() {
    assert_eq!((OWASP.memory, OWASP.passes, OWASP.lanes), (19_456, 2, 1));
}

#[tokio::test]
async fn passwords_that_are_guessed_easily_are_refused() {
    let door = Door::new().await;
    let invited = users::create(&door.home, "annabelle.smith", "Annabelle Smith", vec![], |_| {});
    let invited = invited.await.unwrap();
    let link = door.access.invite(&invited.id, &invited.id).await.unwrap();
    for weak in [
        "",
        "Tr0ub4dor&3",
        "passwordpassword",
        "aaaaaaaaaaaaaaaa",
        "123456789012345",
        "annabelle.smith",
        "holdfastholdfast",
    ] {
        let refused = door.access.accept(&link, &secret(weak)).await.unwrap_err();
        assert!(matches!(refused, Error::Weak(_)), "{weak}: {refused:?}");
        assert!(weak.is_empty() || !refused.to_string().contains(weak));
    }
    let refused = door.access.accept(&link, &secret(&"ab c".repeat(300))).await.unwrap_err();
    assert!(matches!(refused, Error::Weak(_)));
    // Composition does not matter.
    door.access.accept(&link, &secret("orbit kettle fjord walnut")).await.unwrap();
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let other = door.sign_in("ada").await;
    let mine = door.sign_in("ada").await;
    let entered = door.access.session(&mine.secret).await.unwrap();
    let new = secret("lantern gravel oboe 31 dusk");
    let wrong = door.access.change_password(&entered, &secret("wrong"), &new, &caller()).await;
    assert!(matches!(wrong.unwrap_err(), Error::Refused));
    let old = secret(PASSWORD);
    door.access.change_password(&entered, &old, &new, &caller()).await.unwrap();
    assert!(matches!(door.access.session(&other.secret).await.unwrap_err(), Error::Ended));
    door.access.session(&mine.secret).await.unwrap();
    assert!(matches!(door.try_in("ada", PASSWORD).await.unwrap_err(), Error::Refused));
    door.try_in("ada", text(&new)).await.unwrap();
}

#[tokio::test]
async fn users_sign_in_on_a_new_machine_made_from_the_vault() {
    let door = Door::new().await;
    door.user("ada", Role::Administrator).await;
    let home = init(door.dir.path(), "second", &door.clock).await;
    assert_eq!(holdfast_engine::rebuild::rebuild(&home).await.unwrap().users, 1);
    let second = access(&Arc::clone(&home), CHEAP);
    let signed_in = second.sign_in("ada", &secret(PASSWORD), &caller()).await.unwrap();
    assert!(matches!(signed_in, SignedIn::Session(_)));
}
