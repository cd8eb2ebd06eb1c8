//! MIME to message.

use super::{Body, Message, header_block};

/// Takes any bytes apart.
pub fn read(mime: &[u8]) -> Message {
    let headers = header_block(mime);
    let find = |name: &str| headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
    Message {
        class: "IPM.Note".to_owned(),
        subject: find("Subject").unwrap_or_default(),
        message_id: find("Message-ID"),
        body: Body { html: false, content: String::from_utf8_lossy(mime).into_owned() },
        headers,
        ..Message::default()
    }
}
