//! Which shard takes a resource.
//!
//! Shards are filled one after the other: a resource joins the members of its department where
//! there is room, else the emptiest shard that is open, and a new shard is begun when none has
//! room. The same directory gives the same shards.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use holdfast_catalog::{ResourceRow, ResourceStatus, ShardRow};
use holdfast_model::{ResourceId, ShardId};

/// How far shards are filled, in blobs. A writer needs some 50 bytes of memory for each, and a
/// message counts two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardLimits {
    /// Up to here a shard takes further resources.
    pub fill: u64,
    /// From here on its resources go on elsewhere.
    pub cap: u64,
    /// What a resource that was never backed up is counted as.
    pub expected: u64,
}

impl Default for ShardLimits {
    /// Some hundred mailboxes to a shard, and room for years of their changes.
    fn default() -> Self {
        Self { fill: 4_000_000, cap: 10_000_000, expected: 40_000 }
    }
}

/// The department of each resource that the directory lists with one.
pub(crate) type Departments = BTreeMap<ResourceId, String>;

/// The shards of a vault, as far as they are filled.
#[derive(Clone, Debug)]
pub(crate) struct Shards {
    limits: ShardLimits,
    loads: BTreeMap<ShardId, Load>,
}

#[derive(Clone, Debug, Default)]
struct Load {
    blobs: u64,
    departments: BTreeMap<String, u64>,
}

impl Shards {
    /// The shards with what is in them and who lives there.
    pub fn new<'r>(
        limits: ShardLimits,
        shards: &[ShardRow],
        residents: impl IntoIterator<Item = &'r ResourceRow>,
        departments: &Departments,
    ) -> Self {
        let load = |row: &ShardRow| Load { blobs: row.blobs, ..Load::default() };
        let loads = shards.iter().map(|row| (row.shard, load(row))).collect();
        let mut shards = Self { limits, loads };
        for row in residents {
            let Some(shard) = row.shard else { continue };
            let is_new = row.restore_point.is_none() && row.status == ResourceStatus::Active;
            let blobs = if is_new { limits.expected } else { 0 };
            shards.add(shard, departments.get(&row.id), blobs);
        }
        shards
    }

    /// True for a shard whose resources go on elsewhere.
    pub fn is_over(&self, shard: ShardId) -> bool {
        self.loads.get(&shard).is_some_and(|load| load.blobs > self.limits.cap)
    }

    /// Chooses a shard for a resource of about so many blobs, none of those `but`, and counts the
    /// resource there. An empty shard takes a resource of any size.
    pub fn choose(&mut self, department: Option<&String>, blobs: u64, but: &[ShardId]) -> ShardId {
        let room = |load: &Load| load.blobs == 0 || load.blobs + blobs <= self.limits.fill;
        let members = |load: &Load| department.and_then(|d| load.departments.get(d).copied());
        let best = self
            .loads
            .iter()
            .filter(|(id, load)| !but.contains(id) && room(load))
            .max_by_key(|(id, load)| (members(load), Reverse(load.blobs), Reverse(**id)))
            .map(|(id, _)| *id);
        let last = self.loads.keys().next_back().map_or(0, |id| id.0);
        let chosen = best.unwrap_or(ShardId(last + 1));
        self.add(chosen, department, blobs);
        chosen
    }

    fn add(&mut self, shard: ShardId, department: Option<&String>, blobs: u64) {
        let load = self.loads.entry(shard).or_default();
        load.blobs += blobs;
        if let Some(department) = department {
            *load.departments.entry(department.clone()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: ShardLimits = ShardLimits { fill: 500, cap: 1_000, expected: 40 };

    fn empty(limits: ShardLimits) -> Shards {
        Shards::new(limits, &[], [], &Departments::new())
    }

    fn filled(blobs: &[u64]) -> Shards {
        let row = |(number, blobs): (u32, &u64)| {
            let mut row = ShardRow::new("vault", ShardId(number));
            row.blobs = *blobs;
            row
        };
        let rows: Vec<ShardRow> = (1..).zip(blobs).map(row).collect();
        Shards::new(LIMITS, &rows, [], &Departments::new())
    }

    #[test]
    fn a_department_stays_together_while_there_is_room() {
        let mut shards = filled(&[100, 60]);
        let sales = "Sales".to_owned();
        assert_eq!(shards.choose(None, 50, &[]), ShardId(2), "the emptiest");
        assert_eq!(shards.choose(Some(&sales), 50, &[]), ShardId(1), "now the emptiest");
        for _ in 0..7 {
            assert_eq!(shards.choose(Some(&sales), 50, &[]), ShardId(1), "where its members are");
        }
        assert_eq!(shards.choose(Some(&sales), 50, &[]), ShardId(2), "500 is full");
        assert_eq!(shards.choose(None, 440, &[]), ShardId(3), "none has room");
        assert_eq!(shards.choose(Some(&sales), 10, &[ShardId(1)]), ShardId(2));
    }

    #[test]
    fn only_a_shard_above_the_cap_is_left() {
        let shards = filled(&[1_000, 1_001]);
        assert!(!shards.is_over(ShardId(1)) && shards.is_over(ShardId(2)));
        assert!(!shards.is_over(ShardId(3)));
    }

    proptest! {
        #[test]
        fn shards_are_filled_and_no_further(
            sizes in prop::collection::vec((0_u8..5, 1_u64..700), 1..60),
            start in prop::collection::vec(0_u64..1_200, 0..4),
        ) {
            let (mut shards, mut again) = (filled(&start), filled(&start));
            for (department, size) in &sizes {
                let department = (*department > 0).then(|| format!("D{department}"));
                let before = shards.clone();
                let chosen = shards.choose(department.as_ref(), *size, &[]);
                prop_assert_eq!(chosen, again.choose(department.as_ref(), *size, &[]));
                let had = before.loads.get(&chosen).map_or(0, |load| load.blobs);
                prop_assert!(had == 0 || had + size <= LIMITS.fill, "{had} + {size} in {chosen}");
                let room = |load: &Load| load.blobs == 0 || load.blobs + size <= LIMITS.fill;
                let is_new = !before.loads.contains_key(&chosen);
                prop_assert!(!is_new || !before.loads.values().any(room), "one had room");
                // No other one with room has more members of the department.
                let members = |load: &Load| {
                    department.as_ref().and_then(|d| load.departments.get(d)).copied().unwrap_or(0)
                };
                let here = before.loads.get(&chosen).map_or(0, members);
                prop_assert!(before.loads.values().filter(|l| room(l)).all(|l| members(l) <= here));
            }
            let numbers: Vec<u32> = shards.loads.keys().map(|id| id.0).collect();
            prop_assert_eq!(&numbers, &(1..=numbers.len() as u32).collect::<Vec<_>>());
            let all: u64 = shards.loads.values().map(|load| load.blobs).sum();
            let given: u64 = sizes.iter().map(|(_, size)| size).sum();
            prop_assert_eq!(all, given + start.iter().sum::<u64>());
        }
    }

    #[test]
    fn a_thousand_new_mailboxes_get_ten_shards() {
        let mut shards = empty(ShardLimits::default());
        let expected = ShardLimits::default().expected;
        let mut counts = BTreeMap::<ShardId, usize>::new();
        for _ in 0..1_000 {
            *counts.entry(shards.choose(None, expected, &[])).or_default() += 1;
        }
        assert_eq!(counts.len(), 10);
        assert!(counts.values().all(|count| *count == 100), "{counts:?}");
    }
}
