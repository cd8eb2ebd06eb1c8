//! `audit verify`: the record of an installation, or one that was exported.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use holdfast_catalog::Kind;
use holdfast_vault::Vault;

use super::check::{Checker, Claim, FaultKind, Verification};
use super::export::Line;
use super::head::{Named, named};
use super::{Audit, Head};
use crate::home::blocking;
use crate::{Error, Home, Result};

/// Entries that are in memory at once.
pub(super) const PAGE: u32 = 1_000;

/// Heads that contradict the record and are looked at one by one: each is a request to the vault.
const LOOKED_AT: usize = 100;

/// Longest line of an exported record: an entry has at most 2,000 names of 1,000 bytes, each
/// escaped twice.
const MAX_LINE: u64 = 32 << 20;

/// Verifies the record of an installation against itself, the key of the home vault and the heads
/// in it. Entries are read page by page; what is appended meanwhile is verified too.
pub async fn verify(home: &Home) -> Result<Verification> {
    let public = Audit::open(home).await?.key.public();
    let vault = home.vault(None).await?;
    // In this order: what is noted has a head, and what has a head has its entry.
    let noted = home.catalog.audit_chain().await?;
    let (heads, foreign) = named(&vault).await?;
    let claims = heads.iter().map(|head| Claim { number: head.number, hash: head.hash.clone() });
    let mut checker = Checker::new(public, claims);
    checker.report.heads = heads.len() as u64;
    for name in foreign {
        let detail = format!("the file '{name}' among the heads is none");
        checker.report.fault(0, FaultKind::ForgedHead, detail);
    }
    if noted.head_number > 0 && !heads.iter().any(|head| head.number == noted.head_number) {
        let detail = "its head was taken out of the vault".to_owned();
        checker.report.fault(noted.head_number, FaultKind::Missing, detail);
    }
    read_all(home, &mut checker).await?;
    against_heads(checker, &vault, &public).await
}

async fn read_all(home: &Home, checker: &mut Checker) -> Result<()> {
    loop {
        let from = checker.last();
        let page = match home.catalog.audit_after(from, PAGE).await {
            Err(error) if error.kind() == Kind::Damaged => return unreadable(home, checker).await,
            page => page?,
        };
        page.iter().for_each(|entry| checker.entry(entry));
        if !page.is_empty() && checker.last() > from {
            continue;
        }
        let chain = home.catalog.audit_chain().await?;
        // What was appended since the last page.
        if chain.number > checker.last() && !is_end(home, checker.last()).await? {
            continue;
        }
        checker.noted_end(chain.number, &chain.hash);
        return Ok(());
    }
}

async fn is_end(home: &Home, number: u64) -> Result<bool> {
    Ok(home.catalog.audit_after(number, 1).await?.is_empty())
}

