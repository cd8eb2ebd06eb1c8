//! Tokens of the API.

use std::collections::BTreeSet;

use holdfast_engine::users::{self, Effect, User};
use holdfast_model::{Grant, Limit, ResourceId, Role, Scope, Secret, Timestamp, Workload};
use holdfast_server::access::{Error, NewToken, Reason, Right, Target, authorise, visible};
use jiff::SignedDuration;

use crate::{Door, secret, text};

fn ends_in(door: &Door, hours: i64) -> Timestamp {
    door.clock.now().checked_add(SignedDuration::from_hours(hours)).unwrap()
}

fn new(door: &Door, rights: &[Right]) -> NewToken {
    NewToken {
        label: "nightly".into(),
        rights: rights.iter().copied().collect(),
        scope: Scope::ALL,
        expires_at: ends_in(door, 24),
    }
}

#[tokio::test]
async fn a_token_does_what_it_was_made_for_and_no_more() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let mail = Scope { workloads: Limit::only([Workload::Exchange]), ..Scope::ALL };
    let wanted = NewToken { scope: mail, ..new(&door, &[Right::RunBackups, Right::ViewJobs]) };
    let (token, made) = door.access.create_token(&entered, &wanted).await.unwrap();
    assert!(text(&token).starts_with("hf_") && text(&token).len() == 75, "{}", text(&token).len());
    let who = door.access.token(&token).await.unwrap();
    assert_eq!(who.user, ada.id);
    let id = ResourceId::from("exchange/ada");
    let target = |workload| Target::Resource { tenant: "contoso", workload, id: &id };
    let reason = |right, workload| {
        authorise(&who, right, &target(workload)).err().map(|denied| denied.reason)
    };
    assert_eq!(reason(Right::RunBackups, Workload::Exchange), None);
    assert_eq!(reason(Right::RunBackups, Workload::OneDrive), Some(Reason::Token));
    assert_eq!(reason(Right::ManageJobs, Workload::Exchange), Some(Reason::Token));
    assert_eq!(reason(Right::ReadContent, Workload::Exchange), Some(Reason::Role));
    assert!(visible(&who, Right::ManageJobs).is_empty());
    let listed = door.access.tokens(&ada.id).await.unwrap();
    assert_eq!(
        (listed.len(), &listed[0].id, listed[0].used_at),
        (1, &made.id, Some(door.clock.now()))
    );
}

#[tokio::test]
async fn nobody_makes_a_token_that_can_more_than_he() {
    let door = Door::new().await;
    let contoso = Scope { tenants: Limit::only(["contoso".to_owned()]), ..Scope::ALL };
    let ada = door.user("ada", Role::Operator).await;
    let narrow = |user: &mut User| {
        user.grants = vec![Grant { role: Role::Operator, scope: contoso.clone() }];
        true
    };
    users::change(&door.home, &ada.id, Effect::Protects, narrow).await.unwrap();
    let entered = door.enter("ada").await;
    let exceeds = async |wanted: NewToken| {
        let refused = door.access.create_token(&entered, &wanted).await.unwrap_err();
        assert!(matches!(refused, Error::Exceeds(_)), "{refused:?}");
    };
    exceeds(new(&door, &[Right::RunBackups])).await;
    exceeds(NewToken { scope: contoso.clone(), ..new(&door, &[Right::ReadContent]) }).await;
    let fits = NewToken { scope: contoso.clone(), ..new(&door, &[Right::RunBackups]) };
    door.access.create_token(&entered, &fits).await.unwrap();

    door.user("root", Role::Administrator).await;
    let root = door.enter("root").await;
    for right in [Right::ManageUsers, Right::ApproveDeletion, Right::TakeKeys] {
        let refused = door.access.create_token(&root, &new(&door, &[right])).await.unwrap_err();
        assert!(matches!(refused, Error::Exceeds(found) if found == right), "{refused:?}");
    }
}

