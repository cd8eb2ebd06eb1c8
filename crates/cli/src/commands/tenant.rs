//! `tenant`: connects Microsoft 365 tenants.

mod certificate;

use std::fmt::Write;
use std::path::Path;

use holdfast_engine::tenant::{self, Login, NewTenant};
use holdfast_engine::{Exit, Home};
use holdfast_graph::permissions::{Feature, PERMISSIONS, Permission};
use holdfast_model::FileVersions;
use holdfast_server::api::view::{TenantView, TestedView};

use super::init::secret_file;
use crate::args::{Certificate, Tenant, TenantAdd};
use crate::error::{Error, Result};
use crate::output::{Output, clean, table};

pub async fn run(home: &Home, command: &Tenant, out: Output) -> Result<u8> {
    match command {
        Tenant::Add(args) => add(home, args, out).await,
        Tenant::List => list(home, out).await,
        Tenant::Set { name, file_versions } => set(home, name, *file_versions, out).await,
        Tenant::Test { name } => test(home, name.as_deref(), out).await,
        Tenant::Certificate(args) => certificate(args, out),
        Tenant::Permissions { feature } => permissions(*feature, out),
    }
}

/// Makes a certificate; needs no installation.
pub fn certificate(args: &Certificate, out: Output) -> Result<u8> {
    certificate::run(args, out)
}

async fn add(home: &Home, args: &TenantAdd, out: Output) -> Result<u8> {
    let view = TenantView::from(&tenant::add(home, new_tenant(args)?).await?);
    out.show(&view, || {
        let name = clean(&view.name);
        format!("Tenant {name} is known. Try it:  holdfast tenant test {name}")
    })?;
    Ok(0)
}

async fn set(home: &Home, name: &str, versions: FileVersions, out: Output) -> Result<u8> {
    let row = tenant::set_file_versions(home, name, versions).await?;
    show_set(&TenantView::from(&row), out)
}

/// Shows a tenant of which something else is taken now.
pub fn show_set(view: &TenantView, out: Output) -> Result<u8> {
    out.show(view, || {
        let (name, versions) = (clean(&view.name), clean(&view.file_versions));
        format!("Of each file of {name} that changes from now on: versions {versions}.")
    })?;
    Ok(0)
}

fn new_tenant(args: &TenantAdd) -> Result<NewTenant> {
    let login = |secret: Option<&Path>, certificate: Option<&Path>, key: Option<&Path>| match (
        secret,
        certificate,
        key,
    ) {
        (Some(file), _, _) => Ok(Login::Secret(secret_file(file)?)),
        (None, Some(certificate), Some(key)) => Ok(Login::Certificate {
            certificate_pem: text_file(certificate)?,
            key_pem: secret_file(key)?,
        }),
        _ => Err(Error::Usage(
            "a registration needs a client secret, or a certificate with its key".into(),
        )),
    };
    let restore = match &args.restore_client_id {
        Some(id) => Some((
            id.clone(),
            login(
                args.restore_client_secret_file.as_deref(),
                args.restore_certificate.as_deref(),
                args.restore_key.as_deref(),
            )?,
        )),
        None => None,
    };
    Ok(NewTenant {
        name: args.name.clone(),
        tenant_id: args.tenant_id.clone(),
        client_id: args.client_id.clone(),
        login: login(
            args.client_secret_file.as_deref(),
            args.certificate.as_deref(),
            args.key.as_deref(),
        )?,
        restore,
        vault: args.vault.clone(),
        graph_url: args.graph_url.clone(),
        authority_url: args.authority_url.clone(),
        ca_pem: args.ca_file.as_deref().map(text_file).transpose()?,
        file_versions: args.file_versions,
    })
}

fn text_file(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(Error::file("read", path))
}

async fn list(home: &Home, out: Output) -> Result<u8> {
    let rows = home.catalog.tenant_list().await?;
    show_list(&rows.iter().map(TenantView::from).collect::<Vec<_>>(), out)
}

/// Shows tenants.
pub fn show_list(views: &[TenantView], out: Output) -> Result<u8> {
    out.show(&views, || {
        if views.is_empty() {
            return "No tenant yet. Add one with 'holdfast tenant add'.".to_owned();
        }
        let row = |view: &TenantView| {
            let ready = if view.has_credentials { "yes" } else { "to be given again" };
            [view.name.as_str(), &view.tenant_id, &view.client_id, &view.vault_id, ready]
                .map(str::to_owned)
                .to_vec()
        };
        let headings = ["name", "tenant id", "client id", "vault", "credentials"];
        table(&headings, views.iter().map(row).collect(), &[])
    })?;
    Ok(0)
}

async fn test(home: &Home, name: Option<&str>, out: Output) -> Result<u8> {
    let mut tested = Vec::new();
    for row in tenant::chosen(home, name).await? {
        tested.push(TestedView::of(&row, tenant::test(home, &row).await?));
    }
    show_tested(&tested, out)
}

/// Shows what signing in on trial found.
pub fn show_tested(tested: &[TestedView], out: Output) -> Result<u8> {
    out.show(&tested, || tested.iter().map(human).collect::<Vec<_>>().join("\n"))?;
    Ok(if tested.iter().all(|one| one.ok) { 0 } else { Exit::Denied as u8 })
}

fn human(tested: &TestedView) -> String {
    let mut text = format!("Tenant {}\n", clean(&tested.tenant));
    for one in &tested.registrations {
        let (client, uses) = (clean(&one.client_id), clean(&one.features.join(" and ")));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  Registration {client} for {uses}: signs in");
        for permission in &one.missing {
            let (name, reason) = (clean(&permission.name), clean(&permission.reason));
            let _ = writeln!(text, "    missing   {name}: {reason}");
        }
        for name in &one.excess {
            let _ = writeln!(text, "    too much  {}: not needed, take it back", clean(name));
        }
        if one.missing.is_empty() {
            let _ = writeln!(text, "    has every permission that it needs");
        } else {
            let _ = writeln!(
                text,
                "    Add what is missing under App registrations > API permissions > Microsoft Graph >\n    \
                 Application permissions, then have an administrator consent:\n    {}",
                clean(&one.consent_url)
            );
        }
    }
    text
}

/// Lists permissions; needs no installation.
pub fn permissions(feature: Option<Feature>, out: Output) -> Result<u8> {
    let wanted = |p: &&Permission| feature.is_none_or(|feature| p.feature == feature);
    let list: Vec<&Permission> = PERMISSIONS.iter().filter(wanted).collect();
    out.show(&list, || {
        let row =
            |p: &&Permission| vec![p.feature.to_string(), p.name.to_owned(), p.reason.to_owned()];
        table(&["for", "permission", "why"], list.iter().map(row).collect(), &[])
    })?;
    Ok(0)
}
