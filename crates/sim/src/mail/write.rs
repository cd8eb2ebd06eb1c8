//! Message to MIME.

use super::Message;

/// Puts a message together as MIME.
pub fn write(message: &Message) -> Vec<u8> {
    format!("Subject: {}\r\n\r\n{}\r\n", message.subject, message.body.content).into_bytes()
}
