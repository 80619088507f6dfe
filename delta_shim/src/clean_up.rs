//! Log clean-up: what of a log no version that is to stay readable needs.
//! Source: Delta protocol, "Metadata Cleanup" (delta.logRetentionDuration).
//!
//! Nothing behind a checkpoint is removed before the checkpoint was read back whole and says, file by file and
//! transaction by transaction, what the log before it says with the commit that it covers.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;

use delta_kernel::{Snapshot, SnapshotRef};
use serde::Serialize;
use url::Url;

use crate::actions::{self, DataFile};
use crate::engine::LocalEngine;
use crate::error::{Result, ShimError};
use crate::fault;
use crate::live_files;
use crate::log_files::{self, Listing};

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanedLog {
    /// The oldest version that can be read afterwards.
    pub oldest: u64,
    pub removed_files: u64,
    pub removed_bytes: u64,
}

/// The version that everything before is removed of, at the latest: the newest one that was committed before
/// `expired_before` (an instant from then on may mean it), and never one behind `keep_from`.
pub fn first_needed(log: &Path, listing: &Listing, expired_before: i64, keep_from: u64) -> Result<Option<u64>> {
    let mut first = None;
    for version in &listing.commits {
        if *version > keep_from {
            break;
        }
        match log_files::identity(&log.join(log_files::commit_name(*version)))? {
            Some(identity) if identity.modified_ms() < expired_before => first = Some(*version),
            _ => break,
        }
    }
    Ok(first)
}

type Files = BTreeMap<String, DataFile>;

struct Contents {
    files: Files,
    transactions: HashMap<String, i64>,
}

fn load(url: &Url, version: u64, engine: &LocalEngine) -> Result<SnapshotRef> {
    Ok(Snapshot::builder_for(url.as_str()).at_version(version).build(engine)?)
}

fn contents(snapshot: &SnapshotRef, engine: &LocalEngine) -> Result<Contents> {
    let files = live_files::live_files(snapshot, engine)?;
    Ok(Contents {
        files: files.into_iter().map(|f| (f.raw_path, f.file)).collect(),
        transactions: live_files::live_transactions(snapshot, engine)?,
    })
}

/// A file without what a checkpoint may write in another form: statistics may be a struct there.
type Comparable<'a> = (&'a str, i64, i64, &'a BTreeMap<String, Option<String>>);

fn comparable(files: &Files) -> Vec<Comparable<'_>> {
    files
        .iter()
        .map(|(path, f)| (path.as_str(), f.size, f.modification_time, &f.partition_values))
        .collect()
}

/// Reads the checkpoint of `version` whole and holds it against the version before it and the commit.
pub fn verify_checkpoint(url: &Url, log: &Path, version: u64, engine: &LocalEngine) -> Result<()> {
    let wrong = |what: &str| {
        ShimError::corruption(format!(
            "the checkpoint of version {version} in {} {what}; nothing behind it is removed",
            log.display()
        ))
    };
    let snapshot = load(url, version, engine)?;
    if !snapshot.log_segment().listed.ascending_commit_files.is_empty() {
        return Err(wrong("is not what readers begin with"));
    }
    let read = contents(&snapshot, engine)?;

    let name = log.join(log_files::commit_name(version));
    let Some((bytes, _)) = log_files::read(&name)? else {
        return Err(wrong("has no commit beside it to be held against"));
    };
    let name = name.display().to_string();
    let summary = actions::parse_commit(&name, &bytes)?;
    let (added, removed) = actions::parse_files(&name, &bytes)?;
    let mut expected = contents(&load(url, version - 1, engine)?, engine)?;
    for path in removed {
        expected.files.remove(&path);
    }
    expected.files.extend(added);
    for transaction in summary.transactions {
        expected.transactions.insert(transaction.app_id, transaction.version);
    }
    if comparable(&read.files) != comparable(&expected.files) {
        return Err(wrong("has other files than the log says"));
    }
    if read.transactions != expected.transactions {
        return Err(wrong("has other transactions than the log says"));
    }
    Ok(())
}

/// Removes what is about versions before `checkpoint` alone, oldest first: a reader that is cut short finds the newer
/// part whole.
pub fn remove_before(log: &Path, checkpoint: u64, dry_run: bool) -> Result<CleanedLog> {
    let mut cleaned = CleanedLog {
        oldest: checkpoint,
        ..CleanedLog::default()
    };
    for (_, path, bytes) in log_files::files_before(log, checkpoint)? {
        if !dry_run {
            let failed = |e: io::Error| ShimError::io(format_args!("remove {}", path.display()), &e);
            fault::pass(c"lake.before_log_remove").map_err(failed)?;
            match fs::remove_file(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue, // another clean-up
                removed => removed.map_err(failed)?,
            }
        }
        cleaned.removed_files += 1;
        cleaned.removed_bytes += bytes;
    }
    Ok(cleaned)
}
