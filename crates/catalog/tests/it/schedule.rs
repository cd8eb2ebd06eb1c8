//! Who follows which schedule, and what was attained.

use std::time::Duration;

use holdfast_catalog::{
    AttainedSum, Commit, Error, ResourceCommit, ResourceRow, ScheduleRow, StandRow,
};
use holdfast_model::ResourceId;

use crate::{Home, On, SHARD, VAULT, on_both, resource, tenant, time};

const TTL: Duration = Duration::from_secs(60);
const DAY: i64 = 24 * 3_600;

/// A round in which resources were read at a second.
async fn read_at(home: &Home, second: i64, names: &[&str]) {
    let row = |name: &&str| ResourceRow { restore_point: Some(time(second)), ..resource(name) };
    let lease = home.catalog.lease_take(VAULT, SHARD, "it", TTL).await.unwrap();
    let commit = Commit {
        vault_id: VAULT.into(),
        shard: SHARD,
        fence: lease.fence,
        snapshot: None,
        resources: names.iter().map(row).map(ResourceCommit::new).collect(),
    };
    home.catalog.commit(commit).await.unwrap();
    home.catalog.lease_release(&lease).await.unwrap();
}

async fn what_was_attained_is_summed_over_days_and_told_of_one_or_all(on: On) {
    let home = Home::new(&on).await;
    home.catalog.tenant_put(&tenant("contoso")).await.unwrap();
    let hour = 3_600;
    read_at(&home, DAY, &["ada", "bob"]).await;
    let ada = ResourceId::from("exchange/ada");
    let follow = [(ada.clone(), "bosses".to_owned(), 2 * 3_600_000)];
    home.catalog.schedule_assign(&follow).await.unwrap();
    for hours in [1, 2, 5] {
        read_at(&home, DAY + hours * hour, &["ada"]).await;
    }
    read_at(&home, 2 * DAY, &["ada", "bob"]).await;
    read_at(&home, 2 * DAY + hour, &["ada"]).await;

    let sum = |name: &str, points, worst_hours: u64, missed| AttainedSum {
        resource: ResourceId(format!("exchange/{name}")),
        points,
        worst_ms: worst_hours * 3_600_000,
        missed,
    };
    let since = async |day, one| home.catalog.attained_since(day, one).await.unwrap();
    assert_eq!(since(1, None).await, [sum("ada", 5, 19, 2), sum("bob", 1, 24, 0)]);
    assert_eq!(since(1, Some(&ada)).await, [sum("ada", 5, 19, 2)]);
    assert_eq!(since(2, Some(&ada)).await, [sum("ada", 2, 19, 1)]);
    assert_eq!(since(3, None).await, []);
    assert_eq!(home.catalog.attained_prune(2).await.unwrap(), 1);
    assert_eq!(since(0, None).await, [sum("ada", 2, 19, 1), sum("bob", 1, 24, 0)]);
}

async fn a_resource_knows_its_schedule_and_keeps_it_over_a_backup(on: On) {
    let home = Home::new(&on).await;
    home.catalog.tenant_put(&tenant("contoso")).await.unwrap();
    read_at(&home, DAY, &["ada", "bob"]).await;
    let bosses = ScheduleRow {
        tenant: "contoso".into(),
        name: "bosses".into(),
        record: r#"{"name":"bosses"}"#.into(),
    };
    home.catalog.schedule_put(&bosses).await.unwrap();
    let changed = ScheduleRow { record: "{}".into(), ..bosses };
    home.catalog.schedule_put(&changed).await.unwrap();
    assert_eq!(home.catalog.schedule_list(Some("contoso")).await.unwrap(), [changed]);
    assert_eq!(home.catalog.schedule_list(Some("other")).await.unwrap(), []);
    let ada = ResourceId::from("exchange/ada");
    let follow = [(ada, "bosses".to_owned(), 3_600_000)];
    home.catalog.schedule_assign(&follow).await.unwrap();
    read_at(&home, 2 * DAY, &["ada"]).await;
    let stands = home.catalog.stand_list().await.unwrap();
    let told = |row: &StandRow| (row.name.clone(), row.schedule.clone(), row.objective_ms);
    assert_eq!(
        stands.iter().map(told).collect::<Vec<_>>(),
        [
            ("ada@contoso.example".into(), Some("bosses".into()), Some(3_600_000)),
            ("bob@contoso.example".into(), None, None),
        ]
    );
    // Half of an hour has passed for the one, any time is right for the other.
    let due = async |second| home.catalog.stand_list_due(time(second)).await.unwrap().len();
    assert_eq!((due(2 * DAY + 1_799).await, due(2 * DAY + 1_800).await), (1, 2));
    home.catalog.schedule_remove("contoso", "bosses").await.unwrap();
    let gone = home.catalog.schedule_remove("contoso", "bosses").await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
}

on_both!(
    what_was_attained_is_summed_over_days_and_told_of_one_or_all,
    a_resource_knows_its_schedule_and_keeps_it_over_a_backup,
);
