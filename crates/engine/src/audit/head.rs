//! Heads: what is signed about the newest entry, in the home vault.

use holdfast_catalog::{AuditChain, AuditResume};
use holdfast_model::Timestamp;
use holdfast_model::audit::{Action, FORM};
use holdfast_vault::{AuditKey, Vault, audit_signature_holds};
use serde::{Deserialize, Serialize};

use super::{Audit, by_system};
use crate::home::blocking;
use crate::{Home, Result};

/// Says, signed, which hash an entry has. All entries before it follow from that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the entry.
    pub number: u64,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
    /// When it was signed: milliseconds since 1970.
    pub time: i64,
    /// How many entries there are since the head before.
    pub since: u64,
    /// Ed25519 signature of [`Head::statement`], 128 hexadecimal digits.
    pub signature: String,
}

impl Head {
    pub(super) fn sign(key: &AuditKey, chain: &AuditChain, now: Timestamp) -> Self {
        let mut head = Self {
            number: chain.number,
            hash: chain.hash.clone(),
            time: now.as_millisecond(),
            since: chain.number.saturating_sub(chain.head_number),
            signature: String::new(),
        };
        head.signature = hex::encode(key.sign(&head.statement()));
        head
    }

    /// The text that is signed.
    pub fn statement(&self) -> String {
        let Self { number, hash, time, since, .. } = self;
        format!("{FORM} head\n{number}\n{hash}\n{time}\n{since}\n")
    }

    pub(super) fn is_signed(&self, public: &[u8; 32]) -> bool {
        let signature = hex::decode(&self.signature).unwrap_or_default();
        audit_signature_holds(public, &self.statement(), &signature)
    }

    /// Name of its file. With the hash in it two heads of one number stand side by side, and a
    /// listing says which heads agree with the record.
    fn name(&self) -> String {
        format!("{:020}-{}", self.number, self.hash)
    }

    pub(super) async fn save(&self, vault: &Vault) -> Result<()> {
        let (vault, name) = (vault.clone(), self.name());
        let text = serde_json::to_string(self).expect("plain fields serialise") + "\n";
        blocking(move || Ok(vault.audit_head_put(&name, &text)?)).await
    }
}

/// A head as the listing of the vault shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub number: u64,
    pub hash: String,
}

impl Named {
    fn read(name: &str) -> Option<Self> {
        let (digits, hash) = name.split_once('-')?;
        let number = digits.parse().ok().filter(|_| digits.len() == 20)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        is_hash.then(|| Self { number, hash: hash.to_owned() })
    }

    /// The head itself, if it is what its name says and signed with this key.
    pub(super) async fn load(&self, vault: &Vault, public: &[u8; 32]) -> Result<Option<Head>> {
        let (vault, name) = (vault.clone(), format!("{:020}-{}", self.number, self.hash));
        let text = blocking(move || Ok(vault.audit_head_get(&name)?)).await?.unwrap_or_default();
        let head: Option<Head> = serde_json::from_str(&text).ok();
        let is_ours = |head: &Head| {
            (head.number, &head.hash) == (self.number, &self.hash) && head.is_signed(public)
        };
        Ok(head.filter(is_ours))
    }
}

/// The heads of a vault by number, and the names of other files among them.
pub(super) async fn named(vault: &Vault) -> Result<(Vec<Named>, Vec<String>)> {
    let vault = vault.clone();
    let names = blocking(move || Ok(vault.audit_head_names()?)).await?;
    let (mut heads, mut foreign) = (Vec::new(), Vec::new());
    for name in names {
        match Named::read(&name) {
            Some(head) => heads.push(head),
            None => foreign.push(name),
        }
    }
    heads.sort_unstable();
    Ok((heads, foreign))
}

/// Goes on from the newest head where the catalog does not have its entry: it was made again, or is
/// an older one. The first entry says so, and how many entries are lost; answers with its number.
/// To be called after `catalog rebuild`, `recover` and the start of a server, before anything is
/// recorded.
pub async fn resume(home: &Home) -> Result<Option<u64>> {
    let audit = Audit::open(home).await?;
    let vault = home.vault(None).await?;
    let (mut heads, _) = named(&vault).await?;
    let public = audit.key.public();
    while let Some(newest) = heads.pop() {
        if newest.load(&vault, &public).await?.is_none() {
            continue;
        }
        let head = AuditResume { number: newest.number, hash: newest.hash };
        let sign = |text: &str| hex::encode(audit.key.sign(text));
        let event = by_system(Action::ChainResume);
        let entry = home.catalog.audit_resume(event, &head, &sign).await?;
        if let Some(entry) = &entry {
            audit.save_head().await?;
            tracing::warn!(number = entry.number, "the audit record goes on after lost entries");
        }
        return Ok(entry.map(|entry| entry.number));
    }
    Ok(None)
}
