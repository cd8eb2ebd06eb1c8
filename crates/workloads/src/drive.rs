//! Drives: the files of OneDrive and of SharePoint's document libraries.
//!
//! Reading goes `sites` (which sites and drives are there) → `round` (what changed in one drive) →
//! `content` (the bytes, and what it means where they cannot be had), `about` (sharing, columns,
//! label), `versions` (earlier ones). `layout` and `meta` say where and how a file lies in the
//! vault.
//! Writing back goes `write` (folders, upload sessions, sharing) → `compare` (is it the same?).

mod about;
mod compare;
mod content;
mod hash;
mod layout;
mod meta;
mod round;
mod sites;
mod versions;
mod write;

pub use about::{About, Columns, Fields, FieldsFrom, about_of, columns, fields};
pub use compare::{Same, compare_files};
pub use content::{content, is_error_page, skip_cause};
pub use hash::QuickXor;
pub use layout::{
    about_path, fanout_levels, file_name, file_name_with_id, folder_name, folder_name_with_id,
    place, version_name, versions_path,
};
pub use meta::{FileForm, FileMeta, is_office};
pub use round::{DriveFolder, Entry, Listed, Round, listed};
pub use sites::{Drive, Owner, Site, default_drive, drives, owner, personal_site, sites};
pub use versions::{ListedVersion, version_content, version_number, versions};
pub use write::{DriveWriter, Live, NewFile};
