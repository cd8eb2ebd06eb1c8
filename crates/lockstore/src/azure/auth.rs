//! Who may do what: Shared Key signatures and service SAS, verified as the service does.
//!
//! Sources: "Authorize with Shared Key" and "Create a service SAS" below
//! learn.microsoft.com/rest/api/storageservices, read November 2026. The age of a request's date
//! is not judged: the clock of the account is a test's, the date is the client machine's.

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::Timestamp;

use super::call::{Call, Operation};
use super::error::{self, Refusal};

/// The order in which permissions stand in a SAS.
const ORDER: &str = "racwdxyltfmeopi";

/// The first version whose signed string has the fields that we know.
const FIRST_SAS: &str = "2020-12-06";

/// The account's name and key.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) account: String,
    key: Vec<u8>,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Owner").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What the bearer of a request may do in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// The account key: everything that the rules allow.
    All,
    /// The letters of a SAS.
    Only(String),
}

impl Owner {
    pub(crate) fn new(account: &str, key: &[u8]) -> Self {
        Self { account: account.to_owned(), key: key.to_vec() }
    }

    /// The key as clients want it.
    pub(crate) fn key(&self) -> String {
        BASE64_STANDARD.encode(&self.key)
    }

    fn sign(&self, text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }

    fn verify(&self, text: &str, signature: &str) -> Result<(), Refusal> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        let signature = BASE64_STANDARD.decode(signature).unwrap_or_default();
        hmac::verify(&key, text.as_bytes(), &signature)
            .map_err(|_| error::AUTHENTICATION_FAILED.into())
    }

    /// Verifies the authorization of a request and says what its bearer may do.
    pub(crate) fn authenticate(&self, now: Timestamp, call: &Call) -> Result<Rights, Refusal> {
        if call.parameter("sig").is_some() {
            return self.sas(now, call);
        }
        let Some(authorization) = call.header("authorization")? else {
            return Err(error::NO_AUTHENTICATION.into());
        };
        let credentials =
            authorization.strip_prefix("SharedKey ").and_then(|rest| rest.split_once(':'));
        let Some((account, signature)) = credentials.filter(|(name, _)| *name == self.account)
        else {
            return Err(error::AUTHENTICATION_FAILED.into());
        };
        if call.header("x-ms-date")?.is_none() && call.header("date")?.is_none() {
            return Err(error::AUTHENTICATION_FAILED.about("date"));
        }
        self.verify(&string_to_sign(account, call)?, signature)?;
        Ok(Rights::All)
    }

    fn sas(&self, now: Timestamp, call: &Call) -> Result<Rights, Refusal> {
        let value = |name| call.parameter(name).unwrap_or_default();
        let Some(text) = sas_to_sign(&self.account, call) else {
            return Err(error::AUTHENTICATION_FAILED.about("the sas is none that is known here"));
        };
        self.verify(&text, value("sig"))?;
        let time = |name| match value(name) {
            "" => Ok(None),
            text => text
                .parse::<Timestamp>()
                .map(Some)
                .map_err(|_| error::AUTHENTICATION_FAILED.about(name)),
        };
        let begins = time("st")?;
        let ends = time("se")?.ok_or_else(|| error::AUTHENTICATION_FAILED.about("se"))?;
        if ends <= now || begins.is_some_and(|begins| begins > now) {
            return Err(
                error::AUTHENTICATION_FAILED.about("the signature is not valid at this time")
            );
        }
        if value("spr") == "https" {
            return Err(error::PROTOCOL_MISMATCH.into());
        }
        let permissions = value("sp");
        if !in_order(permissions) {
            return Err(error::AUTHENTICATION_FAILED.about("sp"));
        }
        Ok(Rights::Only(permissions.to_owned()))
    }

    /// A SAS for all of a container, without a question mark in front.
    pub(crate) fn container_sas(
        &self,
        container: &str,
        permissions: &str,
        ends: Timestamp,
    ) -> String {
        let permissions: String =
            ORDER.chars().filter(|letter| permissions.contains(*letter)).collect();
        let ends = ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let text = service_sas(&[
            &permissions,
            "",
            &ends,
            &format!("/blob/{}/{container}", self.account),
            "",
            "",
            "",
            "2021-12-02",
            "c",
        ]);
        let signature = self.sign(&text);
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("sv", "2021-12-02")
            .append_pair("se", &ends)
            .append_pair("sr", "c")
            .append_pair("sp", &permissions)
            .append_pair("sig", &signature)
            .finish()
    }
}

/// Whether each letter is known, stands in its place and only once.
fn in_order(permissions: &str) -> bool {
    let places: Option<Vec<_>> = permissions.chars().map(|letter| ORDER.find(letter)).collect();
    places.is_some_and(|places| places.is_sorted_by(|a, b| a < b))
}

