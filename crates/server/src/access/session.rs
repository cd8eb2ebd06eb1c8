//! Sessions: an opaque secret in a cookie, of which the catalog has the hash.
//!
//! A secret is never taken from a browser: it is new at sign-in and at step-up. Nothing that changes
//! on the way (address, browser) is part of it. It ends half an hour after its last use, and after
//! twelve hours in any case.

use std::time::Duration;

use holdfast_catalog::SessionRow;
use holdfast_engine::users::User;
use holdfast_model::{Secret, Timestamp, UserId};
use uuid::Uuid;

use super::sign_in::Caller;
use super::{Access, Error, Principal, Result, opaque};

/// A session that is not used for this long has ended.
pub const IDLE: Duration = Duration::from_secs(30 * 60);

/// A session that is this old has ended.
pub const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// A proof of this age is good for a destructive act.
pub const FRESH: Duration = Duration::from_secs(5 * 60);

/// Uses are noted this often.
const NOTED: Duration = Duration::from_secs(60);

/// Longest name of a browser that is kept, in characters.
const MAX_AGENT: usize = 200;

const CSRF: &str = "holdfast/csrf/v1";

/// A session as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Id by which it is ended; it opens nothing.
    pub id: String,
    /// Whose it is.
    pub user: UserId,
    /// Address at sign-in.
    pub address: String,
    /// What the browser called itself at sign-in.
    pub agent: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
    /// When its user last proved who he is.
    pub proved_at: Timestamp,
}

/// A session that has just begun or got a new secret.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Value of the cookie (64 hexadecimal digits).
    pub secret: Secret,
    /// Token that requests with the cookie must carry.
    pub csrf: Secret,
    /// The session.
    pub session: Session,
}

/// Somebody who is in, with his session.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The session.
    pub session: Session,
    /// Who it is.
    pub principal: Principal,
    /// Token that requests with the cookie must carry.
    pub csrf: Secret,
}

impl Session {
    /// True where its user has proved who he is within this time.
    pub fn is_fresh(&self, now: Timestamp, within: Duration) -> bool {
        after(self.proved_at, within) > now
    }

    fn has_ended(&self, now: Timestamp) -> bool {
        after(self.seen_at, IDLE) <= now || after(self.created_at, ABSOLUTE) <= now
    }

    fn of(row: SessionRow) -> Self {
        Self {
            id: row.id,
            user: row.account,
            address: row.address,
            agent: row.agent,
            created_at: row.created_at,
            seen_at: row.seen_at,
            proved_at: row.proved_at,
        }
    }
}

fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn before(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_sub(wait).unwrap_or(Timestamp::MIN)
}

impl Entered {
    /// Checks the token that a request with the cookie carries.
    ///
    /// # Errors
    /// [`Error::Forged`].
    pub fn check_csrf(&self, given: &str) -> Result<()> {
        match opaque::equal(self.csrf.expose(), given.as_bytes()) {
            true => Ok(()),
            false => Err(Error::Forged),
        }
    }
}

impl Access {
    /// Begins a session for somebody who has proved who he is.
    pub(super) async fn begin_session(&self, user: &User, from: &Caller) -> Result<NewSession> {
        let (secret, now) = (opaque::random(), self.now());
        let row = SessionRow {
            hash: opaque::hash(&secret),
            id: Uuid::new_v4().to_string(),
            account: user.id.clone(),
            address: from.address.to_string(),
            agent: from.agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect(),
            created_at: now,
            seen_at: now,
            proved_at: now,
        };
        self.home.catalog.session_add(&row).await?;
        Ok(NewSession { csrf: opaque::derive(&secret, CSRF), session: Session::of(row), secret })
    }

    /// Forgets the sessions that have ended.
    pub(super) async fn sweep_sessions(&self) -> Result<()> {
        let now = self.now();
        self.home.catalog.session_sweep(before(now, IDLE), before(now, ABSOLUTE)).await?;
        Ok(())
    }

    /// Who is behind a cookie. What he may do is read anew.
    ///
    /// # Errors
    /// [`Error::Ended`] also for a cookie that never was, and where the user is no more.
    pub async fn session(&self, cookie: &Secret) -> Result<Entered> {
        let entered = self.look(cookie).await?;
        if after(entered.session.seen_at, NOTED) <= self.now() {
            self.home.catalog.session_seen(&opaque::hash(cookie), self.now()).await?;
        }
        Ok(entered)
    }

    /// The same, which is no use of the session: it does not go on longer by that.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub async fn look(&self, cookie: &Secret) -> Result<Entered> {
        let (hash, now) = (opaque::hash(cookie), self.now());
        let row = self.home.catalog.session_get(&hash).await?.ok_or(Error::Ended)?;
        let session = Session::of(row);
        if session.has_ended(now) {
            self.home.catalog.session_end(&session.user, &session.id).await?;
            return Err(Error::Ended);
        }
        let principal = self.principal(&session.user).await?.ok_or(Error::Ended)?;
        Ok(Entered { session, principal, csrf: opaque::derive(cookie, CSRF) })
    }

    /// A user as he may act now; `None` where he is no more or is disabled.
    pub(super) async fn principal(&self, id: &UserId) -> Result<Option<Principal>> {
        let account = self.home.catalog.account_get(id).await?.filter(|found| !found.disabled);
        Ok(account.map(|account| Principal {
            user: account.id,
            name: account.name,
            grants: account.grants,
            token: None,
        }))
    }

    /// Gives a session a new secret after a fresh proof.
    pub(super) async fn renew_session(&self, cookie: &Secret) -> Result<NewSession> {
        let (secret, now) = (opaque::random(), self.now());
        let (old, new) = (opaque::hash(cookie), opaque::hash(&secret));
        if !self.home.catalog.session_renew(&old, &new, now).await? {
            return Err(Error::Ended);
        }
        let row = self.home.catalog.session_get(&new).await?.ok_or(Error::Ended)?;
        Ok(NewSession { csrf: opaque::derive(&secret, CSRF), session: Session::of(row), secret })
    }

    /// Refuses a destructive act without a fresh proof.
    ///
    /// # Errors
    /// [`Error::StepUp`].
    pub fn require_fresh(&self, session: &Session) -> Result<()> {
        match session.is_fresh(self.now(), FRESH) {
            true => Ok(()),
            false => Err(Error::StepUp),
        }
    }

    /// The sessions of a user, the latest used first.
    pub async fn sessions(&self, user: &UserId) -> Result<Vec<Session>> {
        let now = self.now();
        let rows = self.home.catalog.session_list(user).await?;
        Ok(rows.into_iter().map(Session::of).filter(|session| !session.has_ended(now)).collect())
    }

    /// Ends a session of a user by its id: his own, or as an administrator another's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn end_session(&self, user: &UserId, id: &str) -> Result<()> {
        match self.home.catalog.session_end(user, id).await? {
            true => Ok(()),
            false => Err(Error::NotFound { what: "session" }),
        }
    }

    /// Ends all sessions of a user but the one given, and all sign-ins under way; gives how many.
    pub async fn end_sessions(&self, user: &UserId, but: Option<&Session>) -> Result<u64> {
        self.home.catalog.sign_in_end(user).await?;
        let but = but.map(|session| session.id.as_str());
        Ok(self.home.catalog.session_end_all(user, but).await?)
    }
}
