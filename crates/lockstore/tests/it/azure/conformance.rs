//! Runs the rows of the conformance suite: against the fake always; against Azurite when
//! `HOLDFAST_AZURITE` names its endpoint (for example `http://127.0.0.1:10000/devstoreaccount1`);
//! against a real account when `HOLDFAST_AZURE_ACCOUNT`, `HOLDFAST_AZURE_KEY` and
//! `HOLDFAST_AZURE_CONTAINER` name one: a container with version-level immutability, without a
//! default policy. Rows on a real account leave locked versions behind for two minutes.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use holdfast_lockstore::Clock;
use holdfast_lockstore::azure::rules::{DefaultPolicy, RULES};
use holdfast_lockstore::azure::{ContainerOptions, Options, Running, start};
use jiff::{SignedDuration, Timestamp};

use super::client::{Answer, Client, Entry, Identity, listing};
use super::rows::{ROWS, Row, Where};

/// The key that is built into Azurite (its README).
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A service to be judged, and the row's own corner of it.
pub struct Target {
    pub client: Client,
    pub container: String,
    /// In front of every blob's name.
    prefix: String,
    /// The fake, where it is one.
    pub fake: Option<Running>,
    clock: Clock,
}

/// When the fake's story begins.
fn beginning() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().unwrap()
}

impl Target {
    fn fake(row: &Row) -> Self {
        let clock = Clock::manual(beginning());
        let containers =
            vec![ContainerOptions::immutable("vault"), ContainerOptions::plain("plain")];
        let running =
            start(Options { clock: clock.clone(), containers, ..Options::default() }).unwrap();
        let identity = Identity::Key(running.key.clone());
        let client = Client::new(&running.endpoint, &running.account, identity);
        let prefix = row.rule.to_owned();
        Self { client, container: "vault".into(), prefix, fake: Some(running), clock }
    }

    fn outside(row: &Row, client: Client, container: &str) -> Self {
        let clock = Clock::system();
        let run = clock.now().as_microsecond();
        let prefix = format!("conformance-{run}/{}", row.rule);
        Self { client, container: container.into(), prefix, fake: None, clock }
    }

    /// Which account a row is for that needs the fake.
    pub fn running(&self) -> &Running {
        self.fake.as_ref().unwrap()
    }

    /// A blob's name in this row's corner.
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// Container and blob, as a path.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{}", self.container, self.name(name))
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A time from now, as a header carries it.
    pub fn after(&self, seconds: i64) -> String {
        date(self.now() + SignedDuration::from_secs(seconds))
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    pub fn set_default(&self, policy: Option<DefaultPolicy>) {
        assert!(self.running().set_default_policy(&self.container, policy));
    }

    /// The same account as the bearer of a SAS with these permissions.
    pub fn as_bearer(&self, permissions: &str) -> Client {
        let sas = self.running().sas(&self.container, permissions);
        self.client.as_identity(Identity::Sas(sas))
    }

    pub fn put(&self, name: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("x-ms-blob-type", "BlockBlob")];
        all.extend(headers);
        self.client.send("PUT", &self.path(name), &all, body)
    }

    pub fn put_block(&self, name: &str, id: &str, body: &[u8]) -> Answer {
        let path = format!("{}?comp=block&blockid={}", self.path(name), encoded(id));
        self.client.send("PUT", &path, &[], body)
    }

    pub fn put_list(&self, name: &str, ids: &[&str], headers: &[(&str, &str)]) -> Answer {
        let ids: String = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
        let body =
            format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{ids}</BlockList>");
        let path = format!("{}?comp=blocklist", self.path(name));
        self.client.send("PUT", &path, headers, body.as_bytes())
    }

    pub fn get(&self, name: &str, headers: &[(&str, &str)]) -> Answer {
        self.client.send("GET", &self.path(name), headers, b"")
    }

    pub fn get_version(&self, name: &str, id: &str) -> Answer {
        self.on_version("GET", name, id, "", &[])
    }

    pub fn head(&self, name: &str) -> Answer {
        self.client.send("HEAD", &self.path(name), &[], b"")
    }

    pub fn head_version(&self, name: &str, id: &str) -> Answer {
        self.on_version("HEAD", name, id, "", &[])
    }

    pub fn delete(&self, name: &str) -> Answer {
        self.client.send("DELETE", &self.path(name), &[], b"")
    }

    pub fn delete_version(&self, name: &str, id: &str) -> Answer {
        self.on_version("DELETE", name, id, "", &[])
    }

    /// A request for one version; `comp` may be empty.
    pub fn on_version(
        &self,
        method: &str,
        name: &str,
        id: &str,
        comp: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let comp = if comp.is_empty() { String::new() } else { format!("comp={comp}&") };
        let path = format!("{}?{comp}versionid={}", self.path(name), encoded(id));
        self.client.send(method, &path, headers, b"")
    }

