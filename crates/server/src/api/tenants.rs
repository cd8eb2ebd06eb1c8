//! `tenants`.

use std::sync::Arc;

use axum::extract::State;
use holdfast_engine::tenant::{self, Login, NewTenant};
use holdfast_model::Secret;
use holdfast_model::audit::Action;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::Act;
use super::page::{Json, Page, Path};
use super::problem::{Failures, Problem, Result};
use super::view::{TenantView, TestedView};
use super::who::Who;
use super::{Api, Shared};
use crate::access::{Right, Target, authorise};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, put))
        .routes(routes!(show, change))
        .routes(routes!(test))
}

/// Lists the tenants.
#[utoipa::path(get, path = "/tenants", tag = "tenants",
    responses((status = OK, body = Page<TenantView>), Failures))]
async fn list(State(api): Shared, who: Who) -> Result<Json<Page<TenantView>>> {
    let act = Act::view(Right::ViewResources, Action::TenantList).anywhere();
    let rows =
        api.act(&who, act, |home| async move { Ok(home.catalog.tenant_list().await?) }).await?;
    let scope = crate::access::visible(&who.principal, Right::ViewResources);
    let views = rows.iter().filter(|row| scope.reaches(&row.name)).map(TenantView::from);
    Ok(Json(Page::whole(views.collect())))
}

/// Shows a tenant.
#[utoipa::path(get, path = "/tenants/{name}", tag = "tenants",
    params(("name" = String, Path, description = "Our name of the tenant")),
    responses((status = OK, body = TenantView), Failures))]
async fn show(State(api): Shared, who: Who, Path(name): Path<String>) -> Result<Json<TenantView>> {
    let act = Act::view(Right::ViewResources, Action::TenantList).tenant(&name);
    let work =
        |home: Arc<_>| async move { Ok(TenantView::from(&tenant::find(&home, &name).await?)) };
    Ok(Json(api.act(&who, act, work).await?))
}

/// How Holdfast signs in: a secret, or a certificate with its key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    /// Application (client) id.
    client_id: String,
    /// Client secret.
    #[schema(value_type = Option<String>, format = Password)]
    client_secret: Option<Secret>,
    /// Certificate (PEM), better than a secret.
    certificate: Option<String>,
    /// Private key of the certificate (PEM, not encrypted).
    #[schema(value_type = Option<String>, format = Password)]
    key: Option<Secret>,
}

/// A tenant that is to be added, or given new credentials.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantBody {
    /// Our name.
    name: String,
    /// Directory (tenant) id, or a domain.
    tenant_id: String,
    /// The registration for backup.
    backup: Registration,
    /// A second registration, used for restores only.
    restore: Option<Registration>,
    /// Vault that takes the tenant's data; the one without a tenant where absent.
    vault: Option<String>,
    /// Address of Microsoft Graph, where it is a national cloud.
    graph_url: Option<String>,
    /// Address of the sign-in service, where it is a national cloud.
    authority_url: Option<String>,
    /// Further certificate authority to trust (PEM).
    ca: Option<String>,
    /// Versions of each file to take: `latest`, `all`, or how many before it.
    file_versions: Option<String>,
}

impl Registration {
    fn login(self) -> Result<(String, Login)> {
        let login = match (self.client_secret, self.certificate, self.key) {
            (Some(secret), None, None) => Login::Secret(secret),
            (None, Some(certificate_pem), Some(key_pem)) => {
                Login::Certificate { certificate_pem, key_pem }
            }
            _ => {
                let text = "a registration needs a client secret, or a certificate with its key";
                return Err(Problem::invalid(text));
            }
        };
        Ok((self.client_id, login))
    }
}

const GRAPH: &str = "https://graph.microsoft.com";
const AUTHORITY: &str = "https://login.microsoftonline.com";

impl TenantBody {
    fn into_new(self) -> Result<NewTenant> {
        let (client_id, login) = self.backup.login()?;
        let versions = self.file_versions.map(|text| text.parse()).transpose();
        Ok(NewTenant {
            name: self.name,
            tenant_id: self.tenant_id,
            client_id,
            login,
            restore: self.restore.map(Registration::login).transpose()?,
            vault: self.vault,
            graph_url: self.graph_url.unwrap_or_else(|| GRAPH.to_owned()),
            authority_url: self.authority_url.unwrap_or_else(|| AUTHORITY.to_owned()),
            ca_pem: self.ca,
            file_versions: versions.map_err(|_| Problem::invalid(VERSIONS))?,
        })
    }
}

const VERSIONS: &str = "file_versions is 'latest', 'all' or a number";

/// Adds a tenant, or gives new credentials to the one with this name.
#[utoipa::path(post, path = "/tenants", tag = "tenants", request_body = TenantBody,
    responses((status = OK, body = TenantView), Failures))]
async fn put(
    State(api): Shared,
    who: Who,
    Json(body): Json<TenantBody>,
) -> Result<Json<TenantView>> {
    let act = Act::grave(Right::ManageTenants, Action::TenantAdd)
        .tenant(&body.name)
        .given("tenant_id", Some(&body.tenant_id))
        .given("client_id", Some(&body.backup.client_id));
    let work = |home: Arc<_>| async move {
        Ok(TenantView::from(&tenant::add(&home, body.into_new()?).await?))
    };
    Ok(Json(api.act(&who, act, work).await?))
}

/// What is to change of a tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantChange {
    /// Versions of each file to take: `latest`, `all`, or how many before it.
    file_versions: String,
}

/// Changes what is taken of a tenant.
#[utoipa::path(patch, path = "/tenants/{name}", tag = "tenants", request_body = TenantChange,
    params(("name" = String, Path, description = "Our name of the tenant")),
    responses((status = OK, body = TenantView), Failures))]
async fn change(
    State(api): Shared,
    who: Who,
    Path(name): Path<String>,
    Json(body): Json<TenantChange>,
) -> Result<Json<TenantView>> {
    let act = Act::change(Right::ManageTenants, Action::TenantChange)
        .tenant(&name)
        .given("file_versions", Some(&body.file_versions));
    let work = |home: Arc<_>| async move {
        let versions = body.file_versions.parse().map_err(|_| Problem::invalid(VERSIONS))?;
        Ok(TenantView::from(&tenant::set_file_versions(&home, &name, versions).await?))
    };
    Ok(Json(api.act(&who, act, work).await?))
}

/// Signs in to a tenant on trial and compares the permissions granted with those needed.
#[utoipa::path(post, path = "/tenants/{name}/test", tag = "tenants",
    params(("name" = String, Path, description = "Our name of the tenant")),
    responses((status = OK, body = TestedView), Failures))]
async fn test(State(api): Shared, who: Who, Path(name): Path<String>) -> Result<Json<TestedView>> {
    let act = Act::change(Right::ManageTenants, Action::TenantTest).tenant(&name);
    let work = |home: Arc<_>| async move {
        let row = tenant::find(&home, &name).await?;
        Ok(TestedView::of(&row, tenant::test(&home, &row).await?))
    };
    Ok(Json(api.act(&who, act, work).await?))
}

/// True where somebody sees all of a tenant by a right.
pub(super) fn sees_all(who: &Who, right: Right, tenant: &str) -> bool {
    authorise(&who.principal, right, &Target::Tenant(tenant)).is_ok()
}
