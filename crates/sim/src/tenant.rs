//! The tenant as its server sees it: state, clock, faults, counters and keys in one place.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::SimConfig;
use crate::api::drive::upload::Sessions as DriveSessions;
use crate::api::upload::Sessions;
use crate::clock::SimClock;
use crate::error::{Refused, SimError};
use crate::fault::Faults;
use crate::mail::Attachment;
use crate::registration::Registration;
use crate::seal::Seal;
use crate::seed;
use crate::state::{Content, Journal, Op, Outcome, Properties, State};
use crate::stats::{Counters, Stats};
use crate::throttle::Throttle;
use crate::token::TokenKey;
use crate::units::Units;

/// The domain of the simulated company.
const DOMAIN: &str = "contoso.example";

/// The simulated tenant: what the server shows, and the handle by which tests and the demo
/// control it without HTTP.
#[derive(Debug)]
pub struct Tenant {
    tenant_id: String,
    seal: Arc<Seal>,
    state: Mutex<State>,
    journal: Option<Mutex<Journal>>,
    clock: SimClock,
    faults: Faults,
    counters: Counters,
    throttle: Throttle,
    units: Units,
    sessions: Sessions,
    drive_sessions: DriveSessions,
    token_key: &'static TokenKey,
    latency: Duration,
    delta_expands: bool,
    /// The names under which links may be given; the first one is the default.
    hosts: Vec<String>,
    /// The name in addresses of downloads and uploads.
    files_host: Option<String>,
}

impl Tenant {
    /// The tenant of a configuration, brought to where its journal ends.
    pub(crate) fn open(config: &SimConfig, hosts: Vec<String>) -> Result<Self, SimError> {
        let seal = Arc::new(Seal::new(config.seed));
        let registrations = Registration::first_three(&seal);
        let mut state = State::new(Arc::clone(&seal), registrations);
        if let Some(folder) = &config.state {
            seed::Birth::of(config).check(folder)?;
        }
        seed::sow(&mut state, config)?;
        let journal = config.state.as_deref().map(|folder| replay(&mut state, folder));
        Ok(Self {
            tenant_id: seal.guid("tenant"),
            seal,
            state: Mutex::new(state),
            journal: journal.transpose()?.map(Mutex::new),
            clock: SimClock::new(config.now),
            faults: Faults::new(config.faults, config.seed),
            counters: Counters::default(),
            throttle: Throttle::new(config.limits),
            units: Units::new(config.limits),
            sessions: Sessions::default(),
            drive_sessions: DriveSessions::default(),
            token_key: TokenKey::of_process()?,
            latency: config.latency,
            delta_expands: config.delta_expands,
            hosts,
            files_host: config.files_host.clone(),
        })
    }

    /// The tenant id.
    pub fn tenant_id(&self) -> &str {
        &self.tenant_id
    }

    /// The domain of the company.
    pub fn domain(&self) -> &str {
        DOMAIN
    }

