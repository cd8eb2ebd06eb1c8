//! Tenants: adding one, reaching one, testing its permissions.

use holdfast_catalog::TenantRow;
use holdfast_graph::permissions::{self, Feature, PermissionReport};
use holdfast_graph::{Config, Credential, Graph};
use holdfast_model::{FileVersions, Secret};
use serde::{Deserialize, Serialize};

use crate::vaults::noted;
use crate::{Error, Home, Result, intent};

/// Which registration is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Reading.
    Backup,
    /// Writing back.
    Restore,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }
}

/// How a registration proves who it is.
#[derive(Clone, Debug)]
pub enum Login {
    /// Client secret.
    Secret(Secret),
    /// Certificate with its private key, both PEM.
    Certificate {
        /// The certificate.
        certificate_pem: String,
        /// The key.
        key_pem: Secret,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum StoredLogin {
    Secret { secret: String },
    Certificate { certificate_pem: String, key_pem: String },
}

/// What `tenant add` needs to know.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Name of our own.
    pub name: String,
    /// Directory id or domain.
    pub tenant_id: String,
    /// Registration for backup (and restore, where there is no other).
    pub client_id: String,
    /// Its credential.
    pub login: Login,
    /// A second registration, used for restores only.
    pub restore: Option<(String, Login)>,
    /// Vault by name or id; default: the vault that has no tenant yet.
    pub vault: Option<String>,
    /// Base address of Graph.
    pub graph_url: String,
    /// Base address of the sign-in service.
    pub authority_url: String,
    /// Further certificate authority, PEM.
    pub ca_pem: Option<String>,
    /// How many versions of a file are taken; as before where absent, the latest at first.
    pub file_versions: Option<FileVersions>,
}

/// Adds a tenant, or replaces the credentials of the one with the same name. What can be told
/// without asking Microsoft is checked: name, addresses, certificate and key; [`test`](fn@test) does that.
pub async fn add(home: &Home, new: NewTenant) -> Result<TenantRow> {
    let tenants = home.catalog.tenant_list().await?;
    let known = tenants.into_iter().find(|tenant| tenant.name == new.name);
    check_name(&new.name)?;
    known.as_ref().map_or(Ok(()), |known| check_same(known, &new))?;
    let vault = home.vault(Some(&choose_vault(home, &new, known.as_ref()).await?)).await?;
    let seal = |purpose: Purpose, login: &Login| {
        home.key().seal(&label(&new.name, purpose), &stored(login))
    };
    let row = TenantRow {
        vault_id: vault.id().to_owned(),
        sealed_credential: Some(seal(Purpose::Backup, &new.login)),
        sealed_restore_credential: new.restore.as_ref().map(|(_, l)| seal(Purpose::Restore, l)),
        restore_client_id: new.restore.map(|(id, _)| id),
        created_at: known.as_ref().map_or_else(|| home.now(), |known| known.created_at),
        file_versions: new
            .file_versions
            .or(known.map(|known| known.file_versions))
            .unwrap_or_default(),
        name: new.name,
        tenant_id: new.tenant_id,
        graph_url: new.graph_url,
        authority_url: new.authority_url,
        ca_pem: new.ca_pem,
        client_id: new.client_id,
    };
    graph(home, &row, Purpose::Backup)?;
    graph(home, &row, Purpose::Restore)?;
    intent::save(home, &vault, vec![intent::tenant(&row)]).await?;
    home.catalog.tenant_put(&row).await?;
    noted::tell_or_warn(home).await;
    Ok(row)
}

/// Changes how many versions of a file are taken. For a file it takes effect when that changes.
pub async fn set_file_versions(
    home: &Home,
    name: &str,
    versions: FileVersions,
) -> Result<TenantRow> {
    let row = TenantRow { file_versions: versions, ..find(home, name).await? };
    let vault = home.vault(Some(&row.vault_id)).await?;
    intent::save(home, &vault, vec![intent::tenant(&row)]).await?;
    home.catalog.tenant_put(&row).await?;
    Ok(row)
}

/// A name that paths, commands and hints can carry as it is.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !name.is_empty() && name.chars().count() <= 64 && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::Usage(
        "a tenant's name has 1 to 64 letters, digits, dots, dashes or underscores".to_owned(),
    ))
}

/// New credentials are for the same company: another one's mail may not come into its vault.
fn check_same(known: &TenantRow, new: &NewTenant) -> Result<()> {
    if known.tenant_id.eq_ignore_ascii_case(&new.tenant_id) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "'{}' is the tenant {}, not {}; a tenant of its own needs a name and a vault of its own",
        known.name, known.tenant_id, new.tenant_id
    )))
}

