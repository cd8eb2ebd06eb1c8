//! What lies in restore points: `items`, `content`, `export`, `history`, `changes`, `search`.

mod export;
pub(super) mod stream;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use holdfast_catalog::ResourceRow;
use holdfast_engine::browse::{self, At};
use holdfast_engine::find::{FindRequest, find};
use holdfast_engine::{diff, history};
use holdfast_model::audit::Action;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Page, Path, Query, after, limit};
use super::problem::{Failures, Problem, Result};
use super::view::{DiffView, EntryView, HistoryView, HitView, StoredVersionView};
use super::who::Who;
use super::{Api, Shared};
use crate::access::{Right, visible};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(content))
        .routes(routes!(stored_versions))
        .routes(routes!(versions))
        .routes(routes!(changes))
        .routes(routes!(search))
        .merge(export::routes())
}

/// A restore point as it is written.
pub(super) fn at(text: Option<&str>) -> Result<At> {
    let parsed = text.map(str::parse).transpose();
    let wrong = |_| Problem::invalid("a restore point is a time or the beginning of a snapshot id");
    Ok(parsed.map_err(wrong)?.unwrap_or_default())
}

/// Where to look.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Tenant, where several have a resource of this name.
    tenant: Option<String>,
    /// Restore point: a time (the last one at or before it) or the beginning of a snapshot id; the
    /// newest where absent.
    at: Option<String>,
    /// Folder, message or file; the whole resource where absent.
    #[serde(default)]
    path: String,
    /// Also what lies in the folders below.
    #[serde(default)]
    recursive: bool,
    /// Only what comes after this path: `next` of the page before.
    after: Option<String>,
    /// Entries of a page: 100 where absent, 1,000 at most.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

impl Place {
    fn act(&self, action: Action) -> Act {
        Act::view(Right::ReadContent, action)
            .reads()
            .items([self.path.as_str()])
            .given("at", self.at.as_ref())
            .given("recursive", self.recursive.then_some("yes"))
    }
}

/// Lists a folder of a restore point.
#[utoipa::path(get, path = "/resources/{resource}/items", tag = "items",
    params(("resource" = String, Path, description = "Id, name or Graph id"), Place),
    responses((status = OK, body = Page<EntryView>), Failures))]
async fn list(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Query(place): Query<Place>,
) -> Result<Json<Page<EntryView>>> {
    let (at, limit) = (at(place.at.as_deref())?, limit(place.limit)?);
    let act = place.act(Action::ItemList);
    let (act, row) = api.resource(&who, act, place.tenant.as_deref(), &name).await?;
    let entries = api
        .act(&who, act, move |home| async move {
            let (tenant, id) = (Some(row.tenant.as_str()), row.id.as_str());
            Ok(browse::ls(&home, tenant, id, &at, &place.path, place.recursive).await?)
        })
        .await?;
    let entries = after(entries, place.after.as_deref(), |entry| &entry.path)?;
    let entries = entries.take(limit as usize + 1).map(EntryView::from).collect();
    Ok(Json(Page::cut(entries, limit, |entry| entry.path.clone())))
}

/// What to read.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct What {
    /// Tenant, where several have a resource of this name.
    tenant: Option<String>,
    /// Restore point; the newest where absent.
    at: Option<String>,
    /// Message or file.
    path: String,
    /// An earlier version of a file, as the service numbered it.
    version: Option<String>,
}

/// Gives a message (MIME) or a file, byte for byte. Where it ends early, the vault is damaged.
#[utoipa::path(get, path = "/resources/{resource}/content", tag = "items",
    params(("resource" = String, Path, description = "Id, name or Graph id"), What),
    responses((status = OK, content_type = "application/octet-stream", body = Vec<u8>), Failures))]
async fn content(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Query(what): Query<What>,
) -> Result<Response> {
    let point = at(what.at.as_deref())?;
    let act = Act::view(Right::ReadContent, Action::ItemRead)
        .items([what.path.as_str()])
        .given("at", what.at.as_ref())
        .given("version", what.version.as_ref());
    let (act, row) = api.resource(&who, act, what.tenant.as_deref(), &name).await?;
    let file = what.path.rsplit('/').next().unwrap_or_default().to_owned();
    // On record before the first byte goes out.
    api.act(&who, act, |_| async { Ok(()) }).await?;
    stream::answer(&api, &file, move |home, mut out| async move {
        let (tenant, id) = (Some(row.tenant.as_str()), row.id.as_str());
        match what.version.as_deref() {
            Some(version) => {
                let place = (what.path.as_str(), version);
                browse::cat_version(&home, tenant, id, &point, place, &mut out).await
            }
            None => browse::cat(&home, tenant, id, &point, &what.path, &mut out).await,
        }
    })
    .await
}

/// Which file.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct File {
    /// Tenant, where several have a resource of this name.
    tenant: Option<String>,
    /// Restore point; the newest where absent.
    at: Option<String>,
    /// The file.
    path: String,
}

/// Lists the earlier versions of a file, as the service numbered them.
#[utoipa::path(get, path = "/resources/{resource}/versions", tag = "items",
    params(("resource" = String, Path, description = "Id, name or Graph id"), File),
    responses((status = OK, body = Page<StoredVersionView>), Failures))]
