//! Carrying out the changes of a drive.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::body::{Body, FileBytes};
use super::item::{Grant, Item, Kind, Label, Marks, Permission, Version};
use super::op::{Dates, DriveOp};
use super::{Drive, ItemChange, ROOT, names};
use crate::error::Refused;
use crate::state::Outcome;

impl Drive {
    /// Carries out one change. An error leaves the drive as it was.
    pub fn apply(&mut self, at: Timestamp, op: DriveOp) -> Result<Outcome, Refused> {
        let outcome = match op {
            DriveOp::Add { parent, name, kind, bytes, dates } => {
                self.add(at, parent, &name, kind, bytes, dates).map(Outcome::Item)
            }
            DriveOp::Replace { item, bytes, dates } => {
                self.replace(at, item, Arc::new(Body::new(bytes)), dates)
            }
            DriveOp::Restore { item, version } => self.restore(at, item, version),
            DriveOp::Update { item, parent, name, dates } => {
                self.update(at, item, parent, name.as_deref(), dates)
            }
            DriveOp::Remove { item } => self.remove(item),
            DriveOp::Grant { item, role, to, expires } => {
                self.grant(at, item, role, to, expires).map(Outcome::Permission)
            }
            DriveOp::Role { item, permission, role } => self.role(at, item, permission, &role),
            DriveOp::Revoke { item, permission } => self.revoke(at, item, permission),
            DriveOp::Fields { item, fields } => self.set_fields(at, item, fields),
            DriveOp::Label { item, name } => {
                let label = name.map(|name| Label { name, applied: at });
                self.change(at, item, |item| item.label = label)
            }
            DriveOp::Mark { item, marks } => self.change(at, item, |item| item.marks = marks),
            DriveOp::Column { name } => {
                self.columns.insert(name);
                Ok(Outcome::Done)
            }
            DriveOp::Options(options) => {
                self.options = options;
                Ok(Outcome::Done)
            }
        };
        self.times.insert(at, self.seq);
        outcome
    }

