//! Mailboxes: messages in folders.
//!
//! Reading goes `folders` (which folders are there) → `round` (what changed in one folder, or
//! `listing` where the service cannot say) → `body` (the message itself). `layout` and `meta` say
//! where and how a message lies in the vault.
//! Writing back goes `fields` (what a stored message says) → `compose` (the JSON that creates it)
//! → `write` (create, then read back) → `compare` (is it the same?).

mod body;
mod compare;
mod compose;
mod fidelity;
mod fields;
mod folders;
mod html;
mod layout;
mod listing;
mod meta;
mod mime;
mod preview;
mod property;
mod round;
mod write;

pub use body::{Body, fetch_body};
pub use compare::{Difference, compare};
pub use compose::{Composed, RESTORE_PROPERTY, compose};
pub use fidelity::losses;
pub use fields::{Attachment, Fields, Person, TextBody};
pub use folders::{
    Folder, FolderChange, WELL_KNOWN, folder_changes, folder_exists, well_known_ids,
};
pub use html::normal_form;
pub use layout::{
    fanout_levels, folder_dirs, item_name, overflow_name, place_of_name, short_id_of_name,
};
pub use listing::{Absence, places};
pub use meta::{MessageMeta, StoredForm};
pub use mime::fields_of_mime;
pub use preview::{Preview, preview};
pub use round::{Entry, Listed, Round, listed};
pub use write::{Created, Existing, MailWriter};
