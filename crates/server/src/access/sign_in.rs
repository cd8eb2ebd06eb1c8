//! Sign-in: a name and a password, then a second factor where the user has one.

use std::net::IpAddr;
use std::time::Duration;

use holdfast_catalog::SignInRow;
use holdfast_engine::users::{self, Effect, MAX_NAME, User};
use holdfast_model::{Secret, UserId};

use super::{Access, Entered, Error, Factor, NewSession, Proof, Result, opaque};

/// A sign-in, or the making of a factor, that is not ended after this long has ended.
const STEP: Duration = Duration::from_secs(5 * 60);

const SECOND_FACTOR: &str = "second_factor";

/// From where somebody knocks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// His address; behind a trusted proxy the one that the proxy names.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub agent: String,
}

/// What a right password leads to.
#[derive(Clone, Debug)]
pub enum SignedIn {
    /// In.
    Session(NewSession),
    /// A second factor is needed.
    SecondFactor(Pending),
}

/// A sign-in that waits for a second factor, for five minutes.
#[derive(Clone, Debug)]
pub struct Pending {
    /// What the second factor is sent with.
    pub handle: Secret,
    /// The factors that the user has.
    pub factors: Vec<Factor>,
}

impl Access {
    /// Takes a name and a password.
    ///
    /// # Errors
    /// [`Error::Refused`] for all that is wrong, users that do not exist or are disabled among it;
    /// [`Error::TooMany`].
    pub async fn sign_in(&self, name: &str, password: &Secret, from: &Caller) -> Result<SignedIn> {
        let attempt = self.attempt(name, from.address).await?;
        let user = self.user_by_name(name).await?;
        let hash = user.as_ref().and_then(|user| user.password_hash.as_ref());
        let is_right = self.verify_password(password, hash).await?;
        let user = user.filter(|_| is_right).ok_or(Error::Refused)?;
        self.hash_anew(&user, password).await?;
        let factors = Factor::of(&user);
        if !factors.is_empty() {
            // The attempt stays counted: who knows the password may not try codes without end.
            let handle = self.begin_step(&user.id, SECOND_FACTOR, b"").await?;
            return Ok(SignedIn::SecondFactor(Pending { handle, factors }));
        }
        self.succeeded(&attempt).await?;
        Ok(SignedIn::Session(self.begin_session(&user, from).await?))
    }

    /// Takes the second factor of a sign-in under way. After a wrong one another may be sent.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::TooMany`]; [`Error::Ended`] after five minutes, or when the
    /// sign-in is done.
    pub async fn second_factor(
        &self,
        handle: &Secret,
        proof: &Proof,
        from: &Caller,
    ) -> Result<NewSession> {
        let user = self.pending_user(handle).await?;
        let attempt = self.attempt(&user.name, from.address).await?;
        let is_second = !matches!(proof, Proof::Password(_));
        if !is_second || !self.proves(&user, proof).await? {
            return Err(Error::Refused);
        }
        self.take_step(handle, SECOND_FACTOR).await?;
        self.succeeded(&attempt).await?;
        self.begin_session(&user, from).await
    }

    /// Proves anew who is behind a session: with a second factor, or with the password where the
    /// user has none. The session gets a new secret; the old one is void.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::TooMany`]; [`Error::Ended`].
    pub async fn step_up(
        &self,
        cookie: &Secret,
        proof: &Proof,
        from: &Caller,
    ) -> Result<NewSession> {
        let entered = self.session(cookie).await?;
        let user = self.user(&entered.session.user).await?;
        let attempt = self.attempt(&user.name, from.address).await?;
        let is_enough = !matches!(proof, Proof::Password(_)) || Factor::of(&user).is_empty();
        if !is_enough || !self.proves(&user, proof).await? {
            return Err(Error::Refused);
        }
        self.succeeded(&attempt).await?;
        self.renew_session(cookie).await
    }

    /// Ends the session of a cookie. One that has ended is no error.
    pub async fn sign_out(&self, cookie: &Secret) -> Result<()> {
        let hash = opaque::hash(cookie);
        if let Some(row) = self.home.catalog.session_get(&hash).await? {
            self.home.catalog.session_end(&row.account, &row.id).await?;
        }
        Ok(())
    }

