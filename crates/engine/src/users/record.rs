//! The two forms of a user: the record in the home vault's control repository, which is encrypted
//! as a whole, and the row of the catalog, whose second factors are sealed under the instance key.

use holdfast_catalog::AccountRow;
use holdfast_model::{Grant, Secret, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{Passkey, User};
use crate::{Error, Home, Result, intent};

const VERSION: u8 = 1;

/// Where the records lie.
pub(super) const PREFIX: &str = "users/";

#[derive(Serialize, Deserialize)]
struct UserRecord {
    v: u8,
    id: UserId,
    revision: u64,
    name: String,
    display_name: String,
    grants: Vec<Grant>,
    disabled: bool,
    password_hash: Option<String>,
    factors: Factors,
    recovery_codes: Vec<String>,
    created_at: Timestamp,
}

/// Second factors in the clear: only ever inside an encrypted record or a sealed column.
#[derive(Serialize, Deserialize)]
struct Factors {
    /// Hexadecimal.
    totp: Option<String>,
    passkeys: Vec<PasskeyRecord>,
}

#[derive(Serialize, Deserialize)]
struct PasskeyRecord {
    id: String,
    label: String,
    credential: String,
    created_at: Timestamp,
}

fn text(secret: &Secret) -> String {
    String::from_utf8_lossy(secret.expose()).into_owned()
}

fn factors(user: &User) -> Factors {
    let passkey = |passkey: &Passkey| PasskeyRecord {
        id: passkey.id.clone(),
        label: passkey.label.clone(),
        credential: text(&passkey.credential),
        created_at: passkey.created_at,
    };
    Factors {
        totp: user.totp.as_ref().map(|secret| hex::encode(secret.expose())),
        passkeys: user.passkeys.iter().map(passkey).collect(),
    }
}

fn path(id: &UserId) -> String {
    format!("{PREFIX}{id}.json")
}

/// What takes a user's record away.
pub(super) fn removal(id: &UserId) -> intent::Change {
    (path(id), None)
}

/// The record of a user.
pub(super) fn record(user: &User) -> intent::Change {
    let record = UserRecord {
        v: VERSION,
        id: user.id.clone(),
        revision: user.revision,
        name: user.name.clone(),
        display_name: user.display_name.clone(),
        grants: user.grants.clone(),
        disabled: user.disabled,
        password_hash: user.password_hash.as_ref().map(text),
        factors: factors(user),
        recovery_codes: user.recovery_codes.clone(),
        created_at: user.created_at,
    };
    let bytes = serde_json::to_vec(&record).expect("records have text keys only");
    (path(&user.id), Some(bytes))
}

/// All users of a control repository.
pub(super) fn users(records: &std::collections::BTreeMap<String, Vec<u8>>) -> Result<Vec<User>> {
    let records: Vec<UserRecord> = intent::under(records, PREFIX)?;
    records.into_iter().map(user_of_record).collect()
}

fn user_of_record(record: UserRecord) -> Result<User> {
    let factors = record.factors;
    let damaged = || Error::Usage(format!("the record of user '{}' is damaged", record.name));
    Ok(User {
        totp: totp(&factors).ok_or_else(damaged)?,
        passkeys: passkeys(factors),
        id: record.id,
        revision: record.revision,
        name: record.name,
        display_name: record.display_name,
        grants: record.grants,
        disabled: record.disabled,
        password_hash: record.password_hash.map(Secret::new),
        recovery_codes: record.recovery_codes,
        created_at: record.created_at,
    })
}

/// `None` where it is no hexadecimal text.
fn totp(factors: &Factors) -> Option<Option<Secret>> {
    match &factors.totp {
        Some(text) => Some(Some(Secret::new(hex::decode(text).ok()?))),
        None => Some(None),
    }
}

fn passkeys(factors: Factors) -> Vec<Passkey> {
    let passkey = |record: PasskeyRecord| Passkey {
        id: record.id,
        label: record.label,
        credential: Secret::new(record.credential),
        created_at: record.created_at,
    };
    factors.passkeys.into_iter().map(passkey).collect()
}

fn label(id: &UserId) -> String {
    format!("user/{id}")
}

/// The row of a user, with everything sealed.
pub(super) fn row(home: &Home, user: &User, saved_revision: u64) -> AccountRow {
    let plain = serde_json::to_vec(&factors(user)).expect("plain fields serialise");
    let sealed = home.seal(&label(&user.id), Secret::new(plain).expose());
    AccountRow {
        id: user.id.clone(),
        name: user.name.clone(),
        display_name: user.display_name.clone(),
        grants: user.grants.clone(),
        disabled: user.disabled,
        password_hash: user.password_hash.as_ref().map(text),
        sealed_factors: sealed,
        recovery_codes: user.recovery_codes.clone(),
        created_at: user.created_at,
        revision: user.revision,
        saved_revision,
    }
}

/// The user of a row.
pub(super) fn user(home: &Home, row: AccountRow) -> Result<User> {
    let damaged = || Error::Usage(format!("the row of user '{}' is damaged", row.name));
    let plain = home.unseal(&label(&row.id), &row.sealed_factors)?;
    let factors: Factors = serde_json::from_slice(plain.expose()).map_err(|_| damaged())?;
    Ok(User {
        totp: totp(&factors).ok_or_else(damaged)?,
        passkeys: passkeys(factors),
        id: row.id,
        revision: row.revision,
        name: row.name,
        display_name: row.display_name,
        grants: row.grants,
        disabled: row.disabled,
        password_hash: row.password_hash.map(Secret::new),
        recovery_codes: row.recovery_codes,
        created_at: row.created_at,
    })
}