/// A vault belongs to one tenant.
async fn choose_vault(home: &Home, new: &NewTenant, known: Option<&TenantRow>) -> Result<String> {
    let tenants = home.catalog.tenant_list().await?;
    let free = |vault: &str| !tenants.iter().any(|t| t.vault_id == vault && t.name != new.name);
    let wanted = match (&new.vault, known) {
        (Some(name), _) => Some(home.vault_row(Some(name)).await?.id),
        (None, Some(known)) => Some(known.vault_id.clone()),
        (None, None) => {
            noted::none_missing(home).await?;
            None
        }
    };
    let vaults = home.catalog.vault_list().await?;
    let chosen = vaults.into_iter().map(|v| v.id).find(|id| match &wanted {
        Some(wanted) => wanted == id && free(id),
        None => free(id),
    });
    chosen.ok_or_else(|| {
        Error::Usage("every vault belongs to another tenant; a vault holds one tenant".to_owned())
    })
}

fn label(tenant: &str, purpose: Purpose) -> String {
    format!("tenant/{tenant}/{}", purpose.as_str())
}

fn stored(login: &Login) -> Vec<u8> {
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    let stored = match login {
        Login::Secret(secret) => StoredLogin::Secret { secret: text(secret) },
        Login::Certificate { certificate_pem, key_pem } => StoredLogin::Certificate {
            certificate_pem: certificate_pem.clone(),
            key_pem: text(key_pem),
        },
    };
    serde_json::to_vec(&stored).expect("plain fields serialise")
}

/// The tenant with this name.
pub async fn find(home: &Home, name: &str) -> Result<TenantRow> {
    let tenants = home.catalog.tenant_list().await?;
    tenants.into_iter().find(|t| t.name == name).ok_or_else(|| Error::not_found("tenant", name))
}

/// The tenants that a command means: the named one, or all.
pub async fn chosen(home: &Home, name: Option<&str>) -> Result<Vec<TenantRow>> {
    let tenants = match name {
        Some(name) => vec![find(home, name).await?],
        None => home.catalog.tenant_list().await?,
    };
    if tenants.is_empty() { Err(Error::NoTenant) } else { Ok(tenants) }
}

/// The one tenant that a command means: the named one, or the only one.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NoTenant`]; [`Error::Usage`] where there are several.
pub async fn one(home: &Home, name: Option<&str>) -> Result<TenantRow> {
    let mut tenants = chosen(home, name).await?;
    match tenants.len() {
        1 => Ok(tenants.remove(0)),
        _ => Err(Error::Usage("there are several tenants; name one with --tenant".to_owned())),
    }
}

/// A client for a tenant. A restore uses the second registration where there is one.
pub fn graph(home: &Home, tenant: &TenantRow, purpose: Purpose) -> Result<Graph> {
    let second = tenant.restore_client_id.as_ref().filter(|_| purpose == Purpose::Restore);
    let (client_id, sealed, used) = match second {
        Some(id) => (id, &tenant.sealed_restore_credential, Purpose::Restore),
        None => (&tenant.client_id, &tenant.sealed_credential, Purpose::Backup),
    };
    let missing = || Error::NoCredential { tenant: tenant.name.clone(), purpose: purpose.as_str() };
    let sealed = sealed.as_ref().ok_or_else(missing)?;
    let opened = home.key().open(&label(&tenant.name, used), sealed).ok_or_else(missing)?;
    let login = serde_json::from_slice(opened.expose()).map_err(|_| missing())?;
    let url =
        |text: &str| text.parse().map_err(|_| Error::Usage(format!("'{text}' is not an address")));
    let mut config = Config::new(&tenant.tenant_id, client_id.as_str(), credential(login));
    config.clock = home.clock.clone();
    config.sleep = home.sleep.clone();
    config.graph_url = url(&tenant.graph_url)?;
    config.authority_url = url(&tenant.authority_url)?;
    config.ca_pem = tenant.ca_pem.as_ref().map(|pem| pem.clone().into_bytes());
    Ok(Graph::new(config)?)
}

fn credential(login: StoredLogin) -> Credential {
    match login {
        StoredLogin::Secret { secret } => Credential::Secret(Secret::new(secret)),
        StoredLogin::Certificate { certificate_pem, key_pem } => {
            Credential::Certificate { certificate_pem, key_pem: Secret::new(key_pem) }
        }
    }
}

/// What `tenant test` found for one registration.
#[derive(Clone, Debug)]
pub struct TestReport {
    /// Which registration.
    pub client_id: String,
    /// What it is for.
    pub features: Vec<Feature>,
    /// Granted against needed roles.
    pub permissions: PermissionReport,
}

/// Signs in with each registration of a tenant and compares its roles with those needed.
pub async fn test(home: &Home, tenant: &TenantRow) -> Result<Vec<TestReport>> {
    let mut uses = vec![(Purpose::Backup, tenant.client_id.clone(), vec![Feature::Backup])];
    match &tenant.restore_client_id {
        Some(id) => uses.push((Purpose::Restore, id.clone(), vec![Feature::Restore])),
        None => uses[0].2.push(Feature::Restore),
    }
    let mut reports = Vec::new();
    for (purpose, client_id, features) in uses {
        let granted = graph(home, tenant, purpose)?.granted_roles().await?;
        let permissions = permissions::compare(&granted, &features);
        reports.push(TestReport { client_id, features, permissions });
    }
    Ok(reports)
}
