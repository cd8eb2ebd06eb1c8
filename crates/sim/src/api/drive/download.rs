//! Downloads: the redirect to a pre-authenticated address, and what stands behind it.

use super::{drive, item};
use crate::error::Refused;
use crate::fault::{self, FaultKind};
use crate::http::{Answer, Call, GraphError, Reply, Stream};
use crate::render::drive::{Ticket, download_end, download_url, mime_type};
use crate::state::drive::{Body, Drive, Item, Kind};
use crate::tenant::Tenant;
use crate::units;

/// Under this name downloads are counted.
const CONTENT: &str = "GET /drives/{id}/items/{id}/content";

/// What a download gives.
struct Found {
    name: String,
    etag: String,
    body: std::sync::Arc<Body>,
}

/// `GET …/content`: 302 to the address of the bytes.
pub fn content(tenant: &Tenant, call: &Call) -> Answer {
    let state = tenant.state();
    let (index, drive) = drive(&state, call)?;
    let item = item(drive, call)?;
    readable(item)?;
    redirect(tenant, call, index, item, None)
}

/// Whether a file gives its content away.
pub fn readable(item: &Item) -> Result<(), GraphError> {
    match item.kind {
        Kind::File if item.marks.malware => Err(Refused::Malware.into()),
        Kind::File if item.marks.locked => Err(Refused::ItemLocked.into()),
        Kind::File => Ok(()),
        // A notebook is not one file (source: Graph, "driveItem: download", read 2026-11).
        Kind::Package(_) => {
            let message = "The item is a package and has no content of its own.";
            Err(GraphError::new(404, "itemNotFound", message))
        }
        _ => Err(super::invalid("The item is not a file.").inner("notAFile")),
    }
}

/// 302 to the address of a version, or of the current one.
pub fn redirect(
    tenant: &Tenant,
    call: &Call,
    drive: usize,
    item: &Item,
    version: Option<u32>,
) -> Answer {
    let expires = download_end(tenant.clock().now());
    let ticket = Ticket { drive, item: item.number, version, expires, payer: None };
    let url = download_url(tenant.seal(), &tenant.files_base(&call.base), &ticket);
    Ok(Reply::empty(302).with("location", url))
}

/// Requests to a download address. It is authentication enough; a token beside it is refused.
pub fn answer(tenant: &Tenant, call: &Call, token: &str) -> Answer {
    tenant.counters().count(|stats| stats.downloads += 1);
    if call.header("authorization").is_some() {
        tenant.counters().count(|stats| stats.authorised_downloads += 1);
        let message = "The address is pre-authenticated, send no Authorization header.";
        return Err(unauthorised(message));
    }
    if call.method != "GET" {
        return Err(GraphError::new(405, "invalidRequest", "The method is not allowed."));
    }
    let known = call.option("tempauth") == Some(tenant.seal().word(token, 24).as_str());
    let ticket: Option<Ticket> = tenant.seal().open("download", token).filter(|_| known);
    let ticket = ticket.ok_or_else(|| unauthorised("The address was changed."))?;
    if ticket.expires <= tenant.clock().now().as_second() {
        return Err(unauthorised("The address has expired."));
    }
    let limits = pay(tenant, call, &ticket)?;
    let mut call = call.clone();
    call.faults = struck(tenant, &call, &ticket);
    let mut reply = serve(tenant, &call, &ticket)?;
    reply.headers.extend(limits);
    Ok(reply)
}

/// Counts a download by an address from a listing as one by `/content`: whether the service does
/// is not documented. What goes on where a connection broke is paid.
fn pay(
    tenant: &Tenant,
    call: &Call,
    ticket: &Ticket,
) -> Result<Vec<(&'static str, String)>, GraphError> {
    match &ticket.payer {
        Some(app) if call.header("range").is_none() => units::spend(tenant, app, CONTENT, 1),
        _ => Ok(Vec::new()),
    }
}

/// The faults that strike a download. Tests name them by the path below `/v1.0`, which the
/// address does not show.
fn struck(tenant: &Tenant, call: &Call, ticket: &Ticket) -> Vec<FaultKind> {
    let state = tenant.state();
    let Some(drive) = state.sharepoint.drives.get(ticket.drive) else { return Vec::new() };
    let item = drive.item_id(ticket.item);
    let version = ticket.version.map(|number| format!("/versions/{number}.0")).unwrap_or_default();
    let path = format!("/download/v1.0/drives/{}/items/{item}{version}/content", drive.made.id);
    let owner = drive.made.owner.and_then(|owner| state.users.get(owner));
    let names = owner.map_or(["", ""], |user| [user.id.as_str(), user.profile.upn.as_str()]);
    tenant.faults().strike_download(call, &path, names, ticket.payer.is_some())
}

fn unauthorised(message: &str) -> GraphError {
    GraphError::new(401, "unauthenticated", message)
}

