//! Tokens of the API: `hf_`, 64 hexadecimal digits (256 random bits), and 8 of their CRC-32, so that
//! scanners for leaked secrets know one when they see it, and a torn one costs no look-up.
//!
//! A token does what its rights, its scope *and* its maker's present roles allow. It ends within a
//! year, with its maker, and when it is revoked. Tokens are not intent: after `recover` they are made
//! anew.

use std::collections::BTreeSet;
use std::time::Duration;

use crc_fast::{CrcAlgorithm, checksum};
use holdfast_catalog::TokenRow;
use holdfast_model::{Scope, Secret, Timestamp, UserId};
use uuid::Uuid;

use super::{Access, Entered, Error, Principal, Result, Right, TokenLimit, opaque};

/// Longest life of a token.
pub const MAX_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Uses are noted this often.
const NOTED: Duration = Duration::from_secs(60);

/// Longest description, in characters.
const MAX_LABEL: usize = 100;

const PREFIX: &str = "hf_";

/// What a new token is for.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What it is for.
    pub label: String,
    /// Its rights.
    pub rights: BTreeSet<Right>,
    /// Where they count.
    pub scope: Scope,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A token as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Id by which it is revoked; it opens nothing.
    pub id: String,
    /// Whose it is.
    pub user: UserId,
    /// What it is for.
    pub label: String,
    /// Its rights.
    pub rights: BTreeSet<Right>,
    /// Where they count.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

fn of(row: TokenRow) -> ApiToken {
    ApiToken {
        id: row.id,
        user: row.account,
        label: row.label,
        // A right that this version does not know is one that the token does not have.
        rights: row.rights.iter().filter_map(|name| name.parse().ok()).collect(),
        scope: row.scope,
        created_at: row.created_at,
        expires_at: row.expires_at,
        used_at: row.used_at,
        revoked_at: row.revoked_at,
    }
}

fn new_text() -> Secret {
    let random = opaque::random();
    let digits = random.expose_str().unwrap_or_default();
    Secret::new(format!("{PREFIX}{digits}{}", check_digits(digits)))
}

fn check_digits(digits: &str) -> String {
    format!("{:08x}", checksum(CrcAlgorithm::Crc32IsoHdlc, digits.as_bytes()))
}

fn is_whole(token: &Secret) -> bool {
    let digits = token.expose_str().and_then(|text| text.strip_prefix(PREFIX));
    digits
        .and_then(|digits| digits.split_at_checked(64))
        .is_some_and(|(digits, check)| check == check_digits(digits))
}

impl Access {
    /// Makes a token for the user of a session; its text is shown this once.
    ///
    /// # Errors
    /// [`Error::StepUp`]; [`Error::Exceeds`] for a right that the user does not have there, or that
    /// only people have; [`Error::Invalid`] for one that ends in the past or after a year.
    pub async fn create_token(
        &self,
        entered: &Entered,
        new: &NewToken,
    ) -> Result<(Secret, ApiToken)> {
        self.require_fresh(&entered.session)?;
        let now = self.now();
        let last = now.checked_add(MAX_AGE).unwrap_or(Timestamp::MAX);
        if new.expires_at <= now || new.expires_at > last {
            return Err(Error::Invalid("a token ends within a year from now".to_owned()));
        }
        if new.rights.is_empty() || new.label.trim().is_empty() {
            return Err(Error::Invalid("a token needs a description and a right".to_owned()));
        }
        let may =
            |right: Right| !right.needs_person() && entered.principal.covers(right, &new.scope);
        if let Some(right) = new.rights.iter().find(|right| !may(**right)) {
            return Err(Error::Exceeds(*right));
        }
        let text = new_text();
        let row = TokenRow {
            id: Uuid::new_v4().to_string(),
            hash: opaque::hash(&text),
            account: entered.session.user.clone(),
            label: new.label.chars().filter(|c| !c.is_control()).take(MAX_LABEL).collect(),
            rights: new.rights.iter().map(|right| right.as_str().to_owned()).collect(),
            scope: new.scope.clone(),
            created_at: now,
            expires_at: new.expires_at,
            used_at: None,
            revoked_at: None,
        };
        self.home.catalog.token_add(&row).await?;
        Ok((text, of(row)))
    }

    /// Who is behind a token, and what he may do by it now.
    ///
    /// # Errors
    /// [`Error::Refused`] for one that is torn, unknown, revoked or ended, or whose user is no more.
    pub async fn token(&self, text: &Secret) -> Result<Principal> {
        if !is_whole(text) {
            return Err(Error::Refused);
        }
        let (row, now) = (self.home.catalog.token_get(&opaque::hash(text)).await?, self.now());
        let counts = |row: &TokenRow| row.revoked_at.is_none() && row.expires_at > now;
        let token = of(row.filter(counts).ok_or(Error::Refused)?);
        let owner = self.principal(&token.user).await?.ok_or(Error::Refused)?;
        let noted = token.used_at.and_then(|at| at.checked_add(NOTED).ok());
        if noted.is_none_or(|until| until <= now) {
            self.home.catalog.token_used(&token.id, now).await?;
        }
        let limit = TokenLimit { id: token.id, rights: token.rights, scope: token.scope };
        Ok(Principal { token: Some(limit), ..owner })
    }

    /// The tokens of a user, the newest first, ended ones among them.
    pub async fn tokens(&self, user: &UserId) -> Result<Vec<ApiToken>> {
        Ok(self.home.catalog.token_list(user).await?.into_iter().map(of).collect())
    }

    /// Ends a token of a user: his own, or as an administrator another's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_token(&self, user: &UserId, id: &str) -> Result<()> {
        match self.home.catalog.token_revoke(user, id, self.now()).await? {
            true => Ok(()),
            false => Err(Error::NotFound { what: "token" }),
        }
    }
}
