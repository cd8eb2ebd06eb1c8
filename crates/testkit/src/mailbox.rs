//! Mailboxes as the tenant has them and as restore points have them, to be compared.

use std::collections::BTreeMap;

use holdfast_engine::Home;
use holdfast_engine::browse::{At, locate};
use holdfast_sim::{Flag, Tenant};

/// Everything that a restore point must say about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Real names of the folders from the top.
    pub folder: Vec<String>,
    /// Beginning of the subject.
    pub subject: String,
    /// Read, draft, flagged, importance, categories.
    pub state: Vec<String>,
    /// Size of the MIME.
    pub size: usize,
    /// SHA-256 of the MIME.
    pub sha256: String,
}

/// A mailbox by Graph id.
pub type Mailbox = BTreeMap<String, Kept>;

/// What is compared of a message.
pub fn kept(folder: Vec<String>, subject: &str, state: Vec<String>, bytes: &[u8]) -> Kept {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let subject = subject.chars().take(30).collect();
    Kept { folder, subject, state, size: bytes.len(), sha256: hex::encode(digest) }
}

/// A mailbox as the tenant has it now.
pub fn live(tenant: &Tenant, upn: &str) -> Mailbox {
    let mut mailbox = Mailbox::new();
    for folder in tenant.folders(upn).unwrap() {
        for view in tenant.messages(upn, &folder.id).unwrap() {
            let state = vec![
                view.is_read.to_string(),
                view.is_draft.to_string(),
                (view.flag != Flag::default()).to_string(),
                view.importance.as_str().to_owned(),
                view.categories.join(","),
            ];
            let bytes = tenant.mime(upn, &view.id).unwrap();
            mailbox.insert(view.id, kept(folder.path.clone(), &view.subject, state, &bytes));
        }
    }
    mailbox
}

/// A mailbox as a restore point has it; `None` where there is no restore point.
pub async fn stored(home: &Home, upn: &str, at: &At) -> Option<Mailbox> {
    let located = locate(home, None, upn, at).await.ok()?;
    let mut mailbox = Mailbox::new();
    for found in located.items("").unwrap() {
        let meta = found.message().unwrap();
        let state = vec![
            meta.read.to_string(),
            meta.draft.to_string(),
            meta.flag.is_some().to_string(),
            meta.imp.clone().unwrap_or_else(|| "normal".to_owned()),
            meta.cat.join(","),
        ];
        let folder = found.folders.iter().map(|step| step.meta.name.clone()).collect();
        let bytes = located.reader.bytes(&found.node).unwrap();
        let twice = mailbox.insert(meta.id.clone(), kept(folder, &meta.subject, state, &bytes));
        assert!(twice.is_none(), "{} lies in two places", found.path());
    }
    Some(mailbox)
}

/// Fails with the first message that differs.
pub fn assert_same(stored: &Mailbox, live: &Mailbox, what: &str) {
    for (id, message) in live {
        assert_eq!(stored.get(id), Some(message), "{what}: {id} (left: stored, right: tenant)");
    }
    let surplus = stored.iter().find(|(id, _)| !live.contains_key(*id));
    assert_eq!(surplus, None, "{what}: stored and no longer in the tenant");
}
