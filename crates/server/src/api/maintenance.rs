//! The maintenance of vaults, which becomes jobs: `checks`, `prunes`, `repairs`, `copies`.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use holdfast_catalog::JobClass;
use holdfast_engine::Home;
use holdfast_engine::verify::Scope;
use holdfast_jobs::{Work, submit};
use holdfast_model::audit::Action;
use holdfast_policy::{KeepRule, Period, Rules};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Path};
use super::problem::{Failures, Problem, Result};
use super::view::Submitted;
use super::who::Who;
use super::{Api, Shared};
use crate::access::Right;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(check))
        .routes(routes!(prune))
        .routes(routes!(repair))
        .routes(routes!(copy))
}

/// True for the kind of a job that is maintenance.
pub(super) fn is_one(kind: &str) -> bool {
    ["check", "prune", "repair", "copy"].contains(&kind)
}

/// What stands in place of the name of an item.
const HIDDEN: &str = "which is for those who may see items";

/// Takes the names of items out of what maintenance came to: they are content, and an error may name
/// the place of a file.
pub(super) fn hide_items(result: &mut Value) {
    let shards = result.get_mut("shards").and_then(Value::as_array_mut).into_iter().flatten();
    let mut shards: Vec<&mut Value> = shards.collect();
    for errors in shards.iter_mut().filter_map(|shard| shard.get_mut("errors")?.as_array_mut()) {
        errors.fill(json!(HIDDEN));
    }
    let shards = shards.into_iter();
    let items = shards.filter_map(|shard| shard.get_mut("damaged")?.as_array_mut()).flatten();
    for item in items.filter_map(Value::as_object_mut) {
        item.remove("id");
        for name in ["title", "folder", "path"] {
            item.insert(name.to_owned(), json!(HIDDEN));
        }
    }
}

async fn queued(
    api: &Api,
    who: &Who,
    act: Act,
    work: Work,
) -> Result<(StatusCode, Json<Submitted>)> {
    let by = who.principal.user.to_string();
    let work =
        |home: Arc<Home>| async move { Ok(submit(&home, work, JobClass::Routine, &by).await?) };
    let job = api.act(who, act.installation(), work).await?;
    Ok((StatusCode::ACCEPTED, Json(Submitted { job })))
}

/// How much to read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckBody {
    /// All data too, and compares it with its hashes.
    #[serde(default)]
    read_data: bool,
    /// Today's share of the data: after so many daily checks all of it was read.
    #[schema(minimum = 1, maximum = 366)]
    share_of_days: Option<u32>,
}

impl CheckBody {
    fn scope(&self) -> Result<Scope> {
        match (self.read_data, self.share_of_days) {
            (all, None) => Ok(all.into()),
            (false, Some(days @ 1..=366)) => Ok(Scope::Share(days)),
            (false, Some(_)) => Err(Problem::invalid("share_of_days is 1 to 366")),
            (true, Some(_)) => Err(Problem::invalid("give read_data or share_of_days, not both")),
        }
    }
}

/// Looks for damage in a vault. The job's result is that of `holdfast vault check --json`.
#[utoipa::path(post, path = "/vaults/{vault}/checks", tag = "vaults", request_body = CheckBody,
    params(("vault" = String, Path, description = "Name or id")),
    responses((status = ACCEPTED, body = Submitted), Failures))]
async fn check(
    State(api): Shared,
    who: Who,
    Path(vault): Path<String>,
    Json(body): Json<CheckBody>,
) -> Result<(StatusCode, Json<Submitted>)> {
    let scope = body.scope()?;
    let act = Act::change(Right::RunMaintenance, Action::VaultCheck)
        .given("vault", Some(&vault))
        .given("read_data", body.read_data.then_some("yes"))
        .given("read_share", body.share_of_days);
    queued(&api, &who, act, Work::Check { vault, scope }).await
}

/// What to keep.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PruneBody {
    /// The newest snapshots of finished backups, so many.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u64)]
    keep_last: Option<NonZeroU32>,
    /// What is younger than this, counted from the newest: `36h`, `30d`, `7y`.
    #[schema(value_type = Option<String>)]
    keep_within: Option<Period>,
    /// Says what would go, and does nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Forgets snapshots by rules (none keeps all) and removes what nothing needs. The job's result is
