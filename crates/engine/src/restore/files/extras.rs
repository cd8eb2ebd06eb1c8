//! What a file has beside its bytes: columns and label where the target takes them, sharing on
//! request.

use holdfast_graph::Kind;
use holdfast_vault::{Reader, TreeId};
use holdfast_workloads::Loss;
use holdfast_workloads::drive::{About, about_path};
use serde_json::{Value, json};

use super::failure::ends_restore;
use super::upload::Task;
use crate::select::Picked;
use crate::{Error, Result};

/// A permission, as it is given again.
#[derive(Debug, PartialEq)]
enum Right<'p> {
    Link {
        kind: &'p str,
        scope: &'p str,
    },
    People(Vec<Value>),
    /// It would reach further than it did, or last longer.
    Lost,
}

impl Task<'_> {
    /// Brings back what lies in `~about` of a file; answers with what could not be carried, or with
    /// `None` where nothing was to be brought. A file that takes the place of another one keeps its
    /// sharing.
    pub(super) async fn extras(
        &self,
        item: &Picked,
        id: &str,
        keeps_sharing: bool,
    ) -> Result<Option<Vec<Loss>>> {
        let Some(about) = about_of_file(item)? else { return Ok(None) };
        let mut losses = Vec::new();
        if !about.fields.is_empty() {
            let set = self.writer.set_fields(id, &about.fields).await;
            lost(set.map_err(Error::from), Loss::Columns, &mut losses)?;
        }
        if let Some(label) = &about.label {
            let set = self.writer.set_label(id, label).await;
            lost(set.map_err(Error::from), Loss::Label, &mut losses)?;
        }
        if !about.permissions.is_empty() && !keeps_sharing {
            match self.request.permissions {
                true => self.share(id, &about.permissions, &mut losses).await?,
                false => losses.push(Loss::Sharing),
            }
        }
        Ok(Some(losses))
    }

    /// What is known to be lost before anything is written.
    pub(super) fn expected_losses(&self, item: &Picked, keeps_sharing: bool) -> Result<Vec<Loss>> {
        let about = about_of_file(item)?.unwrap_or_default();
        let is_lost = |permission: &Value| right(permission) == Right::Lost;
        Ok(match (about.permissions.is_empty() || keeps_sharing, self.request.permissions) {
            (true, _) => Vec::new(),
            (false, false) => vec![Loss::Sharing],
            (false, true) if about.permissions.iter().any(is_lost) => vec![Loss::Link],
            (false, true) => Vec::new(),
        })
    }

    /// Shares the folders that were made and gives them their dates, now that nothing more goes
    /// into them. A date that is refused is not worth a failure.
    pub(super) async fn finish_folders(&self) -> Result<Vec<Loss>> {
        let mut all = Vec::new();
        for (id, folder) in self.tree.made() {
            let about = match &folder.kept {
                Some((reader, root)) if folder.facts.about => about(reader, *root, &folder.id)?,
                _ => None,
            };
            let mut losses = Vec::new();
            match about.filter(|about| !about.permissions.is_empty()) {
                Some(about) if self.request.permissions => {
                    self.share(id, &about.permissions, &mut losses).await?;
                }
                Some(_) => losses.push(Loss::Sharing),
                None => {}
            }
            all.extend(losses);
            let dates = (folder.facts.created, folder.facts.modified);
            if let Err(error) = self.writer.set_dates(id, dates.0, dates.1).await {
                let error = Error::from(error);
                if ends_restore(&error) {
                    return Err(error);
                }
                tracing::warn!(cause = error.cause(), "a folder has not got its dates");
            }
        }
        Ok(all)
    }

    async fn share(&self, id: &str, permissions: &[Value], losses: &mut Vec<Loss>) -> Result<()> {
        for permission in permissions {
            let shared = match right(permission) {
                Right::Link { kind, scope } => self.writer.make_link(id, kind, scope).await,
                Right::People(people) => {
                    self.writer.invite(id, &people, &permission["roles"]).await
                }
                Right::Lost => {
                    losses.push(Loss::Link);
                    continue;
                }
            };
            lost(shared.map_err(Error::from), Loss::Sharing, losses)?;
        }
        losses.sort();
        losses.dedup();
        Ok(())
    }
}

/// The facts about a file in the restore point that has it.
fn about_of_file(item: &Picked) -> Result<Option<About>> {
    let meta = item.found.file()?;
    match meta.about {
        Some(_) => about(&item.reader, item.root, &meta.id),
        None => Ok(None),
    }
}

fn about(reader: &Reader, root: TreeId, id: &str) -> Result<Option<About>> {
    let path = about_path(id);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    tokio::task::block_in_place(|| {
        let Some(node) = reader.node(root, &path)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&reader.bytes(&node)?).into_owned();
        Ok(Some(About::from_json(&node.name, &text)?))
    })
}

