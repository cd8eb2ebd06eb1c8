//! `join`: makes the home of a further machine that works on the same catalog and vaults.

use std::path::PathBuf;

use holdfast_engine::{Home, catalog_url};
use holdfast_model::Clock;
use holdfast_model::audit::Action;
use serde::Serialize;

use super::{home_dir, record};
use crate::args::{Global, Join};
use crate::error::{Error, Result};
use crate::output::{Output, clean, of};

#[derive(Serialize)]
struct Report {
    home: PathBuf,
    instance_key: PathBuf,
    vaults: Vec<Joined>,
    tenants: usize,
}

/// A vault that can be reached from here.
#[derive(Serialize)]
struct Joined {
    id: String,
    name: String,
    location: String,
}

pub async fn run(global: &Global, args: &Join, out: Output) -> Result<u8> {
    let dir = home_dir(global)?;
    let Some(key) = &global.instance_key else {
        return Err(Error::Usage(
            "copy the key file of the first machine to this one and name it with --instance-key"
                .to_owned(),
        ));
    };
    let url = catalog_url(&args.catalog_url_file)?;
    let home = Home::join(&dir, &url, key, Clock::system()).await?;
    let vaults = home.catalog.vault_list().await?.into_iter();
    let report = Report {
        home: home.dir().to_owned(),
        instance_key: home.key_path().to_owned(),
        vaults: vaults
            .map(|row| Joined { id: row.id, name: row.name, location: row.location })
            .collect(),
        tenants: home.catalog.tenant_list().await?.len(),
    };
    let details = [("joined".to_owned(), "yes".to_owned())];
    record::done(&home, Action::InstallationInit, details.into()).await?;
    out.show(&report, || human(&report))?;
    Ok(0)
}

fn human(report: &Report) -> String {
    format!(
        "Joined: {}, {}.\nHome:          {}\nInstance key:  {}\n\
         Let this machine work:  holdfast --home {} worker",
        of(report.vaults.len() as u64, "vault"),
        of(report.tenants as u64, "tenant"),
        clean(&report.home.display().to_string()),
        clean(&report.instance_key.display().to_string()),
        clean(&report.home.display().to_string()),
    )
}
