//! Pages of a list or of a delta round.
//!
//! The service sometimes repeats a page for ever (docs-contrib#7004, docs#21096): a link that
//! comes twice in a round, or the same content three times, ends it with [`Error::Loop`]. Content
//! is allowed to come twice because a delta round may repeat an item, and a page may hold only one
//! (docs#6785). Empty pages with a next link are normal in delta rounds.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use crate::endpoint;
use crate::error::{Error, Result};
use crate::exchange::Graph;
use crate::request::{JSON_LIMIT, Parts, Request, read_json};

/// Empty pages in a row before the round counts as a loop.
const EMPTY_LIMIT: usize = 1000;

/// One page. Links are path and query without host, fit to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The objects of `value` as Graph sent them. In a delta round the same id may come more than
    /// once; the last one counts.
    pub items: Vec<Value>,
    /// Where the next page is.
    pub next_link: Option<String>,
    /// Where the next delta round begins; only on the last page of a round.
    pub delta_link: Option<String>,
}

/// A walk over pages. After an error the walk stands where it stood: `next` asks for the same page
/// again, and [`Pages::position`] can be kept for another day.
#[derive(Debug)]
pub struct Pages {
    graph: Graph,
    next: Option<Parts>,
    links: HashSet<u64>,
    contents: HashMap<u64, u8>,
    empty: usize,
}

impl Graph {
    /// Walks the pages that begin with `first`. Its headers, preferences, mailbox and priority hold
    /// for every page; its query only for the first (the links carry their own).
    pub fn pages(&self, first: Request<'_>) -> Pages {
        Pages {
            graph: self.clone(),
            next: Some(first.parts),
            links: HashSet::new(),
            contents: HashMap::new(),
            empty: 0,
        }
    }
}

impl Pages {
    /// The next page, or `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Page>> {
        let Some(parts) = self.next.clone() else { return Ok(None) };
        let url = parts.url(self.graph.base())?;
        let endpoint = endpoint::template(&url);
        let body = self.graph.run(&parts, JSON_LIMIT, read_json).await?;
        self.links.insert(hash(&url.as_str()));
        let page = self.read(body, &endpoint)?;
        self.guard(&page, endpoint)?;
        self.next =
            page.next_link.clone().map(|link| Parts { path: link, query: Vec::new(), ..parts });
        Ok(Some(page))
    }

    /// Link of the page that `next` will ask for, where it is one that the service gave.
    pub fn position(&self) -> Option<&str> {
        self.next.as_ref().filter(|_| !self.links.is_empty()).map(|parts| parts.path.as_str())
    }

    fn read(&self, mut body: Value, endpoint: &str) -> Result<Page> {
        let Some(Value::Array(items)) = body.get_mut("value").map(Value::take) else {
            let endpoint = endpoint.to_owned();
            return Err(Error::Malformed { endpoint, what: "JSON without a list of values" });
        };
        let link = |name| {
            let text = body.get(name).and_then(Value::as_str);
            text.map(|link| endpoint::relative(self.graph.base(), link)).transpose()
        };
        let (next_link, delta_link) = (link("@odata.nextLink")?, link("@odata.deltaLink")?);
        Ok(Page { items, next_link, delta_link })
    }

    fn guard(&mut self, page: &Page, endpoint: String) -> Result<()> {
        let Some(next) = &page.next_link else { return Ok(()) };
        let pages = self.links.len();
        let next = endpoint::resolve(self.graph.base(), next)?;
        let mut looping = self.links.contains(&hash(&next.as_str()));
        if page.items.is_empty() {
            self.empty += 1;
            looping |= self.empty >= EMPTY_LIMIT;
        } else {
            self.empty = 0;
            let seen = self.contents.entry(hash(&Contents(&page.items))).or_default();
            *seen = seen.saturating_add(1);
            looping |= *seen > 2;
        }
        if looping { Err(Error::Loop { endpoint, pages }) } else { Ok(()) }
    }
}

/// What a page tells, without the addresses of downloads: these are new in each answer.
struct Contents<'p>(&'p [Value]);

impl Hash for Contents<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for item in self.0 {
            match item.as_object() {
                None => item.hash(state),
                Some(properties) => properties
                    .iter()
                    .filter(|(name, _)| !name.ends_with("downloadUrl"))
                    .for_each(|property| property.hash(state)),
            }
        }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
