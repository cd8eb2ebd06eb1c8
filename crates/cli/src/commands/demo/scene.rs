//! What happens to the company in the demo: a folder is lost, a colleague's mailbox changes.

use holdfast_sim::{FolderView, Tenant, UserView};

use crate::error::{Error, Result};

/// Folders that Exchange makes itself; people do not lose those.
const OWN_FOLDERS: [&str; 8] = [
    "Inbox",
    "Drafts",
    "Sent Items",
    "Deleted Items",
    "Archive",
    "Junk Email",
    "Outbox",
    "Conversation History",
];

/// The folder that somebody is going to lose.
pub struct Victim {
    /// Whose.
    pub user: UserView,
    /// Which.
    pub folder: FolderView,
    /// Messages in it and in the folders below.
    pub messages: usize,
}

/// Messages in all mailboxes.
pub fn messages(tenant: &Tenant) -> Result<usize> {
    let mut sum = 0;
    for user in tenant.users() {
        sum += in_mailbox(tenant, &user.upn)?;
    }
    Ok(sum)
}

/// Messages in one mailbox.
pub fn in_mailbox(tenant: &Tenant, user: &str) -> Result<usize> {
    Ok(tenant.folders(user)?.iter().map(|folder| folder.messages).sum())
}

/// The fullest folder that a person made.
pub fn choose(tenant: &Tenant) -> Result<Victim> {
    let mut best: Option<Victim> = None;
    for user in tenant.users() {
        let folders = tenant.folders(&user.upn)?;
        for folder in folders.iter().filter(|folder| is_made(folder)) {
            let below = folders.iter().filter(|other| other.path.starts_with(&folder.path));
            let messages = below.map(|folder| folder.messages).sum();
            if best.as_ref().is_none_or(|best| messages > best.messages) {
                best = Some(Victim { user: user.clone(), folder: folder.clone(), messages });
            }
        }
    }
    best.filter(|victim| victim.messages > 0).ok_or_else(|| {
        Error::Usage("nobody has a folder to lose; give more people or more mail".to_owned())
    })
}

fn is_made(folder: &FolderView) -> bool {
    let own = |name: &String| OWN_FOLDERS.contains(&name.as_str());
    let discarded = folder.path.first().is_some_and(|name| name == "Deleted Items");
    !discarded && folder.path.last().is_some_and(|name| !own(name))
}

/// What changed in a colleague's mailbox.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Changes {
    /// Whose mailbox.
    pub user: String,
    /// Mail that arrived.
    pub arrived: usize,
    /// Messages whose read mark changed.
    pub marked: usize,
    /// Messages that got a category.
    pub categorised: usize,
    /// Messages moved to another folder.
    pub moved: usize,
    /// Messages deleted into Deleted Items.
    pub discarded: usize,
    /// Messages deleted for good.
    pub deleted: usize,
}

/// A morning's work in the mailbox of somebody else.
pub fn a_morning(tenant: &Tenant, victim: &Victim) -> Result<Changes> {
    let mut others = tenant.users();
    others.retain(|user| user.upn != victim.user.upn);
    let busiest = |user: &UserView| in_mailbox(tenant, &user.upn).unwrap_or_default();
    let Some(user) = others.into_iter().max_by_key(busiest) else {
        return Ok(Changes::default());
    };
    let upn = user.upn;
    let mut inbox = tenant.messages(&upn, "inbox")?.into_iter();
    let mut changes = Changes { user: upn.clone(), ..Changes::default() };
    for message in inbox.by_ref().take(4) {
        tenant.message_update(&upn, &message.id, |edit| edit.is_read = !edit.is_read)?;
        changes.marked += 1;
    }
    for message in inbox.by_ref().take(3) {
        let label = "Waiting for answer".to_owned();
        tenant.message_update(&upn, &message.id, |edit| edit.categories.push(label))?;
        changes.categorised += 1;
    }
    for message in inbox.by_ref().take(4) {
        tenant.message_move(&upn, &message.id, "archive")?;
        changes.moved += 1;
    }
    for message in inbox.by_ref().take(2) {
        tenant.message_delete(&upn, &message.id, false)?;
        changes.discarded += 1;
    }
    for message in inbox.by_ref().take(1) {
        tenant.message_delete(&upn, &message.id, true)?;
        changes.deleted += 1;
    }
    for number in 1..=3 {
        tenant.deliver(&upn, "inbox", letter(tenant, &upn, number).as_bytes())?;
        changes.arrived += 1;
    }
    Ok(changes)
}

fn letter(tenant: &Tenant, to: &str, number: usize) -> String {
    let date = tenant.clock().now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "From: Orders <orders@fabrikam.example>\r\nTo: <{to}>\r\n\
         Subject: Delivery {number} of 3 is on its way\r\nDate: {date}\r\n\
         Message-ID: <demo-{number}@fabrikam.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n\
         Parcel {number} left our warehouse this morning.\r\n"
    )
}