async fn stored_versions(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Query(file): Query<File>,
) -> Result<Json<Page<StoredVersionView>>> {
    let point = at(file.at.as_deref())?;
    let act = Act::view(Right::ReadContent, Action::ItemList)
        .reads()
        .items([file.path.as_str()])
        .given("at", file.at.as_ref())
        .given("versions", Some("yes"));
    let (act, row) = api.resource(&who, act, file.tenant.as_deref(), &name).await?;
    let stored = api
        .act(&who, act, move |home| async move {
            let (tenant, id) = (Some(row.tenant.as_str()), row.id.as_str());
            Ok(browse::versions(&home, tenant, id, &point, &file.path).await?)
        })
        .await?;
    Ok(Json(Page::whole(stored.into_iter().map(StoredVersionView::from).collect())))
}

/// Which item.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Item {
    /// Tenant, where several have a resource of this name.
    tenant: Option<String>,
    /// Its path in any restore point, or its Graph id.
    item: String,
}

/// Shows all states of an item over all restore points.
#[utoipa::path(get, path = "/resources/{resource}/history", tag = "items",
    params(("resource" = String, Path, description = "Id, name or Graph id"), Item),
    responses((status = OK, body = HistoryView), Failures))]
async fn versions(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Query(which): Query<Item>,
) -> Result<Json<HistoryView>> {
    let act =
        Act::view(Right::ReadContent, Action::ItemHistory).reads().items([which.item.as_str()]);
    let (act, row) = api.resource(&who, act, which.tenant.as_deref(), &name).await?;
    let found = api
        .act(&who, act, move |home| async move {
            let (tenant, id) = (Some(row.tenant.as_str()), row.id.as_str());
            Ok(history::history(&home, tenant, id, &which.item).await?)
        })
        .await?;
    Ok(Json(found.into()))
}

/// Which restore points to compare.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Between {
    /// Tenant, where several have a resource of this name.
    tenant: Option<String>,
    /// The earlier restore point; the one before `to` where absent.
    from: Option<String>,
    /// The later one; the newest where absent.
    to: Option<String>,
    /// Changes that are listed: 100 where absent, 1,000 at most.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

/// Compares two restore points.
#[utoipa::path(get, path = "/resources/{resource}/changes", tag = "items",
    params(("resource" = String, Path, description = "Id, name or Graph id"), Between),
    responses((status = OK, body = DiffView), Failures))]
async fn changes(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Query(between): Query<Between>,
) -> Result<Json<DiffView>> {
    let limit = limit(between.limit)? as usize;
    let from = between.from.as_deref().map(|text| at(Some(text))).transpose()?;
    let to = at(between.to.as_deref())?;
    let act = Act::view(Right::ReadContent, Action::ItemDiff)
        .reads()
        .given("from", between.from.as_ref())
        .given("to", between.to.as_ref());
    let (act, row): (Act, ResourceRow) =
        api.resource(&who, act, between.tenant.as_deref(), &name).await?;
    let diff = api
        .act(&who, act, move |home| async move {
            let (tenant, id) = (Some(row.tenant.as_str()), row.id.as_str());
            Ok(diff::diff(&home, tenant, id, from.as_ref(), &to).await?)
        })
        .await?;
    Ok(Json(DiffView::of(diff, limit)))
}

/// What to look for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Each word must be found: as a part of name, subject or sender, or, with `*` for any text, as
    /// the whole of one of them. What stands between `"` is one word, blanks and all.
    query: String,
    /// Only resources of this tenant.
    tenant: Option<String>,
    /// Only this resource.
    resource: Option<String>,
    /// In which restore point; the newest where absent.
    at: Option<String>,
    /// Only what older restore points have and the newest has not.
    #[serde(default)]
    deleted: bool,
    /// Hits that are listed: 100 where absent, 1,000 at most.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

/// The words of a query; what stands between `"` is one.
fn words(query: &str) -> Vec<String> {
    let parts = query.split('"').enumerate();
    let words = parts.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.filter(|word| !word.trim().is_empty()).map(str::to_owned).collect()
}

/// Finds messages by subject or sender and files by name, in what may be seen. Where something
/// could not be searched, the vault is damaged and this fails.
#[utoipa::path(get, path = "/search", tag = "items", params(Search),
    responses((status = OK, body = Page<HitView>), Failures))]
async fn search(
    State(api): Shared,
    who: Who,
    Query(search): Query<Search>,
) -> Result<Json<Page<HitView>>> {
    let texts = words(&search.query);
    if texts.is_empty() {
        return Err(Problem::invalid("there is nothing to look for"));
    }
    let act = Act::view(Right::Search, Action::ItemSearch)
        .reads()
        .given("query", Some(&search.query))
        .given("at", search.at.as_ref())
        .given("deleted", search.deleted.then_some("yes"));
    let (act, resource) = match &search.resource {
        Some(name) => {
            let (act, row) = api.resource(&who, act, search.tenant.as_deref(), name).await?;
            (act, Some(row.id.0))
        }
        None => (act.anywhere(), None),
    };
    let request = FindRequest {
        tenant: search.tenant,
        resource,
        at: at(search.at.as_deref())?,
        deleted: search.deleted,
        texts,
        among: Some(visible(&who.principal, Right::Search)),
        limit: Some(limit(search.limit)? as usize),
    };
    let finds =
        api.act(&who, act, move |home| async move { Ok(find(&home, &request).await?) }).await?;
    if let Some((_, unread)) = finds.damaged.into_iter().next() {
        return Err(unread.error.into());
    }
    Ok(Json(Page::whole(finds.hits.into_iter().map(HitView::from).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_quotes_is_one_word() {
        assert_eq!(
            words(r#"  annual report "of the year" x"#),
            ["annual", "report", "of the year", "x"]
        );
        assert_eq!(words(r#""open end"#), ["open end"]);
        assert_eq!(words(r#" "" " " "#), [""; 0]);
    }
}
