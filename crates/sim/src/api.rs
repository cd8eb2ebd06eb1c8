//! What stands behind the paths of Graph.

pub mod attachments;
pub mod create;
pub mod delta;
pub mod drive;
pub mod folders;
pub mod messages;
pub mod page;
pub mod update;
pub mod upload;
pub mod users;

use crate::error::Refused;
use crate::http::{Call, GraphError};
use crate::state::{Mailbox, State};

/// The user in the first placeholder.
pub fn user_index(state: &State, call: &Call) -> Result<usize, GraphError> {
    let name = call.param(0);
    state.user_index(name).map_err(|_| {
        // Exchange and the directory say the same thing in different words.
        if call.segments.len() > 3 {
            let message = format!("The requested user '{name}' is invalid.");
            GraphError::new(404, "ErrorInvalidUser", message)
        } else {
            Refused::UserNotFound.into()
        }
    })
}

/// The mailbox of the user in the first placeholder.
pub fn mailbox<'a>(state: &'a State, call: &Call) -> Result<(usize, &'a Mailbox), GraphError> {
    let user = user_index(state, call)?;
    Ok((user, state.mailbox(user)?))
}
