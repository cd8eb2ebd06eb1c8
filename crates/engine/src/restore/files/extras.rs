//! What a file has beside its bytes: columns and label where the target takes them, sharing on
//! request.

use holdfast_workloads::Loss;
use holdfast_workloads::drive::{About, about_path};
use serde_json::{Value, json};

use super::super::ends_restore;
use super::upload::Task;
use crate::select::Picked;
use crate::{Error, Result};

impl Task<'_> {
    /// Brings back what lies in `~about` of a file; answers with what could not be carried. A file
    /// that takes the place of another one keeps its sharing.
    pub(super) async fn extras(
        &self,
        item: &Picked,
        id: &str,
        keeps_sharing: bool,
    ) -> Result<Vec<Loss>> {
        let Some(about) = about(item)? else { return Ok(Vec::new()) };
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
        Ok(losses)
    }

    async fn share(&self, id: &str, permissions: &[Value], losses: &mut Vec<Loss>) -> Result<()> {
        for permission in permissions {
            let shared = match (link(permission), people(permission)) {
                (Some((kind, scope)), _) => Some(self.writer.make_link(id, kind, scope).await),
                (None, people) if !people.is_empty() => {
                    Some(self.writer.invite(id, &people, &permission["roles"]).await)
                }
                _ => None,
            };
            match shared {
                Some(shared) => lost(shared.map_err(Error::from), Loss::Sharing, losses)?,
                None => losses.push(Loss::Link),
            }
        }
        losses.sort();
        losses.dedup();
        Ok(())
    }
}

/// The facts about a file in the restore point that has it.
fn about(item: &Picked) -> Result<Option<About>> {
    let meta = item.found.file()?;
    if meta.about.is_none() {
        return Ok(None);
    }
    let path = about_path(&meta.id);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    tokio::task::block_in_place(|| {
        let Some(node) = item.reader.node(item.root, &path)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&item.reader.bytes(&node)?).into_owned();
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
    ends_restore(error)
        && error.graph().map(holdfast_graph::Error::kind) != Some(holdfast_graph::Kind::Denied)
}

/// Kind and scope of a link that can be made again.
fn link(permission: &Value) -> Option<(&str, &str)> {
    let link = &permission["link"];
    let ends = permission["hasPassword"].as_bool() == Some(true)
        || permission["expirationDateTime"].is_string();
    let scope = link["scope"].as_str().filter(|scope| *scope != "users" && !ends)?;
    Some((link["type"].as_str()?, scope))
}

/// The people to whom a right was given, as an invitation names them: by address, else by their id
/// in the directory, else by the address in their name for signing in.
///
/// Source: Graph v1.0 `driveRecipient`, `sharePointIdentitySet`.
fn people(permission: &Value) -> Vec<Value> {
    let one = [&permission["grantedToV2"], &permission["grantedTo"]];
    let many = [&permission["grantedToIdentitiesV2"], &permission["grantedToIdentities"]];
    let many = many.into_iter().filter_map(Value::as_array).flatten();
    let mut people = Vec::new();
    for who in one.into_iter().chain(many) {
        let person = recipient(who).filter(|person| !people.contains(person));
        people.extend(person);
    }
    people
}

fn recipient(who: &Value) -> Option<Value> {
    let login = who["siteUser"]["loginName"].as_str().and_then(|name| name.rsplit('|').next());
    let email = [&who["user"]["email"], &who["siteUser"]["email"]];
    let email = email.into_iter().find_map(Value::as_str);
    let by_id = who["user"]["id"].as_str().map(|id| json!({"objectId": id}));
    let by_email = |email: &str| json!({"email": email});
    email.map(by_email).or(by_id).or(login.filter(|name| name.contains('@')).map(by_email))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_people_are_told_apart() {
        let open = json!({"link": {"type": "view", "scope": "organization"}});
        assert_eq!(link(&open), Some(("view", "organization")));
        let ending = json!({"link": {"type": "view", "scope": "anonymous"}, "hasPassword": true});
        assert_eq!(link(&ending), None);
        let given = json!({
            "grantedToV2": {"user": {"email": "ada@contoso.example"}},
            "grantedTo": {"user": {"email": "ada@contoso.example"}},
        });
        assert_eq!(people(&given), [json!({"email": "ada@contoso.example"})]);
        let known = json!({"grantedToV2": {"user": {"id": "77", "displayName": "Ada"}}});
        assert_eq!(people(&known), [json!({"objectId": "77"})]);
        let login = "i:0#.f|membership|ada@contoso.example";
        let known = json!({"grantedToV2": {"siteUser": {"loginName": login}}});
        assert_eq!(people(&known), [json!({"email": "ada@contoso.example"})]);
        assert!(
            people(&json!({"grantedToV2": {"siteGroup": {"displayName": "Owners"}}})).is_empty()
        );
    }
}
