//! `find`: items by name, subject or sender, in one resource or in all.
//!
//! Trees are read, one resource after the other; what does not match is forgotten at once.

use holdfast_catalog::{ResourceFilter, ResourceRow};
use holdfast_model::{Timestamp, fold};
use serde::Serialize;

use crate::browse::{At, Entry, Found, Unread, item_entry, locate, point};
use crate::deleted::deleted;
use crate::{Error, Exit, Home, Result, discover};

/// What to look for, and where.
#[derive(Clone, Debug, Default)]
pub struct FindRequest {
    /// Only resources of this tenant.
    pub tenant: Option<String>,
    /// Only this resource.
    pub resource: Option<String>,
    /// In which restore point.
    pub at: At,
    /// Only what older restore points have and the newest has not; `at` has no part in it.
    pub deleted: bool,
    /// Each must be found: as a part of name, subject or sender, or, with `*` for any text, as the
    /// whole of one of them. Case and composition of letters do not matter.
    pub texts: Vec<String>,
    /// Only resources that may be shown; all where absent.
    pub among: Option<ResourceFilter>,
    /// The search ends with so many hits; with all where absent.
    pub limit: Option<usize>,
}

/// Something that was found: an element of the `--json` form of `holdfast find`.
#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    /// Name of the resource.
    pub resource: String,
    /// What it is.
    #[serde(flatten)]
    pub entry: Entry,
    /// The restore point that has it: `--at` takes this time.
    pub restore_point: Timestamp,
    /// The first restore point that has it no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
}

/// What a search came to.
#[derive(Debug, Default)]
pub struct Finds {
    /// What was found, resource by resource.
    pub hits: Vec<Hit>,
    /// What could not be searched because the vault is damaged: resource and place.
    pub damaged: Vec<(String, Unread)>,
}

/// Looks for items. What is damaged does not end the search.
pub async fn find(home: &Home, request: &FindRequest) -> Result<Finds> {
    let wanted = Wanted::new(request);
    let mut finds = Finds::default();
    for resource in resources(home, request).await? {
        let looked = match request.deleted {
            true => look_deleted(home, &resource, &wanted, &mut finds.hits).await,
            false => look(home, &resource, &request.at, &wanted, &mut finds).await,
        };
        match looked {
            Err(error) if error.exit() == Exit::Damaged => {
                let path = String::new();
                finds.damaged.push((resource.name, Unread { path, error }));
            }
            looked => looked?,
        }
        if finds.hits.len() >= wanted.limit {
            finds.hits.truncate(wanted.limit);
            break;
        }
    }
    Ok(finds)
}

/// The resources to look into: the one that is named, or all that have a restore point.
async fn resources(home: &Home, request: &FindRequest) -> Result<Vec<ResourceRow>> {
    let tenant = request.tenant.as_deref();
    if let Some(name) = &request.resource {
        return Ok(vec![discover::find(home, tenant, name).await?]);
    }
    if let At::Snapshot(prefix) = &request.at
        && home.catalog.snapshot_find(prefix).await?.is_empty()
    {
        return Err(Error::not_found("snapshot", prefix));
    }
    let mut resources = Vec::new();
    let may_be_shown = |row: &ResourceRow| {
        let among = request.among.as_ref();
        among.is_none_or(|among| among.permits(&row.tenant, row.workload, &row.id))
    };
    let all = home.catalog.resource_list(tenant).await?;
    for resource in all.into_iter().filter(may_be_shown) {
        if point(home, &resource.id, &request.at).await?.is_some() {
            resources.push(resource);
        }
    }
    Ok(resources)
}

async fn look(
    home: &Home,
    resource: &ResourceRow,
    at: &At,
    wanted: &Wanted,
    finds: &mut Finds,
) -> Result<()> {
    let located = locate(home, Some(&resource.tenant), resource.id.as_str(), at).await?;
    let restore_point = located.point.read_at;
    let mut visit = |seen| {
        let name = resource.name.clone();
        match seen {
            Ok(found) if finds.hits.len() < wanted.limit && wanted.fits(&found) => {
                let (resource, entry) = (name, item_entry(&found));
                finds.hits.push(Hit { resource, entry, restore_point, deleted: None });
            }
            Ok(_) => {}
            Err(unread) => finds.damaged.push((name, unread)),
        }
        Ok(())
    };
    tokio::task::block_in_place(|| located.each("", &mut visit))?;
    located.end().await
}

async fn look_deleted(
    home: &Home,
    resource: &ResourceRow,
    wanted: &Wanted,
    hits: &mut Vec<Hit>,
) -> Result<()> {
    let deleted = deleted(home, resource, None).await?;
    for gone in deleted.items.iter().filter(|gone| wanted.fits(&gone.item.found)) {
        hits.push(Hit {
            resource: resource.name.clone(),
            entry: item_entry(&gone.item.found),
            restore_point: gone.last_seen,
            deleted: Some(gone.gone),
        });
    }
    for reading in deleted.held {
        reading.end().await?;
    }
    Ok(())
}

/// Texts that must be found, folded.
struct Wanted {
    texts: Vec<String>,
    /// Hits that are kept.
    limit: usize,
}

impl Wanted {
    fn new(request: &FindRequest) -> Self {
        let texts = request.texts.iter().map(|text| fold(text)).collect();
        Self { texts, limit: request.limit.unwrap_or(usize::MAX) }
    }

    fn fits(&self, found: &Found) -> bool {
        let fields = [fold(found.meta.title()), fold(found.meta.from())];
        self.texts.iter().all(|text| fields.iter().any(|field| is_in(text, field)))
    }
}

/// True where a text is a part of the field, or, with `*`, describes the whole of it.
fn is_in(text: &str, field: &str) -> bool {
    let parts: Vec<&str> = text.split('*').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return field.contains(text) };
    let Some(mut rest) = field.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_the_rest_for_itself() {
        for (text, field) in [
            ("plan", "the plan of ann"),
            ("plan*", "plan b"),
            ("*plan", "a plan"),
            ("*.pdf", "a.b.pdf"),
            ("a*b*c", "a b b c"),
            ("a*a", "aa"),
            ("**", ""),
            ("*", "anything"),
        ] {
            assert!(is_in(text, field), "{text} in {field}");
        }
        for (text, field) in
            [("plan*", "the plan"), ("a*a", "a"), ("a*b*c", "a c b"), ("*.pdf", "a.pdf.exe")]
        {
            assert!(!is_in(text, field), "{text} in {field}");
        }
    }
}
