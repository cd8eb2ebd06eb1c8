//! Upload sessions (source: Graph, "driveItem: createUploadSession", read 2026-11).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::write::{Conflict, Place, dates, place, shown, store};
use super::{drive, invalid, path, start};
use crate::api::page::entity;
use crate::error::Refused;
use crate::fault::FaultKind;
use crate::http::{Answer, Call, GraphError, Reply};
use crate::render::time;
use crate::seal;
use crate::state::State;
use crate::state::drive::{Dates, FileBytes, Reader};
use crate::tenant::Tenant;

/// All pieces but the last are a multiple of this: 320 KiB.
const UNIT: u64 = 320 * 1024;

/// A piece is smaller than this: 60 MiB.
const PIECE_MAX: u64 = 60 * 1024 * 1024;

/// How long a session lives after the last piece; days were seen.
const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// Files from this size on are compared with made ones, so that they need not be kept.
const MADE_FROM: u64 = 64 * 1024 * 1024;

/// The open sessions. They are lost with the process, as sessions of the service can be.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Debug)]
struct Session {
    drive: usize,
    target: Target,
    dates: Dates,
    deferred: bool,
    total: Option<u64>,
    held: Held,
    expires: Timestamp,
}

/// Where the file goes; worked out at the end.
#[derive(Clone, Debug)]
enum Target {
    Child { parent: u64, name: String, conflict: Conflict },
    Item(u64),
}

/// What came so far. Bytes that are those of a made file are not kept.
#[derive(Clone, Debug)]
enum Held {
    Bytes(Vec<u8>),
    Made { reader: Reader, seed: u64, len: u64 },
}

impl Held {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Made { len, .. } => *len,
        }
    }

    fn push(&mut self, piece: &[u8]) {
        match self {
            Self::Made { reader, len, .. } if reader.read(*len, piece.len() as u64) == piece => {
                *len += piece.len() as u64;
            }
            Self::Made { reader, len, .. } => {
                let mut bytes = reader.read(0, *len).to_vec();
                bytes.extend_from_slice(piece);
                *self = Self::Bytes(bytes);
            }
            Self::Bytes(bytes) => bytes.extend_from_slice(piece),
        }
    }

    fn finish(self) -> FileBytes {
        match self {
            Self::Bytes(bytes) => bytes.into(),
            Self::Made { seed, len, .. } => FileBytes::Made { seed, size: len },
        }
    }
}

impl Session {
    fn next(&self) -> Vec<String> {
        let next = self.held.len();
        let is_whole = self.total == Some(next);
        if is_whole { Vec::new() } else { vec![format!("{next}-")] }
    }

    fn document(&self) -> Value {
        json!({"expirationDateTime": time(self.expires), "nextExpectedRanges": self.next()})
    }
}

/// `POST …/createUploadSession`
pub fn create(tenant: &Tenant, call: &Call) -> Answer {
    let body = if call.body.is_empty() { json!({}) } else { call.json()? };
    let item = body.get("item").cloned().unwrap_or_else(|| json!({}));
    let state = tenant.state();
    let (index, held) = drive(&state, call)?;
    if let Some(size) = item.get("fileSize").and_then(Value::as_u64)
        && held.used().saturating_add(size) > held.options.quota
    {
        return Err(Refused::QuotaReached.into());
    }
    let now = tenant.clock().now();
    let session = Session {
        drive: index,
        target: target(&state, index, call, &item)?,
        dates: dates(&item)?,
        deferred: body.get("deferCommit").and_then(Value::as_bool).unwrap_or(false),
        total: None,
        held: Held::Bytes(Vec::new()),
        expires: now.saturating_add(LIFE).unwrap_or(now),
    };
    let mut document = session.document();
    let id = format!("{}{}", seal::random_guid(), seal::random_guid()).replace('-', "");
    let auth = tenant.seal().word(&id, 24);
    // Pieces take the locks the other way round.
    drop(state);
    let base = tenant.files_base(&call.base);
    document["uploadUrl"] = json!(format!("{base}/upload/{id}?tempauth={auth}"));
    tenant.drive_sessions().lock().insert(id, session);
    let members = document.as_object().cloned().unwrap_or_default();
    Ok(entity(call, 200, "microsoft.graph.uploadSession", members))
}

fn target(state: &State, index: usize, call: &Call, item: &Value) -> Result<Target, GraphError> {
    let drive = &state.sharepoint.drives[index];
    let wish = item.get("@microsoft.graph.conflictBehavior").and_then(Value::as_str);
    let conflict = Conflict::read(wish, Conflict::Fail)?;
    let start = start(drive, call)?;
    let Some(path) = path(call) else {
        start.body().ok_or(Refused::NotAFile)?;
        return Ok(Target::Item(start.number));
    };
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = drive.at_path(start.number, folders)?;
    if !parent.holds_items() {
        return Err(Refused::NotAFolder.into());
    }
    // A name in the body has to be that of the address, but for its case.
    let named = item.get("name").and_then(Value::as_str).unwrap_or(name);
    if named.to_lowercase() != name.to_lowercase() {
        return Err(invalid("The name in the body is not that of the address."));
    }
    crate::state::drive::check_name(name)?;
    Ok(Target::Child { parent: parent.number, name: name.to_owned(), conflict })
}

