//! The applications registered in the tenant, with their secrets, certificates and permissions.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::Refused;
use crate::seal::Seal;

/// Application permissions of the registration that may do everything the tenant offers.
const ALL_ROLES: [&str; 8] = [
    "User.Read.All",
    "Organization.Read.All",
    "Mail.Read",
    "Mail.ReadWrite",
    "Files.Read.All",
    "Files.ReadWrite.All",
    "Sites.Read.All",
    "Sites.ReadWrite.All",
];

/// Permissions of the registration for backups: reading only.
const BACKUP_ROLES: [&str; 4] =
    ["User.ReadBasic.All", "Mail.Read", "Files.Read.All", "Sites.Read.All"];

/// Permissions of the registration for restores.
const RESTORE_ROLES: [&str; 5] = [
    "User.ReadBasic.All",
    "Mail.Read",
    "Mail.ReadWrite",
    "Files.ReadWrite.All",
    "Sites.ReadWrite.All",
];

/// An application with its service principal in the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The client id.
    pub client_id: String,
    /// The object id of its service principal.
    pub object_id: String,
    /// The display name.
    pub name: String,
    /// The client secret.
    pub secret: String,
    /// When the secret ends; none means never.
    pub secret_expires: Option<Timestamp>,
    /// The certificates that may sign assertions.
    pub certificates: Vec<Certificate>,
    /// The application permissions granted by the administrator.
    pub roles: BTreeSet<String>,
    /// Whether it may use the admin paths of the tenant.
    pub is_admin: bool,
}

/// A certificate uploaded for an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// SHA-1 over the DER form: `x5t`.
    pub sha1: Vec<u8>,
    /// SHA-256 over the DER form: `x5t#S256`.
    pub sha256: Vec<u8>,
    /// The RSA public key (PKCS #1).
    pub public_key: Vec<u8>,
    /// End of validity, seconds since 1970.
    pub not_after: i64,
}

/// A change to a registration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The administrator grants a permission.
    Grant(String),
    /// The administrator takes a permission back; tokens already issued keep it.
    Revoke(String),
    /// The secret ends at this time.
    SecretExpires(Timestamp),
    /// A certificate is uploaded.
    Certificate(Certificate),
}

impl Registration {
    /// The three applications of a new tenant: all-powerful, backup, restore.
    pub fn first_three(seal: &Seal) -> Vec<Self> {
        let all = Self::new(seal, "all", &ALL_ROLES, true);
        let backup = Self::new(seal, "backup", &BACKUP_ROLES, false);
        let restore = Self::new(seal, "restore", &RESTORE_ROLES, false);
        vec![all, backup, restore]
    }

    fn new(seal: &Seal, name: &str, roles: &[&str], is_admin: bool) -> Self {
        Self {
            client_id: seal.guid(&format!("client/{name}")),
            object_id: seal.guid(&format!("principal/{name}")),
            name: name.to_owned(),
            secret: seal.word(&format!("secret/{name}"), 30),
            secret_expires: None,
            certificates: Vec::new(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            is_admin,
        }
    }

    /// Carries out a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Grant(role) => {
                self.roles.insert(role);
            }
            Change::Revoke(role) => {
                self.roles.remove(&role);
            }
            Change::SecretExpires(at) => self.secret_expires = Some(at),
            Change::Certificate(certificate) => self.certificates.push(certificate),
        }
    }
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    pub fn from_pem(pem: &str) -> Result<Self, Refused> {
        let der =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| Refused::NotACertificate)?;
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|_| Refused::NotACertificate)?;
        let key = certificate.public_key();
        if !matches!(key.parsed(), Ok(x509_parser::public_key::PublicKey::RSA(_))) {
            return Err(Refused::NotACertificate);
        }
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
        let sha256 = digest::digest(&digest::SHA256, &der);
        Ok(Self {
            sha1: sha1.as_ref().to_vec(),
            sha256: sha256.as_ref().to_vec(),
            public_key: key.subject_public_key.data.to_vec(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }
}
