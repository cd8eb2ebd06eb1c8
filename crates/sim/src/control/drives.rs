//! Control and inspection of sites and drives, without HTTP.
//!
//! Sites, drives and items are named by their ids; people by object id or user principal name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::drive_views::{
    DriveItemView, DriveView, SiteView, drive_view, item_view, site_view, version_view,
};
use crate::error::Refused;
use crate::render::drive as render;
use crate::state::drive::{Dates, Drive, DriveOp, FileBytes, Grant, Kind, Marks, Options, ROOT};
use crate::state::{Op, Outcome, State};
use crate::tenant::Tenant;

impl Tenant {
    /// All sites, personal ones included.
    pub fn sites(&self) -> Vec<SiteView> {
        let state = self.state();
        state.sharepoint.sites.iter().filter(|site| !site.removed).map(site_view).collect()
    }

    /// The drives of all sites.
    pub fn drives(&self) -> Vec<DriveView> {
        let state = self.state();
        let drives = state.sharepoint.drives.iter();
        let present = drives.filter(|drive| !state.sharepoint.site_of(drive).removed);
        present.map(|drive| drive_view(&state, drive)).collect()
    }

    /// The OneDrive of a person.
    pub fn onedrive(&self, upn: &str) -> Result<DriveView, Refused> {
        let state = self.state();
        let user = state.user_index(upn)?;
        Ok(drive_view(&state, state.sharepoint.onedrive(user)?))
    }

    /// Gives a person an empty OneDrive.
    pub fn onedrive_add(&self, upn: &str) -> Result<DriveView, Refused> {
        let mut state = self.state();
        let user = state.user_index(upn)?;
        let made = self.commit(&mut state, Op::OneDriveAdd { user })?;
        made_drive(&state, made)
    }

    /// Makes a team site with the library "Documents".
    pub fn site_add(&self, name: &str, display_name: &str) -> Result<SiteView, Refused> {
        let mut state = self.state();
        let op = Op::SiteAdd { name: name.to_owned(), display_name: display_name.to_owned() };
        match self.commit(&mut state, op)? {
            Outcome::Site(site) => Ok(site_view(&state.sharepoint.sites[site])),
            _ => Err(Refused::SiteNotFound),
        }
    }

    /// Makes another library in a team site.
    pub fn library_add(&self, site: &str, name: &str) -> Result<DriveView, Refused> {
        let mut state = self.state();
        let site = state.sharepoint.site(site)?.number;
        let made = self.commit(&mut state, Op::LibraryAdd { site, name: name.to_owned() })?;
        made_drive(&state, made)
    }

    /// Deletes a site with its drives; the personal site with the OneDrive.
    pub fn site_remove(&self, site: &str) -> Result<(), Refused> {
        let mut state = self.state();
        let site = state.sharepoint.site(site)?.number;
        self.commit(&mut state, Op::SiteRemove { site }).map(|_| ())
    }

    /// All items of a drive, the root first, folders before what is in them.
    pub fn drive_items(&self, drive: &str) -> Result<Vec<DriveItemView>, Refused> {
        // Hashes of large files take long: they are worked out without the lock.
        let (drive, mut views) = self.read_drive(drive, |state, drive| {
            let items = drive.subtree(ROOT).into_iter().filter_map(|item| drive.items.get(&item));
            let views: Vec<_> = items.map(|item| item_view(state, drive, item)).collect();
            Ok((drive.clone(), views))
        })?;
        for view in &mut views {
            let item = drive.item(&view.id)?;
            let newest_first = item.versions.iter().rev();
            view.versions = newest_first.map(version_view).collect();
            view.sha256 = item.body().map_or_else(String::new, |body| body.sha256().to_owned());
        }
        Ok(views)
    }

    /// The bytes that a download of a file gives.
    pub fn drive_content(&self, drive: &str, item: &str) -> Result<Vec<u8>, Refused> {
        let body = self.read_drive(drive, |_, drive| {
            drive.item(item)?.body().cloned().ok_or(Refused::NotAFile)
        })?;
        Ok(body.bytes.to_vec())
    }

    /// The bytes of a version.
    pub fn version_content(
        &self,
        drive: &str,
        item: &str,
        version: &str,
    ) -> Result<Vec<u8>, Refused> {
        let body = self.read_drive(drive, |_, drive| {
            let version = drive.item(item)?.version(version).ok_or(Refused::VersionNotFound)?;
            Ok(std::sync::Arc::clone(&version.body))
        })?;
        Ok(body.bytes.to_vec())
    }

