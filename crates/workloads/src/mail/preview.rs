//! A message as it may be shown: its HTML without anything that runs, loads or hides.
//!
//! Mail is hostile. What is left here is a list of what may stay, and it is shown in a frame that
//! runs nothing and loads nothing (`docs/api.md`, preview): neither has to be perfect for the other
//! to hold. Pictures that the message brings along are put into it, up to a limit; what lies
//! elsewhere would tell its sender who looks, and is counted only.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ammonia::{Builder, UrlRelative};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::fields::{Attachment, Fields, TextBody};

/// Longest text that is shown, in bytes; the rest is in the original.
const LONGEST: usize = 1024 * 1024;

/// Elements that may stand in one another; the parser takes time for each of them at each tag. What
/// is nested deeper is shown as text.
const DEEPEST: usize = 500;

/// Addresses of pictures that are put into the text, in bytes of all of them.
const PICTURES: usize = 16 * 1024 * 1024;

/// Elements that end by themselves, or that the next of their kind ends.
const CLOSED: [&str; 16] = [
    "area", "base", "br", "col", "dd", "dt", "hr", "img", "input", "li", "link", "meta", "p", "td",
    "th", "tr",
];

/// Kinds of pictures that are shown: all are decoded by every browser, and none can hold a script.
const PICTURE_KINDS: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Properties of a style that can stay: none of them loads anything or leaves its place.
const STYLES: [&str; 44] = [
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-color",
    "border-left",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "color",
    "direction",
    "display",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-width",
    "min-width",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "text-align",
    "text-decoration",
    "text-indent",
    "vertical-align",
    "white-space",
    "width",
    "word-break",
];

/// What is shown of the body of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Content of an HTML body.
    pub html: String,
    /// Pictures that are not shown, because they lie elsewhere or are too large.
    pub hidden: usize,
    /// It is longer than what is shown.
    pub cut: bool,
}

/// What may be shown of a message.
pub fn preview(fields: &Fields) -> Preview {
    match &fields.body {
        TextBody::Text(text) => {
            let (text, cut) = beginning(text);
            Preview { html: as_text(text), hidden: 0, cut }
        }
        TextBody::Html(html) => {
            let (html, cut) = beginning(html);
            if depth(html) > DEEPEST {
                return Preview { html: as_text(html), hidden: 0, cut };
            }
            let (html, hidden) = sanitised(html, &fields.attachments);
            Preview { html, hidden, cut }
        }
    }
}

fn as_text(text: &str) -> String {
    format!("<pre>{}</pre>", ammonia::clean_text(text))
}

/// How deep elements stand in one another at most, as far as tags tell without a parser.
fn depth(html: &str) -> usize {
    let (mut open, mut deepest) = (0usize, 0);
    for tag in html.split('<').skip(1) {
        let name = |tag: &str| {
            let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
            tag[..end].to_ascii_lowercase()
        };
        match tag.strip_prefix('/') {
            Some(closing) if !CLOSED.contains(&name(closing).as_str()) => {
                open = open.saturating_sub(1);
            }
            Some(_) => {}
            None => {
                let name = name(tag);
                let opens = !name.is_empty() && !CLOSED.contains(&name.as_str());
                open += usize::from(opens);
                deepest = deepest.max(open);
            }
        }
    }
    deepest
}

/// As much of a text as is shown.
fn beginning(text: &str) -> (&str, bool) {
    match text.len() <= LONGEST {
        true => (text, false),
        false => (&text[..text.floor_char_boundary(LONGEST)], true),
    }
}