#[tokio::test]
async fn a_token_loses_what_its_maker_loses() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let wanted = new(&door, &[Right::RunBackups, Right::ViewJobs]);
    let (token, _) = door.access.create_token(&entered, &wanted).await.unwrap();
    let may = async |right| {
        let who = door.access.token(&token).await.unwrap();
        authorise(&who, right, &Target::Installation).is_ok()
    };
    assert!(may(Right::RunBackups).await && may(Right::ViewJobs).await);
    let demote = |user: &mut User| {
        user.grants = vec![Grant::everywhere(Role::Auditor)];
        true
    };
    users::change(&door.home, &ada.id, Effect::Protects, demote).await.unwrap();
    assert!(!may(Right::RunBackups).await);
    assert!(may(Right::ViewJobs).await);
    assert!(!may(Right::ViewAudit).await, "what he gained since is not the token's");
    let disable = |user: &mut User| {
        user.disabled = true;
        true
    };
    users::change(&door.home, &ada.id, Effect::Protects, disable).await.unwrap();
    assert!(matches!(door.access.token(&token).await, Err(Error::Refused)));
}

#[tokio::test]
async fn tokens_end_and_are_revoked_by_their_owner() {
    let door = Door::new().await;
    let ada = door.user("ada", Role::Operator).await;
    let bob = door.user("bob", Role::Operator).await;
    let entered = door.enter("ada").await;
    let wanted = new(&door, &[Right::ViewJobs]);
    let (first, made) = door.access.create_token(&entered, &wanted).await.unwrap();
    let (second, _) = door.access.create_token(&entered, &wanted).await.unwrap();
    let foreign = door.access.revoke_token(&bob.id, &made.id).await;
    assert!(matches!(foreign, Err(Error::NotFound { .. })));
    door.access.revoke_token(&ada.id, &made.id).await.unwrap();
    assert!(matches!(door.access.token(&first).await, Err(Error::Refused)));
    door.advance(24 * 60 * 60 - 1);
    door.access.token(&second).await.unwrap();
    door.advance(1);
    assert!(matches!(door.access.token(&second).await, Err(Error::Refused)));
}

#[tokio::test]
async fn a_token_must_end_within_a_year_and_needs_a_fresh_proof() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    for hours in [-1, 0, 365 * 24 + 1] {
        let wanted =
            NewToken { expires_at: ends_in(&door, hours), ..new(&door, &[Right::ViewJobs]) };
        let refused = door.access.create_token(&entered, &wanted).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid(_)), "{hours}");
    }
    let nothing = NewToken { rights: BTreeSet::new(), ..new(&door, &[]) };
    assert!(door.access.create_token(&entered, &nothing).await.is_err());
    door.advance(300);
    let stale = door.access.create_token(&entered, &new(&door, &[Right::ViewJobs])).await;
    assert!(matches!(stale, Err(Error::StepUp)));
}

#[tokio::test]
async fn torn_and_forged_tokens_are_refused_and_nothing_of_one_is_kept() {
    let door = Door::new().await;
    door.user("ada", Role::Operator).await;
    let entered = door.enter("ada").await;
    let wanted = new(&door, &[Right::ViewJobs]);
    let (token, made) = door.access.create_token(&entered, &wanted).await.unwrap();
    let whole = text(&token).to_owned();
    let flipped = whole.replacen('a', "b", 1);
    for torn in ["", "hf_", &whole[..74], &whole[3..], &flipped, &made.id, "hf_ä"] {
        assert!(matches!(door.access.token(&secret(torn)).await, Err(Error::Refused)), "{torn}");
    }
    let shown = format!("{token:?} {made:?}");
    door.home.catalog.close().await;
    let file = std::fs::read(door.home.dir().join("catalog.db")).unwrap();
    let kept = |secret: &Secret| file.windows(32).any(|window| window == &secret.expose()[3..35]);
    assert!(!kept(&token) && !shown.contains(&whole[3..35]), "{shown}");
}
