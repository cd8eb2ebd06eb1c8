//! Changing items: folders, small uploads, names, places, dates, deletion.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{drive, invalid, item, look, path, start};
use crate::api::page::entity;
use crate::error::Refused;
use crate::http::{Answer, Call, GraphError, Reply};
use crate::office;
use crate::render::drive::ItemLook;
use crate::state::drive::{Dates, Drive, DriveOp, FileBytes, Item, Kind, ROOT, numbered};
use crate::state::{Op, Outcome, State};
use crate::tenant::Tenant;

/// What is done when the name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// 409.
    Fail,
    /// The new content takes the place of the old.
    Replace,
    /// The new item gets a number.
    Rename,
}

impl Conflict {
    /// Reads `@microsoft.graph.conflictBehavior`.
    pub fn read(text: Option<&str>, default: Self) -> Result<Self, GraphError> {
        match text {
            None => Ok(default),
            Some("fail") => Ok(Self::Fail),
            Some("replace") => Ok(Self::Replace),
            Some("rename") => Ok(Self::Rename),
            Some(other) => Err(invalid(format!("'{other}' is not a conflict behavior."))),
        }
    }

    /// The wish of a request: in its query, or in its body.
    fn of(call: &Call, body: &Value, default: Self) -> Result<Self, GraphError> {
        const NAME: &str = "@microsoft.graph.conflictBehavior";
        Self::read(call.option(NAME).or_else(|| body.get(NAME).and_then(Value::as_str)), default)
    }
}

/// A place for a new item.
#[derive(Clone, Debug)]
pub enum Place {
    /// Nothing is there.
    Free {
        /// The folder.
        parent: u64,
        /// The name, with a number where it was taken.
        name: String,
    },
    /// This item is to be replaced.
    Taken(u64),
}

/// The place for a name in a folder, as the client wants conflicts to be solved.
pub fn place(
    drive: &Drive,
    parent: u64,
    name: &str,
    conflict: Conflict,
) -> Result<Place, GraphError> {
    let free = |name: String| Ok(Place::Free { parent, name });
    let Some(taken) = drive.child(parent, name) else { return free(name.to_owned()) };
    match conflict {
        Conflict::Fail => Err(Refused::NameTaken.into()),
        Conflict::Replace => Ok(Place::Taken(taken)),
        Conflict::Rename => {
            let names = (1..).map(|number| numbered(name, number));
            free(
                names
                    .into_iter()
                    .find(|name| drive.child(parent, name).is_none())
                    .unwrap_or_default(),
            )
        }
    }
}

/// Commits a change of a drive.
pub fn commit(
    tenant: &Tenant,
    state: &mut State,
    drive: usize,
    change: DriveOp,
) -> Result<Outcome, Refused> {
    tenant.commit(state, Op::Drive { drive, change: Box::new(change) })
}

/// Puts content at a place; the number of the item and whether it is new. Office files are
/// rewritten where the drive does that.
pub fn store(
    tenant: &Tenant,
    state: &mut State,
    drive: usize,
    place: Place,
    bytes: FileBytes,
    dates: Dates,
) -> Result<(u64, bool), GraphError> {
    let held = &state.sharepoint.drives[drive];
    let name = match &place {
        Place::Free { name, .. } => name.clone(),
        Place::Taken(item) => writable(held.numbered(*item)?)?.name.clone(),
    };
    let bytes = match bytes {
        FileBytes::Bytes(sent) if held.options.rewrites && office::is_office(&name) => {
            office::rewritten(&sent).map_or(FileBytes::Bytes(sent), FileBytes::from)
        }
        bytes => bytes,
    };
    match place {
        Place::Taken(item) => {
            commit(tenant, state, drive, DriveOp::Replace { item, bytes, dates })?;
            Ok((item, false))
        }
        Place::Free { parent, name } => {
            let op = DriveOp::Add { parent, name, kind: Kind::File, bytes: Some(bytes), dates };
            Ok((made(commit(tenant, state, drive, op)?)?, true))
        }
    }
}

fn made(outcome: Outcome) -> Result<u64, Refused> {
    match outcome {
        Outcome::Item(number) => Ok(number),
        _ => Err(Refused::ItemNotFound),
    }
}

/// Refuses to change what is locked or checked out.
pub fn writable(item: &Item) -> Result<&Item, GraphError> {
    if item.marks.locked || item.marks.checked_out {
        return Err(Refused::ItemLocked.into());
    }
    Ok(item)
}

/// An item that was changed or made.
pub fn shown(
    tenant: &Tenant,
    state: &State,
    drive: usize,
    call: &Call,
    item: u64,
    status: u16,
) -> Answer {
    let drive = &state.sharepoint.drives[drive];
    let look: ItemLook<'_> = look(tenant, state, drive, call)?;
    Ok(entity(call, status, "drives('')/items", look.item(drive.numbered(item)?)))
}

/// `fileSystemInfo` of a body.
pub fn dates(body: &Value) -> Result<Dates, GraphError> {
    let read = |name: &str| {
        let text =
            body.get("fileSystemInfo").and_then(|info| info.get(name)).and_then(Value::as_str);
        let at = text.map(str::parse::<Timestamp>).transpose();
        at.map_err(|_| invalid(format!("'{name}' of fileSystemInfo is not a date.")))
    };
    Ok(Dates { created: read("createdDateTime")?, modified: read("lastModifiedDateTime")? })
}