fn sanitised(html: &str, attachments: &[Attachment]) -> (String, usize) {
    let (pictures, hidden) = (pictures(attachments), Arc::new(AtomicUsize::new(0)));
    let (count, left) = (Arc::clone(&hidden), AtomicUsize::new(PICTURES));
    let mut builder = Builder::default();
    builder
        .url_schemes(HashSet::from(["http", "https", "mailto", "cid", "data"]))
        .url_relative(UrlRelative::Deny)
        .add_tags(["font", "u", "big"])
        .add_generic_attributes(["style", "align", "valign", "dir", "bgcolor", "width", "height"])
        .add_tag_attributes("font", ["color", "face", "size"])
        .add_tag_attributes("table", ["border", "cellpadding", "cellspacing"])
        .filter_style_properties(HashSet::from(STYLES))
        .attribute_filter(move |element, attribute, value| match (element, attribute) {
            ("img", "src") => {
                let shown = picture(&pictures, value).filter(|shown| takes(&left, shown.len()));
                count.fetch_add(usize::from(shown.is_none()), Ordering::Relaxed);
                shown.map(Cow::Owned)
            }
            (_, "href" | "src" | "cite") if !leads_away(value) => None,
            _ => Some(Cow::Borrowed(value)),
        });
    let html = builder.clean(html).to_string();
    (html, hidden.load(Ordering::Relaxed))
}

/// True for an address of a page or a person, as browsers read it.
fn leads_away(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "mailto"))
}

/// Takes what a picture needs of what is left for all; false where it is not enough.
fn takes(left: &AtomicUsize, size: usize) -> bool {
    let take = |left: usize| left.checked_sub(size);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
}

/// The picture that an address stands for, as an address that holds it.
fn picture(pictures: &HashMap<String, String>, address: &str) -> Option<String> {
    let address = address.trim();
    if let Some(id) = address.strip_prefix("cid:") {
        return pictures.get(id).cloned();
    }
    let kind = address.strip_prefix("data:")?.split_once(";base64,")?.0;
    PICTURE_KINDS.contains(&kind).then(|| address.to_owned())
}