    /// Set Blob Immutability Policy; an empty mode is left out.
    pub fn set_policy(&self, name: &str, until: &str, mode: &str) -> Answer {
        let headers = [
            ("x-ms-immutability-policy-until-date", until),
            ("x-ms-immutability-policy-mode", mode),
        ];
        let headers = if mode.is_empty() { &headers[..1] } else { &headers };
        let path = format!("{}?comp=immutabilityPolicies", self.path(name));
        self.client.send("PUT", &path, headers, b"")
    }

    pub fn delete_policy(&self, name: &str) -> Answer {
        let path = format!("{}?comp=immutabilityPolicies", self.path(name));
        self.client.send("DELETE", &path, &[], b"")
    }

    pub fn set_hold(&self, name: &str, hold: bool) -> Answer {
        let path = format!("{}?comp=legalhold", self.path(name));
        self.client.send(
            "PUT",
            &path,
            &[("x-ms-legal-hold", if hold { "true" } else { "false" })],
            b"",
        )
    }

    /// Lists this row's corner, with further parameters (`&include=versions`).
    pub fn list(&self, parameters: &str) -> (Vec<Entry>, Vec<String>, String) {
        let path = format!(
            "{}?restype=container&comp=list&prefix={}{parameters}",
            self.container,
            encoded(&self.name(""))
        );
        listing(&self.client.send("GET", &path, &[], b""))
    }
}

/// Encodes a value of a query.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A time as a header carries it.
pub fn date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Runs rows and returns those that failed.
fn failures(rows: &[&Row], target: impl Fn(&Row) -> Target) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for row in rows {
        let target = target(row);
        if catch_unwind(AssertUnwindSafe(|| (row.run)(&target))).is_err() {
            let limit = Some(row.limit()).filter(|limit| !limit.is_empty());
            let limit = limit.map(|limit| format!(" (not everywhere: {limit})"));
            println!("FAILED: {}{}", row.rule, limit.unwrap_or_default());
            failed.push(row.rule);
        }
    }
    failed
}

#[test]
fn every_rule_has_a_row_and_every_row_a_rule() {
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(rules.len(), RULES.len(), "names of rules are unique");
    let rows: BTreeSet<_> = ROWS.iter().flat_map(|rows| rows.iter()).map(|row| row.rule).collect();
    assert_eq!(rules, rows);
}

#[test]
fn the_fake_keeps_every_rule() {
    let rows: Vec<_> = ROWS.iter().flat_map(|rows| rows.iter()).collect();
    assert_eq!(failures(&rows, Target::fake), Vec::<&str>::new());
}

/// Azurite passes the rows where it is right, and fails the others: when it no longer does, its
/// list of faults has to be shortened.
#[test]
fn azurite_keeps_the_rules_it_knows() {
    let Ok(endpoint) = std::env::var("HOLDFAST_AZURITE") else { return };
    let client = || Client::new(&endpoint, "devstoreaccount1", Identity::Key(AZURITE_KEY.into()));
    let container = format!("vault{}", Clock::system().now().as_microsecond());
    client().send("PUT", &format!("{container}?restype=container"), &[], b"").is(201);
    let rows = |wanted: fn(Where) -> bool| -> Vec<_> {
        ROWS.iter().flat_map(|rows| rows.iter()).filter(|row| wanted(row.at)).collect()
    };
    let right = rows(|at| matches!(at, Where::Anywhere));
    let wrong = rows(|at| matches!(at, Where::NotAzurite(_)));
    let target = |row: &Row| Target::outside(row, client(), &container);
    assert_eq!(failures(&right, target), Vec::<&str>::new());
    let wrong_names: Vec<_> = wrong.iter().map(|row| row.rule).collect();
    assert_eq!(failures(&wrong, target), wrong_names);
}

#[test]
fn the_real_service_keeps_the_rules() {
    let variable = |name: &str| std::env::var(format!("HOLDFAST_AZURE_{name}")).ok();
    let (Some(account), Some(key), Some(container)) =
        (variable("ACCOUNT"), variable("KEY"), variable("CONTAINER"))
    else {
        return;
    };
    let endpoint = format!("https://{account}.blob.core.windows.net");
    let rows = ROWS.iter().flat_map(|rows| rows.iter());
    let rows: Vec<_> = rows.filter(|row| !matches!(row.at, Where::FakeOnly(_))).collect();
    let client = || Client::new(&endpoint, &account, Identity::Key(key.clone()));
    assert_eq!(
        failures(&rows, |row| Target::outside(row, client(), &container)),
        Vec::<&str>::new()
    );
}
