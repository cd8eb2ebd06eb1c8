//! List Blobs.

use super::super::conformance::{Target, encoded};
use super::Where::{Anywhere, NotAzurite};
use super::{Row, row};

const NO_VERSIONS: &str = "knows no versions";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("list-order", Anywhere, |t| {
        for name in ["c", "a/2", "b", "a/1", "é & <x>"] {
            let path = format!("{}/{}", t.container, t.name(name).replace(' ', "%20").replace('é', "%C3%A9").replace('<', "%3C").replace('>', "%3E").replace('&', "%26"));
            t.client.send("PUT", &path, &[("x-ms-blob-type", "BlockBlob")], name.as_bytes()).is(201);
        }
        let expected = names(t, &["a/1", "a/2", "b", "c", "é &amp; &lt;x&gt;"]);
        let (blobs, _, marker) = t.list("");
        assert_eq!((listed(&blobs), marker), (expected.clone(), String::new()));
        let (mut pages, mut marker) = (Vec::new(), String::new());
        loop {
            let (blobs, _, next) = t.list(&format!("&maxresults=2&marker={}", encoded(&marker)));
            pages.push(blobs.len());
            assert_eq!(listed(&blobs), expected[pages[..pages.len() - 1].iter().sum()..][..blobs.len()]);
            if next.is_empty() { break }
            marker = next;
        }
        assert_eq!(pages, [2, 2, 1]);
        let bytes = t.list("").0[0].element("Content-Length");
        assert_eq!(bytes, "3");
    }),
    row("list-delimiter", Anywhere, |t| {
        for name in ["a/1", "a/2", "b", "c/1", "c/d/1"] {
            t.put(name, b"x", &[]).is(201);
        }
        let (blobs, prefixes, _) = t.list("&delimiter=/");
        assert_eq!((listed(&blobs), prefixes), (names(t, &["b"]), names(t, &["a/", "c/"])));
        let (blobs, prefixes, marker) = t.list("&delimiter=/&maxresults=2");
        assert_eq!((listed(&blobs), prefixes), (names(t, &["b"]), names(t, &["a/"])));
        let (blobs, prefixes, marker) = t.list(&format!("&delimiter=/&maxresults=2&marker={}", encoded(&marker)));
        assert_eq!((blobs.len(), prefixes, marker), (0, names(t, &["c/"]), String::new()));
    }),
    row("list-versions", NotAzurite(NO_VERSIONS), |t| {
        let first = t.put("a", b"1", &[]).is(201).header("x-ms-version-id").to_owned();
        let second = t.put("a", b"22", &[]).is(201).header("x-ms-version-id").to_owned();
        let gone = t.put("b", b"333", &[]).is(201).header("x-ms-version-id").to_owned();
        t.delete("b").is(202);
        assert!(first < second && second < gone, "{first} {second} {gone}");
        let seen: Vec<_> = t.list("&include=versions").0.iter().map(|e| {
            (e.name.clone(), e.element("VersionId"), e.element("IsCurrentVersion"), e.element("Content-Length"))
        }).collect();
        let expect = |name, id: &str, current: &str, size: &str| (t.name(name), id.to_owned(), current.to_owned(), size.to_owned());
        assert_eq!(seen, [expect("a", &first, "", "1"), expect("a", &second, "true", "2"), expect("b", &gone, "", "3")]);
        assert_eq!(listed(&t.list("").0), names(t, &["a"]));
        let (page, _, marker) = t.list("&include=versions&maxresults=1");
        assert_eq!(page[0].element("VersionId"), first);
        let (page, _, _) = t.list(&format!("&include=versions&maxresults=1&marker={}", encoded(&marker)));
        assert_eq!(page[0].element("VersionId"), second);
    }),
    row("list-immutability", NotAzurite("knows no immutability"), |t| {
        let until = t.after(60);
        t.put("b", b"x", &[("x-ms-immutability-policy-until-date", &until), ("x-ms-immutability-policy-mode", "Unlocked"), ("x-ms-legal-hold", "true")]).is(201);
        let shown = |include: &str| {
            let entry = t.list(include).0.remove(0);
            (entry.element("ImmutabilityPolicyUntilDate"), entry.element("ImmutabilityPolicyMode"), entry.element("LegalHold"))
        };
        assert_eq!(shown("&include=versions,immutabilitypolicy,legalhold"), (until, "unlocked".into(), "true".into()));
        assert_eq!(shown(""), Default::default());
        t.set_hold("b", false).is(200);
        t.delete_policy("b").is(200);
    }),
    row("list-metadata", Anywhere, |t| {
        t.put("b", b"x", &[("x-ms-meta-kind", "pack")]).is(201);
        assert_eq!(t.list("&include=metadata").0[0].element("kind"), "pack");
        assert_eq!(t.list("").0[0].element("kind"), "");
        assert_eq!(t.head("b").header("x-ms-meta-kind"), "pack");
    }),
];

fn names(t: &Target, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| t.name(name)).collect()
}

fn listed(entries: &[super::super::client::Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.name.clone()).collect()
}
