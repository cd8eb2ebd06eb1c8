//! `vaults`, and their recovery kits.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use holdfast_engine::{Error, Home, NewVault, Storage, Unlock, stats};
use holdfast_model::audit::Action;
use holdfast_model::{Secret, Timestamp};
use holdfast_vault::{Bandwidth, Location, LockMode, VaultSecret};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Page, Path};
use super::problem::{Failures, Problem, Result};
use super::view::{AddedVaultView, KitProof, VaultView};
use super::who::Who;
use super::{Api, Shared};
use crate::access::Right;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(figures))
        .routes(routes!(kit))
        .routes(routes!(prove))
}

/// Lists the vaults.
#[utoipa::path(get, path = "/vaults", tag = "vaults",
    responses((status = OK, body = Page<VaultView>), Failures))]
async fn list(State(api): Shared, who: Who) -> Result<Json<Page<VaultView>>> {
    let act = Act::view(Right::ViewSystem, Action::VaultList).installation();
    let vaults = api.act(&who, act, |home| async move { Ok(home.vaults().await?) }).await?;
    Ok(Json(Page::whole(vaults.into_iter().map(VaultView::from).collect())))
}

/// A vault that is to be added, or whose storage is to be used in a new way.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VaultBody {
    /// Our name.
    name: String,
    /// Whole path of a folder on the server, `s3://BUCKET/PREFIX[?endpoint=URL&region=R]` or
    /// `azblob://CONTAINER/PREFIX?account=ACCOUNT`.
    location: String,
    /// Passphrase of the vault; a new one is made with it.
    #[schema(value_type = Option<String>, format = Password)]
    passphrase: Option<Secret>,
    /// What stands in `vault-secret.hex` of the recovery kit of a vault that is there, in place of
    /// the passphrase.
    #[schema(value_type = Option<String>, format = Password)]
    secret: Option<Secret>,
    /// Credentials that read and write an object store: lines like `AWS_ACCESS_KEY_ID=…` or
    /// `AZURE_STORAGE_SAS_TOKEN=…`.
    #[schema(value_type = Option<String>, format = Password)]
    credentials: Option<Secret>,
    /// Credentials that may delete too, used by maintenance only.
    #[schema(value_type = Option<String>, format = Password)]
    maintenance_credentials: Option<Secret>,
    /// Locks what is written: `governance`, `compliance`.
    #[schema(value_type = Option<String>, pattern = "^(governance|compliance)$")]
    lock_mode: Option<LockMode>,
    /// For how many days everything that is needed stays locked.
    #[schema(minimum = 1, maximum = 36_500)]
    lock_days: Option<u32>,
    /// Removes nothing but in maintenance.
    #[serde(default)]
    append_only: bool,
    /// Gives the files of a folder the immutable flag.
    #[serde(default)]
    immutable: bool,
    /// `off`, or the level of zstd from 1 to 19.
    compression: Option<String>,
    /// Bytes in a second that are sent at most.
    limit_upload: Option<u64>,
    /// Bytes in a second that are received at most.
    limit_download: Option<u64>,
    /// Reads the vault as it was at this time, and writes nothing to it.
    #[schema(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
    /// Further certificate authority to trust for this storage (PEM).
    ca: Option<String>,
}

impl VaultBody {
    fn into_new(self) -> Result<NewVault> {
        let location = self.place()?;
        Ok(NewVault {
            unlock: unlock(self.passphrase, self.secret)?,
            storage: Storage {
                lock: match (self.lock_mode, self.lock_days) {
                    (None, None) => None,
                    (Some(mode), Some(days)) => Some((mode, days)),
                    _ => return Err(Problem::invalid("a lock has a lock_mode and lock_days")),
                },
                credentials: self.credentials,
                maintenance: self.maintenance_credentials,
                append_only: self.append_only,
                immutable: self.immutable,
                bandwidth: Bandwidth { up: self.limit_upload, down: self.limit_download },
                ca_pem: self.ca,
                compression: match self.compression {
                    Some(text) => text.parse().map_err(unusable)?,
                    None => Default::default(),
                },
                as_of: self.as_of,
            },
            name: self.name,
            location,
        })
    }

    /// Where it lies. What the server happens to have in its surroundings (a working folder,
    /// credentials) is not for who asks over the network.
    fn place(&self) -> Result<Location> {
        let location: Location = self.location.parse().map_err(unusable)?;
        let has_credentials = self.credentials.is_some();
        match &location {
            Location::Folder(path) if !path.is_absolute() => {
                Err(Problem::invalid("the folder of a vault is named by its whole path"))
            }
            Location::S3(_) | Location::Azure(_) if !has_credentials => {
                Err(Problem::invalid("an object store needs credentials"))
            }
            _ if self.maintenance_credentials.is_some() && !has_credentials => {
                Err(Problem::invalid("maintenance_credentials need credentials beside them"))
            }
            _ => Ok(location),
        }
    }
}

