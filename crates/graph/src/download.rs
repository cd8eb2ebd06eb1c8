//! Downloads of files: Graph gives the address, the bytes come from there.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::exchange::Graph;
use crate::request::{Parts, Request};

impl Graph {
    /// A download of the content of a file (`/drives/{d}/items/{i}/content`) or of one of its
    /// versions (`…/versions/{v}/content`).
    pub fn download(&self, content: Request<'_>) -> Download {
        Download { graph: self.clone(), content: content.drive(1).parts, size: None }
    }
}

/// A download under way.
#[derive(Debug)]
pub struct Download {
    graph: Graph,
    content: Parts,
    size: Option<u64>,
}

impl Download {
    /// The next piece, `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let _ = (&self.graph, &self.content);
        Err(Error::config("downloads are not there yet"))
    }

    /// Total size in bytes that the service told with the first answer; `None` where it told none,
    /// and before the first piece.
    pub fn size(&self) -> Option<u64> {
        self.size
    }
}
