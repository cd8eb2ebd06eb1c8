//! Second factors: which a user has, and whether a proof is right.

use std::fmt;

use holdfast_engine::users::{self, Effect, User};
use holdfast_model::Secret;
use webauthn_rs::prelude::PublicKeyCredential;

use super::{Access, Entered, Error, Result, recovery};

/// A kind of second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// A time-based code.
    Totp,
    /// A passkey.
    Passkey,
    /// A recovery code.
    RecoveryCode,
}

impl Factor {
    /// The second factors of a user. Recovery codes count beside another one only.
    pub fn of(user: &User) -> Vec<Self> {
        let mut factors = Vec::new();
        if user.totp.is_some() {
            factors.push(Self::Totp);
        }
        if !user.passkeys.is_empty() {
            factors.push(Self::Passkey);
        }
        if !factors.is_empty() && !user.recovery_codes.is_empty() {
            factors.push(Self::RecoveryCode);
        }
        factors
    }
}

/// What somebody shows to prove who he is.
#[derive(Clone)]
pub enum Proof {
    /// The password: enough for a step-up of a user without a second factor.
    Password(Secret),
    /// A time-based code.
    Totp(Secret),
    /// The answer to a [`PasskeyChallenge`](super::PasskeyChallenge).
    Passkey {
        /// The handle of the challenge.
        handle: Secret,
        /// What the browser answered.
        credential: Box<PublicKeyCredential>,
    },
    /// A recovery code.
    RecoveryCode(Secret),
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(…)",
            Self::Totp(_) => "Totp(…)",
            Self::Passkey { .. } => "Passkey(…)",
            Self::RecoveryCode(_) => "RecoveryCode(…)",
        })
    }
}

impl Access {
    /// Whether a proof is right. What counts once is used up by that.
    pub(super) async fn proves(&self, user: &User, proof: &Proof) -> Result<bool> {
        match proof {
            Proof::Password(password) => {
                self.verify_password(password, user.password_hash.as_ref()).await
            }
            Proof::Totp(code) => self.totp_proves(user, code).await,
            Proof::Passkey { handle, credential } => {
                self.passkey_proves(user, handle, credential).await
            }
            Proof::RecoveryCode(code) => self.recovery_code_proves(user, code).await,
        }
    }

    async fn recovery_code_proves(&self, user: &User, code: &Secret) -> Result<bool> {
        if !Factor::of(user).contains(&Factor::RecoveryCode) {
            return Ok(false);
        }
        let hash = recovery::hash(code);
        // It may not count twice, also not after `recover`: this is intent.
        let edit = |user: &mut User| {
            let before = user.recovery_codes.len();
            user.recovery_codes.retain(|kept| *kept != hash);
            user.recovery_codes.len() < before
        };
        Ok(users::change(&self.home, &user.id, Effect::Protects, edit).await?.is_some())
    }

    /// Makes new recovery codes in the place of the old ones; they are shown this once.
    ///
    /// # Errors
    /// [`Error::StepUp`]; [`Error::Invalid`] without another second factor.
    pub async fn new_recovery_codes(&self, entered: &Entered) -> Result<Vec<Secret>> {
        self.require_fresh(&entered.session)?;
        let user = self.user(&entered.session.user).await?;
        if Factor::of(&user).is_empty() {
            let text = "recovery codes stand in for a second factor; set one up first";
            return Err(Error::Invalid(text.to_owned()));
        }
        let codes = recovery::new_codes();
        let edit = |user: &mut User| {
            user.recovery_codes = codes.iter().map(recovery::hash).collect();
            true
        };
        users::change(&self.home, &user.id, Effect::Waits, edit).await?;
        Ok(codes)
    }

    /// Gives a user a further factor, and recovery codes where he has none left; these are given
    /// back.
    pub(super) async fn add_factor(
        &self,
        user: &User,
        add: impl Fn(&mut User),
    ) -> Result<Vec<Secret>> {
        let codes = match user.recovery_codes.is_empty() {
            true => recovery::new_codes(),
            false => Vec::new(),
        };
        let edit = |user: &mut User| {
            add(user);
            if user.recovery_codes.is_empty() {
                user.recovery_codes = codes.iter().map(recovery::hash).collect();
            }
            true
        };
        users::change(&self.home, &user.id, Effect::Waits, edit).await?;
        Ok(codes)
    }
}
