//! What the rows of the conformance suite talk to: the fake, moto, or a real endpoint.

use holdfast_lockstore::Clock;
use holdfast_lockstore::s3::{self, Bucket, Credential, Options, Role, Running};
use jiff::SignedDuration;

use super::client::{Client, Got};

/// What a row found: nothing to say, or what is wrong.
pub(crate) type Outcome = Result<(), String>;

/// An endpoint with its users and three buckets: plain, versioned, with Object Lock.
#[derive(Debug)]
pub(crate) struct World {
    /// None against an endpoint of somebody else, whose clock and users are not ours.
    pub(crate) fake: Option<Running>,
    pub(crate) root: Client,
    clock: Clock,
    prefix: String,
}

impl World {
    pub(crate) fn fake() -> Self {
        let buckets = [
            Bucket::plain("t-plain"),
            Bucket::versioned("t-versioned"),
            Bucket::locked("t-locked"),
        ];
        let running = s3::start(Options::new(buckets)).unwrap();
        let root = client_of(&running, &running.credential(Role::Root));
        let clock = running.clock().clone();
        Self { fake: Some(running), root, clock, prefix: "t".into() }
    }

    /// An endpoint that is already there; makes the buckets.
    pub(crate) async fn remote(root: Client, prefix: &str) -> Result<Self, String> {
        let clock = Clock::system();
        let world = Self { fake: None, root, clock, prefix: prefix.to_owned() };
        for (kind, lock) in [("plain", false), ("versioned", false), ("locked", true)] {
            world.create_bucket(kind, lock).await?.expect(200)?;
        }
        world.versioning("versioned", "Enabled").await?.expect(200)?;
        Ok(world)
    }

    pub(crate) async fn create_bucket(&self, kind: &str, lock: bool) -> Result<Got, String> {
        let call = self.root.call("PUT", self.bucket(kind));
        let call =
            if lock { call.header("x-amz-bucket-object-lock-enabled", "true") } else { call };
        call.send().await
    }

    pub(crate) async fn versioning(&self, kind: &str, status: &str) -> Result<Got, String> {
        let body =
            format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
        let call = self.root.call("PUT", format!("{}?versioning", self.bucket(kind)));
        call.body(body).md5().send().await
    }

    /// A default retention for the bucket; `rule` is the content of `DefaultRetention`.
    pub(crate) async fn default_retention(&self, kind: &str, rule: &str) -> Result<Got, String> {
        let rule = format!("<Rule><DefaultRetention>{rule}</DefaultRetention></Rule>");
        let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
        let body = format!("<ObjectLockConfiguration>{enabled}{rule}</ObjectLockConfiguration>");
        let call = self.root.call("PUT", format!("{}?object-lock", self.bucket(kind)));
        call.body(body).md5().send().await
    }

    pub(crate) fn bucket(&self, kind: &str) -> String {
        format!("{}-{kind}", self.prefix)
    }

    pub(crate) fn path(&self, kind: &str, key: &str) -> String {
        format!("{}/{key}", self.bucket(kind))
    }

    /// A moment so many seconds from now, as S3 writes it.
    pub(crate) fn until(&self, seconds: i64) -> String {
        let moment = self.clock.now() + SignedDuration::from_secs(seconds);
        jiff::fmt::temporal::DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&moment)
    }

    /// The user of a role; only on the fake.
    pub(crate) fn user(&self, role: Role) -> Client {
        let running = self.fake.as_ref().expect("this row runs on the fake only");
        client_of(running, &running.credential(role))
    }

    /// Lets time pass; only on the fake.
    pub(crate) fn wait(&self, seconds: i64) {
        let running = self.fake.as_ref().expect("this row runs on the fake only");
        running.clock().advance(SignedDuration::from_secs(seconds));
    }

    pub(crate) async fn put(&self, kind: &str, key: &str, body: &str) -> Result<Got, String> {
        self.root.call("PUT", self.path(kind, key)).body(body.to_owned()).md5().send().await
    }

    pub(crate) async fn get(&self, kind: &str, key: &str) -> Result<Got, String> {
        self.root.call("GET", self.path(kind, key)).send().await
    }

    pub(crate) async fn delete(&self, kind: &str, key: &str) -> Result<Got, String> {
        self.root.call("DELETE", self.path(kind, key)).send().await
    }

    /// Puts an object with a retention and gives its version's id.
    pub(crate) async fn put_locked(
        &self,
        key: &str,
        mode: &str,
        seconds: i64,
    ) -> Result<String, String> {
        let call = self.root.call("PUT", self.path("locked", key)).body("locked").md5();
        let call = call.header("x-amz-object-lock-mode", mode);
        let call = call.header("x-amz-object-lock-retain-until-date", self.until(seconds));
        call.send().await?.expect(200)?.version()
    }

    /// Asks for another retention of a version; without a mode: for none.
    pub(crate) async fn retain(
        &self,
        (key, version): (&str, &str),
        retention: Option<(&str, i64)>,
        bypass: bool,
    ) -> Result<Got, String> {
        retain(&self.root, self, (key, version), retention, bypass).await
    }

    /// Deletes a version of the lock bucket for good, or tries to.
    pub(crate) async fn erase(
        &self,
        (key, version): (&str, &str),
        bypass: bool,
    ) -> Result<Got, String> {
        let path = format!("{}?versionId={version}", self.path("locked", key));
        let call = self.root.call("DELETE", path);
        let call = if bypass { call.header(BYPASS, "true") } else { call };
        call.send().await
    }

    pub(crate) async fn hold(
        &self,
        (key, version): (&str, &str),
        status: &str,
    ) -> Result<Got, String> {
        let path = format!("{}?legal-hold&versionId={version}", self.path("locked", key));
        let body = format!("<LegalHold><Status>{status}</Status></LegalHold>");
        self.root.call("PUT", path).body(body).md5().send().await
    }

    /// The lock headers of a version: mode, end, hold.
    pub(crate) async fn lock_of(&self, key: &str, version: &str) -> Result<[String; 3], String> {
        let path = format!("{}?versionId={version}", self.path("locked", key));
        let got = self.root.call("HEAD", path).send().await?.expect(200)?;
        let names = ["mode", "retain-until-date", "legal-hold"];
        Ok(names.map(|name| got.header(&format!("x-amz-object-lock-{name}")).to_owned()))
    }
}

const BYPASS: &str = "x-amz-bypass-governance-retention";

/// The same as [`World::retain`], by any user.
pub(crate) async fn retain(
    user: &Client,
    world: &World,
    (key, version): (&str, &str),
    retention: Option<(&str, i64)>,
    bypass: bool,
) -> Result<Got, String> {
    let fields = retention.map_or_else(String::new, |(mode, seconds)| {
        let until = world.until(seconds);
        format!("<Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate>")
    });
    let path = format!("{}?retention&versionId={version}", world.path("locked", key));
    let call = user.call("PUT", path).body(format!("<Retention>{fields}</Retention>")).md5();
    let call = if bypass { call.header(BYPASS, "true") } else { call };
    call.send().await
}

fn client_of(running: &Running, credential: &Credential) -> Client {
    let Credential { access_key, secret_key, .. } = credential;
    Client::new(&running.endpoint(), s3::REGION, access_key, secret_key)
}

/// Ok if both are the same.
#[allow(clippy::needless_pass_by_value, reason = "most of what is compared is made for it")]
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}
