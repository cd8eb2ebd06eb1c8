//! One-time links: for the first administrator, for invited people, and after a reset.

use std::time::Duration;

use holdfast_catalog::InvitationRow;
use holdfast_engine::users::{self, Effect, User};
use holdfast_model::{Grant, Role, Secret, UserId};

use super::{Access, Error, Result, opaque, password};

/// How long the link to set an installation up is good. Each start of the server makes a new one.
const SETUP: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an invitation is good.
const INVITATION: Duration = Duration::from_secs(72 * 60 * 60);

impl Access {
    /// The secret of a link by which the first administrator comes in, in the place of any earlier
    /// one; `None` where there is an administrator who can sign in.
    pub async fn setup_link(&self) -> Result<Option<Secret>> {
        if self.has_administrator().await? {
            return Ok(None);
        }
        Ok(Some(self.link(None, None, SETUP).await?))
    }

    /// The secret of a link by which a user chooses his password, in the place of any earlier one.
    pub async fn invite(&self, user: &UserId, by: &UserId) -> Result<Secret> {
        users::get(&self.home, user).await?;
        self.link(Some(user), Some(by), INVITATION).await
    }

    /// Takes password and second factors from a user, ends his sessions, and gives the secret of a
    /// link by which he begins anew: for people who have lost everything.
    ///
    /// # Errors
    /// That of the engine where he is the last administrator.
    pub async fn reset(&self, user: &UserId, by: &UserId) -> Result<Secret> {
        let edit = |user: &mut User| {
            user.password_hash = None;
            user.totp = None;
            user.passkeys.clear();
            user.recovery_codes.clear();
            true
        };
        users::change(&self.home, user, Effect::Waits, edit).await?;
        self.end_sessions(user, None).await?;
        self.invite(user, by).await
    }

    /// Makes the first administrator.
    ///
    /// # Errors
    /// [`Error::Link`]; [`Error::Weak`], or a name that cannot be one: the link stays good.
    pub async fn accept_setup(
        &self,
        link: &Secret,
        name: &str,
        display_name: &str,
        password: &Secret,
    ) -> Result<User> {
        let row = self.valid(link, |row| row.account.is_none()).await?;
        password::check(password, &[name, display_name])?;
        let hash = self.hash_password(password).await?;
        self.take(link).await?;
        if self.has_administrator().await? {
            return Err(Error::Link);
        }
        let grants = vec![Grant::everywhere(Role::Administrator)];
        let with = |user: &mut User| user.password_hash = Some(hash);
        let made = users::create(&self.home, name, display_name, grants, with).await;
        self.put_back_unless_done(row, made).await
    }

    /// Gives an invited user his password.
    ///
    /// # Errors
    /// [`Error::Link`]; [`Error::Weak`]: the link stays good.
    pub async fn accept(&self, link: &Secret, password: &Secret) -> Result<User> {
        let row = self.valid(link, |row| row.account.is_some()).await?;
        let id = row.account.clone().ok_or(Error::Link)?;
        let user = self.user(&id).await.map_err(|_| Error::Link)?;
        password::check(password, &[&user.name, &user.display_name])?;
        let hash = self.hash_password(password).await?;
        self.take(link).await?;
        let edit = |user: &mut User| {
            user.password_hash = Some(hash.clone());
            true
        };
        let changed = users::change(&self.home, &id, Effect::Waits, edit).await;
        // The edit never declines.
        let changed = changed.map(|changed| changed.unwrap_or(user));
        let user = self.put_back_unless_done(row, changed).await?;
        self.end_sessions(&id, None).await?;
        Ok(user)
    }

    async fn has_administrator(&self) -> Result<bool> {
        Ok(users::list(&self.home).await?.iter().any(User::is_working_administrator))
    }

    async fn link(
        &self,
        account: Option<&UserId>,
        by: Option<&UserId>,
        good_for: Duration,
    ) -> Result<Secret> {
        let (secret, now) = (opaque::random(), self.now());
        let row = InvitationRow {
            hash: opaque::hash(&secret),
            account: account.cloned(),
            created_by: by.cloned(),
            created_at: now,
            until: now.checked_add(good_for).unwrap_or(holdfast_model::Timestamp::MAX),
        };
        self.home.catalog.invitation_add(&row).await?;
        Ok(secret)
    }

    async fn valid(
        &self,
        link: &Secret,
        is_kind: impl Fn(&InvitationRow) -> bool,
    ) -> Result<InvitationRow> {
        let row = self.home.catalog.invitation_get(&opaque::hash(link)).await?;
        row.filter(is_kind).ok_or(Error::Link)
    }

    async fn take(&self, link: &Secret) -> Result<()> {
        let taken = self.home.catalog.invitation_take(&opaque::hash(link)).await?;
        taken.map(drop).ok_or(Error::Link)
    }

    /// A link whose use has failed (the name is taken, the vault is away) is good again.
    async fn put_back_unless_done(
        &self,
        row: InvitationRow,
        done: holdfast_engine::Result<User>,
    ) -> Result<User> {
        if done.is_err() {
            self.home.catalog.invitation_add(&row).await?;
        }
        Ok(done?)
    }
}