    /// Makes a folder; gives its id.
    pub fn drive_folder_add(
        &self,
        drive: &str,
        parent: &str,
        name: &str,
    ) -> Result<String, Refused> {
        self.drive_add(drive, parent, name, Kind::Folder, None)
    }

    /// Makes a file; gives its id. The bytes stay as they are, in libraries too.
    pub fn file_add(
        &self,
        drive: &str,
        parent: &str,
        name: &str,
        bytes: FileBytes,
    ) -> Result<String, Refused> {
        self.drive_add(drive, parent, name, Kind::File, Some(bytes))
    }

    /// Makes a package of this type (`oneNote`); gives its id. Files may be put into it.
    pub fn package_add(
        &self,
        drive: &str,
        parent: &str,
        name: &str,
        kind: &str,
    ) -> Result<String, Refused> {
        self.drive_add(drive, parent, name, Kind::Package(kind.to_owned()), None)
    }

    /// Adds a shortcut to a folder of another drive; gives its id.
    pub fn shortcut_add(
        &self,
        drive: &str,
        parent: &str,
        name: &str,
        target: (&str, &str),
    ) -> Result<String, Refused> {
        let kind = {
            let state = self.state();
            let number = state.sharepoint.drive_index(target.0)?;
            let item = state.sharepoint.drives[number].item(target.1)?.number;
            Kind::Shortcut { drive: number, item }
        };
        self.drive_add(drive, parent, name, kind, None)
    }

    fn drive_add(
        &self,
        drive: &str,
        parent: &str,
        name: &str,
        kind: Kind,
        bytes: Option<FileBytes>,
    ) -> Result<String, Refused> {
        let mut state = self.state();
        let parent = state.sharepoint.drive(drive)?.item(parent)?.number;
        let dates = Dates::default();
        let op = DriveOp::Add { parent, name: name.to_owned(), kind, bytes, dates };
        match self.drive_commit(&mut state, drive, op)? {
            Outcome::Item(number) => Ok(state.sharepoint.drive(drive)?.item_id(number)),
            _ => Err(Refused::ItemNotFound),
        }
    }

    /// Gives a file new content: another version.
    pub fn file_replace(&self, drive: &str, item: &str, bytes: FileBytes) -> Result<(), Refused> {
        let dates = Dates::default();
        self.change_item(drive, item, |item| DriveOp::Replace { item, bytes, dates })
    }

    /// Sets `fileSystemInfo.lastModifiedDateTime` of a file or folder.
    pub fn file_touch(&self, drive: &str, item: &str, modified: Timestamp) -> Result<(), Refused> {
        let dates = Dates { modified: Some(modified), created: None };
        self.update(drive, item, None, None, dates)
    }

    /// Gives an item another name.
    pub fn drive_item_rename(&self, drive: &str, item: &str, name: &str) -> Result<(), Refused> {
        self.update(drive, item, None, Some(name.to_owned()), Dates::default())
    }

    /// Puts an item into another folder of the drive.
    pub fn drive_item_move(&self, drive: &str, item: &str, parent: &str) -> Result<(), Refused> {
        let parent = self.read_drive(drive, |_, drive| Ok(drive.item(parent)?.number))?;
        self.update(drive, item, Some(parent), None, Dates::default())
    }

    fn update(
        &self,
        drive: &str,
        item: &str,
        parent: Option<u64>,
        name: Option<String>,
        dates: Dates,
    ) -> Result<(), Refused> {
        self.change_item(drive, item, |item| DriveOp::Update { item, parent, name, dates })
    }

    /// Deletes an item with all below it, for good.
    pub fn drive_item_remove(&self, drive: &str, item: &str) -> Result<(), Refused> {
        self.change_item(drive, item, |item| DriveOp::Remove { item })
    }

    /// Shares an item with a person as `read` or `write`; gives the id of the permission.
    pub fn drive_share(
        &self,
        drive: &str,
        item: &str,
        to_upn: &str,
        role: &str,
    ) -> Result<String, Refused> {
        let to = Grant::User(self.state().user_index(to_upn)?);
        self.grant(drive, item, role, to)
    }

    /// Makes a link of a kind (`view` or `edit`) and scope (`organization`, `anonymous` or
    /// `users`); gives the id of the permission.
    pub fn drive_link_add(
        &self,
        drive: &str,
        item: &str,
        kind: &str,
        scope: &str,
    ) -> Result<String, Refused> {
        let role = if kind == "edit" { "write" } else { "read" };
        let (kind, scope) = (kind.to_owned(), scope.to_owned());
        let to = Grant::Link { kind, scope, password: false, users: Vec::new() };
        self.grant(drive, item, role, to)
    }

