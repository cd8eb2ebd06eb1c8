//! Holds: a case keeps what resources had, whatever the rules say.
//!
//! A hold is intent (`holds/<case>.json` in the control repository of the vault) and nothing else:
//! whatever deletes reads it there, so that a lost or old catalog cannot make one forgotten.

use holdfast_model::{Timestamp, component};
use holdfast_policy::Hold;
use holdfast_vault::Vault;
use serde::{Deserialize, Serialize};

use crate::home::blocking;
use crate::{Error, Home, Result, intent, released};

const VERSION: u8 = 1;

/// Where the records lie.
const PREFIX: &str = "holds/";

#[derive(Serialize, Deserialize)]
struct HoldRecord {
    v: u8,
    #[serde(flatten)]
    hold: Hold,
    placed_at: Timestamp,
}

/// Places a hold in a vault; one of the same case is replaced.
///
/// # Errors
/// [`Error::Usage`] for a case without a name.
pub async fn place(home: &Home, vault: Option<&str>, hold: &Hold) -> Result<()> {
    let path = path(&hold.case)?;
    let record = HoldRecord { v: VERSION, hold: hold.clone(), placed_at: home.now() };
    let bytes = serde_json::to_vec(&record).expect("records have text keys only");
    let vault = home.vault(vault).await?;
    let mut changes = released::taken_back(&vault).await?;
    changes.push((path, Some(bytes)));
    intent::save(home, &vault, changes).await
}

/// Releases what a case holds. What other cases hold stays held.
///
/// # Errors
/// [`Error::NotFound`] where the vault has no hold of this case.
pub async fn release(home: &Home, vault: Option<&str>, case: &str) -> Result<()> {
    let vault = home.vault(vault).await?;
    if !of_vault(&vault).await?.iter().any(|hold| hold.case == case) {
        return Err(Error::not_found("hold of the case", case));
    }
    intent::save(home, &vault, vec![(path(case)?, None)]).await
}

/// The holds of a vault, by case.
pub async fn list(home: &Home, vault: Option<&str>) -> Result<Vec<Hold>> {
    of_vault(&home.vault(vault).await?).await
}

pub(crate) async fn of_vault(vault: &Vault) -> Result<Vec<Hold>> {
    let control = vault.clone();
    let records = blocking(move || Ok(control.control()?.load()?)).await?;
    let records: Vec<HoldRecord> = intent::under(&records, PREFIX)?;
    Ok(records.into_iter().map(|record| record.hold).collect())
}

fn path(case: &str) -> Result<String> {
    if case.trim().is_empty() {
        return Err(Error::Usage("a hold needs the name of its case".to_owned()));
    }
    // The id tells two cases apart whose names become the same component.
    let id = holdfast_model::short_id(case);
    Ok(format!("{PREFIX}{} ~{id}.json", component(case, 100)))
}