/// An entry of the page holds what nobody wrote: those before it are verified one by one, and
/// nothing after it.
async fn unreadable(home: &Home, checker: &mut Checker) -> Result<()> {
    loop {
        match home.catalog.audit_after(checker.last(), 1).await {
            Ok(page) => page.iter().for_each(|entry| checker.entry(entry)),
            Err(error) if error.kind() == Kind::Damaged => {
                let detail = "cannot be read; nothing behind it was verified".to_owned();
                checker.report.fault(checker.next(), FaultKind::Changed, detail);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Looks at the heads that prove something: the newest that agrees with the record, and those that
/// do not agree.
async fn against_heads(
    mut checker: Checker,
    vault: &Vault,
    public: &[u8; 32],
) -> Result<Verification> {
    let agreeing = std::mem::take(&mut checker.agreeing);
    let contradicted = std::mem::take(&mut checker.contradicted);
    let ahead = checker.ahead();
    let ahead = newest_signed(&ahead, &mut checker, vault, public).await?;
    let mut signed = BTreeSet::new();
    signed.extend(newest_signed(&agreeing, &mut checker, vault, public).await?);
    let mut contradicting = Vec::new();
    for claim in contradicted.into_iter().take(LOOKED_AT) {
        if head(&claim, vault, public).await?.is_none() {
            forged(&mut checker, &claim);
            continue;
        }
        let before = agreeing.partition_point(|agreed| agreed.number < claim.number);
        signed.extend(newest_signed(&agreeing[..before], &mut checker, vault, public).await?);
        contradicting.push(claim);
    }
    Ok(checker.finish(&signed, &contradicting, ahead))
}

/// The newest of some heads that holds.
async fn newest_signed(
    heads: &[Claim],
    checker: &mut Checker,
    vault: &Vault,
    public: &[u8; 32],
) -> Result<Option<u64>> {
    for claim in heads.iter().rev() {
        if head(claim, vault, public).await?.is_some() {
            return Ok(Some(claim.number));
        }
        forged(checker, claim);
    }
    Ok(None)
}

async fn head(claim: &Claim, vault: &Vault, public: &[u8; 32]) -> Result<Option<Head>> {
    let named = Named { number: claim.number, hash: claim.hash.clone() };
    named.load(vault, public).await
}

fn forged(checker: &mut Checker, claim: &Claim) {
    let detail = "its head in the vault is not signed with the key of the vault".to_owned();
    checker.report.fault(claim.number, FaultKind::ForgedHead, detail);
}

/// Verifies a record that was exported, with nothing but the file. Whether its key is the right one
/// only somebody knows who has it from elsewhere: `public_key` takes the place of the file's.
///
/// # Errors
/// [`Error::Usage`] where the file is no exported record.
pub async fn verify_file(path: &Path, public_key: Option<[u8; 32]>) -> Result<Verification> {
    let path = path.to_owned();
    blocking(move || {
        let failed = |source| Error::File { action: "read", path: path.clone(), source };
        let file = BufReader::new(File::open(&path).map_err(failed)?);
        let lines = Lines { file, number: 0 };
        of_lines(lines, public_key).map_err(|problem| match problem {
            Problem::Io(source) => failed(source),
            Problem::NoRecord => Error::Usage(format!(
                "{} is no audit record that 'holdfast audit export' wrote",
                path.display()
            )),
        })
    })
    .await
}

enum Problem {
    Io(std::io::Error),
    NoRecord,
}

struct Lines {
    file: BufReader<File>,
    number: u64,
}

impl Lines {
    /// The next line; `Err` with its number where it cannot be read as one of ours.
    fn next(&mut self) -> Result<Option<Result<Line, u64>>, Problem> {
        let mut text = Vec::new();
        self.number += 1;
        let length = self.file.by_ref().take(MAX_LINE).read_until(b'\n', &mut text);
        match length.map_err(Problem::Io)? {
            0 => Ok(None),
            _ => Ok(Some(serde_json::from_slice(&text).map_err(|_| self.number))),
        }
    }
}

fn of_lines(mut lines: Lines, public_key: Option<[u8; 32]>) -> Result<Verification, Problem> {
    let Some(Ok(Line::Record { public_key: stated, .. })) = lines.next()? else {
        return Err(Problem::NoRecord);
    };
    let mut stated_key = [0; 32];
    hex::decode_to_slice(&stated, &mut stated_key).map_err(|_| Problem::NoRecord)?;
    let public = public_key.unwrap_or(stated_key);
    let (mut claims, mut forged) = (Vec::new(), Vec::new());
    let mut line = lines.next()?;
    while let Some(Ok(Line::Head(head))) = line {
        let claim = Claim { number: head.number, hash: head.hash.clone() };
        if head.is_signed(&public) {
            claims.push(claim);
        } else {
            forged.push(claim);
        }
        line = lines.next()?;
    }
    claims.sort_unstable();
    let mut checker = Checker::new(public, claims.iter().cloned());
    checker.report.heads = claims.len() as u64;
    forged.iter().for_each(|claim| self::forged(&mut checker, claim));
    let mut end = None;
    while let Some(read) = line {
        match read {
            Ok(Line::Entry(entry)) if end.is_none() => checker.entry(&entry),
            Ok(Line::End { number, hash }) if end.is_none() => end = Some((number, hash)),
            Ok(_) | Err(_) => {
                let detail = format!("line {} of the file is no entry", lines.number);
                checker.report.fault(checker.next(), FaultKind::Changed, detail);
            }
        }
        line = lines.next()?;
    }
    match end {
        Some((number, hash)) => checker.noted_end(number, &hash),
        None => {
            let detail = "the file breaks off here".to_owned();
            checker.report.fault(checker.next(), FaultKind::Missing, detail);
        }
    }
    let signed = checker.agreeing.iter().map(|claim| claim.number).collect();
    let contradicting = std::mem::take(&mut checker.contradicted);
    let ahead = checker.ahead().last().map(|claim| claim.number);
    Ok(checker.finish(&signed, &contradicting, ahead))
}
