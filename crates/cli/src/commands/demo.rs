//! `demo`: the whole product in a minute, on a simulated tenant.
//!
//! A company is backed up, loses mail, gets it back; the demo compares what was lost with what
//! came back and fails when they differ. At a terminal it ends in the console. Everything lies in a
//! temporary folder that is removed.

mod compare;
mod console;
mod files;
mod restic;
mod scene;
mod script;

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use holdfast_engine::backup::{self, BackupReport, BackupRequest};
use holdfast_engine::browse::{self, At};
use holdfast_engine::restore::{self, RestoreReport, RestoreRequest};
use holdfast_engine::tenant::{self, Login, NewTenant};
use holdfast_engine::{Home, InitOptions, Progress, Storage, Unlock};
use holdfast_model::{Clock, Secret, ShardId};
use holdfast_sim::{RunningSim, SimConfig};
use serde::Serialize;
use tempfile::TempDir;

use self::compare::{Comparison, Seen};
use self::files::FileProof;
use self::restic::Witness;
use self::scene::{Changes, Victim};
use self::script::Script;
use super::restore::loss_name;
use crate::args::{Demo, sites_for};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::progress;

/// Messages per person: ten people have more than 2,000.
const MAILS_PER_USER: usize = 210;

/// The name under which the tenant is added.
const TENANT: &str = "contoso";

/// What the demo did, its `--json` form.
#[derive(Serialize)]
struct Report {
    ok: bool,
    users: usize,
    messages: usize,
    first_backup: BackupReport,
    lost_from: String,
    lost_folder: Vec<String>,
    changes: Changes,
    incremental: BackupReport,
    dry_run: RestoreReport,
    restore: RestoreReport,
    /// Lost messages whose stored bytes equal those that the tenant gave.
    equal_in_vault: usize,
    comparison: Comparison,
    /// Absent where the company has no files (`--files 0`).
    files: Option<FileProof>,
    restic: Option<Witness>,
}

impl Report {
    /// Which part of the proof failed.
    fn why_not(&self) -> String {
        let Comparison { lost, found, surplus, differences, .. } = &self.comparison;
        let restic = match &self.restic {
            Some(witness) if !witness.ok => "restic finds fault with the vault",
            _ => "restic is content or absent",
        };
        let files = self.files.as_ref().map_or((0, 0), |proof| (proof.back, proof.files));
        format!(
            "the proof failed: of {lost} lost messages {} are whole in the vault, {found} came back, \
             {surplus} too many, {} different; {} of {} files are as before; {restic}",
            self.equal_in_vault,
            differences.len(),
            files.0,
            files.1,
        )
    }
}

pub async fn run(args: &Demo, out: Output) -> Result<u8> {
    let mut script = Script::new(out);
    let (stage, report) = tokio::select! {
        done = play(args, &mut script) => done?,
        _ = tokio::signal::ctrl_c() => return Err(Error::Stopped),
    };
    // Who is not at a terminal would wait for an end that nobody asks for.
    let stays = report.ok && !args.once && !out.is_json() && std::io::stdout().is_terminal();
    out.show(&report, || script.ending(&report, stays))?;
    let Stage { sim, home, dir, .. } = stage;
    if stays {
        console::open(Arc::new(home), out).await?;
    } else {
        drop(home);
    }
    sim.stop().await;
    drop(dir);
    match report.ok {
        true => Ok(0),
        false => Err(Error::Proof(report.why_not())),
    }
}

async fn play(args: &Demo, script: &mut Script) -> Result<(Stage, Report)> {
    let stage = Stage::set(args, script).await?;
    let report = stage.act(script).await?;
    Ok((stage, report))
}

/// The tenant, the installation and the folder that holds them.
struct Stage {
    sim: RunningSim,
    home: Home,
    dir: TempDir,
    has_files: bool,
}

impl Stage {
    async fn set(args: &Demo, script: &mut Script) -> Result<Self> {
        script.opening()?;
        let config = SimConfig {
            users: args.users.into(),
            seed: args.seed,
            mails_per_user: MAILS_PER_USER,
            files_per_user: args.files,
            sites: args.sites.unwrap_or_else(|| sites_for(args.users.into())),
            corpus: args.corpus.clone(),
            ..SimConfig::default()
        };
        let sim = holdfast_sim::start(config).await?;
        let messages = scene::messages(sim.tenant())?;
        script.tenant(sim.tenant().users().len(), messages)?;
        let dir = tempfile::Builder::new()
            .prefix("holdfast-demo-")
            .tempdir()
            .map_err(Error::file("create a folder in", &std::env::temp_dir()))?;
        let home = install(dir.path()).await?;
        let row = tenant::add(&home, new_tenant(&sim)?).await?;
        let tested = tenant::test(&home, &row).await?;
        script.installed(&tested)?;
        Ok(Self { sim, home, dir, has_files: args.files > 0 })
    }

