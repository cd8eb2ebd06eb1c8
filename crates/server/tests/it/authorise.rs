//! Rights, roles and scopes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use holdfast_model::{Grant, Limit, ResourceId, Role, Scope, UserId, Workload};
use holdfast_server::access::{Principal, Reason, Right, Target, TokenLimit, authorise, visible};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const TENANTS: [&str; 2] = ["contoso", "fabrikam"];
const WORKLOADS: [Workload; 3] = [Workload::Exchange, Workload::OneDrive, Workload::SharePoint];
const RESOURCES: [&str; 3] = ["exchange/ada", "exchange/bob", "onedrive/ada"];

fn principal(grants: Vec<Grant>) -> Principal {
    Principal { user: "u1".into(), name: "ada".to_owned(), grants, token: None }
}

fn limit<T: Ord + Clone + std::fmt::Debug + 'static>(
    of: Vec<T>,
) -> impl Strategy<Value = Limit<T>> {
    let all = of.len();
    prop_oneof![
        1 => Just(Limit::All),
        2 => subsequence(of, 0..=all).prop_map(Limit::only),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let tenants = limit(TENANTS.map(str::to_owned).to_vec());
    let resources = limit(RESOURCES.map(ResourceId::from).to_vec());
    (tenants, limit(WORKLOADS.to_vec()), resources)
        .prop_map(|(tenants, workloads, resources)| Scope { tenants, workloads, resources })
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    let grant = (select(&Role::ALL), scope()).prop_map(|(role, scope)| Grant { role, scope });
    proptest::collection::vec(grant, 0..4)
}

fn rights() -> impl Strategy<Value = BTreeSet<Right>> {
    let all = Right::ALL.to_vec();
    subsequence(all, 0..=Right::ALL.len()).prop_map(|rights| rights.into_iter().collect())
}

/// All that can be asked, in this small world.
fn permitted(who: &Principal) -> BTreeSet<String> {
    let (me, other) = (UserId::from("u1"), UserId::from("u2"));
    let mut permitted = BTreeSet::new();
    let resources = RESOURCES.map(ResourceId::from);
    for right in Right::ALL {
        let mut ask = |target: Target<'_>| {
            if authorise(who, *right, &target).is_ok() {
                permitted.insert(format!("{right} {target:?}"));
            }
        };
        ask(Target::Installation);
        for tenant in TENANTS {
            ask(Target::Tenant(tenant));
            for workload in WORKLOADS {
                for id in &resources {
                    ask(Target::Resource { tenant, workload, id });
                    for requested_by in [&me, &other] {
                        ask(Target::Deletion { requested_by, tenant, workload, id });
                    }
                }
            }
        }
    }
    permitted
}

proptest! {
    #[test]
    fn a_narrower_scope_never_permits_more(grants in grants(), narrow in scope()) {
        let narrower = grants.iter().map(|grant| {
            Grant { role: grant.role, scope: grant.scope.and(&narrow) }
        });
        let (wide, narrower) = (principal(grants.clone()), principal(narrower.collect()));
        prop_assert!(permitted(&narrower).is_subset(&permitted(&wide)));
    }

    #[test]
    fn fewer_grants_never_permit_more(grants in grants(), kept in 0_usize..4) {
        let fewer = grants.iter().take(kept).cloned().collect();
        prop_assert!(permitted(&principal(fewer)).is_subset(&permitted(&principal(grants))));
    }

    #[test]
    fn a_token_never_exceeds_its_maker(grants in grants(), rights in rights(), scope in scope()) {
        let maker = principal(grants);
        let limit = TokenLimit { id: "t".into(), rights: rights.clone(), scope: scope.clone() };
        let token = Principal { token: Some(limit), ..maker.clone() };
        let can = permitted(&token);
        prop_assert!(can.is_subset(&permitted(&maker)));
        let within = principal(Role::ALL.map(|role| Grant { role, scope: scope.clone() }).to_vec());
        prop_assert!(can.is_subset(&permitted(&within)));
        let is_its_own =
            |line: &String| rights.iter().any(|right| line.starts_with(&format!("{right} ")));
        prop_assert!(can.iter().all(is_its_own));
    }

    #[test]
    fn a_list_shows_what_may_be_seen_one_by_one(
        grants in grants(),
        token in proptest::option::of((rights(), scope())),
        right in select(Right::ALL),
    ) {
        let token = token.map(|(rights, scope)| TokenLimit { id: "t".into(), rights, scope });
        let who = Principal { token, ..principal(grants) };
        let filter = visible(&who, right);
        for tenant in TENANTS {
            for workload in WORKLOADS {
                for id in RESOURCES.map(ResourceId::from) {
                    let target = Target::Resource { tenant, workload, id: &id };
                    prop_assert_eq!(
                        filter.permits(tenant, workload, &id),
                        authorise(&who, right, &target).is_ok()
                    );
                }
            }
        }
    }
}

