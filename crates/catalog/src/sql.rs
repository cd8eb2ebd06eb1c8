//! Values in and out of SQL, in the few types that SQLite and PostgreSQL share.
//!
//! Text goes through [`escape`]: PostgreSQL cannot store NUL, and names from outside may hold it.

use std::borrow::Cow;

use holdfast_model::Timestamp;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row};

use crate::error::{Error, Result};

/// A statement with its arguments.
pub(crate) type Statement = Query<'static, Any, AnyArguments>;

/// Starts a statement. The text is a literal: values only ever travel as arguments.
pub(crate) fn sql(text: &'static str) -> Statement {
    sqlx::query(text)
}

/// Arguments in the order of `$1..$n`.
pub(crate) trait Arguments {
    fn text(self, value: &str) -> Self;
    fn opt_text(self, value: Option<&str>) -> Self;
    /// Numbers above `i64::MAX` are stored as `i64::MAX`: no count of ours gets there.
    fn number(self, value: u64) -> Self;
    fn opt_number(self, value: Option<u64>) -> Self;
    fn flag(self, value: bool) -> Self;
    /// Milliseconds since 1970; finer parts are cut off.
    fn time(self, value: Timestamp) -> Self;
    fn opt_time(self, value: Option<Timestamp>) -> Self;
    fn bytes(self, value: &[u8]) -> Self;
    fn opt_bytes(self, value: Option<&[u8]>) -> Self;
}

impl Arguments for Statement {
    fn text(self, value: &str) -> Self {
        self.bind(escape(value).into_owned())
    }

    fn opt_text(self, value: Option<&str>) -> Self {
        self.bind(value.map(|value| escape(value).into_owned()))
    }

    fn number(self, value: u64) -> Self {
        self.bind(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn opt_number(self, value: Option<u64>) -> Self {
        self.bind(value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn flag(self, value: bool) -> Self {
        self.bind(i64::from(value))
    }

    fn time(self, value: Timestamp) -> Self {
        self.bind(value.as_millisecond())
    }

    fn opt_time(self, value: Option<Timestamp>) -> Self {
        self.bind(value.map(Timestamp::as_millisecond))
    }

    fn bytes(self, value: &[u8]) -> Self {
        self.bind(value.to_vec())
    }

    fn opt_bytes(self, value: Option<&[u8]>) -> Self {
        self.bind(value.map(<[u8]>::to_vec))
    }
}

/// Columns by name; content that does not fit is [`Error::Damaged`].
pub(crate) trait Columns {
    fn text(&self, column: &str) -> Result<String>;
    fn opt_text(&self, column: &str) -> Result<Option<String>>;
    fn number(&self, column: &str) -> Result<u64>;
    fn opt_number(&self, column: &str) -> Result<Option<u64>>;
    fn flag(&self, column: &str) -> Result<bool>;
    fn time(&self, column: &str) -> Result<Timestamp>;
    fn opt_time(&self, column: &str) -> Result<Option<Timestamp>>;
    fn bytes(&self, column: &str) -> Result<Vec<u8>>;
    fn opt_bytes(&self, column: &str) -> Result<Option<Vec<u8>>>;
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> Result<String> {
        Ok(unescape(self.try_get(column)?))
    }

    fn opt_text(&self, column: &str) -> Result<Option<String>> {
        Ok(self.try_get::<Option<String>, _>(column)?.map(unescape))
    }

    fn number(&self, column: &str) -> Result<u64> {
        unsigned(column, self.try_get(column)?)
    }

    fn opt_number(&self, column: &str) -> Result<Option<u64>> {
        self.try_get::<Option<i64>, _>(column)?.map(|value| unsigned(column, value)).transpose()
    }

    fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.try_get::<i64, _>(column)? != 0)
    }

    fn time(&self, column: &str) -> Result<Timestamp> {
        moment(column, self.try_get(column)?)
    }

    fn opt_time(&self, column: &str) -> Result<Option<Timestamp>> {
        self.try_get::<Option<i64>, _>(column)?.map(|value| moment(column, value)).transpose()
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        Ok(self.try_get(column)?)
    }

    fn opt_bytes(&self, column: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.try_get(column)?)
    }
}

/// The error for a column whose content makes no sense. The content itself may be personal and
/// is not shown.
pub(crate) fn damaged(column: &str) -> Error {
    Error::Damaged(format!("column {column} holds an impossible value"))
}

fn unsigned(column: &str, value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| damaged(column))
}

fn moment(column: &str, value: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(value).map_err(|_| damaged(column))
}

/// U+001A SUBSTITUTE starts an escape: `0` stands for NUL, `1` for itself.
const MARK: char = '\u{1a}';

fn escape(text: &str) -> Cow<'_, str> {
    // Looked for as bytes: this runs for every text of every row.
    if !text.as_bytes().contains(&0) && !text.as_bytes().contains(&(MARK as u8)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => escaped.extend([MARK, '0']),
            MARK => escaped.extend([MARK, '1']),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

fn unescape(text: String) -> String {
    if !text.as_bytes().contains(&(MARK as u8)) {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            MARK => plain.push(if chars.next() == Some('0') { '\0' } else { MARK }),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaped_text_holds_no_nul_and_comes_back(text in "[\\x00\\x1a01a\u{1F600}']{0,40}") {
            let escaped = escape(&text).into_owned();
            prop_assert!(!escaped.contains('\0'));
            prop_assert_eq!(unescape(escaped), text);
        }

        #[test]
        fn different_texts_stay_different(a in "[\\x00\\x1a01]{0,6}", b in "[\\x00\\x1a01]{0,6}") {
            prop_assert_eq!(escape(&a) == escape(&b), a == b);
        }
    }
}
