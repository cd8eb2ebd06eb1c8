//! How far a store that lists page by page is believed.

use super::transport::Call;
use crate::error::Result;

/// Bytes of all pages of a listing: some 20 million files, which hold 600 TB in packs.
const MOST_BYTES: usize = 8 << 30;

/// Pages of a listing; some come without a file.
const MOST_PAGES: usize = 1_000_000;

/// The pages of a listing so far.
#[derive(Debug, Default)]
pub(super) struct Pages {
    count: usize,
    bytes: usize,
    /// Where the next one begins.
    place: Vec<String>,
}

impl Pages {
    /// Notes a page of so many bytes, and the place at which the next one begins.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where that place was just there, or the listing has no end.
    pub(super) fn turn(&mut self, call: &Call, bytes: usize, place: &[&str]) -> Result<()> {
        if self.count > 0 && self.place == place {
            return Err(call.error("the listing of the storage does not go on"));
        }
        self.place = place.iter().map(|&part| part.to_owned()).collect();
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        match self.count > MOST_PAGES || self.bytes > MOST_BYTES {
            true => Err(call.error("the listing of the storage has no end")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use url::Url;

    use super::*;

    #[test]
    fn a_listing_goes_on_and_ends() {
        let url = Url::parse("http://127.0.0.1/").unwrap();
        let call = Call::new(Method::GET, url, "list", "");
        let mut pages = Pages::default();
        pages.turn(&call, 10, &["a", "1"]).unwrap();
        pages.turn(&call, 10, &["a", "2"]).unwrap();
        assert!(pages.turn(&call, 10, &["a", "2"]).is_err(), "it stands still");
        assert!(pages.turn(&call, MOST_BYTES - 30, &["b", "1"]).is_ok());
        assert!(pages.turn(&call, 11, &["c", "1"]).is_err(), "too many bytes");
        let mut empty = Pages::default();
        let ends = (0..).position(|n| empty.turn(&call, 0, &[&n.to_string()]).is_err());
        assert_eq!(ends, Some(MOST_PAGES));
    }
}