/// What somebody wrote that names no storage is his mistake, not the server's.
fn unusable(error: impl Into<Error>) -> Problem {
    match error.into() {
        Error::Vault(error @ holdfast_vault::Error::Invalid { .. }) => {
            Problem::invalid(error.to_string())
        }
        error => error.into(),
    }
}

fn unlock(passphrase: Option<Secret>, secret: Option<Secret>) -> Result<Unlock> {
    match (passphrase, secret) {
        (Some(passphrase), None) if !passphrase.expose().is_empty() => {
            Ok(Unlock::Passphrase(passphrase))
        }
        (None, Some(secret)) => Ok(Unlock::Secret(of_kit(&secret)?)),
        _ => Err(Problem::invalid("a vault is opened by its passphrase, or by secret of its kit")),
    }
}

/// The secret of a recovery kit as it was typed or read from its file.
fn of_kit(text: &Secret) -> Result<VaultSecret> {
    let wrong = "the secret of a kit is 64 hexadecimal digits: what stands in vault-secret.hex";
    VaultSecret::from_kit_text(text.expose()).ok_or_else(|| Problem::invalid(wrong))
}

/// Makes a further vault, or attaches one that is there; where one of this name is at the place, its
/// storage is used in the new way from now on. Secrets do not come out again.
#[utoipa::path(post, path = "/vaults", tag = "vaults", request_body = VaultBody,
    responses((status = OK, body = AddedVaultView), Failures))]
async fn add(
    State(api): Shared,
    who: Who,
    Json(body): Json<VaultBody>,
) -> Result<Json<AddedVaultView>> {
    let act = Act::grave(Right::ManageVaults, Action::VaultAdd)
        .installation()
        .given("name", Some(&body.name))
        .given("location", body.location.parse::<Location>().ok())
        .given("lock_days", body.lock_days)
        .given("as_of", body.as_of)
        .given("append_only", body.append_only.then_some("yes"))
        .given("immutable", body.immutable.then_some("yes"))
        .given("maintenance_credentials", body.maintenance_credentials.as_ref().map(|_| "yes"));
    let work =
        |home: Arc<Home>| async move { home.vault_add(&body.into_new()?).await.map_err(unusable) };
    Ok(Json(api.act(&who, act, work).await?.into()))
}

/// Counts what a vault holds: items, versions, bytes, growth (`holdfast vault stats --json`).
#[utoipa::path(get, path = "/vaults/{vault}/stats", tag = "vaults",
    params(("vault" = String, Path, description = "Name or id")),
    responses((status = OK, body = Object), Failures))]
async fn figures(State(api): Shared, who: Who, Path(name): Path<String>) -> Result<Json<Value>> {
    let act = Act::view(Right::ViewSystem, Action::VaultStats)
        .reads()
        .installation()
        .given("vault", Some(&name));
    let stats = api
        .act(&who, act, |home| async move { Ok(stats::stats(&home, Some(&name)).await?) })
        .await?;
    let unreadable = |_| Problem::invalid("the figures cannot be written");
    Ok(Json(serde_json::to_value(stats).map_err(unreadable)?))
}

/// Gives the recovery kit, a ZIP: whoever has it can read the whole vault, without the passphrase.
#[utoipa::path(post, path = "/vaults/{vault}/kit", tag = "vaults",
    params(("vault" = String, Path, description = "Name or id")),
    responses((status = OK, content_type = "application/zip", body = [u8]), Failures))]
async fn kit(State(api): Shared, who: Who, Path(name): Path<String>) -> Result<Response> {
    let act =
        Act::grave(Right::TakeKeys, Action::VaultKit).installation().given("vault", Some(&name));
    let work = |home: Arc<Home>| async move { Ok(home.vault_kit(Some(&name)).await?) };
    let zip = api.act(&who, act, work).await?;
    let head = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"holdfast-recovery-kit.zip\""),
    ];
    Ok((head, zip).into_response())
}

/// A recovery kit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KitBody {
    /// What stands in its `vault-secret.hex`.
    #[schema(value_type = String, format = Password)]
    secret: Secret,
}

/// Says whether a recovery kit opens the vault as it lies in its storage.
#[utoipa::path(post, path = "/vaults/{vault}/kit/proof", tag = "vaults", request_body = KitBody,
    params(("vault" = String, Path, description = "Name or id")),
    responses((status = OK, body = KitProof), Failures))]
async fn prove(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Json(body): Json<KitBody>,
) -> Result<Json<KitProof>> {
    let act = Act::change(Right::TakeKeys, Action::VaultKit)
        .installation()
        .given("vault", Some(&name))
        .given("proof", Some("yes"));
    let work = |home: Arc<Home>| async move {
        let proven = home.vault_opens_with(Some(&name), of_kit(&body.secret)?).await?;
        Ok(KitProof { proven })
    };
    Ok(Json(api.act(&who, act, work).await?))
}