    fn bump(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Puts an item without content at its place; the name is free.
    pub(super) fn insert(
        &mut self,
        at: Timestamp,
        parent: Option<u64>,
        name: &str,
        kind: Kind,
        dates: Dates,
    ) -> u64 {
        let number = self.next_item;
        self.next_item += 1;
        let seq = self.bump();
        let item = Item {
            number,
            parent,
            name: name.to_owned(),
            kind,
            seq,
            entered: seq,
            etag: 1,
            ctag: 1,
            created: dates.created.unwrap_or(at),
            modified: dates.modified.unwrap_or(at),
            touched: at,
            versions: Vec::new(),
            next_version: 1,
            below: 0,
            permissions: Vec::new(),
            fields: BTreeMap::new(),
            label: None,
            marks: Marks::default(),
        };
        self.items.insert(number, item);
        self.log.insert(seq, ItemChange::Present(number));
        if let Some(parent) = parent {
            self.children.entry(parent).or_default().insert(names::fold(name), number);
        }
        number
    }

    fn add(
        &mut self,
        at: Timestamp,
        parent: u64,
        name: &str,
        kind: Kind,
        bytes: Option<FileBytes>,
        dates: Dates,
    ) -> Result<u64, Refused> {
        self.check_place(parent, name, None)?;
        let body = match kind {
            Kind::File => Some(bytes.unwrap_or_else(|| Vec::new().into())),
            _ => None,
        };
        self.check_quota(0, body.as_ref().map_or(0, FileBytes::size))?;
        let number = self.insert(at, Some(parent), name, kind, dates);
        if let Some(bytes) = body {
            self.push_version(at, number, Arc::new(Body::new(bytes)), dates);
        }
        self.touch_above(number);
        Ok(number)
    }

    /// Whether an item of this name may lie in this folder.
    fn check_place(&self, parent: u64, name: &str, own: Option<u64>) -> Result<(), Refused> {
        names::check(name)?;
        if !self.numbered(parent)?.holds_items() {
            return Err(Refused::NotAFolder);
        }
        if self.child(parent, name).is_some_and(|taken| Some(taken) != own) {
            return Err(Refused::NameTaken);
        }
        let above: usize = self.path(parent).iter().map(|name| name.chars().count() + 1).sum();
        let below = own.map_or(0, |own| self.deepest(own));
        names::check_path(above + name.chars().count() + below)
    }

    /// Characters of the longest path below an item, slashes included.
    fn deepest(&self, number: u64) -> usize {
        let below = self.children(number).into_iter();
        below
            .map(|item| 1 + item.name.chars().count() + self.deepest(item.number))
            .max()
            .unwrap_or(0)
    }

    fn check_quota(&self, old: u64, new: u64) -> Result<(), Refused> {
        let grows = new > old;
        let after = (self.used() - old.min(self.used())).saturating_add(new);
        if grows && after > self.options.quota { Err(Refused::QuotaReached) } else { Ok(()) }
    }

    /// Makes this the current content of a file.
    fn push_version(&mut self, at: Timestamp, number: u64, body: Arc<Body>, dates: Dates) {
        let Some(item) = self.items.get_mut(&number) else { return };
        let (old, new) = (item.body().map_or(0, |body| body.size()), body.size());
        let modified = dates.modified.unwrap_or(at);
        item.versions.push(Version { number: item.next_version, modified, body });
        item.next_version += 1;
        item.modified = modified;
        item.created = dates.created.unwrap_or(item.created);
        self.resize(number, old, new);
    }

    /// Tells the folders above that a file or folder has another size.
    fn resize(&mut self, number: u64, old: u64, new: u64) {
        for above in self.ancestors(number).into_iter().skip(1) {
            if let Some(folder) = self.items.get_mut(&above) {
                folder.below = (folder.below + new).saturating_sub(old);
            }
        }
    }

    /// The cTags of the folders above change with everything below them.
    fn touch_above(&mut self, number: u64) {
        for above in self.ancestors(number).into_iter().skip(1) {
            if let Some(folder) = self.items.get_mut(&above) {
                folder.ctag += 1;
            }
        }
    }

    /// Changes an item: a new eTag and a new place in the log.
    fn change(
        &mut self,
        at: Timestamp,
        number: u64,
        change: impl FnOnce(&mut Item),
    ) -> Result<Outcome, Refused> {
        let seq = self.seq + 1;
        let item = self.items.get_mut(&number).ok_or(Refused::ItemNotFound)?;
        change(item);
        item.etag += 1;
        item.touched = at;
        let old = std::mem::replace(&mut item.seq, seq);
        self.seq = seq;
        self.log.remove(&old);
        self.log.insert(seq, ItemChange::Present(number));
        self.touch_above(number);
        Ok(Outcome::Done)
    }

    fn replace(
        &mut self,
        at: Timestamp,
        number: u64,
        body: Arc<Body>,
        dates: Dates,
    ) -> Result<Outcome, Refused> {
        let item = self.numbered(number)?;
        let old = item.body().ok_or(Refused::NotAFile)?.size();
        self.check_quota(old, body.size())?;
        self.push_version(at, number, body, dates);
        self.change(at, number, |item| item.ctag += 1)
    }

    fn restore(&mut self, at: Timestamp, number: u64, version: u32) -> Result<Outcome, Refused> {
        let item = self.numbered(number)?;
        let found = item.versions.iter().find(|known| known.number == version);
        let body = Arc::clone(&found.ok_or(Refused::VersionNotFound)?.body);
        self.replace(at, number, body, Dates::default())
    }

    fn update(
        &mut self,
        at: Timestamp,
        number: u64,
        parent: Option<u64>,
        name: Option<&str>,
        dates: Dates,
    ) -> Result<Outcome, Refused> {
        let item = self.numbered(number)?;
        let set_dates = move |item: &mut Item| {
            item.created = dates.created.unwrap_or(item.created);
            item.modified = dates.modified.unwrap_or(item.modified);
        };
        let Some(old_parent) = item.parent else {
            if parent.is_some() || name.is_some() {
                return Err(Refused::RootItem);
            }
            return self.change(at, number, set_dates);
        };
        let (old_name, size) = (item.name.clone(), item.size());
        let parent = parent.unwrap_or(old_parent);
        let name = name.unwrap_or(&old_name).to_owned();
        if parent != old_parent || name != old_name {
            if self.is_below(parent, number) {
                return Err(Refused::ItemCycle);
            }
            self.check_place(parent, &name, Some(number))?;
        }
        self.touch_above(number);
        self.resize(number, size, 0);
        self.unlink(old_parent, &old_name);
        self.children.entry(parent).or_default().insert(names::fold(&name), number);
        let outcome = self.change(at, number, |item| {
            item.parent = Some(parent);
            item.name = name;
            set_dates(item);
        });
        self.resize(number, 0, size);
        outcome
    }

    fn unlink(&mut self, parent: u64, name: &str) {
        if let Some(names) = self.children.get_mut(&parent) {
            names.remove(&names::fold(name));
        }
    }

    fn remove(&mut self, number: u64) -> Result<Outcome, Refused> {
        let item = self.numbered(number)?;
        let parent = item.parent.ok_or(Refused::RootItem)?;
        let (name, size) = (item.name.clone(), item.size());
        self.touch_above(number);
        self.resize(number, size, 0);
        self.unlink(parent, &name);
        for doomed in self.subtree(number) {
            self.children.remove(&doomed);
            let Some(gone) = self.items.remove(&doomed) else { continue };
            self.log.remove(&gone.seq);
            if doomed == number || self.options.lists_descendants {
                let seq = self.bump();
                let change = ItemChange::Removed { number: doomed, entered: gone.entered };
                self.log.insert(seq, change);
            }
        }
        Ok(Outcome::Done)
    }

    fn grant(
        &mut self,
        at: Timestamp,
        item: u64,
        role: String,
        to: Grant,
        expires: Option<Timestamp>,
    ) -> Result<u64, Refused> {
        let same = self.numbered(item)?.permissions.iter().find(|known| known.to == to);
        let number = same.map_or(self.next_permission, |known| known.number);
        self.next_permission = self.next_permission.max(number + 1);
        self.change(at, item, |item| {
            item.permissions.retain(|known| known.number != number);
            item.permissions.push(Permission { number, role, to, expires });
        })?;
        Ok(number)
    }

    fn role(
        &mut self,
        at: Timestamp,
        item: u64,
        permission: u64,
        role: &str,
    ) -> Result<Outcome, Refused> {
        self.own_permission(item, permission)?;
        self.change(at, item, |item| {
            let found = item.permissions.iter_mut().find(|known| known.number == permission);
            found.into_iter().for_each(|found| role.clone_into(&mut found.role));
        })
    }

    fn revoke(&mut self, at: Timestamp, item: u64, permission: u64) -> Result<Outcome, Refused> {
        self.own_permission(item, permission)?;
        self.change(at, item, |item| item.permissions.retain(|known| known.number != permission))
    }

    fn own_permission(&self, item: u64, permission: u64) -> Result<(), Refused> {
        let known = self.numbered(item)?.permissions.iter();
        let found = known.filter(|known| known.number == permission).count();
        if found == 0 { Err(Refused::PermissionNotFound) } else { Ok(()) }
    }

    fn set_fields(
        &mut self,
        at: Timestamp,
        item: u64,
        fields: BTreeMap<String, Value>,
    ) -> Result<Outcome, Refused> {
        if self.made.owner.is_some() || item == ROOT {
            return Err(Refused::NotALibrary);
        }
        // Every library has a title.
        let is_known = |name: &String| name == "Title" || self.columns.contains(name);
        if !fields.keys().all(is_known) {
            return Err(Refused::UnknownColumn);
        }
        self.change(at, item, |item| {
            item.fields.extend(fields);
            item.fields.retain(|_, value| !value.is_null());
        })
    }
}
