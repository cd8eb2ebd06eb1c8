//! Changes to sites and drives: the body of `POST /_sim/drives`, named by `action`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Refused;
use crate::http::{Answer, Reply};
use crate::state::drive::{FileBytes, Marks};
use crate::tenant::Tenant;

/// A change. `bytes` is `{"base64": …}` or `{"made": {"seed": …, "size": …}}`; `root` names the
/// root of a drive.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Command {
    /// A person gets a OneDrive.
    OnedriveAdd { user: String },
    /// A team site with one library.
    SiteAdd { name: String, display_name: String },
    /// Another library.
    LibraryAdd { site: String, name: String },
    /// A site goes with its drives.
    SiteRemove { site: String },
    /// A folder.
    FolderAdd { drive: String, parent: String, name: String },
    /// A file.
    FileAdd { drive: String, parent: String, name: String, bytes: FileBytes },
    /// A package.
    PackageAdd { drive: String, parent: String, name: String, kind: String },
    /// Another version of a file.
    FileReplace { drive: String, item: String, bytes: FileBytes },
    /// Another `lastModifiedDateTime` of a file.
    FileTouch { drive: String, item: String, modified: Timestamp },
    /// Another name.
    Rename { drive: String, item: String, name: String },
    /// Another folder.
    Move { drive: String, item: String, parent: String },
    /// Gone for good.
    Remove { drive: String, item: String },
    /// Shared with a person.
    Share { drive: String, item: String, to: String, role: String },
    /// A link.
    Link { drive: String, item: String, kind: String, scope: String },
    /// A permission is taken back.
    Unshare { drive: String, item: String, permission: String },
    /// Columns.
    Fields { drive: String, item: String, fields: BTreeMap<String, Value> },
    /// A retention label.
    Label { drive: String, item: String, name: Option<String> },
    /// States in which a file cannot be used as usual.
    Marks { drive: String, item: String, marks: Marks },
    /// A ransomware day.
    Ransomware {
        drive: String,
        #[serde(default)]
        seed: u64,
    },
    /// Bytes that fit into a drive.
    Quota { drive: String, total: u64 },
}

/// Carries out a change; answers with the id of what it made, of an attack with what it did.
pub fn change(tenant: &Tenant, command: Command) -> Answer {
    use Command as C;
    let made: Result<String, Refused> = match command {
        C::OnedriveAdd { user } => tenant.onedrive_add(&user).map(|drive| drive.id),
        C::SiteAdd { name, display_name } => {
            tenant.site_add(&name, &display_name).map(|site| site.id)
        }
        C::LibraryAdd { site, name } => tenant.library_add(&site, &name).map(|drive| drive.id),
        C::FolderAdd { drive, parent, name } => tenant.drive_folder_add(&drive, &parent, &name),
        C::FileAdd { drive, parent, name, bytes } => tenant.file_add(&drive, &parent, &name, bytes),
        C::PackageAdd { drive, parent, name, kind } => {
            tenant.package_add(&drive, &parent, &name, &kind)
        }
        C::Share { drive, item, to, role } => tenant.drive_share(&drive, &item, &to, &role),
        C::Link { drive, item, kind, scope } => tenant.drive_link_add(&drive, &item, &kind, &scope),
        C::Ransomware { drive, seed } => {
            return Ok(Reply::json(200, json!(tenant.ransomware(&drive, seed)?)));
        }
        other => {
            change_silent(tenant, other)?;
            return Ok(Reply::empty(204));
        }
    };
    Ok(Reply::json(200, json!({"id": made?})))
}

fn change_silent(tenant: &Tenant, command: Command) -> Result<(), Refused> {
    use Command as C;
    match command {
        C::SiteRemove { site } => tenant.site_remove(&site),
        C::FileReplace { drive, item, bytes } => tenant.file_replace(&drive, &item, bytes),
        C::FileTouch { drive, item, modified } => tenant.file_touch(&drive, &item, modified),
        C::Rename { drive, item, name } => tenant.drive_item_rename(&drive, &item, &name),
        C::Move { drive, item, parent } => tenant.drive_item_move(&drive, &item, &parent),
        C::Remove { drive, item } => tenant.drive_item_remove(&drive, &item),
        C::Unshare { drive, item, permission } => tenant.drive_unshare(&drive, &item, &permission),
        C::Fields { drive, item, fields } => tenant.drive_fields_set(&drive, &item, fields),
        C::Label { drive, item, name } => tenant.drive_label_set(&drive, &item, name.as_deref()),
        C::Marks { drive, item, marks } => tenant.drive_marks_set(&drive, &item, marks),
        C::Quota { drive, total } => tenant.drive_quota_set(&drive, total),
        _ => Ok(()),
    }
}
