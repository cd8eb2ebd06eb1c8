//! Time-based codes (RFC 6238: SHA-1, 6 digits, 30 seconds, as all apps do), one step early or late.

use holdfast_engine::users::{self, Effect, User};
use holdfast_model::Secret;
use totp_rs::{Builder, Totp};

use super::{Access, Entered, Error, Result, opaque};

const NEW: &str = "totp_new";

/// A time-based code that is being set up, for five minutes.
#[derive(Clone, Debug)]
pub struct TotpEnrolment {
    /// What the first code is sent with.
    pub handle: Secret,
    /// The secret in base32, to be typed.
    pub secret: Secret,
    /// The secret as `otpauth://` address, to be shown as QR code.
    pub url: Secret,
}

fn totp(secret: &[u8], account: &str) -> Result<Totp> {
    let secret = totp_rs::Secret::new(secret.to_vec().into_boxed_slice());
    let builder = Builder::new().with_secret(secret).with_digits(6).with_skew(1);
    let builder = builder.with_step_duration(30).with_account_name(account);
    builder
        .with_issuer(Some("Holdfast"))
        .build()
        .map_err(|_| Error::Invalid("the secret of the time-based code is unusable".to_owned()))
}

impl Access {
    /// The step of which a code is.
    fn totp_step(&self, secret: &Secret, user: &User, code: &Secret) -> Result<Option<u64>> {
        let (Ok(now), Some(code)) = (self.now().as_second().try_into(), code.expose_str()) else {
            return Ok(None);
        };
        let code: String = code.chars().filter(|c| !c.is_whitespace()).take(7).collect();
        Ok(totp(secret.expose(), &user.name)?.check(&code, now))
    }

    /// Whether a code is right and was not taken before: of it and of earlier ones nobody who has
    /// looked over a shoulder gets in.
    pub(super) async fn totp_proves(&self, user: &User, code: &Secret) -> Result<bool> {
        let Some(secret) = &user.totp else { return Ok(false) };
        match self.totp_step(secret, user, code)? {
            Some(step) => Ok(self.home.catalog.totp_take(&user.id, step).await?),
            None => Ok(false),
        }
    }

    /// Begins to set up a time-based code; nothing changes before [`Access::confirm_totp`].
    ///
    /// # Errors
    /// [`Error::StepUp`].
    pub async fn begin_totp(&self, entered: &Entered) -> Result<TotpEnrolment> {
        self.require_fresh(&entered.session)?;
        // RFC 4226, section 4: 160 bits are recommended.
        let secret = Secret::new(opaque::random_bytes::<20>());
        let totp = totp(secret.expose(), &entered.principal.name)?;
        let unusable = |_| Error::Invalid("the name cannot be part of an address".to_owned());
        Ok(TotpEnrolment {
            handle: self.begin_step(&entered.session.user, NEW, secret.expose()).await?,
            secret: Secret::new(totp.secret().to_base32()),
            url: Secret::new(totp.to_url().map_err(unusable)?),
        })
    }

    /// Sets the time-based code up, in the place of an earlier one, when a first code proves that
    /// the app has it. Gives new recovery codes where the user has none.
    ///
    /// # Errors
    /// [`Error::Refused`] for a wrong code: another may be sent; [`Error::Ended`].
    pub async fn confirm_totp(
        &self,
        entered: &Entered,
        handle: &Secret,
        code: &Secret,
    ) -> Result<Vec<Secret>> {
        let (owner, secret) = self.step(handle, NEW).await?;
        if owner != entered.session.user {
            return Err(Error::Ended);
        }
        let user = self.user(&owner).await?;
        let step = self.totp_step(&secret, &user, code)?.ok_or(Error::Refused)?;
        self.take_step(handle, NEW).await?;
        let codes = self.add_factor(&user, |user| user.totp = Some(secret.clone())).await?;
        self.home.catalog.totp_take(&owner, step).await?;
        Ok(codes)
    }

    /// Takes the time-based code away.
    ///
    /// # Errors
    /// [`Error::StepUp`]; [`Error::NotFound`].
    pub async fn remove_totp(&self, entered: &Entered) -> Result<()> {
        self.require_fresh(&entered.session)?;
        let edit = |user: &mut User| user.totp.take().is_some();
        match users::change(&self.home, &entered.session.user, Effect::Waits, edit).await? {
            Some(_) => Ok(()),
            None => Err(Error::NotFound { what: "time-based code" }),
        }
    }
}
