//! Users: the one way by which they change.
//!
//! A user is intent (`users/<id>.json` in the control repository of the home vault). A change that
//! lets somebody do more is written there before it takes effect; one that only protects takes
//! effect at once and reaches the vault when it can ([`flush`]). What a crash left between the two
//! is put right by [`reconcile`]. Sessions, API tokens, lock-outs and the last steps of time-based
//! codes are in the catalog only: after `recover`, API tokens are made anew.
//!
//! What a password hash or a passkey means is the server's; here they are bytes.

mod record;
mod turn;

use std::collections::BTreeSet;
use std::fmt;

use holdfast_catalog::{AccountChange, AccountRow};
use holdfast_model::{Grant, Secret, Timestamp, UserId, fold};
use holdfast_vault::Vault;
use uuid::Uuid;

use crate::home::blocking;
use crate::{Error, Home, Result, intent};
use turn::Turn;

/// Longest name at sign-in, and longest name for people, in characters.
pub const MAX_NAME: usize = 100;

/// How often a change is tried again that others outran.
const ATTEMPTS: usize = 10;

/// Somebody who may sign in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Our id (UUID); it stays where the name changes.
    pub id: UserId,
    /// Name at sign-in, unique without regard to case.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Roles and where they count.
    pub grants: Vec<Grant>,
    /// Nobody comes in by it.
    pub disabled: bool,
    /// Hash of the password; absent until one was chosen.
    pub password_hash: Option<Secret>,
    /// Secret of time-based codes.
    pub totp: Option<Secret>,
    /// Passkeys.
    pub passkeys: Vec<Passkey>,
    /// SHA-256 of the recovery codes that are left, in hexadecimal.
    pub recovery_codes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Rises with every change, from 1.
    pub revision: u64,
}

/// A passkey of a user.
#[derive(Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Id of the credential.
    pub id: String,
    /// Name that its owner gave it.
    pub label: String,
    /// What a signature is checked against (JSON).
    pub credential: Secret,
    /// When it was made.
    pub created_at: Timestamp,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("grants", &self.grants)
            .field("disabled", &self.disabled)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Passkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passkey").field("label", &self.label).finish_non_exhaustive()
    }
}

impl User {
    /// True for somebody who can sign in and repair everything, users among it.
    pub fn is_working_administrator(&self) -> bool {
        let can_enter = !self.disabled && self.password_hash.is_some();
        can_enter && self.grants.iter().any(Grant::is_full_administrator)
    }
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It lets somebody do more, or in another way: after the home vault has it.
    Waits,
    /// It only protects: at once; the home vault gets it now or when it is reachable again.
    Protects,
    /// It is no intent (the counter of a passkey): in the catalog only.
    Passing,
}

/// Makes a user, without a password and second factors, or with those of `with`.
///
/// # Errors
/// [`Error::Usage`] where the name is taken or cannot be one; [`Error::UsersBusy`].
pub async fn create(
    home: &Home,
    name: &str,
    display_name: &str,
    grants: Vec<Grant>,
    with: impl FnOnce(&mut User),
) -> Result<User> {
    let mut user = User {
        id: UserId(Uuid::now_v7().to_string()),
        name: name.trim().to_owned(),
        display_name: display_name.trim().to_owned(),
        grants,
        disabled: false,
        password_hash: None,
        totp: None,
        passkeys: Vec::new(),
        recovery_codes: Vec::new(),
        created_at: home.now(),
        revision: 1,
    };
    with(&mut user);
    let turn = Turn::take(home).await?;
    let created = async {
        check(home, &user).await?;
        intent::save(home, &home.vault(None).await?, vec![record::record(&user)]).await?;
        home.catalog.account_put(&record::row(home, &user, user.revision)).await?;
        Ok(user)
    }
    .await;
    turn.end(home).await?;
    created
}

/// Changes a user; `None` where `edit` says that there is nothing to change. Where others change
/// the same user meanwhile, `edit` is asked again with the newer state.
///
/// # Errors
/// [`Error::LastAdministrator`]; [`Error::Usage`] for a name that is taken or cannot be one;
/// [`Error::UsersBusy`].
pub async fn change(
    home: &Home,
    id: &UserId,
    effect: Effect,
    edit: impl Fn(&mut User) -> bool,
) -> Result<Option<User>> {
    if effect == Effect::Passing {
        return apply(home, id, effect, &edit, false).await;
    }
    let turn = match Turn::take(home).await {
        Ok(turn) => Some(turn),
        Err(Error::UsersBusy) if effect == Effect::Protects => None,
        Err(error) => return Err(error),
    };
    let mut changed = apply(home, id, effect, &edit, turn.is_some()).await;
    if let (Some(_), Effect::Protects, Ok(Some(_))) = (&turn, effect, &changed) {
        catch_up(home).await;
    }
    if let Some(turn) = turn {
        let ended = turn.end(home).await;
        changed = changed.and_then(|user| ended.map(|()| user));
    }
    changed
}

async fn apply(
    home: &Home,
    id: &UserId,
    effect: Effect,
    edit: &impl Fn(&mut User) -> bool,
    in_turn: bool,
) -> Result<Option<User>> {
    for _ in 0..ATTEMPTS {
        let row = row_of(home, id).await?;
        let (from, saved) = (row.revision, row.saved_revision);
        let before = record::user(home, row)?;
        let mut user = before.clone();
        if !edit(&mut user) {
            return Ok(None);
        }
        let fewer = before.is_working_administrator() && !user.is_working_administrator();
        match (fewer, in_turn) {
            (true, true) => another_administrator(home, &user).await?,
            // Of two who disable each other at once, one must see the other.
            (true, false) => return Err(Error::UsersBusy),
            _ => {}
        }
        let saved = match effect {
            Effect::Passing => saved,
            Effect::Protects => {
                user.revision += 1;
                saved
            }
            Effect::Waits => {
                check(home, &user).await?;
                user.revision += 1;
                intent::save(home, &home.vault(None).await?, vec![record::record(&user)]).await?;
                user.revision
            }
        };
        let row = record::row(home, &user, saved);
        if home.catalog.account_replace(&row, from).await? == AccountChange::Done {
            return Ok(Some(user));
        }
    }
    Err(Error::UsersBusy)
}

