//! What the catalog knows of a restore: that it began, how far each item got, what it came to. A
//! restore that was cut off goes on from there.

use std::collections::BTreeMap;

use holdfast_catalog::{ResourceRow, RestoreItemRow, RestoreLease, RestoreRow, RestoreState};
use holdfast_model::{ItemId, Outcome};
use uuid::Uuid;

use super::{OnConflict, RestoreRequest};
use crate::select::Selection;
use crate::{Home, Result};

/// How far a restore got before this process took over.
pub(super) struct Before {
    /// Id of the restore; empty until it begins.
    pub restore: String,
    /// How far each item got.
    pub items: BTreeMap<ItemId, RestoreItemRow>,
    /// By which the target is this restore's; absent in a dry run.
    lease: Option<RestoreLease>,
}

impl Before {
    /// True for an item that needs nothing more.
    pub fn is_done(&self, item: &ItemId) -> bool {
        self.items.get(item).is_some_and(|row| row.state == RestoreState::Done)
    }

    /// Itself, unless nothing has begun yet.
    pub fn resumed(&self) -> Option<&Self> {
        (!self.restore.is_empty()).then_some(self)
    }

    /// Begins a restore, unless it goes on with one or is a dry run.
    pub async fn begin(
        &mut self,
        home: &Home,
        request: &RestoreRequest,
        source: &Selection,
        target: &ResourceRow,
    ) -> Result<()> {
        if self.lease.is_none() || self.resumed().is_some() {
            return Ok(());
        }
        let row = RestoreRow {
            id: Uuid::now_v7().to_string(),
            resource: source.resource.id.clone(),
            target: target.id.clone(),
            at: Some(source.read_at),
            path: scope(request),
            started_at: home.now(),
            finished_at: None,
            outcome: None,
        };
        home.catalog.restore_start(&row).await?;
        self.restore = row.id;
        Ok(())
    }

    /// Notes how far an item got. Before anything is written for it this says whether the target
    /// is this restore's still.
    pub async fn note(
        &self,
        home: &Home,
        source: &ItemId,
        state: RestoreState,
        target: Option<&str>,
        detail: Option<String>,
    ) -> Result<()> {
        let Some(lease) = &self.lease else { return Ok(()) };
        let row = RestoreItemRow {
            restore: self.restore.clone(),
            source: source.clone(),
            target: target.map(ItemId::from),
            state,
            detail,
        };
        Ok(home.catalog.restore_item_put(lease, &[row]).await?)
    }

    /// Notes what it came to.
    pub async fn finish(&self, home: &Home, outcome: Outcome) -> Result<()> {
        let Some(lease) = &self.lease else { return Ok(()) };
        Ok(home.catalog.restore_finish(lease, &self.restore, outcome).await?)
    }
}

/// How far the unfinished restore of the same source, time, path and target got, if there is one.
pub(super) async fn before(
    home: &Home,
    request: &RestoreRequest,
    source: &Selection,
    target: &ResourceRow,
    lease: Option<RestoreLease>,
) -> Result<Before> {
    let wanted = (&source.resource.id, Some(source.read_at), &scope(request));
    let rows = home.catalog.restore_unfinished(&target.id).await?;
    let same = |row: &RestoreRow| (&row.resource, row.at, &row.path) == wanted;
    let Some(row) = rows.into_iter().find(same) else {
        return Ok(Before { restore: String::new(), items: BTreeMap::new(), lease });
    };
    let items = home.catalog.restore_item_list(&row.id).await?;
    let written = items.into_iter().filter(|item| item.state != RestoreState::Skipped);
    let items = written.map(|item| (item.source.clone(), item)).collect();
    Ok(Before { restore: row.id, items, lease })
}

/// What of a restore point is restored, as the catalog keeps it: the path, before it all that
/// changes the result. No path of a resource begins with one of these words.
fn scope(request: &RestoreRequest) -> Option<String> {
    let mut words = Vec::new();
    words.extend(request.deleted_since.map(|since| format!("~deleted since {since}/")));
    words.extend(request.into.as_deref().map(|into| format!("~into {into}/")));
    words.extend(request.version.as_deref().map(|version| format!("~version {version}/")));
    words.extend(request.versions.then(|| "~versions/".to_owned()));
    words.extend(request.permissions.then(|| "~permissions/".to_owned()));
    match request.on_conflict {
        OnConflict::Skip => {}
        OnConflict::Replace => words.push("~replace/".to_owned()),
        OnConflict::Copy => words.push("~copy/".to_owned()),
    }
    match words.is_empty() {
        true => request.path.clone(),
        false => Some(words.concat() + request.path.as_deref().unwrap_or_default()),
    }
}