    async fn act(&self, script: &mut Script) -> Result<Report> {
        let tenant = self.sim.tenant();
        let (users, messages) = (tenant.users().len(), scene::messages(tenant)?);
        let first_backup = self.back_up().await?;
        script.first_backup(&first_backup)?;

        let victim = scene::choose(tenant)?;
        let upn = victim.user.upn.as_str();
        let before = compare::see(tenant, upn, &victim.folder.path)?;
        let bytes = mime_of(&self.sim, upn, &before)?;
        let in_mailbox = scene::in_mailbox(tenant, upn)?;
        tenant.folder_delete(upn, &victim.folder.id, true)?;
        let changes = scene::a_morning(tenant, &victim)?;
        script.loss(&victim, in_mailbox, &changes)?;
        let incremental = self.back_up().await?;
        script.incremental(&incremental, &first_backup)?;

        let at = point_of(&first_backup)?;
        let path = self.path_of(&victim, &at).await?;
        let entries = browse::ls(&self.home, None, upn, &at, &path, true).await?;
        let equal_in_vault = self.equal_in_vault(upn, &at, &path, &bytes).await?;
        script.found(&first_backup, &victim, &entries, equal_in_vault)?;

        let request = RestoreRequest {
            resource: upn.to_owned(),
            at,
            path: Some(path),
            dry_run: true,
            ..RestoreRequest::default()
        };
        let dry_run = self.restore(&request).await?;
        script.dry_run(&dry_run)?;
        let restore = self.restore(&RestoreRequest { dry_run: false, ..request }).await?;
        script.restored(&restore)?;

        let losses = losses_by_id(&entries, &restore);
        let after = compare::see(tenant, upn, &victim.folder.path)?;
        let comparison =
            compare::compare(&before, &after, |id| losses.get(id).copied().unwrap_or_default());
        script.comparison(&comparison, in_mailbox, scene::in_mailbox(tenant, upn)?)?;
        let files = match self.has_files {
            true => Some(self.ransomware(script).await?),
            false => None,
        };
        let restic = self.witness().await?;
        script.restic(restic.as_ref())?;
        let ok = comparison.is_proof()
            && files.as_ref().is_none_or(FileProof::is_proof)
            && equal_in_vault == before.len()
            && restic.as_ref().is_none_or(|witness| witness.ok);
        Ok(Report {
            ok,
            users,
            messages,
            first_backup,
            lost_from: victim.user.upn,
            lost_folder: victim.folder.path,
            changes,
            incremental,
            dry_run,
            restore,
            equal_in_vault,
            comparison,
            files,
            restic,
        })
    }

    /// Ransomware strikes a OneDrive; the files come back from the restore point before it.
    async fn ransomware(&self, script: &mut Script) -> Result<FileProof> {
        let tenant = self.sim.tenant();
        let drive = files::choose(tenant)?;
        let before = files::see(tenant, &drive)?;
        let at = At::Time(self.home.clock.now());
        let ransom = tenant.ransomware(&drive.id, 1)?;
        let backup = self.back_up().await?;
        script.ransomware(&drive, &ransom, &backup)?;
        let request = RestoreRequest {
            resource: format!("onedrive/{}", drive.owner.as_deref().unwrap_or_default()),
            at,
            ..RestoreRequest::default()
        };
        let restore = self.restore(&request).await?;
        let proof = files::compare(&drive, &ransom, &before, &files::see(tenant, &drive)?);
        script.files_back(&restore, &proof)?;
        Ok(proof)
    }

    async fn back_up(&self) -> Result<BackupReport> {
        let (request, progress) = (BackupRequest::default(), Progress::default());
        Ok(progress::watch(&progress, backup::backup(&self.home, &request, &progress)).await?)
    }

    async fn restore(&self, request: &RestoreRequest) -> Result<RestoreReport> {
        let progress = Progress::default();
        Ok(progress::watch(&progress, restore::restore(&self.home, request, &progress)).await?)
    }