/// Removes a user with his sessions and tokens.
///
/// # Errors
/// [`Error::LastAdministrator`]; [`Error::NotFound`]; [`Error::UsersBusy`].
pub async fn remove(home: &Home, id: &UserId) -> Result<()> {
    let turn = Turn::take(home).await?;
    let removed = async {
        let user = get(home, id).await?;
        if user.is_working_administrator() {
            another_administrator(home, &user).await?;
        }
        intent::save(home, &home.vault(None).await?, vec![record::removal(id)]).await?;
        Ok(home.catalog.account_remove(id).await?)
    }
    .await;
    turn.end(home).await?;
    removed
}

/// The user with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(home: &Home, id: &UserId) -> Result<User> {
    record::user(home, row_of(home, id).await?)
}

/// The user with this name at sign-in, in any case.
pub async fn by_name(home: &Home, name: &str) -> Result<Option<User>> {
    let row = home.catalog.account_by_name(name).await?;
    row.map(|row| record::user(home, row)).transpose()
}

/// All users by name.
pub async fn list(home: &Home) -> Result<Vec<User>> {
    let rows = home.catalog.account_list().await?;
    rows.into_iter().map(|row| record::user(home, row)).collect()
}

/// Writes to the home vault what took effect before it was there; gives how many users.
///
/// # Errors
/// [`Error::UsersBusy`]; what the vault answers.
pub async fn flush(home: &Home) -> Result<usize> {
    let turn = Turn::take(home).await?;
    let flushed = save_unsaved(home).await;
    turn.end(home).await?;
    flushed
}

async fn save_unsaved(home: &Home) -> Result<usize> {
    let unsaved = home.catalog.account_unsaved().await?;
    if unsaved.is_empty() {
        return Ok(0);
    }
    let users = unsaved.into_iter().map(|row| record::user(home, row));
    let users = users.collect::<Result<Vec<User>>>()?;
    let records = users.iter().map(record::record).collect();
    intent::save(home, &home.vault(None).await?, records).await?;
    for user in &users {
        home.catalog.account_saved(&user.id, user.revision).await?;
    }
    Ok(users.len())
}

/// The same, where it may wait.
async fn catch_up(home: &Home) {
    if let Err(error) = save_unsaved(home).await {
        tracing::warn!(%error, "a change of users waits for the home vault");
    }
}

/// Puts right what a crash left between vault and catalog: what the vault has newer, or no more,
/// takes effect; what the catalog has newer is written to the vault. Gives how many users changed.
///
/// # Errors
/// [`Error::UsersBusy`]; what the vault answers.
pub async fn reconcile(home: &Home) -> Result<usize> {
    let turn = Turn::take(home).await?;
    let reconciled = async {
        let kept = load(&home.vault(None).await?).await?;
        let mut changed = 0;
        let ids: BTreeSet<&UserId> = kept.iter().map(|user| &user.id).collect();
        let rows = home.catalog.account_list().await?;
        for gone in rows.iter().filter(|row| !ids.contains(&row.id)) {
            home.catalog.account_remove(&gone.id).await?;
            changed += 1;
        }
        for user in &kept {
            let known = rows.iter().find(|row| row.id == user.id);
            if known.is_none_or(|row| row.revision < user.revision) {
                home.catalog.account_put(&record::row(home, user, user.revision)).await?;
                changed += 1;
            }
        }
        Ok(changed + save_unsaved(home).await?)
    }
    .await;
    turn.end(home).await?;
    reconciled
}

/// The accounts that the home vault knows, sealed for this installation.
pub(crate) async fn rows(home: &Home, vault: &Vault) -> Result<Vec<AccountRow>> {
    let users = load(vault).await?;
    Ok(users.iter().map(|user| record::row(home, user, user.revision)).collect())
}

async fn load(vault: &Vault) -> Result<Vec<User>> {
    let control = vault.clone();
    let records = blocking(move || Ok(control.control()?.load()?)).await?;
    record::users(&records)
}

async fn row_of(home: &Home, id: &UserId) -> Result<AccountRow> {
    let row = home.catalog.account_get(id).await?;
    row.ok_or_else(|| Error::not_found("user", id.as_str()))
}

/// A name that nobody else has and that commands and lists can carry.
async fn check(home: &Home, user: &User) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+');
    let fits = |name: &str| (1..=MAX_NAME).contains(&name.chars().count());
    if !fits(&user.name) || !user.name.chars().all(plain) {
        let text = "a user's name has 1 to 100 letters, digits or any of . - _ @ +";
        return Err(Error::Usage(text.to_owned()));
    }
    if !fits(&user.display_name) || user.display_name.chars().any(char::is_control) {
        let text = "a user's name for people has 1 to 100 characters, no control characters";
        return Err(Error::Usage(text.to_owned()));
    }
    match home.catalog.account_by_name(&user.name).await? {
        Some(other) if other.id != user.id => {
            Err(Error::Usage(format!("another user is called '{}'", fold(&user.name))))
        }
        _ => Ok(()),
    }
}

async fn another_administrator(home: &Home, but: &User) -> Result<()> {
    let users = list(home).await?;
    match users.iter().any(|user| user.id != but.id && user.is_working_administrator()) {
        true => Ok(()),
        false => Err(Error::LastAdministrator(but.name.clone())),
    }
}