fn everywhere(role: Role) -> Principal {
    principal(vec![Grant::everywhere(role)])
}

fn reason(who: &Principal, right: Right, target: Target<'_>) -> Option<Reason> {
    authorise(who, right, &target).err().map(|denied| denied.reason)
}

#[test]
fn content_is_not_for_those_who_keep_things_running() {
    let id = ResourceId::from("exchange/ada");
    let mailbox = Target::Resource { tenant: "contoso", workload: Workload::Exchange, id: &id };
    for role in [Role::Operator, Role::Auditor, Role::ReadOnly] {
        for right in Right::ALL.iter().filter(|right| right.shows_content()) {
            assert_eq!(reason(&everywhere(role), *right, mailbox), Some(Reason::Role));
        }
    }
    assert_eq!(reason(&everywhere(Role::RestoreOperator), Right::ReadContent, mailbox), None);
    assert_eq!(reason(&everywhere(Role::Auditor), Right::ViewAudit, Target::Installation), None);
    assert_eq!(
        reason(&everywhere(Role::ComplianceOfficer), Right::Restore, mailbox),
        Some(Reason::Role)
    );
}

#[test]
fn nobody_approves_his_own_request() {
    let id = ResourceId::from("exchange/ada");
    let (me, other) = (UserId::from("u1"), UserId::from("u2"));
    let asked_by = |requested_by| Target::Deletion {
        requested_by,
        tenant: "contoso",
        workload: Workload::Exchange,
        id: &id,
    };
    for role in [Role::Administrator, Role::ComplianceOfficer] {
        let who = everywhere(role);
        assert_eq!(reason(&who, Right::ApproveDeletion, asked_by(&other)), None);
        assert_eq!(reason(&who, Right::ApproveDeletion, asked_by(&me)), Some(Reason::OwnRequest));
    }
}

#[test]
fn an_administrator_of_one_tenant_does_not_reach_the_installation() {
    let scope = Scope { tenants: Limit::only(["contoso".to_owned()]), ..Scope::ALL };
    let who = principal(vec![Grant { role: Role::Administrator, scope }]);
    assert_eq!(reason(&who, Right::ManageTenants, Target::Tenant("contoso")), None);
    assert_eq!(reason(&who, Right::ManageTenants, Target::Tenant("fabrikam")), Some(Reason::Scope));
    assert_eq!(reason(&who, Right::ManageUsers, Target::Installation), Some(Reason::Scope));
}

#[test]
fn rights_come_back_by_name() {
    let names: BTreeSet<&str> = Right::ALL.iter().map(|right| right.as_str()).collect();
    assert_eq!(names.len(), Right::ALL.len());
    for right in Right::ALL {
        assert_eq!(right.as_str().parse::<Right>(), Ok(*right));
        assert_eq!(serde_json::to_value(right).unwrap(), right.as_str());
    }
}

/// The table as the manual shows it.
fn table() -> String {
    let mut table = String::from("| right |");
    for role in Role::ALL {
        write!(table, " {} |", role.as_str().replace('_', " ")).unwrap();
    }
    table += "\n|---|";
    table += &"---|".repeat(Role::ALL.len());
    for right in Right::ALL {
        write!(table, "\n| `{right}` |").unwrap();
        for role in Role::ALL {
            table += if right.is_of(role) { " yes |" } else { " – |" };
        }
    }
    table
}

#[test]
fn the_manual_shows_the_table() {
    let manual = include_str!("../../../../docs/access.md");
    assert!(manual.contains(&table()), "docs/access.md needs this table:\n{}", table());
}
