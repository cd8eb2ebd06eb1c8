//! Which sites a tenant has, and which drives a site.
//!
//! A person's OneDrive is the library of a site of its own (`isPersonalSite`), so that both kinds
//! are found in one listing; it is still listed when its owner has left.

use holdfast_graph::{Graph, Kind, segment};
use serde_json::Value;

use crate::{Error, Result};

/// A site as the tenant lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Graph id (`host,guid,guid`).
    pub id: String,
    /// Path of its address (`sites/finance`), or the host of the site at the top.
    pub name: String,
    /// Name for people.
    pub display_name: Option<String>,
    /// It is the OneDrive of a person.
    pub is_personal: bool,
}

/// A drive of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// Graph id.
    pub id: String,
    /// Name of the library; `OneDrive` for a personal one.
    pub name: String,
}

/// The person to whom a drive belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Object id in the directory.
    pub id: Option<String>,
    /// Address.
    pub email: Option<String>,
    /// Name for people.
    pub display_name: Option<String>,
}

/// All sites, personal ones too.
///
/// Source: Graph v1.0 `GET /sites/getAllSites` (application permissions only).
pub async fn sites(graph: &Graph) -> Result<Vec<Site>> {
    let request = graph
        .get("/sites/getAllSites")
        .query("$select", "id,name,displayName,webUrl,isPersonalSite")
        .drive(2);
    let mut pages = graph.pages(request);
    let mut sites = Vec::new();
    while let Some(page) = pages.next().await? {
        for item in page.items {
            sites.push(site(&item)?);
        }
    }
    Ok(sites)
}

fn site(item: &Value) -> Result<Site> {
    let id = item["id"].as_str().ok_or(Error::Answer { what: "a site", property: "id" })?;
    let address = item["webUrl"].as_str().and_then(|url| url.split_once("://"));
    let name = match address.map(|(_, rest)| rest.trim_end_matches('/')) {
        Some(rest) => rest.split_once('/').map_or(rest, |(_, path)| path),
        None => item["name"].as_str().unwrap_or(id),
    };
    Ok(Site {
        id: id.to_owned(),
        name: name.to_owned(),
        display_name: item["displayName"].as_str().map(str::to_owned),
        is_personal: item["isPersonalSite"].as_bool().unwrap_or(false),
    })
}

/// The site behind a person's OneDrive; `None` for one who has none ("mysite not found").
pub async fn personal_site(graph: &Graph, user: &str) -> Result<Option<String>> {
    let path = format!("/users/{}/drive", segment(user));
    let request = graph.get(path).query("$select", "id,sharepointIds").drive(1);
    match request.send_json().await {
        Ok(drive) => {
            let ids = &drive["sharepointIds"];
            let host = ids["siteUrl"].as_str().and_then(|url| url.split('/').nth(2));
            let parts = [host, ids["siteId"].as_str(), ids["webId"].as_str()];
            let parts: Option<Vec<&str>> = parts.into_iter().collect();
            Ok(parts.map(|parts| parts.join(",")))
        }
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Denied) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The drives (document libraries) of a site; none where it is gone or has none.
pub async fn drives(graph: &Graph, site: &str) -> Result<Vec<Drive>> {
    let request = graph
        .get(format!("/sites/{}/drives", segment(site)))
        .query("$select", "id,name,driveType")
        .drive(2);
    let mut pages = graph.pages(request);
    let mut drives = Vec::new();
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(drives),
            Err(error) if error.kind() == Kind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        for item in page.items {
            let id =
                item["id"].as_str().ok_or(Error::Answer { what: "a drive", property: "id" })?;
            let name = item["name"].as_str().filter(|name| !name.is_empty()).unwrap_or("Documents");
            drives.push(Drive { id: id.to_owned(), name: name.to_owned() });
        }
    }
}

/// To whom the OneDrive of a personal site belongs.
pub async fn owner(graph: &Graph, site: &str) -> Result<Owner> {
    let path = format!("/sites/{}/drive", segment(site));
    let request = graph.get(path).query("$select", "id,owner").drive(1);
    let drive = match request.send_json().await {
        Err(error) if error.kind() == Kind::NotFound => return Ok(Owner::default()),
        drive => drive?,
    };
    let user = &drive["owner"]["user"];
    let text = |property: &str| user[property].as_str().map(str::to_owned);
    Ok(Owner { id: text("id"), email: text("email"), display_name: text("displayName") })
}

/// Id of the drive that a site calls its own, for a restore.
///
/// Source: Graph v1.0 `GET /sites/{id}/drive`, "the default drive for a site", read 2026-11.
pub async fn default_drive(graph: &Graph, site: &str) -> Result<Option<String>> {
    let request = graph.get(format!("/sites/{}/drive", segment(site))).query("$select", "id");
    let drive = request.drive(1).restore().send_json().await?;
    Ok(drive["id"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_site_is_named_by_its_address() {
        let named = |url: &str| {
            site(&json!({"id": "h,a,b", "webUrl": url, "isPersonalSite": true})).unwrap().name
        };
        assert_eq!(named("https://contoso.example/sites/finance"), "sites/finance");
        assert_eq!(named("https://contoso.example/"), "contoso.example");
        assert_eq!(named("https://my.contoso.example/personal/ada_x"), "personal/ada_x");
        assert!(site(&json!({"name": "x"})).is_err());
    }
}