/// A fact that the target refuses is lost; the file is not.
fn lost(result: Result<()>, loss: Loss, losses: &mut Vec<Loss>) -> Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.graph().is_some() && !is_fatal(&error) => {
            losses.push(loss);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The right to write files may come without the right to share them.
fn is_fatal(error: &Error) -> bool {
    let kind = error.graph().map(holdfast_graph::Error::kind);
    ends_restore(error) && kind != Some(Kind::Denied)
}

/// How a permission is given again. None may become wider: what has an end, a password or a ban on
/// downloads cannot be made so again, and is lost. A link for certain people becomes an invitation
/// of those people.
fn right(permission: &Value) -> Right<'_> {
    let link = &permission["link"];
    let ends = permission["hasPassword"].as_bool() == Some(true)
        || permission["expirationDateTime"].is_string()
        || link["preventsDownload"].as_bool() == Some(true);
    if ends {
        return Right::Lost;
    }
    match (link["type"].as_str(), link["scope"].as_str()) {
        (Some(kind @ ("view" | "edit")), Some(scope @ ("anonymous" | "organization"))) => {
            return Right::Link { kind, scope };
        }
        (_, Some("users")) => {}
        _ if link.is_object() => return Right::Lost,
        _ => {}
    }
    match people(permission) {
        people if people.is_empty() => Right::Lost,
        people => Right::People(people),
    }
}

/// The people to whom a right was given, as an invitation names them: by their id in the directory,
/// else by address, else by the address in their name for signing in. An address may belong to
/// somebody else by now, an id never.
///
/// Source: Graph v1.0 `driveRecipient`, `sharePointIdentitySet`.
fn people(permission: &Value) -> Vec<Value> {
    let one = [("grantedToV2", "grantedTo"), ("grantedToIdentitiesV2", "grantedToIdentities")];
    let mut people = Vec::new();
    for (newer, older) in one {
        let said = [&permission[newer], &permission[older]];
        // The older form says the same with less.
        let Some(who) = said.into_iter().find(|who| who.is_object() || who.is_array()) else {
            continue;
        };
        let many = who.as_array().map_or(std::slice::from_ref(who), Vec::as_slice);
        for who in many {
            people.extend(recipient(who).filter(|person| !people.contains(person)));
        }
    }
    people
}

fn recipient(who: &Value) -> Option<Value> {
    let login = who["siteUser"]["loginName"].as_str().and_then(|name| name.rsplit('|').next());
    let email = [&who["user"]["email"], &who["siteUser"]["email"]];
    let email = email.into_iter().find_map(Value::as_str);
    let email = email.or(login.filter(|name| name.contains('@')));
    let by_id = who["user"]["id"].as_str().map(|id| json!({"objectId": id}));
    by_id.or(email.map(|email| json!({"email": email})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_right_becomes_wider() {
        let open = json!({"link": {"type": "view", "scope": "organization"}});
        assert_eq!(right(&open), Right::Link { kind: "view", scope: "organization" });
        let ada = json!({"user": {"email": "ada@contoso.example"}});
        let invited = || Right::People(vec![json!({"email": "ada@contoso.example"})]);
        let with = |link: Value, more: Value| {
            let mut permission = json!({"link": link, "grantedToIdentitiesV2": [ada]});
            permission.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            right(&permission) == Right::Lost
        };
        let (end, users) = ("expirationDateTime", json!({"type": "edit", "scope": "users"}));
        let anyone = json!({"type": "view", "scope": "anonymous"});
        assert!(with(anyone.clone(), json!({"hasPassword": true})));
        assert!(with(anyone, json!({end: "2027-01-01T00:00:00Z"})));
        assert!(with(users.clone(), json!({end: "2027-01-01T00:00:00Z"})));
        assert!(with(users.clone(), json!({"hasPassword": true})));
        assert!(with(json!({"type": "blocksDownload", "scope": "organization"}), json!({})));
        let viewed = json!({"type": "view", "scope": "organization", "preventsDownload": true});
        assert!(with(viewed, json!({})));
        assert_eq!(right(&json!({"link": users, "grantedToIdentitiesV2": [ada]})), invited());
        assert_eq!(right(&json!({"grantedToV2": ada})), invited());
        let ending = json!({"grantedToV2": ada, end: "2027-01-01T00:00:00Z"});
        assert_eq!(right(&ending), Right::Lost);
    }

    #[test]
    fn people_are_named_by_their_ids_before_their_addresses() {
        let known = json!({
            "grantedToV2": {"user": {"id": "77", "email": "ada@contoso.example"}},
            "grantedTo": {"user": {"email": "ada@contoso.example"}},
        });
        assert_eq!(people(&known), [json!({"objectId": "77"})]);
        let login = "i:0#.f|membership|ada@contoso.example";
        let known = json!({"grantedToV2": {"siteUser": {"loginName": login}}});
        assert_eq!(people(&known), [json!({"email": "ada@contoso.example"})]);
        assert!(
            people(&json!({"grantedToV2": {"siteGroup": {"displayName": "Owners"}}})).is_empty()
        );
    }
}