fn serve(tenant: &Tenant, call: &Call, ticket: &Ticket) -> Answer {
    if let Some(reply) = fault::refuse(call, tenant.clock().now()) {
        return Ok(reply);
    }
    if call.struck(|kind| *kind == FaultKind::DownloadExpired) {
        return Err(unauthorised("The address has expired."));
    }
    if call.struck(|kind| *kind == FaultKind::MalwareBody) {
        let text = "<html><body>The file contains a virus: malware found.</body></html>";
        return Ok(Reply::bytes("text/html", text).with("x-virus-infected", "true"));
    }
    let found = find(tenant, ticket)?;
    let mut reply = ranged(call, &found);
    if call.struck(|kind| *kind == FaultKind::DownloadUnauthorisedWithBytes) {
        reply.status = 401;
    }
    let breaks = call.faults.iter().find_map(|kind| match kind {
        FaultKind::BrokenAfter(bytes) => Some(*bytes),
        FaultKind::BrokenBody => Some(0),
        _ => None,
    });
    if let Some(stream) = &mut reply.stream {
        stream.breaks_after = breaks.filter(|bytes| *bytes < stream.len);
    }
    Ok(reply)
}

fn find(tenant: &Tenant, ticket: &Ticket) -> Result<Found, GraphError> {
    let state = tenant.state();
    let drive: &Drive = state.sharepoint.drives.get(ticket.drive).ok_or(Refused::DriveNotFound)?;
    let item = drive.numbered(ticket.item)?;
    readable(item)?;
    let mut versions = item.versions.iter();
    let version = match ticket.version {
        Some(number) => versions.find(|version| version.number == number),
        None => versions.next_back(),
    };
    let version = version.ok_or(Refused::VersionNotFound)?;
    let guid = drive.item_guid(item.number);
    Ok(Found {
        name: item.name.clone(),
        etag: format!("\"{{{guid}}},{}\"", version.number),
        body: std::sync::Arc::clone(&version.body),
    })
}

/// The bytes asked for by `Range`, or all of them.
fn ranged(call: &Call, found: &Found) -> Reply {
    let size = found.body.size();
    let unchanged = call.header("if-range").is_none_or(|etag| etag == found.etag);
    let range = call.header("range").filter(|_| unchanged).map(|text| byte_range(text, size));
    let mut reply = match range {
        Some(ByteRange::Unsatisfiable) => {
            return Reply::empty(416).with("content-range", format!("bytes */{size}"));
        }
        Some(ByteRange::Part(start, end)) => {
            let range = format!("bytes {start}-{}/{size}", end - 1);
            stream(found, 206, start, end).with("content-range", range)
        }
        _ => stream(found, 200, 0, size),
    };
    reply = reply.with("etag", found.etag.clone()).with("accept-ranges", "bytes");
    let name = crate::state::site::escaped(&found.name);
    reply.with("content-disposition", format!("attachment;filename*=UTF-8''{name}"))
}

fn stream(found: &Found, status: u16, start: u64, end: u64) -> Reply {
    let mut reply = Reply::empty(status).with("content-type", mime_type(&found.name));
    reply.headers.push(("content-length", (end - start).to_string()));
    let file = found.body.bytes.reader();
    reply.stream = Some(Stream { file, start, len: end - start, breaks_after: None });
    reply
}

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteRange {
    /// From the first number to before the second.
    Part(u64, u64),
    /// Nothing of the file.
    Unsatisfiable,
    /// Several ranges or another form: the whole file is given (RFC 9110, section 14.2).
    Ignored,
}

fn byte_range(text: &str, size: u64) -> ByteRange {
    let Some((first, last)) =
        text.trim().strip_prefix("bytes=").and_then(|text| text.split_once('-'))
    else {
        return ByteRange::Ignored;
    };
    let part = match (first.trim().parse::<u64>(), last.trim()) {
        (Ok(start), "") => (start, size),
        (Ok(start), last) => match last.parse::<u64>() {
            Ok(last) if last >= start => (start, last.saturating_add(1).min(size)),
            _ => return ByteRange::Ignored,
        },
        (Err(_), last) if first.trim().is_empty() => match last.parse::<u64>() {
            Ok(0) => return ByteRange::Unsatisfiable,
            Ok(len) => (size.saturating_sub(len), size),
            Err(_) => return ByteRange::Ignored,
        },
        _ => return ByteRange::Ignored,
    };
    if part.0 >= part.1 { ByteRange::Unsatisfiable } else { ByteRange::Part(part.0, part.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (text, range) in [
            ("bytes=0-9", ByteRange::Part(0, 10)),
            ("bytes=5-", ByteRange::Part(5, 100)),
            ("bytes=-7", ByteRange::Part(93, 100)),
            ("bytes=90-500", ByteRange::Part(90, 100)),
            ("bytes=100-", ByteRange::Unsatisfiable),
            ("bytes=-0", ByteRange::Unsatisfiable),
            ("bytes=9-5", ByteRange::Ignored),
            ("bytes=0-1,4-5", ByteRange::Ignored),
            ("lines=1-2", ByteRange::Ignored),
        ] {
            assert_eq!(byte_range(text, 100), range, "{text}");
        }
        assert_eq!(byte_range("bytes=0-", 0), ByteRange::Unsatisfiable);
    }
}