    /// The virtual clock.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What was counted since the start or the last reset.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// Counts from zero.
    pub fn stats_reset(&self) {
        self.counters.reset();
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    pub(crate) fn units(&self) -> &Units {
        &self.units
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn drive_sessions(&self) -> &DriveSessions {
        &self.drive_sessions
    }

    pub(crate) fn token_key(&self) -> &TokenKey {
        self.token_key
    }

    pub(crate) fn latency(&self) -> Duration {
        self.latency
    }

    /// Whether message deltas take `$expand`.
    pub(crate) fn delta_expands(&self) -> bool {
        self.delta_expands
    }

    /// The base of links: the name the client used, if it is one of ours.
    pub(crate) fn base_for(&self, host: Option<&str>) -> String {
        let name = |host: &str| host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
        let own = |host: &&str| self.hosts.iter().any(|own| name(own) == name(host));
        let default = self.hosts.first().map_or("localhost", String::as_str);
        format!("https://{}", host.filter(own).unwrap_or(default))
    }

    /// The base of addresses of downloads and uploads, for a client that used `base`.
    pub(crate) fn files_base(&self, base: &str) -> String {
        let port = base.rsplit_once(':').map(|(_, port)| port);
        let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        match (&self.files_host, port) {
            (None, _) => base.to_owned(),
            (Some(name), Some(port)) => format!("https://{name}:{port}"),
            (Some(name), None) => format!("https://{name}"),
        }
    }

    /// The state, locked.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a change and writes it to the journal before anybody hears of it.
    pub(crate) fn commit(&self, state: &mut State, op: Op) -> Result<Outcome, Refused> {
        let at = self.clock.now();
        let Some(journal) = &self.journal else { return state.apply(at, op) };
        let outcome = state.apply(at, op.clone())?;
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = journal.append(at, &op) {
            tracing::error!(%error, "cannot write the journal of the simulated tenant");
        }
        Ok(outcome)
    }

    /// The application with this client id.
    pub(crate) fn registration(&self, client_id: &str) -> Option<Registration> {
        let state = self.state();
        let same = |known: &&Registration| known.client_id.eq_ignore_ascii_case(client_id);
        state.registrations.iter().find(same).cloned()
    }

    /// Object id and user principal name of the user with this id or name, or of the owner of the
    /// drive with this id; twice the name itself where there is none.
    pub(crate) fn user_names(&self, name: &str) -> (String, String) {
        let state = self.state();
        let owner = || state.sharepoint.drive(name).ok().and_then(|drive| drive.made.owner);
        let found = state.user_index(name).ok().or_else(owner);
        found.map_or((name.to_owned(), name.to_owned()), |index| {
            let user = &state.users[index];
            (user.id.clone(), user.profile.upn.clone())
        })
    }

    /// Replaces the properties of a message.
    pub(crate) fn replace(
        &self,
        state: &mut State,
        user: usize,
        uid: u64,
        properties: Properties,
    ) -> Result<(), Refused> {
        let properties = Box::new(properties);
        self.commit(state, Op::MessageReplace { user, uid, properties }).map(|_| ())
    }

    /// Adds an attachment to a message and gives its number.
    pub(crate) fn attach(
        &self,
        state: &mut State,
        user: usize,
        uid: u64,
        attachment: Attachment,
    ) -> Result<u32, Refused> {
        let message = state.mailbox(user)?.messages.get(&uid).ok_or(Refused::MessageNotFound)?;
        let mut properties = message.properties.clone();
        let mut parsed = Arc::unwrap_or_clone(properties.content.parsed());
        let number = parsed.attach(attachment);
        properties.content = Content::Parsed(Arc::new(parsed));
        self.replace(state, user, uid, properties)?;
        Ok(number)
    }

    /// Deletes a message as people do: into Deleted Items, from there into the recoverable items,
    /// from there for good.
    pub(crate) fn message_discard(
        &self,
        state: &mut State,
        user: usize,
        uid: u64,
    ) -> Result<(), Refused> {
        let mailbox = state.mailbox(user)?;
        let place = mailbox.messages.get(&uid).ok_or(Refused::MessageNotFound)?.folder;
        let deleted = mailbox.well_known("deleteditems").ok_or(Refused::FolderNotFound)?;
        let dumpster =
            mailbox.well_known("recoverableitemsdeletions").ok_or(Refused::FolderNotFound)?;
        let op = if place == dumpster {
            Op::MessageRemove { user, uid }
        } else {
            let folder = if mailbox.is_below(place, deleted) { dumpster } else { deleted };
            Op::MessageMove { user, uid, folder }
        };
        self.commit(state, op).map(|_| ())
    }

    /// Deletes a folder as people do: into Deleted Items (under another name if the name is
    /// taken there), from there for good.
    pub(crate) fn folder_discard(
        &self,
        state: &mut State,
        user: usize,
        folder: u64,
    ) -> Result<(), Refused> {
        let mailbox = state.mailbox(user)?;
        let deleted = mailbox.well_known("deleteditems").ok_or(Refused::FolderNotFound)?;
        if mailbox.is_below(folder, deleted) {
            return self.commit(state, Op::FolderRemove { user, folder }).map(|_| ());
        }
        let name = mailbox.folders.get(&folder).ok_or(Refused::FolderNotFound)?.name.clone();
        let taken = |name: &str| mailbox.child(deleted, name).is_some();
        if taken(&name) {
            let free = (1..).map(|number| format!("{name}{number}")).find(|name| !taken(name));
            let name = free.unwrap_or(name);
            self.commit(state, Op::FolderRename { user, folder, name })?;
        }
        self.commit(state, Op::FolderMove { user, folder, parent: deleted }).map(|_| ())
    }
}

/// Opens the journal and carries out what is in it.
fn replay(state: &mut State, folder: &Path) -> Result<Journal, SimError> {
    let (journal, ops) = Journal::open(folder)?;
    for (line, (at, op)) in ops.into_iter().enumerate() {
        state.apply(at, op).map_err(|_| SimError::Journal {
            path: folder.join("journal.ndjson"),
            line: line + 1,
        })?;
    }
    Ok(journal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FullMessage;
    use crate::desk::{Desk, mime};

    fn with_state(folder: &Path) -> SimConfig {
        SimConfig {
            users: 2,
            mails_per_user: 15,
            state: Some(folder.to_owned()),
            ..SimConfig::default()
        }
    }

    /// All messages of all folders of all people.
    fn everything(tenant: &Tenant) -> Vec<FullMessage> {
        let mut all = Vec::new();
        for user in tenant.users() {
            for folder in tenant.folders(&user.id).unwrap() {
                for message in tenant.messages(&user.id, &folder.id).unwrap() {
                    all.push(tenant.message(&user.id, &message.id).unwrap());
                }
            }
        }
        all
    }

    #[test]
    fn a_tenant_that_is_killed_comes_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::of(with_state(folder.path()));
        let tenant = &desk.tenant;
        let user = desk.user(0);
        let delta = format!("/v1.0/users/{user}/mailFolders/inbox/messages/delta");
        let link = desk.request("GET", &delta, "odata.maxpagesize=1000", b"").json.unwrap();
        let link = link["@odata.deltaLink"].as_str().unwrap().to_owned();

        let sub = tenant.folder_create(&user, Some("inbox"), "Unter/Ordner").unwrap();
        let kept = tenant.deliver(&user, &sub, &mime(1)).unwrap();
        let moved = tenant.deliver(&user, "inbox", &mime(2)).unwrap();
        let gone = tenant.deliver(&user, "inbox", &mime(3)).unwrap();
        tenant.message_update(&user, &kept, |edit| edit.content.subject = "New".into()).unwrap();
        tenant.message_move(&user, &moved, &sub).unwrap();
        tenant.message_delete(&user, &gone, true).unwrap();
        tenant.user_add("Some Body", "some.body@contoso.example").unwrap();
        let (before, folders) = (everything(tenant), tenant.folders(&user).unwrap());
        let secret = tenant.state().registrations[0].secret.clone();
        let id = tenant.tenant_id().to_owned();
        drop(desk);

        let desk = Desk::of(with_state(folder.path()));
        assert_eq!(everything(&desk.tenant), before);
        assert_eq!(desk.tenant.folders(&user).unwrap(), folders);
        assert_eq!(desk.tenant.users().len(), 3);
        assert_eq!(desk.tenant.state().registrations[0].secret, secret);
        assert_eq!(desk.tenant.tenant_id(), id);
        // The link from before the kill goes on: two came and went, nothing is there.
        let page = desk.get(&link);
        assert!(page["value"].as_array().unwrap().is_empty(), "{page}");
        let next = desk.tenant.deliver(&user, "inbox", &mime(4)).unwrap();
        assert!(before.iter().all(|message| message.view.id != next));
        assert_eq!(desk.get(&link)["value"][0]["id"], next.as_str());
    }

    #[test]
    fn a_state_folder_of_another_tenant_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Desk::of(with_state(folder.path())));
        let config = SimConfig { seed: 2, ..with_state(folder.path()) };
        assert!(matches!(Tenant::open(&config, Vec::new()), Err(SimError::OtherTenant { .. })));
    }

