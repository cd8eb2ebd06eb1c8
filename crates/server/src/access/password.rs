//! Passwords: what one must be like, and how it is kept.
//!
//! The rule is NIST SP 800-63B-4, section 3.1.1.2: length instead of composition, a comparison with
//! what is commonly used or expected (`zxcvbn`, with the names of the user and the product as
//! expected words), no forced change, all characters allowed.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use holdfast_model::Secret;
use zxcvbn::Score;

use super::{Access, Error, Result, opaque};

/// Shortest password, in characters. SP 800-63B-4 asks for 15 where the password is all there is,
/// and for 8 beside a second factor; second factors are offered to everybody here.
pub const MIN_LENGTH: usize = 12;

/// Longest password, in bytes. SP 800-63B-4: at least 64 characters must be taken; a limit keeps
/// work and memory bounded.
const MAX_BYTES: usize = 1024;

/// What of a password is looked at by the check of strength, whose work grows with the length.
const CHECKED_CHARS: usize = 100;

/// What a password costs to try (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// 19 MiB, 2 passes, 1 lane: OWASP Password Storage Cheat Sheet, "Argon2id" (read 2026-11).
pub const OWASP: Cost = Cost { memory: 19 * 1024, passes: 2, lanes: 1 };

/// Hashes and verifies at one cost.
#[derive(Clone)]
pub(super) struct Hasher {
    cost: Cost,
    argon2: Argon2<'static>,
    /// Verified where there is no hash, so that the answer takes as long.
    decoy: String,
}

impl Hasher {
    pub fn new(cost: Cost) -> Result<Self> {
        let params = Params::new(cost.memory, cost.passes, cost.lanes, None)
            .map_err(|_| Error::Invalid("Argon2 does not take this cost".to_owned()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = hashed(&argon2, &opaque::random());
        Ok(Self { cost, argon2, decoy })
    }

    fn verify(&self, password: &Secret, hash: Option<&str>) -> bool {
        let matches = self.argon2.verify_password(password.expose(), hash.unwrap_or(&self.decoy));
        matches.is_ok() && hash.is_some()
    }

    /// True for a hash that is cheaper to try than one made now.
    fn is_outdated(&self, hash: &str) -> bool {
        let made = PasswordHash::new(hash).ok().and_then(|hash| Params::try_from(&hash).ok());
        made.is_none_or(|made| {
            made.m_cost() < self.cost.memory
                || made.t_cost() < self.cost.passes
                || made.p_cost() < self.cost.lanes
        })
    }
}

/// The hash in PHC form, with a salt of its own.
fn hashed(argon2: &Argon2<'_>, password: &Secret) -> String {
    let salt = opaque::random_bytes::<16>();
    let hash = argon2.hash_password_with_salt(password.expose(), &salt);
    hash.expect("password and salt are within the limits").to_string()
}

/// Checks a password against the rule. `names` are those of its user.
///
/// # Errors
/// [`Error::Weak`] says what to do.
pub(super) fn check(password: &Secret, names: &[&str]) -> Result<()> {
    let weak = |text: &str| Err(Error::Weak(text.to_owned()));
    let Some(text) = password.expose_str() else {
        return weak("a password is text");
    };
    if text.chars().count() < MIN_LENGTH {
        return weak("a password has at least 12 characters; several words make a good one");
    }
    if text.len() > MAX_BYTES {
        return weak("a password has at most 1024 bytes");
    }
    let start: String = text.chars().take(CHECKED_CHARS).collect();
    let expected: Vec<&str> = names.iter().copied().chain(["holdfast"]).collect();
    match zxcvbn::zxcvbn(&start, &expected).score() {
        score if score >= Score::Three => Ok(()),
        _ => weak("the password is too easy to guess; take several words that do not go together"),
    }
}

impl Access {
    /// Hashes a password, away from the asynchronous threads.
    pub(super) async fn hash_password(&self, password: &Secret) -> Result<Secret> {
        let (argon2, password) = (self.passwords.argon2.clone(), password.clone());
        let _one_of_few = self.hashing.acquire().await;
        let hash = tokio::task::spawn_blocking(move || hashed(&argon2, &password)).await;
        Ok(Secret::new(hash.map_err(|_| holdfast_engine::Error::Thread)?))
    }

    /// Verifies a password; without a hash it takes as long and is wrong.
    pub(super) async fn verify_password(
        &self,
        password: &Secret,
        hash: Option<&Secret>,
    ) -> Result<bool> {
        if password.expose().len() > MAX_BYTES {
            return Ok(false);
        }
        let hash = hash.and_then(Secret::expose_str).map(str::to_owned);
        let (password, hasher) = (password.clone(), self.passwords.clone());
        let _one_of_few = self.hashing.acquire().await;
        let verified =
            tokio::task::spawn_blocking(move || hasher.verify(&password, hash.as_deref()));
        Ok(verified.await.map_err(|_| holdfast_engine::Error::Thread)?)
    }

    /// True for a hash that should be made anew now that the password is at hand.
    pub(super) fn is_outdated(&self, hash: Option<&Secret>) -> bool {
        let hash = hash.and_then(Secret::expose_str);
        hash.is_some_and(|hash| self.passwords.is_outdated(hash))
    }
}