/// that of `holdfast vault prune --json`. With a rule, unless it is a dry run, it needs the right
/// `manage_policies` and a fresh proof.
#[utoipa::path(post, path = "/vaults/{vault}/prunes", tag = "vaults", request_body = PruneBody,
    params(("vault" = String, Path, description = "Name or id")),
    responses((status = ACCEPTED, body = Submitted), Failures))]
async fn prune(
    State(api): Shared,
    who: Who,
    Path(vault): Path<String>,
    Json(body): Json<PruneBody>,
) -> Result<(StatusCode, Json<Submitted>)> {
    let (last, within) =
        (body.keep_last.map(KeepRule::Last), body.keep_within.map(KeepRule::Within));
    let (rules, dry_run) = (Rules::new(last.into_iter().chain(within)), body.dry_run);
    // What the policies keep goes only by the word of somebody who may set them.
    let act = match rules.keeps_all() || dry_run {
        true => Act::change(Right::RunMaintenance, Action::VaultPrune),
        false => Act::grave(Right::ManagePolicies, Action::VaultPrune),
    };
    let act = act
        .given("vault", Some(&vault))
        .given("keep_last", body.keep_last)
        .given("keep_within", body.keep_within)
        .given("dry_run", dry_run.then_some("yes"));
    queued(&api, &who, act, Work::Prune { vault, rules, dry_run }).await
}

/// From where lost data may come.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RepairBody {
    /// A second vault, by name or id, that may have what is lost.
    from: Option<String>,
}

/// Mends what is damaged; what is nowhere the next backup asks the tenant for. Nothing is deleted.
/// The job's result is that of `holdfast vault repair --json`.
#[utoipa::path(post, path = "/vaults/{vault}/repairs", tag = "vaults", request_body = RepairBody,
    params(("vault" = String, Path, description = "Name or id")),
    responses((status = ACCEPTED, body = Submitted), Failures))]
async fn repair(
    State(api): Shared,
    who: Who,
    Path(vault): Path<String>,
    Json(body): Json<RepairBody>,
) -> Result<(StatusCode, Json<Submitted>)> {
    let act = Act::change(Right::RunMaintenance, Action::VaultRepair)
        .given("vault", Some(&vault))
        .given("from", body.from.as_ref());
    queued(&api, &who, act, Work::Repair { vault, from: body.from }).await
}

/// Where the copy goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CopyBody {
    /// The vault, by name or id, that takes the copy; it takes no backups itself.
    to: String,
}

/// Copies a vault to a second one: only what that lacks. The job's result is that of
/// `holdfast vault copy --json`.
#[utoipa::path(post, path = "/vaults/{vault}/copies", tag = "vaults", request_body = CopyBody,
    params(("vault" = String, Path, description = "Name or id")),
    responses((status = ACCEPTED, body = Submitted), Failures))]
async fn copy(
    State(api): Shared,
    who: Who,
    Path(vault): Path<String>,
    Json(body): Json<CopyBody>,
) -> Result<(StatusCode, Json<Submitted>)> {
    let act = Act::change(Right::RunMaintenance, Action::VaultCopy)
        .given("vault", Some(&vault))
        .given("to", Some(&body.to));
    queued(&api, &who, act, Work::Copy { vault, to: body.to }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_items_are_taken_out_and_figures_stay() {
        let item = json!({
            "resource": "ann", "id": "AAMk", "folder": "Inbox/Board", "kind": "message",
            "title": "Offer", "path": "Inbox/Board/x.eml", "snapshots": [3], "current": true,
        });
        let mut result = json!({ "errors": 2, "shards": [
            { "shard": 1, "damaged": [item], "errors": ["file \"secret.txt\" is lost"] },
        ] });
        hide_items(&mut result);
        let text = result.to_string();
        for word in ["Offer", "Board", "AAMk", "x.eml"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        assert_eq!(result["shards"][0]["errors"], json!([HIDDEN]));
        let item = &result["shards"][0]["damaged"][0];
        assert_eq!((&item["resource"], &item["title"]), (&json!("ann"), &json!(HIDDEN)));
        assert_eq!((&result["errors"], &item["snapshots"]), (&json!(2), &json!([3])));
        let mut none = Value::Null;
        hide_items(&mut none);
        assert_eq!(none, Value::Null);
    }
}