    /// Changes one's own password. All other sessions of the user end.
    ///
    /// # Errors
    /// [`Error::Refused`] where the old one is wrong; [`Error::Weak`]; [`Error::TooMany`].
    pub async fn change_password(
        &self,
        entered: &Entered,
        old: &Secret,
        new: &Secret,
        from: &Caller,
    ) -> Result<()> {
        let user = self.user(&entered.session.user).await?;
        let attempt = self.attempt(&user.name, from.address).await?;
        if !self.verify_password(old, user.password_hash.as_ref()).await? {
            return Err(Error::Refused);
        }
        self.succeeded(&attempt).await?;
        self.set_password(&user, new).await?;
        self.end_sessions(&user.id, Some(&entered.session)).await?;
        Ok(())
    }

    /// Checks a password and gives it to a user.
    pub(super) async fn set_password(&self, user: &User, password: &Secret) -> Result<()> {
        super::password::check(password, &[&user.name, &user.display_name])?;
        let hash = self.hash_password(password).await?;
        let edit = |user: &mut User| {
            user.password_hash = Some(hash.clone());
            true
        };
        users::change(&self.home, &user.id, Effect::Waits, edit).await?;
        Ok(())
    }

    /// Where passwords have become dearer to try, this one too.
    async fn hash_anew(&self, user: &User, password: &Secret) -> Result<()> {
        if !self.is_outdated(user.password_hash.as_ref()) {
            return Ok(());
        }
        let (old, hash) = (user.password_hash.clone(), self.hash_password(password).await?);
        let edit = |user: &mut User| {
            let same = user.password_hash == old;
            if same {
                user.password_hash = Some(hash.clone());
            }
            same
        };
        users::change(&self.home, &user.id, Effect::Protects, edit).await?;
        Ok(())
    }

    /// A user who may sign in.
    async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        if name.chars().count() > MAX_NAME {
            return Ok(None);
        }
        Ok(users::by_name(&self.home, name).await?.filter(|user| !user.disabled))
    }

    /// The user of a session or sign-in, as he is now.
    pub(super) async fn user(&self, id: &UserId) -> Result<User> {
        let account = self.home.catalog.account_get(id).await?;
        match account.is_some_and(|account| !account.disabled) {
            true => Ok(users::get(&self.home, id).await?),
            false => Err(Error::Ended),
        }
    }

    /// Who signs in under a handle.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub async fn signing_in(&self, handle: &Secret) -> Result<User> {
        self.pending_user(handle).await
    }

    pub(super) async fn pending_user(&self, handle: &Secret) -> Result<User> {
        let (user, _) = self.step(handle, SECOND_FACTOR).await?;
        self.user(&user).await
    }

    /// Remembers something about a user until the next request; gives the handle to ask for it.
    pub(super) async fn begin_step(
        &self,
        user: &UserId,
        purpose: &str,
        state: &[u8],
    ) -> Result<Secret> {
        let handle = opaque::random();
        let hash = opaque::hash(&handle);
        let row = SignInRow {
            sealed_state: self.home.seal(&label(purpose, &hash), state),
            hash,
            account: user.clone(),
            purpose: purpose.to_owned(),
            until: self.now().checked_add(STEP).unwrap_or(holdfast_model::Timestamp::MAX),
        };
        self.home.catalog.sign_in_add(&row).await?;
        Ok(handle)
    }

    /// What was remembered under a handle.
    pub(super) async fn step(&self, handle: &Secret, purpose: &str) -> Result<(UserId, Secret)> {
        let row = self.home.catalog.sign_in_get(&opaque::hash(handle), purpose).await?;
        self.opened(row)
    }

    /// The same, once.
    pub(super) async fn take_step(
        &self,
        handle: &Secret,
        purpose: &str,
    ) -> Result<(UserId, Secret)> {
        let row = self.home.catalog.sign_in_take(&opaque::hash(handle), purpose).await?;
        self.opened(row)
    }

    fn opened(&self, row: Option<SignInRow>) -> Result<(UserId, Secret)> {
        let row = row.ok_or(Error::Ended)?;
        let state = self.home.unseal(&label(&row.purpose, &row.hash), &row.sealed_state)?;
        Ok((row.account, state))
    }
}

fn label(purpose: &str, hash: &str) -> String {
    format!("sign-in/{purpose}/{hash}")
}