/// Requests to an upload address. It is authentication enough; a token beside it is refused.
pub fn answer(tenant: &Tenant, call: &Call, id: &str) -> Answer {
    if call.header("authorization").is_some() {
        let message = "The address is pre-authenticated, send no Authorization header.";
        return Err(GraphError::new(401, "unauthenticated", message));
    }
    let now = tenant.clock().now();
    let mut sessions = tenant.drive_sessions().lock();
    sessions.retain(|_, session| session.expires > now);
    if call.struck(|kind| *kind == FaultKind::UploadSessionLost) {
        sessions.remove(id);
    }
    let known = call.option("tempauth") == Some(tenant.seal().word(id, 24).as_str());
    let session = sessions
        .get_mut(id)
        .filter(|_| known)
        .ok_or_else(|| GraphError::new(404, "itemNotFound", "The upload session was not found."))?;
    match call.method.as_str() {
        "GET" => return Ok(Reply::json(200, session.document())),
        "DELETE" => {
            sessions.remove(id);
            return Ok(Reply::empty(204));
        }
        "PUT" => {
            tenant.counters().count(|stats| stats.upload_chunks += 1);
            let seeds = || made_seeds(&tenant.state());
            append(session, call, seeds)?;
            session.expires = now.saturating_add(LIFE).unwrap_or(now);
            if session.deferred || session.total != Some(session.held.len()) {
                return Ok(Reply::json(202, session.document()));
            }
        }
        "POST" if session.total == Some(session.held.len()) => {}
        _ => return Err(GraphError::new(405, "invalidRequest", "The method is not allowed.")),
    }
    let whole = session.clone();
    drop(sessions);
    let reply = finish(tenant, call, whole)?;
    tenant.drive_sessions().lock().remove(id);
    Ok(reply)
}

/// Adds a piece: in order, without gaps.
fn append(
    session: &mut Session,
    call: &Call,
    seeds: impl FnOnce() -> Vec<u64>,
) -> Result<(), GraphError> {
    let range = call.header("content-range").and_then(content_range);
    let (start, end, total) =
        range.ok_or_else(|| invalid("The Content-Range header is missing or malformed."))?;
    let len = call.body.len() as u64;
    if end - start + 1 != len || session.total.is_some_and(|known| known != total) {
        return Err(invalid("The Content-Range header does not match the content."));
    }
    if len >= PIECE_MAX {
        let message = "A fragment must be smaller than 60 MiB.";
        return Err(GraphError::new(413, "requestEntityTooLarge", message));
    }
    if end + 1 < total && !len.is_multiple_of(UNIT) {
        return Err(invalid("The fragment size is not a multiple of 320 KiB."));
    }
    let have = session.held.len();
    if start != have || call.struck(|kind| *kind == FaultKind::UploadOverlap) {
        return Err(wrong_range(start, have));
    }
    if start == 0 && total >= MADE_FROM {
        session.held = like_made(&call.body, total, seeds());
    }
    session.total = Some(total);
    session.held.push(&call.body);
    Ok(())
}

fn wrong_range(start: u64, have: u64) -> GraphError {
    let inner = if start > have { "fragmentOutOfOrder" } else { "fragmentOverlap" };
    let message = "The uploaded fragment overlaps with data that has already been received.";
    GraphError::new(416, "invalidRange", message).inner(inner)
}

/// The seeds of all large made files.
fn made_seeds(state: &State) -> Vec<u64> {
    let items = state.sharepoint.drives.iter().flat_map(|drive| drive.items.values());
    let bodies = items.flat_map(|item| &item.versions).map(|version| &version.body.bytes);
    let mut seeds: Vec<u64> = bodies
        .filter_map(|bytes| match bytes {
            FileBytes::Made { seed, size } if *size >= MADE_FROM => Some(*seed),
            _ => None,
        })
        .collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}

/// A made file that begins like this piece, or nothing yet.
fn like_made(piece: &[u8], size: u64, seeds: Vec<u64>) -> Held {
    for seed in seeds {
        let reader = FileBytes::Made { seed, size }.reader();
        if reader.read(0, piece.len() as u64) == piece {
            return Held::Made { reader, seed, len: 0 };
        }
    }
    Held::Bytes(Vec::new())
}

/// `bytes 0-99/1000`
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end, size) = (start.parse().ok()?, end.parse().ok()?, size.parse().ok()?);
    (start <= end && end < size).then_some((start, end, size))
}

fn finish(tenant: &Tenant, call: &Call, session: Session) -> Answer {
    if call.struck(|kind| *kind == FaultKind::NameTaken) {
        return Err(Refused::NameTaken.into());
    }
    let mut state = tenant.state();
    let drive = state.sharepoint.drives.get(session.drive).ok_or(Refused::DriveNotFound)?;
    let place = match session.target {
        Target::Item(item) => Place::Taken(item),
        Target::Child { parent, name, conflict } => {
            drive.numbered(parent)?;
            place(drive, parent, &name, conflict)?
        }
    };
    let bytes = session.held.finish();
    let (item, is_new) = store(tenant, &mut state, session.drive, place, bytes, session.dates)?;
    shown(tenant, &state, session.drive, call, item, if is_new { 201 } else { 200 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_made_files_are_not_kept() {
        let made = FileBytes::Made { seed: 5, size: 3 * UNIT };
        let bytes = made.to_vec();
        let (first, rest) = bytes.split_at(UNIT as usize);
        let mut held = like_made(first, made.size(), vec![4, 5]);
        held.push(first);
        held.push(rest);
        assert_eq!(held.clone().finish(), made);
        let mut other = like_made(first, made.size(), vec![4, 5]);
        other.push(first);
        other.push(b"something else");
        assert_eq!(other.finish().to_vec(), [first, b"something else"].concat());
        assert!(matches!(like_made(first, made.size(), vec![4]), Held::Bytes(_)));
    }
}
