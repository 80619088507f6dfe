//! Log clean-up: what of a log no version that is to stay readable needs.
//! Source: Delta protocol, "Metadata Cleanup" (delta.logRetentionDuration).
//!
//! Nothing behind a checkpoint is removed before the checkpoint was read back whole and says, file by file and
//! transaction by transaction, what the log before it says with the commit that it covers.

use std::collections::{BTreeMap, HashMap};
use std::io;

use delta_kernel::{Engine, SnapshotRef};
use serde::Serialize;

use crate::actions::{self, DataFile};
use crate::error::{Result, ShimError};
use crate::fault;
use crate::live_files;
use crate::log_files::{self, Entry};
use crate::log_store::{Content, LogStore};

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
pub fn first_needed(entries: &[Entry], expired_before: i64, keep_from: u64) -> Option<u64> {
    let mut commits: Vec<(u64, i64)> = entries
        .iter()
        .filter(|e| e.name.ends_with(".json") && !e.name.contains(".compacted."))
        .filter_map(|e| Some((log_files::last_version_of(&e.name)?, e.modified_ms)))
        .collect();
    commits.sort_unstable();
    let needed = commits
        .iter()
        .take_while(|(version, modified)| *version <= keep_from && *modified < expired_before);
    needed.last().map(|(version, _)| *version)
}

type Files = BTreeMap<String, DataFile>;

struct Contents {
    files: Files,
    transactions: HashMap<String, i64>,
}

fn contents(snapshot: &SnapshotRef, engine: &dyn Engine) -> Result<Contents> {
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

/// Reads the checkpoint of `version` whole and holds it against the version before it and the commit. `load` makes a
/// snapshot from the log alone.
pub fn verify_checkpoint(
    version: u64,
    log: &dyn LogStore,
    engine: &dyn Engine,
    load: impl Fn(u64) -> Result<SnapshotRef>,
) -> Result<()> {
    let wrong = |what: &str| {
        ShimError::corruption(format!(
            "the checkpoint of version {version} in {} {what}; nothing behind it is removed",
            log.place_of("")
        ))
    };
    let snapshot = load(version)?;
    if !snapshot.log_segment().listed.ascending_commit_files.is_empty() {
        return Err(wrong("is not what readers begin with"));
    }
    let read = contents(&snapshot, engine)?;

    let name = log_files::commit_name(version);
    let Some(Content { bytes, .. }) = log.read(&name)? else {
        return Err(wrong("has no commit beside it to be held against"));
    };
    let name = log.place_of(&name);
    let summary = actions::parse_commit(&name, &bytes)?;
    let (added, removed) = actions::parse_files(&name, &bytes)?;
    let mut expected = contents(&load(version - 1)?, engine)?;
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
pub fn remove_before(log: &dyn LogStore, entries: &[Entry], checkpoint: u64, dry_run: bool) -> Result<CleanedLog> {
    let mut cleaned = CleanedLog {
        oldest: checkpoint,
        ..CleanedLog::default()
    };
    let mut old: Vec<&Entry> = entries
        .iter()
        .filter(|e| log_files::last_version_of(&e.name).is_some_and(|last| last < checkpoint))
        .collect();
    old.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for entry in old {
        if !dry_run {
            let failed = |e: io::Error| ShimError::io(format_args!("remove {}", log.place_of(&entry.name)), &e);
            fault::pass(c"lake.before_log_remove").map_err(failed)?;
            if !log.remove(&entry.name)? {
                continue; // another clean-up
            }
        }
        cleaned.removed_files += 1;
        cleaned.removed_bytes += entry.size;
    }
    Ok(cleaned)
}
