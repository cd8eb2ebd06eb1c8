//! HTML as Exchange changes it.

/// What Exchange does to HTML on write.
pub fn rewrite_html(html: &str) -> String {
    format!("<html><head></head><body>{html}</body></html>")
}

pub(super) fn to_text(html: &str) -> String {
    html.to_owned()
}
