//! What the faults of drives answer.

use serde::{Deserialize, Serialize};

use super::FaultKind;
use crate::http::{Call, GraphError};

/// What a client that has to begin again is told to do with what it holds (source: Graph,
/// "driveItem: delta", read 2026-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resync {
    /// Replace local items with the server's version.
    ApplyDifferences,
    /// Keep both where they differ.
    UploadDifferences,
}

impl FaultKind {
    /// Whether the fault strikes the address behind a redirect, not the request for it.
    pub fn is_of_download(&self) -> bool {
        matches!(
            self,
            Self::MalwareBody
                | Self::DownloadExpired
                | Self::DownloadUnauthorisedWithBytes
                | Self::BrokenAfter(_)
        )
    }
}

/// Whether the request is one of SharePoint's.
pub fn is_drive(call: &Call) -> bool {
    let part = |index: usize| call.segments.get(index).map_or("", String::as_str);
    ["drives", "sites"].contains(&part(1))
        || ["drive", "drives"].contains(&part(3))
        || ["upload", "download"].contains(&part(0))
}

/// The errors that strike sites and drives only.
pub fn error(kind: &FaultKind, call: &Call) -> Option<GraphError> {
    let error = |status, code, message: &str| Some(GraphError::new(status, code, message));
    if !is_drive(call) {
        return None;
    }
    match kind {
        FaultKind::ItemGone => error(404, "itemNotFound", "The resource could not be found."),
        FaultKind::QuotaReached => Some(crate::error::Refused::QuotaReached.into()),
        FaultKind::ResourceLocked => Some(crate::error::Refused::ItemLocked.into()),
        FaultKind::MalwareDetected => Some(crate::error::Refused::Malware.into()),
        FaultKind::SharingDisabled => Some(crate::error::Refused::SharingDisabled.into()),
        FaultKind::NotAllowed => {
            let message = "The subscription within the tenant has lapsed.";
            error(403, "notAllowed", message)
        }
        FaultKind::NotebookFails(404) => {
            error(404, "itemNotFound", "The resource could not be found.")
        }
        FaultKind::NotebookFails(status) => {
            error(*status, "serviceNotAvailable", "The service is not available. Try again later.")
        }
        // A session tells it with the last piece only.
        FaultKind::NameTaken if call.segments.first().is_some_and(|part| part == "upload") => None,
        FaultKind::NameTaken => Some(crate::error::Refused::NameTaken.into()),
        FaultKind::Resync(form) if super::is_delta(call) => Some(resync(call, *form)),
        _ => None,
    }
}

/// 410 for a token that is too old, with the way to begin again.
pub fn resync(call: &Call, form: Resync) -> GraphError {
    let inner = match form {
        Resync::ApplyDifferences => "resyncChangesApplyDifferences",
        Resync::UploadDifferences => "resyncChangesUploadDifferences",
    };
    let location = format!("{}/v1.0/{}", call.base, delta_path(call));
    GraphError::new(410, "resyncRequired", "Resync required. Replace any local items.")
        .inner(inner)
        .with("location", location)
}

/// The path of a delta without its token.
pub fn delta_path(call: &Call) -> &str {
    let path = call.own_path();
    path.split("(token=").next().unwrap_or(path).trim_end_matches("()")
}
