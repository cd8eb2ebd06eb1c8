//! One-time links.

use holdfast_engine::users;
use holdfast_model::{Grant, Role};
use holdfast_server::access::Error;

use crate::{Door, PASSWORD, secret, text};

#[tokio::test]
async fn the_first_administrator_comes_in_by_a_link_that_counts_once() {
    let door = Door::new().await;
    let old = door.access.setup_link().await.unwrap().unwrap();
    let link = door.access.setup_link().await.unwrap().unwrap();
    let password = secret(PASSWORD);
    let replaced = door.access.accept_setup(&old, "ada", "Ada", &password).await;
    assert!(matches!(replaced, Err(Error::Link)));
    let weak = door.access.accept_setup(&link, "ada", "Ada", &secret("short")).await;
    assert!(matches!(weak, Err(Error::Weak(_))));
    let unnamed = door.access.accept_setup(&link, "a b", "Ada", &password).await;
    assert!(matches!(unnamed, Err(Error::Engine(_))));
    let ada = door.access.accept_setup(&link, "ada", "Ada", &password).await.unwrap();
    assert_eq!(ada.grants, [Grant::everywhere(Role::Administrator)]);
    door.sign_in("ada").await;
    let again = door.access.accept_setup(&link, "eve", "Eve", &password).await;
    assert!(matches!(again, Err(Error::Link)));
    assert_eq!(door.access.setup_link().await.unwrap(), None);
    assert_eq!(users::list(&door.home).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_many_who_use_the_setup_link_at_once_one_is_the_administrator() {
    let door = Door::new().await;
    let link = door.access.setup_link().await.unwrap().unwrap();
    let password = secret(PASSWORD);
    let names = ["u0", "u1", "u2", "u3"];
    let [a, b, c, d] = names.map(|name| door.access.accept_setup(&link, name, name, &password));
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    assert_eq!([a, b, c, d].iter().filter(|made| made.is_ok()).count(), 1);
    assert_eq!(users::list(&door.home).await.unwrap().len(), 1);
}

#[tokio::test]
async fn links_end_and_are_not_exchanged() {
    let door = Door::new().await;
    let password = secret(PASSWORD);
    let setup = door.access.setup_link().await.unwrap().unwrap();
    let bob = users::create(&door.home, "bob", "Bob", vec![], |_| {}).await.unwrap();
    let invitation = door.access.invite(&bob.id, &bob.id).await.unwrap();
    let crossed = door.access.accept(&setup, &password).await;
    assert!(matches!(crossed, Err(Error::Link)));
    let crossed = door.access.accept_setup(&invitation, "eve", "Eve", &password).await;
    assert!(matches!(crossed, Err(Error::Link)));
    door.advance(24 * 60 * 60);
    let late = door.access.accept_setup(&setup, "ada", "Ada", &password).await;
    assert!(matches!(late, Err(Error::Link)));
    door.advance(48 * 60 * 60);
    assert!(matches!(door.access.accept(&invitation, &password).await, Err(Error::Link)));
    let guessed = secret(&"0".repeat(64));
    assert!(matches!(door.access.accept(&guessed, &password).await, Err(Error::Link)));
}

#[tokio::test]
async fn a_reset_takes_everything_and_gives_a_link() {
    let door = Door::new().await;
    let root = door.user("root", Role::Administrator).await;
    let ada = door.user("ada", Role::Operator).await;
    let session = door.sign_in("ada").await;
    let entered = door.access.session(&session.secret).await.unwrap();
    crate::factor::set_up_totp(&door, &entered).await;
    let link = door.access.reset(&ada.id, &root.id).await.unwrap();
    assert!(matches!(door.access.session(&session.secret).await, Err(Error::Ended)));
    assert!(matches!(door.try_in("ada", PASSWORD).await, Err(Error::Refused)));
    let new = secret("lantern gravel oboe 31 dusk");
    door.access.accept(&link, &new).await.unwrap();
    door.try_in("ada", text(&new)).await.unwrap();
    let last = door.access.reset(&root.id, &root.id).await.unwrap_err();
    assert!(last.to_string().contains("last administrator"), "{last}");
}
