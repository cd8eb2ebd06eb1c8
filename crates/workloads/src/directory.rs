//! Finds the people of a tenant, each of whom may own a mailbox.

use holdfast_graph::Graph;

use crate::{Error, Result};

/// A user as the directory lists it. Whether there is a mailbox shows only when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Object id (GUID).
    pub id: String,
    /// Sign-in name, for most people also the address; the id where there is none.
    pub user_principal_name: String,
    /// Name for people; may be absent.
    pub display_name: Option<String>,
    /// Department, where the directory tells one.
    pub department: Option<String>,
}

/// All users, in the order in which Graph lists them.
///
/// Source: Graph v1.0 `GET /users` (page size at most 999).
pub async fn users(graph: &Graph) -> Result<Vec<User>> {
    let request = graph
        .get("/users")
        .query("$select", "id,userPrincipalName,displayName,department")
        .query("$top", "999");
    let mut pages = graph.pages(request);
    let mut users = Vec::new();
    while let Some(page) = pages.next().await? {
        for item in page.items {
            let text = |property: &str| item[property].as_str().map(str::to_owned);
            let id = text("id").ok_or(Error::Answer { what: "a user", property: "id" })?;
            let user_principal_name = text("userPrincipalName").unwrap_or_else(|| id.clone());
            users.push(User {
                id,
                user_principal_name,
                display_name: text("displayName"),
                department: text("department").filter(|name| !name.is_empty()),
            });
        }
    }
    Ok(users)
}