    #[test]
    fn links_carry_only_names_of_ours() {
        let tenant = Desk::empty(1).tenant;
        assert_eq!(tenant.base_for(Some("graph.example")), "https://graph.example");
        assert_eq!(tenant.base_for(Some("graph.example:443")), "https://graph.example:443");
        assert_eq!(tenant.base_for(Some("evil.example")), "https://127.0.0.1:4430");
        assert_eq!(tenant.base_for(None), "https://127.0.0.1:4430");
    }

    #[test]
    fn deleting_goes_by_deleted_items_and_the_dumpster() {
        let desk = Desk::empty(1);
        let (tenant, user) = (&desk.tenant, desk.user(0));
        let id = tenant.deliver(&user, "inbox", &mime(1)).unwrap();
        for place in ["deleteditems", "recoverableitemsdeletions"] {
            tenant.message_delete(&user, &id, false).unwrap();
            let there = tenant.messages(&user, place).unwrap();
            assert_eq!(there.iter().map(|message| &message.id).collect::<Vec<_>>(), [&id]);
        }
        tenant.message_delete(&user, &id, false).unwrap();
        assert_eq!(tenant.message(&user, &id), Err(Refused::MessageNotFound));

        for _ in 0..2 {
            let folder = tenant.folder_create(&user, None, "Orders").unwrap();
            tenant.folder_delete(&user, &folder, false).unwrap();
        }
        let deleted = |name: &str| tenant.folder_by_path(&user, &["Deleted Items", name]);
        let second = deleted("Orders1").unwrap();
        assert!(deleted("Orders").is_ok());
        tenant.folder_delete(&user, &second, false).unwrap();
        assert_eq!(deleted("Orders1"), Err(Refused::FolderNotFound));
        assert_eq!(tenant.folder_delete(&user, "inbox", false), Err(Refused::WellKnownFolder));
    }
}
