//! From a request to its answer: faults, authorization, the operation.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;

use super::auth::Owner;
use super::batch;
use super::call::{self, Call, Operation};
use super::error::{self, Code, Refusal};
use super::list::View;
use super::state::{Account, Blob};
use super::{container, list, read, remove, worm, write};
use crate::clock::Clock;
use crate::fault::{Fault, Faults};
use crate::serve::{self, Reply};

/// An account and all that judges requests to it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) owner: Owner,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) page: usize,
    pub(crate) account: Mutex<Account>,
}

impl Service {
    /// What becomes of a request.
    pub(crate) async fn reply(&self, request: Request<Incoming>) -> Reply {
        let (head, incoming) = request.into_parts();
        let headers = head.headers.clone();
        let is_head = head.method == http::Method::HEAD;
        let call = Call::new(&self.owner.account, Request::from_parts(head, Bytes::new()));
        let fault = match &call {
            Ok(call) => self.faults.arrived(call.operation.name(), call.key()),
            Err(_) => self.faults.arrived("Unknown", ""),
        };
        match fault {
            Some(Fault::CloseRequest(count)) => {
                serve::read_some(incoming, count).await;
                return Reply::Close;
            }
            Some(Fault::Hang) => {
                self.faults.released().await;
                return Reply::Close;
            }
            _ => {}
        }
        let Ok(body) = serve::body(incoming).await else { return Reply::Close };
        let answer = match (fault, call) {
            (Some(Fault::Status(status)), _) => Err(Code::of_status(status).into()),
            (_, Ok(call)) => self.answer(&Call { body, ..call }, fault),
            (_, Err(refusal)) => Err(refusal),
        };
        let answer =
            self.finish(answer.unwrap_or_else(|refusal| refusal.answer(!is_head)), &headers);
        match fault {
            Some(Fault::AnswerLost) => Reply::Close,
            Some(Fault::CutAnswer(after)) => Reply::Cut(answer, after),
            _ => Reply::Answer(answer),
        }
    }

    /// Serves a request; a fault may falsify what becomes of a change.
    fn answer(&self, call: &Call, fault: Option<Fault>) -> Result<Response<Bytes>, Refusal> {
        let mut account = self.account();
        let before = match fault {
            Some(Fault::LieNothing) if call.operation.changes() => {
                Some(account.containers.get(&call.container).cloned())
            }
            _ => None,
        };
        let view = View {
            write: match fault {
                Some(Fault::StaleList(count)) => account.writes.saturating_sub(count as u64),
                _ => account.writes,
            },
            page: self.page,
        };
        let answer = self.serve(&mut account, call, view)?;
        match fault {
            Some(Fault::Duplicate) if call.operation.changes() => {
                // The client learns of the first only.
                let _ = self.serve(&mut account, call, view);
            }
            Some(Fault::LieHalf) => halve(&mut account, call),
            _ => {}
        }
        match before {
            Some(Some(before)) => {
                account.containers.insert(call.container.clone(), before);
            }
            Some(None) => {
                account.containers.remove(&call.container);
            }
            None => {}
        }
        Ok(answer)
    }

    fn serve(
        &self,
        account: &mut Account,
        call: &Call,
        view: View,
    ) -> Result<Response<Bytes>, Refusal> {
        let now = self.clock.now();
        let rights = self.owner.authenticate(now, call)?;
        if call.parameter("sv").is_none() {
            call.api_version()?;
        }
        let exists = account.blob(&call.container, &call.blob).and_then(Blob::current).is_some();
        rights.allow(call, exists)?;
        if call.operation != Operation::CreateContainer
            && !account.containers.contains_key(&call.container)
        {
            return Err(error::CONTAINER_NOT_FOUND.into());
        }
        match call.operation {
            Operation::PutBlob => write::put_blob(account, now, call),
            Operation::PutBlock => write::put_block(account, call),
            Operation::PutBlockList => write::put_block_list(account, now, call),
            Operation::SetMetadata => write::set_metadata(account, now, call),
            Operation::GetBlob | Operation::GetProperties => read::get(account, call),
            Operation::ListBlobs => list::list(account, call, view),
            Operation::DeleteBlob => remove::delete(account, now, call),
            Operation::SetPolicy => worm::set_policy(account, now, call),
            Operation::DeletePolicy => worm::delete_policy(account, call),
            Operation::SetHold => worm::set_hold(account, call),
            Operation::CreateContainer => container::create(account, call),
            Operation::GetContainer => container::get(account, now, call),
            Operation::DeleteContainer => container::delete(account, call),
            Operation::Batch => self.batch(account, call),
        }
    }

    fn batch(&self, account: &mut Account, call: &Call) -> Result<Response<Bytes>, Refusal> {
        let parts = batch::parts(call)?;
        let answer = |part: &batch::Part| {
            let answer = self.part(account, &call.container, part);
            answer.unwrap_or_else(|refusal| refusal.answer(true))
        };
        let answers: Vec<_> = parts.iter().map(answer).collect();
        Ok(batch::answer(&parts, &answers))
    }

    /// One deletion of a batch, counted and struck by faults as if it came alone; a fault that is
    /// no status is a 500 here.
    fn part(
        &self,
        account: &mut Account,
        container: &str,
        part: &batch::Part,
    ) -> Result<Response<Bytes>, Refusal> {
        let call = Call::new(&self.owner.account, part.request.clone())?;
        if call.operation != Operation::DeleteBlob || call.container != container {
            return Err(error::INVALID_BATCH.into());
        }
        match self.faults.arrived(call.operation.name(), call.key()) {
            Some(Fault::Status(status)) => return Err(Code::of_status(status).into()),
            Some(_) => return Err(error::INTERNAL.into()),
            None => {}
        }
        let now = self.clock.now();
        let rights = self.owner.authenticate(now, &call)?;
        rights.allow(&call, true)?;
        remove::delete(account, now, &call)
    }

    /// Adds the headers that every answer carries.
    fn finish(&self, mut answer: Response<Bytes>, request: &HeaderMap) -> Response<Bytes> {
        let headers = answer.headers_mut();
        for name in ["x-ms-version", "x-ms-client-request-id"] {
            if let Some(value) = request.get(name) {
                headers.insert(HeaderName::from_static(name), value.clone());
            }
        }
        headers.insert("server", HeaderValue::from_static("Windows-Azure-Blob/1.0 (simulated)"));
        let number: u64 = self.faults.requests().values().sum();
        let texts = [
            ("x-ms-request-id", format!("00000000-0000-0000-0000-{number:012x}")),
            ("date", call::rfc1123(self.clock.now())),
        ];
        for (name, text) in texts {
            if let Ok(text) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), text);
            }
        }
        answer
    }

    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves the first half of what a call has just stored.
fn halve(account: &mut Account, call: &Call) {
    let Some(blob) = account.blob_mut(&call.container, &call.blob) else { return };
    match call.operation {
        Operation::PutBlock => {
            let block = call.parameter("blockid").and_then(|id| blob.uncommitted.get_mut(id));
            if let Some(block) = block {
                block.truncate(block.len() / 2);
            }
        }
        Operation::PutBlob | Operation::PutBlockList => {
            if let Some(version) = blob.version_mut(None) {
                version.size /= 2;
                version.data.truncate(version.size);
                // Its blocks are no longer what the list said.
                version.blocks.clear();
            }
        }
        _ => {}
    }
}
