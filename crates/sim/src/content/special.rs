//! Mail that is no plain letter: S/MIME, reports, invitations, mail in mail.

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::file::noise;
use super::letter::{Letter, base64_lines, multipart, text_part};

/// Clear-signed: the content, and a signature that no program accepts.
pub(super) fn signed(letter: &Letter, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let charset = letter.charset(rng);
    let content = letter.entity(charset, rng);
    let mut signature = vec![0x30, 0x82];
    signature.extend(noise(rng.random_range(1200..2400), rng));
    let header = "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
        Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n";
    let signature = [header.as_bytes(), &base64_lines(&signature)].concat();
    let subtype = "signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256";
    let entity = multipart(subtype, [content, signature], rng);
    [letter.header(charset, rng), entity].concat()
}

/// Encrypted (or signed in one piece): nothing to be seen from outside.
pub(super) fn opaque(letter: &Letter, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let kind = if rng.random_bool(0.7) { "enveloped-data" } else { "signed-data" };
    let mut content = vec![0x30, 0x82];
    content.extend(noise(rng.random_range(2000..9000), rng));
    let header = format!(
        "Content-Type: application/pkcs7-mime; smime-type={kind}; name=\"smime.p7m\"\r\n\
         Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    [letter.header("utf-8", rng), header.into_bytes(), base64_lines(&content)].concat()
}

/// A message that holds another one.
pub(super) fn with_message(letter: &Letter, inner: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let charset = letter.charset(rng);
    let text = text_part("plain", &letter.text, charset, rng);
    let message =
        [b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n", inner]
            .concat();
    [letter.header(charset, rng), multipart("mixed", [text, message], rng)].concat()
}

/// A report that `original` could not be delivered (RFC 3464).
pub(super) fn bounce(letter: &Letter, original: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let recipient = format!("nobody{}@fabrikam.example", rng.random_range(1..99));
    let text = format!("Your message could not be delivered to {recipient}.\n");
    let status = format!(
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.contoso.example\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
    );
    let original = [b"Content-Type: message/rfc822\r\n\r\n", original].concat();
    let parts = [text_part("plain", &text, "utf-8", rng), status.into_bytes(), original];
    let subtype = "report; report-type=delivery-status";
    [letter.header("utf-8", rng), multipart(subtype, parts, rng)].concat()
}

/// An invitation to a meeting (RFC 5546).
pub(super) fn invitation(letter: &Letter, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let day = SignedDuration::from_hours(24 * rng.random_range(1..20));
    let start = letter.date.saturating_add(day).unwrap_or(letter.date);
    let end = start.saturating_add(SignedDuration::from_mins(30)).unwrap_or(start);
    let calendar = format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Contoso//Calendar//EN\nMETHOD:REQUEST\n\
         BEGIN:VEVENT\nUID:{:032X}\nDTSTAMP:{}\nDTSTART:{}\nDTEND:{}\nSUMMARY:{}\n\
         ORGANIZER;CN=\"{}\":mailto:{}\n{}SEQUENCE:0\nSTATUS:CONFIRMED\nEND:VEVENT\nEND:VCALENDAR\n",
        rng.random::<u128>(),
        stamp(letter.date),
        stamp(start),
        stamp(end),
        letter.subject.replace(',', "\\,").replace(';', "\\;"),
        letter.from.0,
        letter.from.1,
        attendees(letter),
    );
    let parts = [
        text_part("plain", &letter.text, "utf-8", rng),
        text_part("calendar; method=REQUEST", &calendar, "utf-8", rng),
    ];
    [letter.header("utf-8", rng), multipart("alternative", parts, rng)].concat()
}

fn attendees(letter: &Letter) -> String {
    let line = |(_, address): &(String, String)| {
        format!("ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:{address}\n")
    };
    letter.to.iter().map(line).collect()
}

fn stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}