    /// Where the lost folder lies in the restore point: found by its Graph id.
    async fn path_of(&self, victim: &Victim, at: &At) -> Result<String> {
        let entries = browse::ls(&self.home, None, &victim.user.upn, at, "", true).await?;
        let folder = entries.into_iter().find(|entry| entry.id == victim.folder.id);
        folder
            .map(|entry| entry.path)
            .ok_or_else(|| Error::Proof("the lost folder is not in the restore point".to_owned()))
    }

    /// How many lost messages lie in the vault with the very bytes that the tenant gave.
    async fn equal_in_vault(
        &self,
        user: &str,
        at: &At,
        path: &str,
        bytes: &HashMap<String, Vec<u8>>,
    ) -> Result<usize> {
        let located = browse::locate(&self.home, None, user, at).await?;
        tokio::task::block_in_place(|| {
            let mut equal = 0;
            for found in located.items(path)? {
                let stored = located.reader.bytes(&found.node)?;
                equal += usize::from(bytes.get(found.meta.id()) == Some(&stored));
            }
            Ok(equal)
        })
    }

    async fn witness(&self) -> Result<Option<Witness>> {
        let shard = ShardId(1);
        let repository = self.home.vault(None).await?.shard_location(shard);
        restic::ask(&self.dir.path().join("home"), &repository, shard.0).await
    }
}

async fn install(dir: &Path) -> Result<Home> {
    let options = InitOptions {
        vault: dir.join("vault").into(),
        storage: Storage::default(),
        unlock: Unlock::Passphrase(Secret::new("a passphrase for an hour")),
        instance_key: Some(dir.join("instance.key")),
        catalog_url: None,
    };
    Ok(Home::init(&dir.join("home"), &options, Clock::system()).await?.0)
}

fn new_tenant(sim: &RunningSim) -> Result<NewTenant> {
    let info = &sim.info;
    let login = |secret: &str| Login::Secret(Secret::new(secret));
    let restore = &info.restore;
    Ok(NewTenant {
        name: TENANT.to_owned(),
        tenant_id: info.tenant_id.clone(),
        client_id: info.backup.client_id.clone(),
        login: login(&info.backup.client_secret),
        restore: Some((restore.client_id.clone(), login(&restore.client_secret))),
        vault: None,
        graph_url: info.graph_url.clone(),
        authority_url: info.authority_url.clone(),
        ca_pem: Some(sim.ca_pem().to_owned()),
        file_versions: None,
    })
}

/// The restore point that a backup made.
fn point_of(report: &BackupReport) -> Result<At> {
    let id = report.snapshots.first().cloned();
    id.map(At::Snapshot).ok_or_else(|| Error::Proof("the first backup made no snapshot".to_owned()))
}

/// The bytes of each message by its id.
fn mime_of(sim: &RunningSim, user: &str, seen: &[Seen]) -> Result<HashMap<String, Vec<u8>>> {
    let ids = seen.iter().map(|seen| &seen.message.view.id);
    ids.map(|id| Ok((id.clone(), sim.tenant().mime(user, id)?.to_vec()))).collect()
}

/// In which fields the restore said that a message would differ, by its id before the loss.
fn losses_by_id(
    entries: &[browse::Entry],
    report: &RestoreReport,
) -> HashMap<String, &'static [&'static str]> {
    let ids: HashMap<&str, &str> =
        entries.iter().map(|entry| (entry.path.as_str(), entry.id.as_str())).collect();
    let mut losses = HashMap::new();
    for item in &report.items {
        let Some(id) = ids.get(item.path.as_str()) else { continue };
        let fields = item.losses.iter().map(|loss| touched(&loss_name(*loss)));
        losses
            .insert((*id).to_owned(), fields.max_by_key(|fields| fields.len()).unwrap_or_default());
    }
    losses
}

/// The fields in which a message with this loss differs.
fn touched(loss: &str) -> &'static [&'static str] {
    match loss {
        // Exchange keeps the whole as one attachment; put back it is its parts.
        "smime" => &["attachment names", "attachments, byte by byte", "inline content ids"],
        // Their bytes come back under another name, or with a name.
        "report" | "embedded_message" | "meeting" => &["attachment names"],
        "unreadable_attachment" => &["attachment names", "attachments, byte by byte"],
        "recipient_without_address" => &["to", "cc", "bcc", "reply to"],
        _ => &[],
    }
}
