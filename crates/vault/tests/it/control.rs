//! The control repository.

use std::collections::BTreeMap;

use super::*;

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    entries.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect()
}

fn set(path: &str, text: &str) -> (String, Option<Vec<u8>>) {
    (path.to_owned(), Some(text.as_bytes().to_vec()))
}

fn snapshots(fixture: &Fixture) -> usize {
    std::fs::read_dir(fixture.path().join("control/snapshots")).unwrap().count()
}

#[test]
fn intent_is_saved_changed_and_removed() {
    let fixture = Fixture::new();
    let control = fixture.vault.control().unwrap();
    assert_eq!(control.load().unwrap(), map(&[]));
    control.save(&[set("tenants/contoso.json", "{1}"), set("head.json", "h")]).unwrap();
    control.save(&[set("tenants/contoso.json", "{2}"), ("head.json".to_owned(), None)]).unwrap();
    assert_eq!(control.load().unwrap(), map(&[("tenants/contoso.json", "{2}")]));

    let before = snapshots(&fixture);
    control.save(&[set("tenants/contoso.json", "{2}"), ("gone".to_owned(), None)]).unwrap();
    control.save(&[]).unwrap();
    assert_eq!(snapshots(&fixture), before, "nothing changed, nothing is written");

    let again = Vault::open(fixture.path(), fixture.secret.clone(), fixture.clock.clone()).unwrap();
    assert_eq!(again.control().unwrap().load().unwrap(), control.load().unwrap());
    let report = control.check(true).unwrap();
    assert_eq!((report.errors.len(), report.snapshots), (0, 2));
    assert!(control.save(&[set("../x", "")]).is_err());
    assert!(control.save(&[set("", "")]).is_err());
}

#[test]
fn saves_of_two_at_once_are_both_kept() {
    let fixture = Fixture::new();
    let one = fixture.vault.control().unwrap();
    let two = fixture.vault.control().unwrap();
    std::thread::scope(|scope| {
        for (control, name) in [(&one, "a"), (&two, "b")] {
            scope.spawn(move || {
                for n in 0..5 {
                    control.save(&[set(&format!("{name}/{n}"), "x")]).unwrap();
                }
            });
        }
    });
    assert_eq!(one.load().unwrap().len(), 10);
    assert_eq!(snapshots(&fixture), 10);
}
