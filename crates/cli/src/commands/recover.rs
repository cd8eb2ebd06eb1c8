//! `recover`: the installation made again on an empty machine, and what is still to be done by hand.

use std::path::Path;

use holdfast_engine::recover::{
    LockedTenant, MissingVault, RecoverReport, RecoveredUser, Recovery,
};
use holdfast_engine::{Exit, InitOptions, Protection, Unlock, catalog_url};
use holdfast_model::Clock;
use holdfast_vault::{Location, LockMode};
use serde::Serialize;

use super::catalog::found;
use super::init::{ask_passphrase, storage, unlock};
use super::{Done, home_dir};
use crate::args::{AUTHORITY_URL, GRAPH_URL, Global, Recover, UnlockArgs};
use crate::error::Result;
use crate::output::{Output, clean, count, of};

/// Something that only a person can do.
#[derive(Serialize)]
struct Step {
    /// Why.
    what: String,
    /// By which command; what is in capitals must be put in.
    command: String,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    report: RecoverReport,
    /// In the order in which it is to be done.
    to_do: Vec<Step>,
}

/// Makes the home, in which the rest is put on record.
pub async fn begin(global: &Global, args: &Recover) -> Result<Recovery> {
    let options = InitOptions {
        unlock: what_opens(&args.unlock, &args.vault)?,
        storage: storage(&args.storage)?,
        vault: args.vault.clone(),
        instance_key: global.instance_key.clone(),
        catalog_url: args.catalog_url_file.as_deref().map(catalog_url).transpose()?,
    };
    Ok(Recovery::begin(&home_dir(global)?, &options, Clock::system()).await?)
}

/// The vault is there, so nobody is asked twice.
fn what_opens(args: &UnlockArgs, vault: &Location) -> Result<Unlock> {
    match args.kit.is_none() && args.passphrase_file.is_none() {
        true => Ok(Unlock::Passphrase(ask_passphrase("Passphrase of the vault: ", false)?)),
        false => unlock(args, vault),
    }
}

/// Brings back what is in the vault.
pub async fn run(recovery: &Recovery, out: Output) -> Result<Done> {
    let report = recovery.finish().await?;
    let to_do = to_do(&report);
    let report = Report { report, to_do };
    out.show(&report, || human(&report))?;
    let rebuilt = &report.report.rebuilt;
    Ok(Done::from(exit_code(&report.report))
        .with("tenants", &rebuilt.tenants)
        .with("resources", &rebuilt.resources)
        .with("restore_points", &rebuilt.restore_points)
        .with("items", &rebuilt.items)
        .with("users", &rebuilt.users))
}

/// 10 for damage, 3 where a vault is missing that holds what no other has.
fn exit_code(report: &RecoverReport) -> u8 {
    match (report.rebuilt.is_whole(), report.missing_vaults.iter().any(is_needed)) {
        (true, false) => 0,
        (true, true) => Exit::Partial as u8,
        (false, _) => Exit::Damaged as u8,
    }
}

fn is_needed(vault: &MissingVault) -> bool {
    !vault.is_copy && !vault.is_source
}

fn to_do(report: &RecoverReport) -> Vec<Step> {
    let holdfast = format!("holdfast --home {}", path(&report.home));
    let mut steps = Vec::new();
    steps.extend(unprotected(report, &holdfast));
    steps.extend(
        report.missing_vaults.iter().filter(|v| !v.is_source).map(|v| attach(v, &holdfast)),
    );
    if report.missing_vaults.iter().any(is_needed) {
        let what = "Then bring in what these vaults hold, before anything is backed up".to_owned();
        steps.push(Step { what, command: format!("{holdfast} catalog rebuild") });
    }
    steps.extend(report.without_credential.iter().map(|tenant| credential(tenant, &holdfast)));
    if !report.without_credential.is_empty() {
        let what = "Go on from the last restore point".to_owned();
        steps.push(Step { what, command: format!("{holdfast} backup") });
    }
    let what = "Look at the audit record, and keep an export of it".to_owned();
    steps.push(Step { what, command: format!("{holdfast} audit verify") });
    steps
}

/// Where the vault was locked and is not any more, or takes no backups.
fn unprotected(report: &RecoverReport, holdfast: &str) -> Option<Step> {
    let vault = quoted(&report.vault);
    if let Some(time) = report.as_of {
        return Some(Step {
            what: format!(
                "The vault is read as it was at {time} and takes no backups; when the storage is \
                 safe again, use it as it is"
            ),
            command: format!("{holdfast} vault add default {vault} --kit DIR"),
        });
    }
    let before =
        report.protection_before.as_ref().filter(|before| **before != report.protection)?;
    let wanted = options(before);
    (!wanted.is_empty()).then(|| Step {
        what: "The vault was protected in another way; protect it as before".to_owned(),
        command: format!("{holdfast} vault add default {vault}{wanted} --kit DIR"),
    })
}

fn attach(vault: &MissingVault, holdfast: &str) -> Step {
    let (name, location) = (clean(&vault.name), clean(&vault.location));
    let what = match vault.is_copy {
        true => format!("The vault '{name}' at {location} is a copy; attach it to go on copying"),
        false => format!("The vault '{name}' at {location} is not attached: it needs its own kit"),
    };
    let (name, location) = (quoted(&vault.name), quoted(&vault.location));
    let options = options(&vault.protection);
    let command = format!("{holdfast} vault add {name} {location}{options} --kit DIR");
    Step { what, command }
}