/// The pictures of a message by content id, as addresses that hold them.
fn pictures(attachments: &[Attachment]) -> HashMap<String, String> {
    let mut left = PICTURES;
    let mut found = HashMap::new();
    for attachment in attachments {
        let Some(id) = &attachment.content_id else { continue };
        let kind = attachment.content_type.to_ascii_lowercase();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !PICTURE_KINDS.contains(&kind) || attachment.content.len() > left {
            continue;
        }
        left -= attachment.content.len();
        let data = STANDARD.encode(&attachment.content);
        found.insert(id.clone(), format!("data:{kind};base64,{data}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_html(html: &str) -> Preview {
        let body = TextBody::Html(html.to_owned());
        preview(&Fields { body, ..Fields::default() })
    }

    /// From collections of what others were tricked by; each must lose what runs or loads.
    const HOSTILE: [&str; 24] = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)><circle/></svg>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\" &#14; javascript:alert(1)\">x</a>",
        "<a href=\"JaVaScRiPt:alert(1)\">x</a>",
        "<a href=\"vbscript:x\">x</a>",
        "<a href=\"&#1;data:text/html;base64,AAAA\">x</a>",
        "<a href=\"da&#9;ta:text/html;base64,AAAA\">x</a>",
        "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
        "<iframe src=\"https://evil.example\"></iframe>",
        "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
        "<object data=\"https://evil.example/x.swf\"></object>",
        "<embed src=\"https://evil.example/x\">",
        "<base href=\"https://evil.example/\">",
        "<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
        "<link rel=stylesheet href=\"https://evil.example/x.css\">",
        "<style>@import url(https://evil.example/x.css)</style>",
        "<form action=\"https://evil.example\"><input name=q><button>x</button></form>",
        "<div style=\"background-image:url(https://evil.example/x)\">x</div>",
        "<div style=\"position:fixed;top:0;left:0\">x</div>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    ];

    #[test]
    fn nothing_that_runs_loads_or_covers_is_left() {
        for html in HOSTILE {
            let shown = of_html(html).html.to_ascii_lowercase();
            for bad in [
                "<script",
                "onerror",
                "onload",
                "<svg",
                "<math",
                "<style",
                "javascript",
                "vbscript",
                "data:",
                "<iframe",
                "<object",
                "<embed",
                "<base",
                "<meta",
                "<link",
                "<form",
                "<input",
                "<button",
                "evil.example",
                "position",
                "url(",
            ] {
                assert!(!shown.contains(bad), "{bad} in {shown} of {html}");
            }
        }
    }

    #[test]
    fn what_people_read_stays() {
        let html = "<table border=1 style='width:100%;color:red'><tr><td bgcolor=#eee>\
                    <b>Sum</b> <a href='https://ok.example/a?b=1&amp;c=2'>page</a></td></tr></table>";
        let shown = of_html(html);
        assert_eq!((shown.hidden, shown.cut), (0, false));
        for kept in [
            "<b>Sum</b>",
            "href=\"https://ok.example/a?b=1&amp;c=2\"",
            "rel=\"noopener noreferrer\"",
            "bgcolor=\"#eee\"",
            "color:red",
            "width:100%",
        ] {
            assert!(shown.html.contains(kept), "{kept} not in {}", shown.html);
        }
    }

    #[test]
    fn pictures_of_the_message_are_shown_and_others_are_counted() {
        let attachment = |id: &str, kind: &str| Attachment {
            content_id: Some(id.to_owned()),
            content_type: kind.to_owned(),
            content: bytes::Bytes::from_static(b"pixels"),
            ..Attachment::default()
        };
        let html = "<img src=cid:a><img src=cid:b><img src=cid:gone>\
                    <img src='https://spy.example/p.gif'><img src='data:image/svg+xml;base64,AA'>";
        let fields = Fields {
            body: TextBody::Html(html.to_owned()),
            attachments: vec![
                attachment("a", "image/PNG; name=x"),
                attachment("b", "image/svg+xml"),
            ],
            ..Fields::default()
        };
        let shown = preview(&fields);
        assert!(shown.html.contains("src=\"data:image/png;base64,cGl4ZWxz\""), "{}", shown.html);
        assert_eq!(shown.html.matches("src=").count(), 1, "{}", shown.html);
        assert_eq!(shown.hidden, 4);
        assert!(!shown.html.contains("spy.example"));
    }

    #[test]
    fn one_picture_shown_often_takes_no_memory_without_limit() {
        let picture = Attachment {
            content_id: Some("a".to_owned()),
            content_type: "image/png".to_owned(),
            content: vec![7; 1024 * 1024].into(),
            ..Attachment::default()
        };
        let fields = Fields {
            body: TextBody::Html("<img src=cid:a>".repeat(1_000)),
            attachments: vec![picture],
            ..Fields::default()
        };
        let shown = preview(&fields);
        assert!(shown.html.len() < PICTURES + 100_000, "{}", shown.html.len());
        assert_eq!((shown.html.matches("src=").count(), shown.hidden), (11, 989));
    }

    #[test]
    fn what_is_nested_too_deep_is_shown_as_text() {
        for element in ["div", "b", "table"] {
            let shown = of_html(&format!("<{element}>").repeat(200_000));
            assert!(shown.html.starts_with("<pre>&lt;"), "{}", &shown.html[..40]);
        }
        let flat = "<p>a<br><img src=cid:x><div>b</div>".repeat(1_000);
        assert!(of_html(&flat).html.contains("<div>b</div>"));
    }

    #[test]
    fn plain_text_is_shown_as_it_is() {
        let body = TextBody::Text("a < b & <script>alert(1)</script>\r\nnext".to_owned());
        let shown = preview(&Fields { body, ..Fields::default() });
        assert!(shown.html.starts_with("<pre>a&#32;&lt;&#32;b"), "{}", shown.html);
        assert!(!shown.html.contains("<script"), "{}", shown.html);
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_character() {
        let body = TextBody::Text("ä".repeat(LONGEST));
        let shown = preview(&Fields { body, ..Fields::default() });
        assert!(shown.cut);
        assert!(shown.html.len() <= LONGEST + 20, "{}", shown.html.len());
    }
}
