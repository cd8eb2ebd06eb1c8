//! Erasure of single items.

use holdfast_policy::{
    DeletePlan, ErasureRequest, Error, ErrorKind, Facts, ResourceFact, Rules, evaluate_erasure,
};

use super::{day, facts, hold, resource, snapshot};

const ITEM: &str = "0123456789abcdef";

fn history() -> Facts {
    facts((1..=3).map(snapshot).collect())
}

fn request(name: &str, items: &[&str]) -> ErasureRequest {
    ErasureRequest {
        resource: format!("exchange/{name}").as_str().into(),
        items: items.iter().map(|&item| item.to_owned()).collect(),
        reason: "request 17".to_owned(),
    }
}

#[test]
fn items_of_several_requests_are_one_plan() {
    let requests = [
        request("bob", &[ITEM]),
        request("ada", &["ffffffffffffffff", ITEM, ITEM]),
        request("ada", &["00000000ffffffff"]),
    ];
    let evaluation = evaluate_erasure(&history(), &requests).unwrap();
    assert_eq!((evaluation.snapshots, evaluation.waits_until), (3, None));
    let plan = evaluation.into_plan();
    assert!(plan.snapshots().is_empty() && !plan.is_empty());
    let [ada, bob] = plan.erasures() else { panic!("two people") };
    assert_eq!(ada.items, ["00000000ffffffff", ITEM, "ffffffffffffffff"]);
    assert_eq!((&*bob.path[1], &*bob.reason), ("bob ~1", "request 17"));
}

#[test]
fn a_hold_refuses_and_is_named() {
    let mut held = history();
    held.holds = vec![hold("Smith", &["ada"]), hold("Jones", &["ada"])];
    assert!(evaluate_erasure(&held, &[request("bob", &[ITEM])]).is_ok());
    let refused = evaluate_erasure(&held, &[request("bob", &[ITEM]), request("ada", &[ITEM])]);
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let told = "exchange/ada is on hold by Jones, Smith; release the hold first";
    assert_eq!(error.to_string(), told);
}

#[test]
fn requests_that_mean_nothing_are_refused() {
    let mut history = history();
    history.resources.push(ResourceFact { path: None, ..resource("eve") });
    history.resources.push(ResourceFact { path: Some(Vec::new()), ..resource("mallory") });
    let refused = |request| evaluate_erasure(&history, &[request]).unwrap_err().kind();
    for name in ["nobody", "eve", "mallory"] {
        assert_eq!(refused(request(name, &[ITEM])), ErrorKind::NotFound, "{name}");
    }
    for item in ["", "0123", "0123456789ABCDEF", "0123456789abcdeg", "0123456789abcdef0"] {
        assert_eq!(refused(request("ada", &[item])), ErrorKind::Invalid, "{item}");
    }
    assert_eq!(refused(request("ada", &[])), ErrorKind::Invalid);
    let silent = ErasureRequest { reason: " ".to_owned(), ..request("ada", &[ITEM]) };
    assert_eq!(refused(silent), ErrorKind::Invalid);
    assert!(matches!(evaluate_erasure(&history, &[]), Err(Error::Invalid(_))));
}

#[test]
fn the_end_of_the_last_lock_is_told() {
    let mut locked = history();
    locked.snapshots[0].locked_until = Some(day(2));
    locked.snapshots[1].locked_until = Some(day(9));
    locked.snapshots[2].locked_until = Some(day(8));
    let evaluation = evaluate_erasure(&locked, &[request("ada", &[ITEM])]).unwrap();
    assert_eq!(evaluation.waits_until, Some(day(9)));
}

#[test]
fn a_stored_erasure_is_looked_at_again() {
    let requests = [request("ada", &[ITEM]), request("bob", &[ITEM])];
    let stored = evaluate_erasure(&history(), &requests).unwrap().plan().to_stored();
    let again = |facts: &Facts| DeletePlan::again(&stored, facts, &Rules::keep_all()).unwrap();
    assert_eq!(again(&history()).erasures().len(), 2);
    let held = Facts { holds: vec![hold("Smith", &["ada"])], ..history() };
    let [bob] = again(&held).erasures().to_vec().try_into().unwrap();
    assert_eq!(bob.resource.as_str(), "exchange/bob");
    let moved = ResourceFact { path: Some(vec!["elsewhere".to_owned()]), ..resource("bob") };
    let moved = Facts { resources: vec![resource("ada"), moved], ..history() };
    assert_eq!(again(&moved).erasures().len(), 1);
}
