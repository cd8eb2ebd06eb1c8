//! Which installation writes to a vault. Two could, where `recover` has made one again on another
//! machine while the old one still lives: the old one then neither stores nor deletes any more.
//!
//! The catalog, which all machines of an installation share, holds the name of the instance. With
//! the first thing that it writes it takes over (`control/instances` in the home vault); who only
//! looks takes nothing over. A catalog that is made again is a new instance.

use holdfast_model::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::home::blocking;
use crate::{Error, Home, Result};

/// Under which name the catalog holds it.
const META: &str = "instance";

/// What stands in the file, for people.
#[derive(Serialize)]
struct Record {
    v: u8,
    since: Timestamp,
}

/// Whether this installation may write; where it has never written, it may from now on.
///
/// # Errors
/// [`Error::Superseded`] where another one has taken over.
pub(crate) async fn check(home: &Home) -> Result<()> {
    let row = home.vault_row(None).await?;
    if home.storage(&row)?.as_of.is_some() {
        // It is read as it was, and nothing is written to it; what is saved from it goes elsewhere.
        return Ok(());
    }
    let vault = home.vault(Some(&row.id)).await?;
    let name = home.catalog.meta_keep(META, &new_name()).await?;
    let record = Record { v: 1, since: home.now() };
    let content = serde_json::to_string(&record).expect("plain fields serialise") + "\n";
    match blocking(move || Ok(vault.instance_begin(&name, &content)?)).await? {
        true => Ok(()),
        false => Err(Error::Superseded),
    }
}

/// This installation becomes a new one, which takes over with the first thing that it writes.
pub(crate) async fn renew(home: &Home) -> Result<()> {
    Ok(home.catalog.meta_set(META, &new_name()).await?)
}

fn new_name() -> String {
    Uuid::new_v4().simple().to_string()
}
