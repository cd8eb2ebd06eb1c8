//! Is a restored message the same as the stored one?

use super::fields::{Attachment, Fields, Person, TextBody};
use super::html::normal_form;

/// A field in which two messages differ. Only its name is told: values are personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference(pub &'static str);

/// Every field in which `found` differs from `expected`.
///
/// Compared exactly: subject, addresses, ids, dates, read and draft state, categories, flag,
/// importance, attachments by name, bytes, content id and place. Compared in a normal form:
/// names of people (Graph fills an empty one with the address), plain text (line ends, white
/// space at the ends of lines), HTML ([`normal_form`]).
pub fn compare(expected: &Fields, found: &Fields) -> Vec<Difference> {
    let checks: [(&'static str, bool); 20] = [
        ("subject", words(&expected.subject) == words(&found.subject)),
        ("from", same_person(expected.from.as_ref(), found.from.as_ref())),
        ("sender", expected.from.is_none() || sender(expected) == sender(found)),
        ("to", same_people(&expected.to, &found.to)),
        ("cc", same_people(&expected.cc, &found.cc)),
        ("bcc", same_people(&expected.bcc, &found.bcc)),
        ("reply_to", same_people(&expected.reply_to, &found.reply_to)),
        ("message_id", expected.message_id.is_none() || expected.message_id == found.message_id),
        ("in_reply_to", expected.in_reply_to == found.in_reply_to),
        ("references", expected.references == found.references),
        ("body", same_body(&expected.body, &found.body)),
        ("attachments", same_attachments(expected, found)),
        ("inline_content_ids", inline_ids(expected) == inline_ids(found)),
        ("sent", expected.draft || expected.sent.is_none() || expected.sent == found.sent),
        ("received", expected.draft || expected.received == found.received),
        ("read", expected.read == found.read),
        ("draft", expected.draft == found.draft),
        ("categories", expected.categories == found.categories),
        ("flag", status(expected) == status(found)),
        ("importance", expected.importance == found.importance),
    ];
    checks.into_iter().filter(|(_, same)| !same).map(|(name, _)| Difference(name)).collect()
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sender(fields: &Fields) -> Option<&str> {
    fields.sender.as_ref().map(|sender| sender.shown().1)
}

fn same_person(a: Option<&Person>, b: Option<&Person>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            let ((name_a, a), (name_b, b)) = (a.shown(), b.shown());
            words(a) == words(b) && words(name_a) == words(name_b)
        }
        (None, None) => true,
        (None, Some(_)) => true, // Exchange fills in the owner where nobody is named
        (Some(_), None) => false,
    }
}

fn same_people(a: &[Person], b: &[Person]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_person(Some(a), Some(b)))
}

fn same_body(expected: &TextBody, found: &TextBody) -> bool {
    match (expected, found) {
        (TextBody::Html(a), TextBody::Html(b)) => normal_form(a) == normal_form(b),
        (TextBody::Text(a), TextBody::Text(b)) => lines(a) == lines(b),
        _ => false,
    }
}

fn lines(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn same_attachments(expected: &Fields, found: &Fields) -> bool {
    let key = |a: &Attachment| (a.name.clone(), a.content.clone());
    let mut a: Vec<_> = expected.attachments.iter().map(key).collect();
    let mut b: Vec<_> = found.attachments.iter().map(key).collect();
    a.sort();
    b.sort();
    a == b
}

fn inline_ids(fields: &Fields) -> Vec<(&str, bool)> {
    let with_id = fields.attachments.iter();
    let mut ids: Vec<_> =
        with_id.filter_map(|a| Some((a.content_id.as_deref()?, a.inline))).collect();
    ids.sort_unstable();
    ids
}

fn status(fields: &Fields) -> (&str, Option<&str>) {
    let flag = fields.flag.as_ref();
    let status = flag.and_then(|flag| flag["flagStatus"].as_str()).unwrap_or("notFlagged");
    (status, flag.and_then(|flag| flag["dueDateTime"]["dateTime"].as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message() -> Fields {
        let ann = Person { name: "Ann".into(), address: "ann@contoso.example".into() };
        Fields {
            subject: "Plan".into(),
            from: Some(ann.clone()),
            sender: Some(Person { address: "team@contoso.example".into(), ..ann.clone() }),
            to: vec![ann.clone()],
            cc: vec![ann.clone()],
            bcc: vec![ann.clone()],
            reply_to: vec![ann],
            message_id: Some("<1@x>".into()),
            in_reply_to: Some("<0@x>".into()),
            references: Some("<0@x>".into()),
            body: TextBody::Html("<p>Hi</p>".into()),
            attachments: vec![Attachment {
                name: "a.png".into(),
                content: vec![1, 2].into(),
                content_id: Some("cid1".into()),
                inline: true,
                ..Attachment::default()
            }],
            sent: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            received: Some("2026-01-01T00:00:01Z".parse().unwrap()),
            read: true,
            flag: Some(json!({"flagStatus": "flagged"})),
            categories: vec!["Red".into()],
            importance: "high".into(),
            ..Fields::default()
        }
    }

    type Change = (&'static str, fn(&mut Fields));

    const CHANGES: [Change; 20] = [
        ("subject", |m| m.subject.push('!')),
        ("from", |m| m.from.as_mut().unwrap().address.push('x')),
        ("sender", |m| m.sender = None),
        ("to", |m| m.to.clear()),
        ("cc", |m| m.cc[0].name = "Bob".into()),
        ("bcc", |m| m.bcc.clear()),
        ("reply_to", |m| m.reply_to.clear()),
        ("message_id", |m| m.message_id = Some("<2@x>".into())),
        ("in_reply_to", |m| m.in_reply_to = None),
        ("references", |m| m.references = None),
        ("body", |m| m.body = TextBody::Html("<p>Ho</p>".into())),
        ("attachments", |m| m.attachments[0].content = vec![1, 3].into()),
        ("inline_content_ids", |m| m.attachments[0].content_id = Some("other".into())),
        ("sent", |m| m.sent = None),
        ("received", |m| m.received = None),
        ("read", |m| m.read = false),
        ("draft", |m| m.draft = true),
        ("categories", |m| m.categories.clear()),
        ("flag", |m| m.flag = None),
        ("importance", |m| m.importance = "low".into()),
    ];

    #[test]
    fn each_field_changed_alone_is_told_alone() {
        assert_eq!(compare(&message(), &message()), []);
        for (field, change) in CHANGES {
            let mut found = message();
            change(&mut found);
            assert_eq!(compare(&message(), &found), [Difference(field)], "{field}");
        }
    }
}