/// The options of a command that protects a vault, each with a space before it.
fn options(protection: &Protection) -> String {
    let mut text = String::new();
    if let (Some(mode), Some(days)) = (protection.lock_mode, protection.lock_days) {
        let mode = match mode {
            LockMode::Governance => "governance",
            LockMode::Compliance => "compliance",
        };
        text.push_str(&format!(" --lock {mode} --lock-days {days}"));
    }
    for (is_set, option) in
        [(protection.append_only, " --append-only"), (protection.immutable, " --immutable")]
    {
        if is_set {
            text.push_str(option);
        }
    }
    text
}

fn credential(tenant: &LockedTenant, holdfast: &str) -> Step {
    let mut command = format!(
        "{holdfast} tenant add {} --tenant-id {} --client-id {} --certificate FILE --key FILE",
        quoted(&tenant.name),
        quoted(&tenant.tenant_id),
        quoted(&tenant.client_id),
    );
    if let Some(id) = &tenant.restore_client_id {
        let id = quoted(id);
        command.push_str(&format!(
            " --restore-client-id {id} --restore-certificate FILE --restore-key FILE"
        ));
    }
    for (option, url, usual) in [
        ("--graph-url", &tenant.graph_url, GRAPH_URL),
        ("--authority-url", &tenant.authority_url, AUTHORITY_URL),
    ] {
        if url != usual {
            command.push_str(&format!(" {option} {}", quoted(url)));
        }
    }
    if tenant.has_ca {
        command.push_str(" --ca-file FILE");
    }
    let name = clean(&tenant.name);
    let what = format!(
        "Give '{name}' its credential (a client secret: --client-secret-file FILE in place of \
         --certificate and --key)"
    );
    Step { what, command }
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
    let text = clean(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn human(Report { report, to_do }: &Report) -> String {
    let mut text = format!("{}\n", found(&report.rebuilt));
    let lines = [
        ("Home", path(&report.home)),
        ("Vault", clean(&report.vault)),
        ("Instance key (keep it secret, keep a copy)", path(&report.instance_key)),
        ("In force again", in_force(report)),
        ("Audit record", of_audit(report)),
        ("Users", of_users(&report.accounts)),
    ];
    for (name, value) in lines {
        text.push_str(&format!("{name}: {value}\n"));
    }
    for note in notes(report) {
        text.push_str(&format!("{note}\n"));
    }
    text.push_str("\nStill to do\n");
    for (n, step) in to_do.iter().enumerate() {
        text.push_str(&format!("  {}. {}\n     {}\n", n + 1, step.what, step.command));
    }
    text
}

fn in_force(report: &RecoverReport) -> String {
    let (schedules, holds) = (report.schedules as u64, report.holds as u64);
    format!("{}, {}", of(schedules, "schedule"), of(holds, "hold"))
}

fn of_audit(report: &RecoverReport) -> String {
    match &report.audit {
        Some(gap) => format!(
            "goes on with entry {} behind the signed head {}. Lost with the catalog: {} up to that \
             head, and what was recorded after it, however much that was",
            gap.entry,
            gap.head,
            match gap.missing {
                1 => "1 entry".to_owned(),
                more => format!("{} entries", count(more)),
            },
        ),
        None => "begins anew: the vault holds no signed head".to_owned(),
    }
}

fn of_users(users: &[RecoveredUser]) -> String {
    if users.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = users.iter().map(of_user).collect();
    format!(
        "{}. Passwords and second factors are those of before; all must sign in again, and API \
         tokens must be made anew",
        names.join(", ")
    )
}

fn of_user(user: &RecoveredUser) -> String {
    let name = clean(&user.name);
    match (user.disabled, user.password) {
        (true, _) => format!("{name} (disabled)"),
        (false, false) => format!("{name} (no password yet)"),
        (false, true) => name,
    }
}

fn notes(report: &RecoverReport) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(source) = report.missing_vaults.iter().find(|vault| vault.is_source) {
        notes.push(format!(
            "This vault was a copy of '{}' at {}, and takes its place. Do not attach that one again.",
            clean(&source.name),
            clean(&source.location)
        ));
    }
    if report.protection_before.is_none() {
        notes.push(
            "The vault does not say which vaults the installation had. Where there were several, \
             users and audit record are in the first of them: recover from that one."
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_takes_them() {
        for (word, taken) in [
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("s3://b/p?endpoint=http://h:1", "'s3://b/p?endpoint=http://h:1'"),
            ("it's", r"'it'\''s'"),
            ("$(id)", "'$(id)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), taken);
        }
    }

    #[test]
    fn the_command_of_a_tenant_says_what_is_not_usual() {
        let mut tenant = LockedTenant {
            name: "contoso".into(),
            tenant_id: "t-1".into(),
            client_id: "c-1".into(),
            restore_client_id: None,
            graph_url: GRAPH_URL.into(),
            authority_url: AUTHORITY_URL.into(),
            has_ca: false,
        };
        let usual =
            "h tenant add contoso --tenant-id t-1 --client-id c-1 --certificate FILE --key FILE";
        assert_eq!(credential(&tenant, "h").command, usual);
        tenant.restore_client_id = Some("r-1".into());
        tenant.graph_url = "https://graph.example".into();
        tenant.has_ca = true;
        assert_eq!(
            credential(&tenant, "h").command,
            format!(
                "{usual} --restore-client-id r-1 --restore-certificate FILE --restore-key FILE \
                 --graph-url https://graph.example --ca-file FILE"
            )
        );
    }
}