impl Rights {
    fn has(&self, letter: char) -> bool {
        match self {
            Self::All => true,
            Self::Only(letters) => letters.contains(letter),
        }
    }

    /// Whether the bearer may do this; `exists` says whether the blob does.
    pub(crate) fn allow(&self, call: &Call, exists: bool) -> Result<(), Refusal> {
        let write = self.has('w');
        let create = write || self.has('c');
        let allowed = match call.operation {
            Operation::GetBlob | Operation::GetProperties => self.has('r'),
            Operation::ListBlobs => self.has('l'),
            Operation::PutBlob if exists && create && !write => {
                return Err(error::UNAUTHORIZED_OVERWRITE.into());
            }
            Operation::PutBlob => create,
            Operation::PutBlock | Operation::PutBlockList | Operation::SetMetadata => write,
            Operation::DeleteBlob if call.parameter("deletetype").is_some() => self.has('y'),
            Operation::DeleteBlob if call.parameter("versionid").is_some() => self.has('x'),
            Operation::DeleteBlob => self.has('d'),
            Operation::SetPolicy | Operation::DeletePolicy | Operation::SetHold => self.has('i'),
            // Each part of a batch has its own authorization.
            Operation::Batch => true,
            Operation::CreateContainer | Operation::GetContainer | Operation::DeleteContainer => {
                *self == Self::All
            }
        };
        let locks = matches!(call.operation, Operation::PutBlob | Operation::PutBlockList)
            && call.headers.keys().any(|name| is_lock_header(name.as_str()));
        if allowed && (!locks || self.has('i')) {
            return Ok(());
        }
        Err(error::PERMISSION_MISMATCH.into())
    }
}

/// Whether the header of a write sets a policy or a hold.
pub(crate) fn is_lock_header(name: &str) -> bool {
    name.starts_with("x-ms-immutability-policy-") || name == "x-ms-legal-hold"
}

/// The text that a Shared Key signs.
fn string_to_sign(account: &str, call: &Call) -> Result<String, Refusal> {
    let header = |name| call.header(name).map(Option::unwrap_or_default);
    let length = Some(header("content-length")?).filter(|length| *length != "0");
    let date = match header("x-ms-date")? {
        "" => header("date")?,
        _ => "",
    };
    let mut text = [
        call.method.as_str(),
        header("content-encoding")?,
        header("content-language")?,
        length.unwrap_or_default(),
        header("content-md5")?,
        header("content-type")?,
        date,
        header("if-modified-since")?,
        header("if-match")?,
        header("if-none-match")?,
        header("if-unmodified-since")?,
        header("range")?,
    ]
    .join("\n");
    let mut names: Vec<_> = call
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with("x-ms-"))
        .collect();
    names.sort_unstable();
    for name in names {
        text.push_str(&format!("\n{name}:{}", header(name)?));
    }
    text.push_str(&format!("\n/{account}{}", call.path));
    let mut query = call.query.clone();
    query.sort();
    for parameters in query.chunk_by(|a, b| a.0 == b.0) {
        let values: Vec<_> = parameters.iter().map(|(_, value)| value.as_str()).collect();
        text.push_str(&format!("\n{}:{}", parameters[0].0, values.join(",")));
    }
    Ok(text)
}

/// The text that a service SAS signs, or `None` where it is of another kind or too old.
fn sas_to_sign(account: &str, call: &Call) -> Option<String> {
    let value = |name| call.parameter(name).unwrap_or_default();
    let mut resource = format!("/blob/{account}/{}", call.container);
    match value("sr") {
        "c" => {}
        "b" if !call.blob.is_empty() => resource.push_str(&format!("/{}", call.blob)),
        _ => return None,
    }
    if value("sv") < FIRST_SAS {
        return None;
    }
    Some(service_sas(&[
        value("sp"),
        value("st"),
        value("se"),
        &resource,
        value("si"),
        value("sip"),
        value("spr"),
        value("sv"),
        value("sr"),
        "",
        value("ses"),
        value("rscc"),
        value("rscd"),
        value("rsce"),
        value("rscl"),
        value("rsct"),
    ]))
}

/// The sixteen fields of a service SAS, one per line; missing ones at the end are empty.
fn service_sas(fields: &[&str]) -> String {
    let mut fields = fields.to_vec();
    fields.resize(16, "");
    fields.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_in_order_and_once() {
        for right in ["", "r", "rl", "rcwli", "racwdxyltfmeopi"] {
            assert!(in_order(right), "{right}");
        }
        for wrong in ["wr", "rr", "lr", "rz"] {
            assert!(!in_order(wrong), "{wrong}");
        }
    }
}
