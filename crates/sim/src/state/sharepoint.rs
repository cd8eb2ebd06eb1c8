//! The part of the tenant that SharePoint holds: sites and drives.

use std::sync::Arc;

use jiff::Timestamp;

use super::drive::{Drive, DriveOp, NewDrive, Options};
use super::site::{self, Site};
use super::{Outcome, User};
use crate::error::Refused;
use crate::seal::Seal;

/// The name of every OneDrive and of the first library of a site.
const DEFAULT_LIBRARY: &str = "Documents";

/// Sites and drives, in the order of creation; what was removed stays, marked.
#[derive(Debug)]
pub struct SharePoint {
    seal: Arc<Seal>,
    /// The sites.
    pub sites: Vec<Site>,
    /// The drives of all sites.
    pub drives: Vec<Drive>,
}

impl SharePoint {
    /// Nothing.
    pub fn new(seal: Arc<Seal>) -> Self {
        Self { seal, sites: Vec::new(), drives: Vec::new() }
    }

    /// The site with this id.
    pub fn site(&self, id: &str) -> Result<&Site, Refused> {
        let same = |site: &&Site| !site.removed && site.id.eq_ignore_ascii_case(id);
        self.sites.iter().find(same).ok_or(Refused::SiteNotFound)
    }

    /// The number of the drive with this id; upper and lower case are different letters.
    pub fn drive_index(&self, id: &str) -> Result<usize, Refused> {
        let same = |drive: &Drive| drive.made.id == id && !self.sites[drive.made.site].removed;
        self.drives.iter().position(same).ok_or(Refused::DriveNotFound)
    }

    /// The drive with this id.
    pub fn drive(&self, id: &str) -> Result<&Drive, Refused> {
        Ok(&self.drives[self.drive_index(id)?])
    }

    /// The drive of a person.
    pub fn onedrive(&self, user: usize) -> Result<&Drive, Refused> {
        let own =
            |drive: &&Drive| drive.made.owner == Some(user) && !self.sites[drive.made.site].removed;
        self.drives.iter().find(own).ok_or(Refused::NoOneDrive)
    }

    /// The site of a drive.
    pub fn site_of(&self, drive: &Drive) -> &Site {
        &self.sites[drive.made.site]
    }

    /// Makes a team site with the library "Documents".
    pub fn site_add(
        &mut self,
        at: Timestamp,
        name: &str,
        display_name: &str,
    ) -> Result<Outcome, Refused> {
        let site = self.insert_site(at, name, display_name, None)?;
        self.insert_drive(at, site, DEFAULT_LIBRARY);
        Ok(Outcome::Site(site))
    }

    /// Makes the OneDrive of a person, who has none.
    pub fn onedrive_add(
        &mut self,
        at: Timestamp,
        user: usize,
        person: &User,
    ) -> Result<Outcome, Refused> {
        if self.onedrive(user).is_ok() {
            return Err(Refused::SiteExists);
        }
        let name = site::personal_name(&person.profile.upn);
        let site = self.insert_site(at, &name, &person.profile.display_name, Some(user))?;
        Ok(Outcome::Drive(self.insert_drive(at, site, "OneDrive")))
    }

    /// Makes another library in a team site.
    pub fn library_add(
        &mut self,
        at: Timestamp,
        site: usize,
        name: &str,
    ) -> Result<Outcome, Refused> {
        let found = self.sites.get(site).filter(|site| site.owner.is_none());
        let drives = &found.ok_or(Refused::SiteNotFound)?.drives;
        let folded = name.to_lowercase();
        if drives.iter().any(|drive| self.drives[*drive].made.name.to_lowercase() == folded) {
            return Err(Refused::NameTaken);
        }
        Ok(Outcome::Drive(self.insert_drive(at, site, name)))
    }

    /// Deletes a site with its drives.
    pub fn site_remove(&mut self, site: usize) -> Result<Outcome, Refused> {
        self.sites.get_mut(site).ok_or(Refused::SiteNotFound)?.removed = true;
        Ok(Outcome::Done)
    }

    /// Changes a drive.
    pub fn change(
        &mut self,
        at: Timestamp,
        drive: usize,
        change: DriveOp,
    ) -> Result<Outcome, Refused> {
        self.drives.get_mut(drive).ok_or(Refused::DriveNotFound)?.apply(at, change)
    }

    fn insert_site(
        &mut self,
        at: Timestamp,
        name: &str,
        display_name: &str,
        owner: Option<usize>,
    ) -> Result<usize, Refused> {
        let taken = |site: &Site| {
            !site.removed
                && site.owner.is_some() == owner.is_some()
                && site.name.eq_ignore_ascii_case(name)
        };
        if self.sites.iter().any(taken) {
            return Err(Refused::SiteExists);
        }
        let number = self.sites.len();
        let guid = |part: &str| self.seal.guid(&format!("site/{number}/{name}/{part}"));
        self.sites.push(Site {
            number,
            id: format!("{},{},{}", site::host(owner.is_some()), guid("collection"), guid("web")),
            name: name.to_owned(),
            display_name: display_name.to_owned(),
            owner,
            created: at,
            removed: false,
            drives: Vec::new(),
        });
        Ok(number)
    }

    fn insert_drive(&mut self, at: Timestamp, site: usize, name: &str) -> usize {
        let number = self.drives.len();
        let id = self.seal.drive_id(&format!("{number}/{name}"));
        let owner = self.sites[site].owner;
        let mut drive = Drive::new(
            NewDrive {
                tag: self.seal.drive_tag(&id),
                list: self.seal.guid(&format!("list/{id}")),
                id,
                name: name.to_owned(),
                site,
                owner,
                web_url: self.sites[site].library_url(name),
            },
            at,
        );
        drive.options = Options::of(owner.is_none());
        self.drives.push(drive);
        self.sites[site].drives.push(number);
        number
    }
}
