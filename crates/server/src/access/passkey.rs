//! Passkeys (WebAuthn). The state between the two halves of a ceremony stays here, sealed, used
//! once; the browser gets a handle only.

use holdfast_engine::users::{self, Effect, User};
use holdfast_model::{Secret, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use webauthn_rs::Webauthn;
use webauthn_rs::prelude::{
    CreationChallengeResponse, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, RequestChallengeResponse,
};

use super::{Access, Entered, Error, Result};

const USE: &str = "passkey";
const NEW: &str = "passkey_new";

/// Passkeys that one user may have.
const MAX: usize = 20;

/// Longest name of a passkey, in characters.
const MAX_LABEL: usize = 100;

/// A question to the browser, good for five minutes and one answer.
#[derive(Clone, Debug)]
pub struct PasskeyChallenge<T> {
    /// What the answer is sent with.
    pub handle: Secret,
    /// The options of `navigator.credentials.get` or `.create`.
    pub options: T,
}

fn text(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("states and credentials serialise")
}

fn parsed<T: DeserializeOwned>(secret: &Secret) -> Result<T> {
    let damaged = |_| Error::Invalid("a stored passkey cannot be read; remove it".to_owned());
    serde_json::from_slice(secret.expose()).map_err(damaged)
}

fn credentials(user: &User) -> Result<Vec<Passkey>> {
    user.passkeys.iter().map(|passkey| parsed(&passkey.credential)).collect()
}

fn id_of(passkey: &Passkey) -> String {
    hex::encode(passkey.cred_id())
}

impl Access {
    fn webauthn(&self) -> Result<&Webauthn> {
        self.webauthn.as_ref().ok_or(Error::NoPasskeys)
    }

    /// Asks for a passkey as second factor of a sign-in under way.
    ///
    /// # Errors
    /// [`Error::Ended`]; [`Error::NotFound`] for a user without passkeys; [`Error::NoPasskeys`].
    pub async fn passkey_challenge(
        &self,
        handle: &Secret,
    ) -> Result<PasskeyChallenge<RequestChallengeResponse>> {
        let user = self.pending_user(handle).await?;
        self.ask_for_passkey(&user).await
    }

    /// Asks for a passkey as proof of a step-up.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a user without passkeys; [`Error::NoPasskeys`].
    pub async fn passkey_step_up(
        &self,
        entered: &Entered,
    ) -> Result<PasskeyChallenge<RequestChallengeResponse>> {
        let user = self.user(&entered.session.user).await?;
        self.ask_for_passkey(&user).await
    }

    async fn ask_for_passkey(
        &self,
        user: &User,
    ) -> Result<PasskeyChallenge<RequestChallengeResponse>> {
        let keys = credentials(user)?;
        let begun = self.webauthn()?.start_passkey_authentication(&keys);
        let (options, state) = begun.map_err(|_| Error::NotFound { what: "passkey" })?;
        let handle = self.begin_step(&user.id, USE, &text(&state)).await?;
        Ok(PasskeyChallenge { handle, options })
    }

    /// Whether the answer to a challenge is right.
    pub(super) async fn passkey_proves(
        &self,
        user: &User,
        handle: &Secret,
        credential: &PublicKeyCredential,
    ) -> Result<bool> {
        let (owner, state) = match self.take_step(handle, USE).await {
            Err(Error::Ended) => return Ok(false),
            found => found?,
        };
        let state: PasskeyAuthentication = parsed(&state)?;
        let Ok(used) = self.webauthn()?.finish_passkey_authentication(credential, &state) else {
            return Ok(false);
        };
        let still_has = credentials(user)?.iter().any(|key| key.cred_id() == used.cred_id());
        if owner != user.id || !still_has || !used.user_verified() {
            return Ok(false);
        }
        // Its counter has risen: a copy of the key would show by that. Intent keeps an older one,
        // which accepts the same keys.
        let edit = |user: &mut User| {
            user.passkeys.iter_mut().any(|kept| {
                let Ok(mut key) = parsed::<Passkey>(&kept.credential) else { return false };
                let changed = key.update_credential(&used) == Some(true);
                if changed {
                    kept.credential = Secret::new(text(&key));
                }
                changed
            })
        };
        users::change(&self.home, &user.id, Effect::Passing, edit).await?;
        Ok(true)
    }

    /// Begins to make a passkey; nothing changes before [`Access::confirm_passkey`].
    ///
    /// # Errors
    /// [`Error::StepUp`]; [`Error::NoPasskeys`]; [`Error::Invalid`] for one too many.
    pub async fn begin_passkey(
        &self,
        entered: &Entered,
    ) -> Result<PasskeyChallenge<CreationChallengeResponse>> {
        self.require_fresh(&entered.session)?;
        let user = self.user(&entered.session.user).await?;
        if user.passkeys.len() >= MAX {
            return Err(Error::Invalid("a user has at most 20 passkeys".to_owned()));
        }
        let known = credentials(&user)?.iter().map(|key| key.cred_id().clone()).collect();
        let begun = self.webauthn()?.start_passkey_registration(
            uuid(&user.id)?,
            &user.name,
            &user.display_name,
            Some(known),
        );
        let (options, state) = begun.map_err(|_| Error::NoPasskeys)?;
        let handle = self.begin_step(&user.id, NEW, &text(&state)).await?;
        Ok(PasskeyChallenge { handle, options })
    }

    /// Keeps the passkey that the browser has made. Gives new recovery codes where the user has
    /// none.
    ///
    /// # Errors
    /// [`Error::Refused`] where the answer does not fit the question; [`Error::Ended`].
    pub async fn confirm_passkey(
        &self,
        entered: &Entered,
        handle: &Secret,
        label: &str,
        made: &RegisterPublicKeyCredential,
    ) -> Result<Vec<Secret>> {
        let (owner, state) = self.take_step(handle, NEW).await?;
        if owner != entered.session.user {
            return Err(Error::Ended);
        }
        let state: PasskeyRegistration = parsed(&state)?;
        let finished = self.webauthn()?.finish_passkey_registration(made, &state);
        let key = finished.map_err(|_| Error::Refused)?;
        let kept = users::Passkey {
            id: id_of(&key),
            label: label.chars().filter(|c| !c.is_control()).take(MAX_LABEL).collect(),
            credential: Secret::new(text(&key)),
            created_at: self.now(),
        };
        let user = self.user(&owner).await?;
        let add = |user: &mut User| {
            user.passkeys.retain(|other| other.id != kept.id);
            user.passkeys.push(kept.clone());
        };
        self.add_factor(&user, add).await
    }

    /// Takes a passkey away.
    ///
    /// # Errors
    /// [`Error::StepUp`]; [`Error::NotFound`].
    pub async fn remove_passkey(&self, entered: &Entered, id: &str) -> Result<()> {
        self.require_fresh(&entered.session)?;
        let edit = |user: &mut User| {
            let before = user.passkeys.len();
            user.passkeys.retain(|kept| kept.id != id);
            user.passkeys.len() < before
        };
        match users::change(&self.home, &entered.session.user, Effect::Waits, edit).await? {
            Some(_) => Ok(()),
            None => Err(Error::NotFound { what: "passkey" }),
        }
    }
}

fn uuid(id: &UserId) -> Result<Uuid> {
    let damaged = |_| Error::Invalid("the user's id is no UUID".to_owned());
    Uuid::parse_str(id.as_str()).map_err(damaged)
}