    fn grant(&self, drive: &str, item: &str, role: &str, to: Grant) -> Result<String, Refused> {
        let mut state = self.state();
        let item = state.sharepoint.drive(drive)?.item(item)?.number;
        let op = DriveOp::Grant { item, role: role.to_owned(), to, expires: None };
        match self.drive_commit(&mut state, drive, op)? {
            Outcome::Permission(number) => {
                Ok(render::permission_id(state.sharepoint.drive(drive)?, number))
            }
            _ => Err(Refused::PermissionNotFound),
        }
    }

    /// Takes a permission back.
    pub fn drive_unshare(&self, drive: &str, item: &str, permission: &str) -> Result<(), Refused> {
        let number = self.read_drive(drive, |_, drive| {
            let mut own = drive.item(item)?.permissions.iter();
            let found = own.find(|known| render::permission_id(drive, known.number) == permission);
            Ok(found.ok_or(Refused::PermissionNotFound)?.number)
        })?;
        self.change_item(drive, item, |item| DriveOp::Revoke { item, permission: number })
    }

    /// Sets columns of an item of a library; columns that it lacks are made. Null takes a value
    /// away.
    pub fn drive_fields_set(
        &self,
        drive: &str,
        item: &str,
        fields: BTreeMap<String, Value>,
    ) -> Result<(), Refused> {
        for name in fields.keys() {
            self.column_add(drive, name)?;
        }
        self.change_item(drive, item, |item| DriveOp::Fields { item, fields })
    }

    /// Makes a custom column in a library.
    pub fn column_add(&self, drive: &str, name: &str) -> Result<(), Refused> {
        let mut state = self.state();
        if state.sharepoint.drive(drive)?.columns.contains(name) {
            return Ok(());
        }
        self.drive_commit(&mut state, drive, DriveOp::Column { name: name.to_owned() }).map(|_| ())
    }

    /// Applies a retention label, or takes it away.
    pub fn drive_label_set(
        &self,
        drive: &str,
        item: &str,
        label: Option<&str>,
    ) -> Result<(), Refused> {
        let name = label.map(str::to_owned);
        self.change_item(drive, item, |item| DriveOp::Label { item, name })
    }

    /// Sets in which states an item cannot be used as usual.
    pub fn drive_marks_set(&self, drive: &str, item: &str, marks: Marks) -> Result<(), Refused> {
        self.change_item(drive, item, |item| DriveOp::Mark { item, marks })
    }

    /// Sets how many bytes fit into a drive.
    pub fn drive_quota_set(&self, drive: &str, total: u64) -> Result<(), Refused> {
        self.drive_options_set(drive, |options| options.quota = total)
    }

    /// Changes how a drive behaves.
    pub fn drive_options_set(
        &self,
        drive: &str,
        change: impl FnOnce(&mut Options),
    ) -> Result<(), Refused> {
        let mut state = self.state();
        let mut options = state.sharepoint.drive(drive)?.options;
        change(&mut options);
        self.drive_commit(&mut state, drive, DriveOp::Options(options)).map(|_| ())
    }

    fn change_item(
        &self,
        drive: &str,
        item: &str,
        op: impl FnOnce(u64) -> DriveOp,
    ) -> Result<(), Refused> {
        let mut state = self.state();
        let number = state.sharepoint.drive(drive)?.item(item)?.number;
        self.drive_commit(&mut state, drive, op(number)).map(|_| ())
    }

    /// Carries out a change of the drive with this id.
    pub(crate) fn drive_commit(
        &self,
        state: &mut State,
        drive: &str,
        change: DriveOp,
    ) -> Result<Outcome, Refused> {
        let drive = state.sharepoint.drive_index(drive)?;
        self.commit(state, Op::Drive { drive, change: Box::new(change) })
    }

    fn read_drive<T>(
        &self,
        drive: &str,
        read: impl FnOnce(&State, &Drive) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let state = self.state();
        read(&state, state.sharepoint.drive(drive)?)
    }
}

fn made_drive(state: &State, made: Outcome) -> Result<DriveView, Refused> {
    match made {
        Outcome::Drive(drive) => Ok(drive_view(state, &state.sharepoint.drives[drive])),
        _ => Err(Refused::DriveNotFound),
    }
}