fn name_of(body: &Value) -> Result<&str, GraphError> {
    body.get("name").and_then(Value::as_str).ok_or_else(|| invalid("The name is missing."))
}

/// `POST …/children`: a folder.
pub fn create_folder(tenant: &Tenant, call: &Call) -> Answer {
    let body = call.json()?;
    if body.get("folder").is_none() {
        return Err(invalid("Only folders can be made here; the facet folder is missing."));
    }
    let (name, dates) = (name_of(&body)?, dates(&body)?);
    let conflict = Conflict::of(call, &body, Conflict::Fail)?;
    let mut state = tenant.state();
    let (index, held) = drive(&state, call)?;
    let parent = item(held, call)?.number;
    let number = match place(held, parent, name, conflict)? {
        Place::Taken(taken) if held.numbered(taken)?.holds_items() => taken,
        Place::Taken(_) => return Err(Refused::NameTaken.into()),
        Place::Free { parent, name } => {
            let op = DriveOp::Add { parent, name, kind: Kind::Folder, bytes: None, dates };
            made(commit(tenant, &mut state, index, op)?)?
        }
    };
    shown(tenant, &state, index, call, number, 201)
}

/// The place that the address of an upload names.
pub fn target(drive: &Drive, call: &Call, conflict: Conflict) -> Result<Place, GraphError> {
    let start = start(drive, call)?;
    let Some(path) = path(call) else {
        start.body().ok_or(Refused::NotAFile)?;
        return Ok(Place::Taken(start.number));
    };
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = drive.at_path(start.number, folders)?.number;
    place(drive, parent, name, conflict)
}

/// `PUT …/content`: a file in one request, at most 250 MB.
pub fn put_content(tenant: &Tenant, call: &Call) -> Answer {
    let conflict = Conflict::of(call, &json!({}), Conflict::Replace)?;
    let mut state = tenant.state();
    let (index, held) = drive(&state, call)?;
    let place = target(held, call, conflict)?;
    let bytes = FileBytes::Bytes(call.body.as_ref().into());
    let (item, is_new) = store(tenant, &mut state, index, place, bytes, Dates::default())?;
    shown(tenant, &state, index, call, item, if is_new { 201 } else { 200 })
}

/// Refuses a change of an item that changed since the client saw it.
fn refuse_stale(call: &Call, drive: &Drive, item: &Item) -> Result<(), GraphError> {
    let guid = drive.item_guid(item.number);
    let (etag, ctag) = (item.etag, item.ctag);
    let fresh = [format!("\"{{{guid}}},{etag}\""), format!("\"c:{{{guid}}},{ctag}\""), "*".into()];
    match call.header("if-match") {
        Some(wanted) if !fresh.iter().any(|known| known == wanted) => {
            let message = "ETag does not match current item's value.";
            Err(GraphError::new(412, "resourceModified", message))
        }
        _ => Ok(()),
    }
}

/// `PATCH …/items/{id}`: name, place and dates.
pub fn patch(tenant: &Tenant, call: &Call) -> Answer {
    let body = call.json()?;
    let dates = dates(&body)?;
    let mut state = tenant.state();
    let (index, held) = drive(&state, call)?;
    let found = writable(item(held, call)?)?;
    refuse_stale(call, held, found)?;
    let parent = new_parent(held, &body)?;
    let mut name = body.get("name").and_then(Value::as_str).map(str::to_owned);
    if Conflict::of(call, &body, Conflict::Fail)? == Conflict::Rename {
        let wanted = name.as_deref().unwrap_or(&found.name);
        let folder = parent.or(found.parent).unwrap_or(ROOT);
        if held.child(folder, wanted).is_some_and(|taken| taken != found.number)
            && let Place::Free { name: free, .. } = place(held, folder, wanted, Conflict::Rename)?
        {
            name = Some(free);
        }
    }
    let number = found.number;
    let op = DriveOp::Update { item: number, parent, name, dates };
    commit(tenant, &mut state, index, op)?;
    shown(tenant, &state, index, call, number, 200)
}

/// `parentReference` of a body: by id, or by path below the root.
fn new_parent(drive: &Drive, body: &Value) -> Result<Option<u64>, GraphError> {
    let Some(reference) = body.get("parentReference") else { return Ok(None) };
    let text = |name: &str| reference.get(name).and_then(Value::as_str);
    if text("driveId").is_some_and(|id| id != drive.made.id) {
        return Err(invalid("Moving items to another drive takes a copy."));
    }
    if let Some(id) = text("id") {
        return Ok(Some(drive.item(id)?.number));
    }
    match text("path").and_then(|path| path.split_once("root:")) {
        Some((_, path)) => Ok(Some(drive.at_path(ROOT, path)?.number)),
        None => Ok(None),
    }
}

/// `DELETE …/items/{id}`: into the recycle bin, which nobody looks into here.
pub fn delete(tenant: &Tenant, call: &Call) -> Answer {
    let mut state = tenant.state();
    let (index, held) = drive(&state, call)?;
    let found = writable(item(held, call)?)?;
    refuse_stale(call, held, found)?;
    let op = DriveOp::Remove { item: found.number };
    commit(tenant, &mut state, index, op)?;
    Ok(Reply::empty(204))
}
