//! What can be typed about tenants.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdfast_graph::permissions::Feature;
use holdfast_model::FileVersions;

#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Add a tenant, or give new credentials to the one with this name
    Add(Box<TenantAdd>),
    /// List the tenants
    List,
    /// Change what is taken of a tenant
    Set {
        /// Name of the tenant
        name: String,
        /// Versions of each file to take: 'latest', 'all', or how many before it
        #[arg(long, value_name = "N")]
        file_versions: FileVersions,
    },
    /// Sign in and compare the permissions granted with those needed
    Test {
        /// Name of the tenant; all where absent
        name: Option<String>,
    },
    /// Make a certificate by which Holdfast signs in
    Certificate(Certificate),
    /// List the application permissions that Holdfast needs, and why
    Permissions {
        /// Only those of one registration
        #[arg(long = "for", value_name = "backup|restore")]
        feature: Option<Feature>,
    },
}

/// Base address of Graph in the usual cloud.
pub const GRAPH_URL: &str = "https://graph.microsoft.com";

/// Base address of its sign-in service.
pub const AUTHORITY_URL: &str = "https://login.microsoftonline.com";

#[derive(Debug, Args)]
pub struct TenantAdd {
    /// Name under which Holdfast knows the tenant
    pub name: String,
    /// Directory (tenant) id, or a domain of the tenant
    #[arg(long, value_name = "ID")]
    pub tenant_id: String,
    /// Application (client) id of the registration for backup
    #[arg(long, value_name = "ID")]
    pub client_id: String,
    /// File that holds its client secret
    #[arg(long, value_name = "FILE", required_unless_present = "certificate")]
    pub client_secret_file: Option<PathBuf>,
    /// Its certificate (PEM), better than a secret
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "client_secret_file")]
    pub certificate: Option<PathBuf>,
    /// The private key of the certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Application (client) id of a second registration, used for restores only
    #[arg(long, value_name = "ID")]
    pub restore_client_id: Option<String>,
    /// File that holds its client secret
    #[arg(long, value_name = "FILE", requires = "restore_client_id")]
    pub restore_client_secret_file: Option<PathBuf>,
    /// Its certificate (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["restore_client_id", "restore_key"],
        conflicts_with = "restore_client_secret_file"
    )]
    pub restore_certificate: Option<PathBuf>,
    /// The private key of that certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "restore_certificate")]
    pub restore_key: Option<PathBuf>,
    /// Vault that takes the tenant's data [default: the vault without a tenant]
    #[arg(long, value_name = "NAME")]
    pub vault: Option<String>,
    /// Address of Microsoft Graph
    #[arg(long, value_name = "URL", default_value = GRAPH_URL)]
    pub graph_url: String,
    /// Address of the sign-in service
    #[arg(long, value_name = "URL", default_value = AUTHORITY_URL)]
    pub authority_url: String,
    /// Further certificate authority to trust (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Versions of each file to take: 'latest' (the default), 'all', or how many before it
    #[arg(long, value_name = "N")]
    pub file_versions: Option<FileVersions>,
}

#[derive(Debug, Args)]
pub struct Certificate {
    /// Folder that takes holdfast.key, holdfast.pem and holdfast.cer
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name in the certificate
    #[arg(long, default_value = "Holdfast", value_name = "NAME")]
    pub name: String,
    /// Days until it expires
    #[arg(long, default_value_t = 365, value_name = "N")]
    pub days: u32,
}
