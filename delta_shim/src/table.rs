//! A table that is open: what stands in its log, kept up to date from the commits themselves.
//!
//! The kernel loads a version (checkpoint and log replay), lists live files and yields checkpoints. Between loads the
//! state moves forward by reading the JSON of each new commit, or by knowing what was just written, so that a commit
//! costs its own write and two flushes and nothing that grows with the table.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use delta_kernel::{Engine, KernelResult, Snapshot, SnapshotRef};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::actions::{self, AppTransaction, CommitDocument, CommitSummary, DataFile, RemovedFile, TableDocument};
use crate::checkpoint;
use crate::checksum_file;
use crate::clean_up::{self, CleanedLog};
use crate::digest;
use crate::engine;
use crate::error::{Class, Result, ShimError};
use crate::live_files;
use crate::log_files::{self, Identity, Listing, Put};
use crate::log_store::{self, Content, LocalLog, LogStore};
use crate::protocol;
use crate::store::Store;
use crate::warning;

pub enum Outcome<T> {
    Committed(T),
    Conflict,
    Unknown(ShimError),
    Refused(ShimError),
}

/// Mirrors `delta_shim_standing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum Standing {
    Absent = 0,
    Ours = 1,
    Anothers = 2,
}

/// How the state moved; with everything in it after a load (`reset`).
#[derive(Debug, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Advance {
    pub version: u64,
    pub reset: bool,
    pub transactions: BTreeMap<String, i64>,
    /// commitInfo.timestamp of the newest commit, if it was read.
    pub timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<Definition>,
}

#[derive(Clone, Debug, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    pub id: String,
    pub schema_string: String,
    pub partition_columns: Vec<String>,
    pub configuration: HashMap<String, String>,
    /// What a commit that changes the table hands on.
    #[serde(skip)]
    description: Description,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Description {
    name: Option<String>,
    description: Option<String>,
    created_time: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryLine {
    version: u64,
    timestamp: i64,
    commit_info: Value,
    transactions: Vec<AppTransaction>,
    added_files: u64,
    removed_files: u64,
}

struct State {
    version: u64,
    definition: Definition,
    transactions: HashMap<String, i64>,
    timestamp: Option<i64>,
    /// The file of `version`; None when only a checkpoint covers it.
    tip: Option<Identity>,
}

/// Where a table stands: all of it in a directory, or its log in an object store, with a directory of local disk that
/// its data files are written in and read from.
#[derive(Clone)]
pub struct Location {
    directory: PathBuf,
    /// For messages.
    place: String,
    url: Url,
    log: Arc<dyn LogStore>,
    engine: Arc<dyn Engine>,
    /// The version whose checkpoint was found whole last: one that is read again and again is looked at once.
    whole_checkpoint: Arc<Mutex<Option<u64>>>,
}

impl Location {
    pub fn local(directory: &Path) -> Result<Self> {
        let url = Url::from_directory_path(directory)
            .map_err(|()| ShimError::invalid(format!("{} is not an absolute path", directory.display())))?;
        Ok(Self {
            directory: directory.to_path_buf(),
            place: directory.display().to_string(),
            url,
            log: Arc::new(LocalLog::new(log_of(directory))),
            engine: engine::local(),
            whole_checkpoint: Arc::default(),
        })
    }

    /// The table `name` of a lake in an object store.
    pub fn in_store(store: &Arc<Store>, name: &str, directory: &Path) -> Result<Self> {
        let url = store.url_of(name)?;
        Ok(Self {
            directory: directory.to_path_buf(),
            place: url.as_str().trim_end_matches('/').to_string(),
            log: Arc::new(store.log_of(name, directory)?),
            engine: store.engine(),
            url,
            whole_checkpoint: Arc::default(),
        })
    }

    /// What the kernel made of `version` (None: the newest), once it is sure that no damaged file went into it.
    fn believed(&self, built: KernelResult<SnapshotRef>, version: Option<u64>) -> Result<SnapshotRef> {
        let log = self.log.as_ref();
        match built {
            Ok(snapshot) => {
                checksum_file::check(&snapshot, log, self.engine.as_ref())?;
                self.check_checkpoint(checkpoint::below(&snapshot))?;
                Ok(snapshot)
            }
            Err(e) => {
                // It may have stumbled over such a file, and does not say over which.
                checksum_file::check_newest(version, log)?;
                Err(e.into())
            }
        }
    }

    fn check_checkpoint(&self, found: Option<u64>) -> Result<()> {
        let mut whole = lock(&self.whole_checkpoint);
        let Some(found) = found.filter(|found| *whole != Some(*found)) else {
            return Ok(());
        };
        checkpoint::check(found, self.log.as_ref())?;
        *whole = Some(found);
        Ok(())
    }

    /// From checkpoint and log; None: the newest version of `listing`.
    fn snapshot_from(&self, listing: &Listing, version: Option<u64>) -> Result<SnapshotRef> {
        // Before the kernel: a damaged one may be more than it bears.
        let is_read = |found: &&u64| version.is_none_or(|version| **found <= version);
        self.check_checkpoint(listing.checkpoints.iter().rev().find(is_read).copied())?;
        let mut builder = Snapshot::builder_for(self.url.as_str());
        if let Some(version) = version {
            builder = builder.at_version(version);
        }
        self.believed(builder.build(self.engine.as_ref()), version)
    }

    fn snapshot_at(&self, version: u64) -> Result<SnapshotRef> {
        self.snapshot_from(&self.log.list()?.unwrap_or_default(), Some(version))
    }
}

/// What a checkpoint that runs in the background needs; outlives no table, see `Table::drop`.
struct Replayer {
    at: Location,
    /// The newest snapshot of the kernel, to build the next one on.
    newest: Mutex<SnapshotRef>,
    /// No checkpoint before this.
    rest_until: Mutex<Instant>,
}

pub struct Table {
    replayer: Arc<Replayer>,
    state: Mutex<State>,
    checkpointing: Mutex<Option<JoinHandle<()>>>,
    listed: Mutex<Option<Listed>>,
}

/// Live files by their decoded paths, as of a version.
struct Listed {
    version: u64,
    files: HashMap<String, live_files::LiveFile>,
}

/// To read more commits than this is no cheaper than to list the files.
const MOST_COMMITS_AFTER_A_LIST: u64 = 200;

/// A panic while a lock was held left no half-done change behind: state is changed after its I/O, in one go.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok().and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join("_delta_log")
}

pub fn create(at: &Location, document: &str) -> Outcome<()> {
    let lines = (|| {
        let document: TableDocument = serde_json::from_str(document)
            .map_err(|e| ShimError::invalid(format!("the definition of the table: {e}")))?;
        protocol::check(&protocol::Claims {
            reader_version: 1,
            writer_version: 2,
            features: Vec::new(),
            configuration: &document.configuration.clone().into_iter().collect(),
            schema_string: &document.schema_string,
        })?;
        actions::table_lines(&document, now_ms())
    })();
    let lines = match lines {
        Ok(lines) => lines,
        Err(e) => return Outcome::Refused(e),
    };
    let ready = at.log.prepare().and_then(|()| at.log.list());
    match ready {
        // Version 0 may have been cleaned up long ago: any commit or checkpoint means that a table stands here.
        Ok(Some(listing)) if !listing.is_empty() => return Outcome::Conflict,
        Ok(_) => {}
        Err(e) => return Outcome::Unknown(e),
    }
    match at.log.put_if_absent(&log_files::commit_name(0), &lines) {
        Put::Placed(_) => Outcome::Committed(()),
        Put::Exists => Outcome::Conflict,
        Put::Failed(e) => Outcome::Unknown(e),
    }
}

impl Replayer {
    fn snapshot_at(&self, version: u64) -> Result<SnapshotRef> {
        let base = lock(&self.newest).clone();
        if base.version() == version {
            return Ok(base);
        }
        if base.version() < version {
            // Fails when the log behind the base was cleaned up meanwhile; then from the start.
            let builder = Snapshot::builder_from(base).at_version(version);
            if let Ok(snapshot) = self.at.believed(builder.build(self.at.engine.as_ref()), Some(version)) {
                let mut newest = lock(&self.newest);
                if newest.version() < version {
                    *newest = snapshot.clone();
                }
                return Ok(snapshot);
            }
        }
        self.at.snapshot_at(version)
    }
}

/// Loads the newest version from checkpoint and log.
fn load(at: &Location) -> Result<(SnapshotRef, State)> {
    let (log, engine) = (at.log.as_ref(), at.engine.as_ref());
    let mut read = Commits::new(log);
    let Some(listing) = log.list()?.filter(|listing| !listing.is_empty()) else {
        return Err(log_store::not_a_table(&at.place));
    };
    // Before the kernel: it takes an empty commit file for a commit of nothing.
    let replayed = listing.commits.iter().copied();
    read.look_at(replayed.filter(|v| listing.newest_checkpoint.is_none_or(|c| *v > c)))?;
    let snapshot = at.snapshot_from(&listing, None)?;
    // And again for what the kernel really replays: it may have passed over a checkpoint that is not whole, and there
    // may be newer commits.
    let replayed = &snapshot.log_segment().listed.ascending_commit_files;
    read.look_at(replayed.iter().map(|file| file.version))?;
    let version = snapshot.version();
    read.look_at([version].into_iter())?;
    let state = state_of(&snapshot, read.of(version), engine)?;
    Ok((snapshot, state))
}

/// Commits that were read and are whole.
struct Commits<'a> {
    log: &'a dyn LogStore,
    read: BTreeMap<u64, Option<(CommitSummary, Identity)>>,
}

impl<'a> Commits<'a> {
    fn new(log: &'a dyn LogStore) -> Self {
        Self {
            log,
            read: BTreeMap::new(),
        }
    }

    /// Reads those of them that were not read yet.
    fn look_at(&mut self, versions: impl Iterator<Item = u64>) -> Result<()> {
        let versions: Vec<u64> = versions
            .filter(|v| !matches!(self.read.get(v), Some(Some(_))))
            .collect();
        let names: Vec<String> = versions.iter().map(|v| log_files::commit_name(*v)).collect();
        for ((version, name), content) in versions.iter().zip(&names).zip(self.log.read_all(&names)?) {
            let commit = content.map(|content| parse(self.log, name, content)).transpose()?;
            self.read.insert(*version, commit);
        }
        Ok(())
    }

    fn of(mut self, version: u64) -> Option<(CommitSummary, Identity)> {
        self.read.remove(&version).flatten()
    }
}

fn parse(log: &dyn LogStore, name: &str, content: Content) -> Result<(CommitSummary, Identity)> {
    let summary = actions::parse_commit(&log.place_of(name), &content.bytes)?;
    Ok((summary, content.identity))
}

/// What stands in `snapshot`; `newest` is the commit that made it, where its file is still there.
fn state_of(snapshot: &SnapshotRef, newest: Option<(CommitSummary, Identity)>, engine: &dyn Engine) -> Result<State> {
    let configuration = snapshot.table_configuration();
    let (metadata, protocol) = (configuration.metadata(), configuration.protocol());
    let features = [protocol.reader_features(), protocol.writer_features()];
    protocol::check(&protocol::Claims {
        reader_version: protocol.min_reader_version(),
        writer_version: protocol.min_writer_version(),
        features: features
            .iter()
            .flatten()
            .flat_map(|f| f.iter())
            .map(|f| f.as_ref().to_string())
            .collect(),
        configuration: metadata.configuration(),
        schema_string: metadata.schema_string(),
    })?;
    Ok(State {
        version: snapshot.version(),
        definition: Definition {
            id: metadata.id().to_string(),
            schema_string: metadata.schema_string().clone(),
            partition_columns: metadata.partition_columns().to_vec(),
            configuration: metadata.configuration().clone(),
            description: Description {
                name: metadata.name().map(str::to_string),
                description: metadata.description().map(str::to_string),
                created_time: metadata.created_time(),
            },
        },
        transactions: live_files::live_transactions(snapshot, engine)?,
        timestamp: newest.as_ref().and_then(|(summary, _)| summary.timestamp()),
        tip: newest.map(|(_, identity)| identity),
    })
}

/// The table as `commit` leaves it; None: as it is.
fn changed_definition(definition: &Definition, commit: &CommitDocument) -> Result<Option<Definition>> {
    let Some(table) = &commit.table else {
        return Ok(None);
    };
    serde_json::from_str::<Value>(&table.schema_string)
        .map_err(|e| ShimError::invalid(format!("the schema that the table is to have is not JSON: {e}")))?;
    Ok(Some(Definition {
        schema_string: table.schema_string.clone(),
        partition_columns: table.partition_columns.clone(),
        ..definition.clone()
    }))
}

fn metadata_of<'a>(definition: &'a Definition, configuration: &'a BTreeMap<String, String>) -> actions::Metadata<'a> {
    actions::Metadata {
        id: &definition.id,
        name: definition.description.name.as_deref(),
        description: definition.description.description.as_deref(),
        format: actions::Format::parquet(),
        schema_string: &definition.schema_string,
        partition_columns: &definition.partition_columns,
        configuration,
        created_time: definition.description.created_time,
    }
}

/// None: no such commit file.
fn read_commit(log: &dyn LogStore, version: u64) -> Result<Option<(CommitSummary, Identity)>> {
    let name = log_files::commit_name(version);
    let content = log.read(&name)?;
    content.map(|content| parse(log, &name, content)).transpose()
}

impl State {
    fn whole(&self) -> Advance {
        Advance {
            version: self.version,
            reset: true,
            transactions: self.transactions.iter().map(|(k, v)| (k.clone(), *v)).collect(),
            timestamp: self.timestamp,
            table: Some(self.definition.clone()),
        }
    }

    /// Moves on to the next version.
    fn apply(&mut self, transactions: &[AppTransaction], timestamp: Option<i64>, tip: Identity) {
        for transaction in transactions {
            self.transactions
                .insert(transaction.app_id.clone(), transaction.version);
        }
        self.version += 1;
        self.timestamp = timestamp;
        self.tip = Some(tip);
    }

    /// The log no longer continues where we stand: it was cleaned up past us, or another table took the place. What
    /// would be written at version + 1 might then be seen by nobody.
    fn was_left_behind(&self, log: &dyn LogStore) -> Result<bool> {
        if self.tip.is_some() && log.identity(&log_files::commit_name(self.version))? != self.tip {
            return Ok(true);
        }
        Ok(log
            .last_checkpoint_version()
            .is_some_and(|newest| newest > self.version))
    }
}

impl Table {
    pub fn open(at: Location) -> Result<Self> {
        at.log.sweep();
        let (snapshot, state) = load(&at)?;
        let replayer = Replayer {
            at,
            newest: Mutex::new(snapshot),
            rest_until: Mutex::new(Instant::now()),
        };
        Ok(Self {
            replayer: Arc::new(replayer),
            state: Mutex::new(state),
            checkpointing: Mutex::new(None),
            listed: Mutex::new(None),
        })
    }

    fn at(&self) -> &Location {
        &self.replayer.at
    }

    fn log(&self) -> &dyn LogStore {
        self.replayer.at.log.as_ref()
    }

    pub fn state(&self) -> Advance {
        lock(&self.state).whole()
    }

    /// As `state`, of an older version.
    pub fn state_at(&self, version: u64) -> Result<Advance> {
        let (oldest, newest) = self.versions()?;
        if version < oldest || version > newest {
            return Err(ShimError::new(
                Class::NotFound,
                format!(
                    "version {version} of {} cannot be read; those from {oldest} to {newest} can",
                    self.at().place
                ),
            ));
        }
        let snapshot = self.replayer.snapshot_at(version)?;
        // As in `load`: the kernel takes an empty commit file for a commit of nothing.
        let mut read = Commits::new(self.log());
        let replayed = &snapshot.log_segment().listed.ascending_commit_files;
        read.look_at(replayed.iter().map(|file| file.version).chain([version]))?;
        Ok(state_of(&snapshot, read.of(version), self.at().engine.as_ref())?.whole())
    }

    /// The oldest and the newest version that can be read.
    pub fn versions(&self) -> Result<(u64, u64)> {
        let listing = self.log().list()?;
        listing
            .and_then(|l| l.versions())
            .ok_or_else(|| log_store::not_a_table(&self.at().place))
    }

    pub fn refresh(&self) -> Result<Advance> {
        let log = self.log();
        let mut state = lock(&self.state);
        // Read first, applied at the end: what an error cuts short must not be half known to the caller.
        let mut seen = Vec::new();
        for version in state.version + 1.. {
            match read_commit(log, version)? {
                Some((summary, _)) if summary.changes_table => return self.reload(&mut state),
                Some(commit) => seen.push(commit),
                None => break,
            }
        }
        if seen.is_empty() && state.was_left_behind(log)? {
            return self.reload(&mut state);
        }
        let mut transactions = BTreeMap::new();
        for (summary, tip) in seen {
            state.apply(&summary.transactions, summary.timestamp(), tip);
            transactions.extend(summary.transactions.into_iter().map(|t| (t.app_id, t.version)));
        }
        Ok(Advance {
            version: state.version,
            reset: false,
            transactions,
            timestamp: state.timestamp,
            table: None,
        })
    }

    fn reload(&self, state: &mut State) -> Result<Advance> {
        let (snapshot, loaded) = load(self.at())?;
        *lock(&self.replayer.newest) = snapshot;
        *state = loaded;
        Ok(state.whole())
    }

    pub fn commit(&self, read_version: u64, document: &str) -> Outcome<Advance> {
        let mut commit: CommitDocument = match serde_json::from_str(document) {
            Ok(commit) => commit,
            Err(e) => return Outcome::Refused(ShimError::invalid(format!("the commit: {e}"))),
        };
        let mut state = lock(&self.state);
        if state.version != read_version {
            return Outcome::Conflict;
        }
        let changed = match changed_definition(&state.definition, &commit) {
            Ok(changed) => changed,
            Err(e) => return Outcome::Refused(e),
        };
        let definition = changed.as_ref().unwrap_or(&state.definition);
        if let Err(e) = actions::check_commit(&commit, &definition.partition_columns) {
            return Outcome::Refused(e);
        }
        match state.was_left_behind(self.log()) {
            Ok(false) => {}
            Ok(true) => return Outcome::Conflict,
            Err(e) => return Outcome::Unknown(e),
        }
        let timestamp = now_ms();
        let configuration = changed.iter().flat_map(|d| d.configuration.clone()).collect();
        let metadata = changed.as_ref().map(|d| metadata_of(d, &configuration));
        let lines = self
            .note_digests(&mut commit)
            .and_then(|()| self.removed_files(&state, &commit))
            .and_then(|removed| actions::commit_lines(&commit, read_version, &removed, metadata, timestamp));
        let lines = match lines {
            Ok(lines) => lines,
            Err(e) if matches!(e.class, Class::Io | Class::Transient) => return Outcome::Unknown(e),
            Err(e) => return Outcome::Refused(e),
        };
        let version = read_version + 1;
        match self.log().put_if_absent(&log_files::commit_name(version), &lines) {
            Put::Placed(tip) => {
                state.apply(&commit.transactions, Some(timestamp), tip);
                let is_changed = changed.is_some();
                if let Some(changed) = changed {
                    state.definition = changed;
                }
                self.start_checkpoint_if_due(&state);
                if is_changed {
                    return Outcome::Committed(state.whole());
                }
                Outcome::Committed(Advance {
                    version,
                    reset: false,
                    transactions: commit.transactions.into_iter().map(|t| (t.app_id, t.version)).collect(),
                    timestamp: Some(timestamp),
                    table: None,
                })
            }
            Put::Exists => Outcome::Conflict,
            Put::Failed(e) => Outcome::Unknown(e),
        }
    }

    /// The files were flushed just now: their bytes are in memory.
    fn note_digests(&self, commit: &mut CommitDocument) -> Result<()> {
        for add in &mut commit.adds {
            if add.digest.is_none() {
                add.digest = digest::of_file(&self.at().directory.join(&add.path))?;
            }
        }
        Ok(())
    }

    fn removed_files(&self, state: &State, commit: &CommitDocument) -> Result<Vec<RemovedFile>> {
        let is_repartitioned = commit
            .table
            .as_ref()
            .is_some_and(|t| t.partition_columns != state.definition.partition_columns);
        if commit.removes.is_empty() && !is_repartitioned {
            return Ok(Vec::new());
        }
        let append_only = state.definition.configuration.get("delta.appendOnly");
        if commit.data_change && append_only.is_some_and(|v| v.eq_ignore_ascii_case("true")) {
            return Err(ShimError::invalid(
                "the table is append-only (delta.appendOnly); files cannot be removed",
            ));
        }
        if !is_repartitioned {
            if let Some(removed) = self.removed_by_last_list(state.version, &commit.removes)? {
                return Ok(removed);
            }
        }
        let snapshot = self.replayer.snapshot_at(state.version)?;
        let live = self.live_files(&snapshot)?;
        let files: HashMap<String, live_files::LiveFile> = live.into_iter().map(|f| (f.file.path.clone(), f)).collect();
        let mut seen = HashSet::with_capacity(commit.removes.len());
        let mut removed = Vec::with_capacity(commit.removes.len());
        for path in &commit.removes {
            match files.get(path) {
                Some(live) if seen.insert(path) => removed.push(removed_file(live)),
                _ => {
                    return Err(ShimError::invalid(format!(
                        "{path:?} is to be removed and is not a live file"
                    )));
                }
            }
        }
        if is_repartitioned && files.len() > removed.len() {
            return Err(ShimError::invalid(
                "the table is to be partitioned otherwise, and files of the old partitions would stay",
            ));
        }
        *lock(&self.listed) = Some(Listed {
            version: state.version,
            files,
        });
        Ok(removed)
    }

    /// The same commit planned again a few versions later (a compaction beside appends) finds its files in the list of
    /// the attempt before, unless a commit since has removed one of them. To list them anew each time would take longer
    /// than the next append does. None: list them.
    fn removed_by_last_list(&self, version: u64, paths: &[String]) -> Result<Option<Vec<RemovedFile>>> {
        let listed = lock(&self.listed);
        let is_near = |l: &&Listed| l.version <= version && version - l.version <= MOST_COMMITS_AFTER_A_LIST;
        let Some(listed) = listed.as_ref().filter(is_near) else {
            return Ok(None);
        };
        let mut wanted = HashSet::with_capacity(paths.len());
        let mut removed = Vec::with_capacity(paths.len());
        for path in paths {
            match listed.files.get(path) {
                Some(live) if wanted.insert(path.as_str()) => removed.push(removed_file(live)),
                _ => return Ok(None),
            }
        }
        let names: Vec<String> = (listed.version + 1..=version).map(log_files::commit_name).collect();
        for (name, content) in names.iter().zip(self.log().read_all(&names)?) {
            let Some(content) = content else {
                return Ok(None);
            };
            let changes = actions::parse_changes(&self.log().place_of(name), &content.bytes)?;
            if changes.removes.iter().any(|path| wanted.contains(path.as_str())) {
                return Ok(None);
            }
        }
        Ok(Some(removed))
    }

    /// In the background, one at a time, and with a rest of four times what the last one took: its cost grows with the
    /// table, and a table of very many files must not spend a processor on writing them down again and again. What is
    /// left out is covered by the next. A checkpoint that fails costs the next reader time and nothing else, so it
    /// never fails a commit.
    fn start_checkpoint_if_due(&self, state: &State) {
        if !state.version.is_multiple_of(checkpoint_interval(&state.definition)) {
            return;
        }
        if Instant::now() < *lock(&self.replayer.rest_until) {
            return;
        }
        let mut running = lock(&self.checkpointing);
        match running.take() {
            Some(thread) if !thread.is_finished() => {
                *running = Some(thread);
                return;
            }
            Some(thread) => drop(thread.join()),
            None => {}
        }
        let (replayer, version) = (Arc::clone(&self.replayer), state.version);
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
            let started = Instant::now();
            let written = replayer.snapshot_at(version).and_then(|snapshot| {
                checkpoint::write(&snapshot, replayer.at.engine.as_ref(), replayer.at.log.as_ref())
            });
            if let Err(e) = written {
                warning::warn(&format!(
                    "checkpoint of version {version} in {}: {e}",
                    replayer.at.place
                ));
            }
            *lock(&replayer.rest_until) = Instant::now() + started.elapsed() * 4;
        });
        match thread {
            Ok(thread) => *running = Some(thread),
            Err(e) => warning::warn(&format!("checkpoint of version {version}: no thread: {e}")),
        }
    }

    pub fn look(&self, version: u64, txn_id: &str) -> Result<(Standing, i64)> {
        let log = self.log();
        let Some((summary, _)) = read_commit(log, version)? else {
            return Ok((Standing::Absent, 0));
        };
        if summary.txn_id() != Some(txn_id) {
            return Ok((Standing::Anothers, 0));
        }
        log.settle(&log_files::commit_name(version))?;
        Ok((Standing::Ours, summary.timestamp().unwrap_or(0)))
    }

    pub fn history_line(&self, version: u64) -> Result<HistoryLine> {
        let (place, content) = self.commit_file(version)?;
        let summary = actions::parse_commit(&place, &content.bytes)?;
        Ok(HistoryLine {
            version,
            timestamp: summary.timestamp().unwrap_or(content.modified_ms),
            commit_info: summary.commit_info.unwrap_or(Value::Null),
            transactions: summary.transactions,
            added_files: summary.added_files,
            removed_files: summary.removed_files,
        })
    }

    pub fn changes(&self, version: u64) -> Result<actions::Changes> {
        let (place, content) = self.commit_file(version)?;
        actions::parse_changes(&place, &content.bytes)
    }

    /// Where it stands, for messages, and what is in it.
    fn commit_file(&self, version: u64) -> Result<(String, Content)> {
        let name = log_files::commit_name(version);
        match self.log().read(&name)? {
            Some(content) => Ok((self.log().place_of(&name), content)),
            None => Err(ShimError::new(
                Class::NotFound,
                format!("version {version} of {} is not in the log", self.at().place),
            )),
        }
    }

    pub fn files(&self, version: u64) -> Result<Vec<DataFile>> {
        let files = self.live_files(&self.replayer.snapshot_at(version)?)?;
        Ok(files.into_iter().map(|f| f.file).collect())
    }

    fn live_files(&self, snapshot: &SnapshotRef) -> Result<Vec<live_files::LiveFile>> {
        let files = live_files::live_files(snapshot, self.at().engine.as_ref())?;
        checksum_file::check_files(snapshot, &files, self.log())?;
        Ok(files)
    }
}

impl Table {
    /// What was removed and is not forgotten yet, as of `version`.
    pub fn tombstones(&self, version: u64) -> Result<Vec<live_files::Tombstone>> {
        let snapshot = self.replayer.snapshot_at(version)?;
        live_files::tombstones(&snapshot, self.at().engine.as_ref())
    }

    /// Removes what the log holds of versions that nobody is to read any more: those before the newest one that was
    /// committed before `expired_before` (milliseconds), and before `keep_from`. Which of them go is decided by where a
    /// checkpoint stands; one is written where none is near.
    pub fn clean_log(&self, expired_before: i64, keep_from: u64, dry_run: bool) -> Result<CleanedLog> {
        let (log, engine) = (self.log(), self.at().engine.as_ref());
        let entries = log.entries()?.ok_or_else(|| log_store::not_a_table(&self.at().place))?;
        let listing = log_files::listing_of(entries.iter().map(|e| e.name.as_str()));
        let (oldest, _) = listing
            .versions()
            .ok_or_else(|| log_store::not_a_table(&self.at().place))?;
        let nothing = CleanedLog {
            oldest,
            ..CleanedLog::default()
        };
        let first_needed = clean_up::first_needed(&entries, expired_before, keep_from);
        let Some(first_needed) = first_needed.filter(|first| *first > oldest) else {
            return Ok(nothing);
        };
        let standing = listing.checkpoints.iter().rev().find(|c| **c <= first_needed);
        let mut checkpoint = standing.copied().unwrap_or(oldest);
        if checkpoint + self.checkpoint_interval() < first_needed {
            checkpoint = first_needed;
            if !dry_run {
                checkpoint::write(&self.at().snapshot_at(checkpoint)?, engine, log)?;
            }
        }
        if checkpoint <= oldest {
            return Ok(nothing);
        }
        if !dry_run {
            clean_up::verify_checkpoint(checkpoint, log, engine, |version| self.at().snapshot_at(version))?;
        }
        clean_up::remove_before(log, &entries, checkpoint, dry_run)
    }

    fn checkpoint_interval(&self) -> u64 {
        checkpoint_interval(&lock(&self.state).definition)
    }
}

fn removed_file(live: &live_files::LiveFile) -> RemovedFile {
    RemovedFile {
        raw_path: live.raw_path.clone(),
        size: live.file.size,
        partition_values: live.file.partition_values.clone(),
    }
}

fn checkpoint_interval(definition: &Definition) -> u64 {
    let interval = definition.configuration.get("delta.checkpointInterval");
    let interval = interval.and_then(|v| v.parse::<u64>().ok());
    interval.filter(|n| *n > 0).unwrap_or(10)
}

impl Drop for Table {
    fn drop(&mut self) {
        if let Some(thread) = lock(&self.checkpointing).take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault;
    use crate::test_directory::TestDirectory;
    use std::ffi::{c_char, c_int, CStr};
    use std::fs;

    const SCHEMA: &str = r#"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}},{\"name\":\"k\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}}]}"#;

    fn definition(configuration: &str) -> String {
        format!(
            r#"{{"id":"5f1c1b8e-0000-4000-8000-000000000000","txnId":"create","engineInfo":"Inlet/test","name":"t",
                "schemaString":"{SCHEMA}","partitionColumns":["k"],"configuration":{{{configuration}}}}}"#
        )
    }

    fn create(directory: &Path, document: &str) -> Outcome<()> {
        super::create(&Location::local(directory).unwrap(), document)
    }

    fn open(directory: &Path) -> Result<Table> {
        Table::open(Location::local(directory)?)
    }

    fn last_checkpoint_version(log: PathBuf) -> Option<u64> {
        let log: &dyn LogStore = &LocalLog::new(log);
        log.last_checkpoint_version()
    }

    fn new_table(dir: &TestDirectory) -> Table {
        assert!(matches!(create(dir.path(), &definition("")), Outcome::Committed(())));
        open(dir.path()).unwrap()
    }

    fn commit_with(txn_id: &str, adds: &str, removes: &str, transactions: &str) -> String {
        format!(
            r#"{{"txnId":"{txn_id}","operation":"WRITE","engineInfo":"Inlet/test","dataChange":true,
                "adds":[{adds}],"removes":[{removes}],"transactions":[{transactions}]}}"#
        )
    }

    fn marker(txn_id: &str, app_id: &str, version: i64) -> String {
        commit_with(
            txn_id,
            "",
            "",
            &format!(r#"{{"appId":"{app_id}","version":{version}}}"#),
        )
    }

    fn committed(outcome: Outcome<Advance>) -> Advance {
        match outcome {
            Outcome::Committed(advance) => advance,
            Outcome::Conflict => panic!("conflict"),
            Outcome::Unknown(e) | Outcome::Refused(e) => panic!("{e:?}"),
        }
    }

    #[test]
    fn a_table_is_created_once() {
        let dir = TestDirectory::new();
        let table = dir.path().join("deep/er");
        assert!(matches!(create(&table, &definition("")), Outcome::Committed(())));
        assert!(matches!(create(&table, &definition("")), Outcome::Conflict));
        let state = open(&table).unwrap().state();
        assert_eq!(state.version, 0);
        assert_eq!(state.table.unwrap().partition_columns, vec!["k"]);
    }

    #[test]
    fn properties_that_need_a_feature_are_refused_at_creation() {
        let dir = TestDirectory::new();
        for property in [
            r#""delta.enableInCommitTimestamps":"true""#,
            r#""delta.setTransactionRetentionDuration":"interval 1 day""#,
        ] {
            match create(dir.path(), &definition(property)) {
                Outcome::Refused(e) => assert_eq!(e.class, Class::Unsupported),
                _ => panic!("not refused"),
            }
        }
        assert_eq!(open(dir.path()).err().unwrap().class, Class::NotFound);
    }

    #[test]
    fn a_second_handle_sees_what_the_first_commits_and_conflicts_with_it() {
        let dir = TestDirectory::new();
        let first = new_table(&dir);
        let second = open(dir.path()).unwrap();
        let advance = committed(first.commit(0, &marker("one", "app", 5)));
        assert_eq!((advance.version, advance.transactions["app"]), (1, 5));
        assert!(matches!(second.commit(0, &marker("two", "app", 6)), Outcome::Conflict));
        assert_eq!(second.look(1, "two"), Ok((Standing::Anothers, 0)));
        assert_eq!(second.look(1, "one").unwrap().0, Standing::Ours);
        assert_eq!(second.look(2, "two"), Ok((Standing::Absent, 0)));
        let seen = second.refresh().unwrap();
        assert_eq!((seen.version, seen.reset, seen.transactions["app"]), (1, false, 5));
        committed(second.commit(1, &marker("two", "app", 6)));
        assert_eq!(first.refresh().unwrap().transactions["app"], 6);
    }

    #[test]
    fn the_digest_of_a_file_is_noted_and_comes_back_from_commits_and_checkpoints() {
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        fs::write(dir.path().join("there.parquet"), b"rows").unwrap();
        let add = |name: &str, digest: &str| {
            format!(r#"{{"path":"{name}","size":4,"modificationTime":1,"partitionValues":{{"k":null}}{digest}}}"#)
        };
        let adds = [
            add("there.parquet", ""),
            add("gone.parquet", ""),
            add("restored.parquet", r#","digest":"xxh64:00000000000000aa""#),
        ];
        committed(table.commit(0, &commit_with("files", &adds.join(","), "", "")));
        let expected = digest::of_file(&dir.path().join("there.parquet")).unwrap();
        assert!(expected.is_some());
        let digests = |files: Vec<DataFile>| -> BTreeMap<String, Option<String>> {
            files.into_iter().map(|f| (f.path, f.digest)).collect()
        };
        let noted = BTreeMap::from([
            ("there.parquet".to_string(), expected),
            ("gone.parquet".to_string(), None),
            (
                "restored.parquet".to_string(),
                Some("xxh64:00000000000000aa".to_string()),
            ),
        ]);
        assert_eq!(digests(table.changes(1).unwrap().adds), noted);
        assert_eq!(digests(table.files(1).unwrap()), noted);
        for i in 1..11 {
            committed(table.commit(i, &marker(&format!("t{i}"), "app", 1)));
        }
        drop(table);
        assert!(dir
            .path()
            .join("_delta_log")
            .join(log_files::checkpoint_name(10))
            .exists());
        assert_eq!(digests(open(dir.path()).unwrap().files(11).unwrap()), noted);
    }

    /// `read` with every so many bytes of the checkpoint of version 10 flipped, in turn: it tells of the checkpoint by its
    /// name. Where our mark in it is hit, it counts as another writer's and says what it said.
    fn tells_of_a_flipped_byte<T: PartialEq + std::fmt::Debug>(dir: &TestDirectory, read: impl Fn() -> Result<T>) {
        let path = log_of(dir.path()).join(log_files::checkpoint_name(10));
        let whole = fs::read(&path).unwrap();
        let expected = read().unwrap();
        let mark = b"inlet.writer";
        let mark_at = whole.windows(mark.len()).position(|w| w == mark).unwrap();
        for at in (0..whole.len()).step_by(97) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            match read() {
                Ok(found) => {
                    assert!((mark_at..mark_at + mark.len()).contains(&at), "{at}");
                    assert_eq!(found, expected);
                }
                Err(error) => {
                    assert_eq!(error.class, Class::Corruption);
                    let name = "00000000000000000010.checkpoint.parquet";
                    assert!(error.message.contains(name), "{}", error.message);
                }
            }
        }
        fs::write(&path, whole).unwrap();
        assert_eq!(read().unwrap(), expected);
    }

    #[test]
    fn a_damaged_checkpoint_is_corruption_and_named() {
        let dir = TestDirectory::new();
        drop(aged_table(&dir, 11));
        let read = || Ok(open(dir.path())?.state());
        tells_of_a_flipped_byte(&dir, read);
        // As when the process ended between the checkpoint and its checksum file.
        fs::remove_file(checksum_path(&dir, 10)).unwrap();
        tells_of_a_flipped_byte(&dir, read);
    }

    #[test]
    fn a_damaged_checkpoint_is_told_by_the_old_versions_that_begin_with_it() {
        let dir = TestDirectory::new();
        drop(aged_table(&dir, 24));
        tells_of_a_flipped_byte(&dir, || {
            let table = open(dir.path())?;
            Ok((table.state_at(12)?, by_path(table.files(12)?)))
        });
    }

    #[test]
    fn another_writer_s_checkpoint_is_believed_in_the_place_of_ours() {
        let dir = TestDirectory::new();
        drop(aged_table(&dir, 11));
        let path = log_of(dir.path()).join(log_files::checkpoint_name(10));
        let ours = fs::read(&path).unwrap();
        let mark = b"inlet.writer";
        let at = ours.windows(mark.len()).position(|w| w == mark).unwrap();
        let mut theirs = ours.clone();
        theirs[at..at + 5].copy_from_slice(b"delta");
        fs::write(&path, theirs).unwrap();
        assert_eq!(open(dir.path()).unwrap().state().transactions["app"], 10);
    }

    #[test]
    fn a_checkpoint_that_was_taken_away_is_written_anew_with_its_digest() {
        let dir = TestDirectory::new();
        let table = aged_table(&dir, 11);
        fs::remove_file(log_of(dir.path()).join(log_files::checkpoint_name(10))).unwrap();
        fs::remove_file(log_of(dir.path()).join("_last_checkpoint")).unwrap();
        // It had other bytes: the rows of a checkpoint have no order.
        let path = checksum_path(&dir, 10);
        let text = fs::read_to_string(&path).unwrap();
        let digest = |name: &str| json(&path)[name].as_str().unwrap().to_string();
        let text = text
            .replace(&digest("inletCheckpoint"), "xxh64:0123456789abcdef")
            .replace(&digest("inletDigest"), digest::PLACEHOLDER);
        let mut sealed = text.into_bytes();
        digest::seal(&mut sealed).unwrap();
        fs::write(&path, sealed).unwrap();
        let snapshot = table.at().snapshot_at(10).unwrap();
        checkpoint::write(&snapshot, table.at().engine.as_ref(), table.log()).unwrap();
        assert_ne!(digest("inletCheckpoint"), "xxh64:0123456789abcdef");
        assert_eq!(open(dir.path()).unwrap().state().transactions["app"], 10);
        tells_of_a_flipped_byte(&dir, || Ok(open(dir.path())?.state()));
    }

    #[test]
    fn what_a_damaged_checksum_file_says_of_the_table_is_not_believed() {
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        committed(table.commit(0, &marker("t", "app", 1)));
        drop(table);
        let log = dir.path().join("_delta_log");
        let first = fs::read_to_string(log.join(log_files::commit_name(0))).unwrap();
        let action = |name: &str| {
            let line = first
                .lines()
                .find(|l| l.starts_with(&format!("{{\"{name}\":")))
                .unwrap();
            line.strip_prefix(&format!("{{\"{name}\":"))
                .unwrap()
                .strip_suffix('}')
                .unwrap()
                .to_string()
        };
        let checksum = format!(
            r#"{{"tableSizeBytes":0,"numFiles":0,"numMetadata":1,"numProtocol":1,"metadata":{},"protocol":{}}}"#,
            action("metaData"),
            action("protocol")
        );
        let path = log.join("00000000000000000001.crc");
        fs::write(&path, &checksum).unwrap();
        let opened = open(dir.path()).unwrap().state().table.unwrap();
        assert_eq!(opened.id, "5f1c1b8e-0000-4000-8000-000000000000");
        let damaged = |from: &str, to: &str| {
            let changed = checksum.replacen(from, to, 1);
            assert_ne!(changed, checksum);
            fs::write(&path, changed).unwrap();
        };
        let told = |error: ShimError| {
            assert_eq!(error.class, Class::Corruption);
            assert!(error.message.contains("00000000000000000001.crc"), "{}", error.message);
        };
        for (from, to) in [
            ("5f1c1b8e", "5f1c1b8f"),
            (r#"\"name\":\"a\""#, r#"\"name\":\"b\""#),
            (r#""partitionColumns":["k"]"#, r#""partitionColumns":["a"]"#),
            (
                r#""configuration":{}"#,
                r#""configuration":{"delta.appendOnly":"true"}"#,
            ),
            (r#""createdTime":1"#, r#""createdTime":2"#),
            (r#""minWriterVersion":2"#, r#""minWriterVersion":3"#),
        ] {
            damaged(from, to);
            told(open(dir.path()).err().unwrap());
        }
        for (from, to) in [
            (r#""numFiles":0"#, r#""numFiles":1"#),
            (r#""tableSizeBytes":0"#, r#""tableSizeBytes":7"#),
        ] {
            damaged(from, to);
            told(open(dir.path()).unwrap().files(1).unwrap_err());
        }
    }

    fn checksum_path(dir: &TestDirectory, version: u64) -> PathBuf {
        log_of(dir.path()).join(log_files::checksum_name(version))
    }

    fn json(path: &Path) -> Value {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn the_checksum_file_beside_a_checkpoint_says_what_the_log_says_and_the_kernel_reads_it() {
        let dir = TestDirectory::new();
        let table = aged_table(&dir, 24);
        for version in 0..=24 {
            assert_eq!(checksum_path(&dir, version).exists(), [10, 20].contains(&version));
        }
        let first = fs::read_to_string(log_of(dir.path()).join(log_files::commit_name(0))).unwrap();
        let action = |name: &str| {
            let lines = first.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
            lines.filter_map(|l| l.get(name).cloned()).next().unwrap()
        };
        for version in [10, 20] {
            let files = table.files(version).unwrap();
            let checksum = json(&checksum_path(&dir, version));
            assert_eq!(checksum["numFiles"], files.len());
            assert_eq!(checksum["tableSizeBytes"], files.iter().map(|f| f.size).sum::<i64>());
            assert_eq!(
                (&checksum["numMetadata"], &checksum["numProtocol"]),
                (&1.into(), &1.into())
            );
            assert_eq!(checksum["protocol"], action("protocol"));
            let mut metadata = checksum["metadata"].as_object().unwrap().clone();
            metadata.retain(|_, value| !value.is_null());
            assert_eq!(Value::Object(metadata), action("metaData"));
            let snapshot = table.replayer.snapshot_at(version).unwrap();
            let stats = Snapshot::builder_for(snapshot.table_root().as_str())
                .at_version(version)
                .build(table.at().engine.as_ref())
                .unwrap()
                .get_file_stats_if_present()
                .unwrap();
            assert_eq!(checksum["numFiles"], stats.num_files());
            assert_eq!(checksum["tableSizeBytes"], stats.table_size_bytes());
        }
    }

    #[test]
    fn a_changed_byte_of_a_checksum_file_is_told_or_changes_nothing() {
        let dir = TestDirectory::new();
        drop(aged_table(&dir, 12));
        let path = checksum_path(&dir, 10);
        let whole = fs::read(&path).unwrap();
        let seen = || -> Result<(Advance, Vec<DataFile>)> {
            let table = open(dir.path())?;
            Ok((table.state(), table.files(10)?))
        };
        let expected = seen().unwrap();
        let name = br#"{"inletDigest":""#.len();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] = match damaged[at] {
                digit @ b'0'..=b'9' => b'0' + (digit - b'0' + 1) % 10,
                byte => byte ^ (1 << (at % 8)),
            };
            fs::write(&path, &damaged).unwrap();
            match seen() {
                // Without its digest's name it is one that is held against the log.
                Ok(found) => assert!(at < name && found == expected, "byte {at}"),
                Err(e) => {
                    assert_eq!(e.class, Class::Corruption);
                    assert!(e.message.contains("00000000000000000010.crc"), "{e}");
                }
            }
        }
        for at in (0..whole.len()).step_by(13) {
            fs::write(&path, &whole[..at]).unwrap();
            assert!(seen().map_or_else(|e| e.class == Class::Corruption, |found| found == expected));
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(seen().unwrap(), expected);
    }

    #[test]
    fn an_old_checkpoint_that_has_other_files_than_its_checksum_file_is_told() {
        let dir = TestDirectory::new();
        let table = aged_table(&dir, 24);
        let log = log_of(dir.path());
        fs::copy(
            log.join(log_files::checkpoint_name(20)),
            log.join(log_files::checkpoint_name(10)),
        )
        .unwrap();
        let error = table.files(10).unwrap_err();
        assert_eq!(error.class, Class::Corruption);
        assert!(error.message.contains("00000000000000000010.crc"), "{error}");
        fs::remove_file(checksum_path(&dir, 10)).unwrap();
        assert!(table.files(10).is_ok(), "it takes the checksum file to see it");
    }

    #[test]
    fn a_handle_that_is_open_does_not_go_by_a_damaged_checksum_file_either() {
        let dir = TestDirectory::new();
        let table = aged_table(&dir, 9);
        let other = open(dir.path()).unwrap();
        committed(other.commit(9, &marker("ten", "app", 9)));
        drop(other);
        let path = checksum_path(&dir, 10);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(
            &path,
            text.replacen(r#""minWriterVersion":2"#, r#""minWriterVersion":4"#, 1),
        )
        .unwrap();
        table.refresh().unwrap();
        let error = table.files(10).unwrap_err();
        assert!(error.message.contains("00000000000000000010.crc"), "{error}");
        fs::remove_file(&path).unwrap();
        assert_eq!(table.files(10).unwrap().len(), 6);
    }

    #[test]
    fn a_checkpoint_stands_whose_checksum_file_cannot_be_written_and_another_writers_is_not_replaced() {
        const ENOSPC: c_int = 28;
        let dir = TestDirectory::new();
        let table = aged_table(&dir, 5);
        let write = |version: u64| {
            let snapshot = table.replayer.snapshot_at(version).unwrap();
            checkpoint::write(&snapshot, table.at().engine.as_ref(), table.log())
        };
        let error = failing::at("lake.before_checksum_file", ENOSPC, || write(4)).unwrap_err();
        assert_eq!(error.class, Class::Io);
        assert!(error.message.contains("00000000000000000004.crc"), "{error}");
        assert_eq!(last_checkpoint_version(log_of(dir.path())), Some(4));
        assert!(!checksum_path(&dir, 4).exists());
        fs::write(checksum_path(&dir, 5), b"of another").unwrap();
        write(5).unwrap();
        assert_eq!(fs::read(checksum_path(&dir, 5)).unwrap(), b"of another");
        let left = fs::read_dir(log_of(dir.path()))
            .unwrap()
            .map(|e| e.unwrap().file_name());
        assert!(left.into_iter().all(|name| !name.to_str().unwrap().starts_with('.')));
        assert_eq!(open(dir.path()).unwrap().state().transactions["app"], 4);
    }

    #[test]
    fn transactions_survive_checkpoints_and_may_go_down() {
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        for i in 0..25_u64 {
            let version = if i == 24 { 3 } else { i64::try_from(i).unwrap() };
            committed(table.commit(
                i,
                &marker(&format!("c{i}"), if i % 2 == 0 { "even" } else { "odd" }, version),
            ));
        }
        let expected = BTreeMap::from([("even".to_string(), 3), ("odd".to_string(), 23)]);
        assert_eq!(table.state().transactions, expected);
        drop(table);
        assert!(log_of(dir.path()).join(log_files::checkpoint_name(10)).exists());
        assert!(last_checkpoint_version(log_of(dir.path())).is_some());
        assert_eq!(open(dir.path()).unwrap().state().transactions, expected);
        // From the checkpoint alone, as after a log clean-up.
        for version in 0..10 {
            fs::remove_file(log_of(dir.path()).join(log_files::commit_name(version))).unwrap();
        }
        assert_eq!(open(dir.path()).unwrap().state().transactions, expected);
    }

    #[test]
    fn live_files_come_back_as_they_were_added() {
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        let path = r"k=a b%2Fé/x 1.parquet";
        let add = format!(
            r#"{{"path":"{path}","size":7,"modificationTime":9,"partitionValues":{{"k":"a b/é"}},"stats":"{{\"numRecords\":1}}"}},
               {{"path":"k=__HIVE_DEFAULT_PARTITION__/y.parquet","size":8,"modificationTime":9,"partitionValues":{{"k":null}}}}"#
        );
        committed(table.commit(0, &commit_with("one", &add, "", "")));
        let mut files = table.files(1).unwrap();
        files.sort_by_key(|f| f.size);
        assert_eq!(files[0].path, path);
        assert_eq!(files[0].partition_values["k"].as_deref(), Some("a b/é"));
        assert_eq!(files[0].stats.as_deref(), Some(r#"{"numRecords":1}"#));
        assert_eq!(files[1].partition_values["k"], None);
        assert_eq!(files[1].stats, None);
        assert_eq!(table.files(0).unwrap(), vec![]);

        committed(table.commit(1, &commit_with("two", "", &format!("\"{path}\""), "")));
        assert_eq!(table.files(2).unwrap().len(), 1);
        assert_eq!(table.files(1).unwrap().len(), 2);
        match table.commit(2, &commit_with("three", "", &format!("\"{path}\""), "")) {
            Outcome::Refused(e) => assert!(e.message.contains("not a live file"), "{e}"),
            _ => panic!("removed twice"),
        }
    }

    #[test]
    fn files_are_removed_by_the_list_of_an_attempt_before_only_while_it_holds() {
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        let other = open(dir.path()).unwrap();
        let add = |name: &str| {
            format!(r#"{{"path":"k=a/{name}","size":7,"modificationTime":9,"partitionValues":{{"k":"a"}}}}"#)
        };
        committed(table.commit(
            0,
            &commit_with("one", &[add("1"), add("2"), add("3")].join(","), "", ""),
        ));
        let removal = |txn: &str| commit_with(txn, "", r#""k=a/1","k=a/2""#, "");
        other.refresh().unwrap();
        // Taken by another's append: the list of this attempt is what the next one goes by.
        committed(other.commit(1, &commit_with("append", &add("4"), "", "")));
        assert!(matches!(table.commit(1, &removal("two")), Outcome::Conflict));
        assert_eq!(lock(&table.listed).as_ref().unwrap().version, 1);
        table.refresh().unwrap();
        committed(table.commit(2, &removal("two")));
        assert_eq!(lock(&table.listed).as_ref().unwrap().version, 1);
        assert_eq!(table.files(3).unwrap().len(), 2);
        // They are gone now, and the list that still has them is not believed.
        match table.commit(3, &removal("three")) {
            Outcome::Refused(e) => assert!(e.message.contains("not a live file"), "{e}"),
            _ => panic!("removed twice"),
        }
        match table.commit(3, &commit_with("twice", "", r#""k=a/3","k=a/3""#, "")) {
            Outcome::Refused(e) => assert!(e.message.contains("not a live file"), "{e}"),
            _ => panic!("removed twice in one commit"),
        }
        // Back again, as by a restore.
        committed(table.commit(3, &commit_with("back", &add("1"), "", "")));
        committed(table.commit(4, &commit_with("again", "", r#""k=a/1""#, "")));
        assert_eq!(table.files(5).unwrap().len(), 2);
    }

    #[test]
    fn an_older_version_has_the_definition_and_the_transactions_it_had() {
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        for i in 0..23_u64 {
            committed(table.commit(i, &marker(&format!("c{i}"), "app", i64::try_from(i).unwrap())));
        }
        let first = fs::read_to_string(log_of(dir.path()).join(log_files::commit_name(0))).unwrap();
        let metadata = first.lines().find(|l| l.contains("metaData")).unwrap();
        let changed = metadata.replace(
            r#""configuration":{}"#,
            r#""configuration":{"delta.appendOnly":"true"}"#,
        );
        fs::write(log_of(dir.path()).join(log_files::commit_name(24)), &changed).unwrap();
        assert_eq!(table.refresh().unwrap().version, 24);
        assert_eq!(table.versions(), Ok((0, 24)));
        let old = table.state_at(7).unwrap();
        assert_eq!((old.version, old.transactions["app"]), (7, 6));
        assert!(old.table.unwrap().configuration.is_empty());
        assert_eq!(table.state_at(24).unwrap().table.unwrap().configuration.len(), 1);
        assert_eq!(table.state_at(25).unwrap_err().class, Class::NotFound);
        drop(table);
        // As after a log clean-up.
        for version in 0..10 {
            fs::remove_file(log_of(dir.path()).join(log_files::commit_name(version))).unwrap();
        }
        let table = open(dir.path()).unwrap();
        assert_eq!(table.versions(), Ok((10, 24)));
        assert_eq!(table.state_at(10).unwrap().transactions["app"], 9);
        assert_eq!(table.state_at(11).unwrap().transactions["app"], 10);
        let error = table.state_at(9).unwrap_err();
        assert!(error.message.contains("from 10 to 24"), "{error}");
    }

    #[test]
    fn a_commit_gives_a_table_other_columns_and_other_partitions_at_once() {
        const WIDER: &str = r#"{\"type\":\"struct\",\"fields\":[{\"name\":\"k\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}},{\"name\":\"b\",\"type\":\"date\",\"nullable\":true,\"metadata\":{}}]}"#;
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        let old = r#"{"path":"k=a/1.parquet","size":7,"modificationTime":9,"partitionValues":{"k":"a"}}"#;
        committed(table.commit(0, &commit_with("one", old, "", r#"{"appId":"app","version":4}"#)));
        let new =
            r#"{"path":"b=2026-01-01/2.parquet","size":8,"modificationTime":9,"partitionValues":{"b":"2026-01-01"}}"#;
        let change = |removes: &str| {
            let whole = commit_with("two", new, removes, r#"{"appId":"app","version":5}"#);
            let body = whole.trim_end().strip_suffix('}').unwrap();
            format!(r#"{body},"table":{{"schemaString":"{WIDER}","partitionColumns":["b"]}}}}"#)
        };
        match table.commit(1, &change("")) {
            Outcome::Refused(e) => assert!(e.message.contains("old partitions"), "{e}"),
            _ => panic!("files of other partitions stayed"),
        }
        let Outcome::Committed(advance) = table.commit(1, &change(r#""k=a/1.parquet""#)) else {
            panic!("not committed");
        };
        assert!(advance.reset);
        assert_eq!((advance.version, advance.transactions["app"]), (2, 5));
        for table in [&table, &open(dir.path()).unwrap()] {
            let state = table.state();
            let definition = state.table.unwrap();
            assert_eq!(definition.partition_columns, vec!["b"]);
            assert_eq!(definition.id, "5f1c1b8e-0000-4000-8000-000000000000");
            assert!(definition.schema_string.contains(r#""name":"b""#));
            assert_eq!(table.files(2).unwrap()[0].path, "b=2026-01-01/2.parquet");
            // As it was then.
            assert_eq!(table.state_at(1).unwrap().table.unwrap().partition_columns, vec!["k"]);
            assert_eq!(table.files(1).unwrap()[0].path, "k=a/1.parquet");
        }
        let line = fs::read_to_string(log_of(dir.path()).join(log_files::commit_name(2))).unwrap();
        assert!(
            line.contains(r#""name":"t""#) && line.contains(r#""isBlindAppend":false"#),
            "{line}"
        );
        assert!(table.changes(2).unwrap().changes_table);
        for i in 2..12_u64 {
            committed(table.commit(i, &marker(&format!("m{i}"), "app", 6)));
        }
        table.wait_for_checkpoint();
        assert_eq!(
            open(dir.path()).unwrap().state().table.unwrap().partition_columns,
            vec!["b"]
        );
    }

    #[test]
    fn a_damaged_commit_is_corruption_when_opened_and_when_refreshed() {
        for bytes in [&b""[..], b"{\"commitInfo\":{}}\n{\"add\":{\"pa"] {
            let dir = TestDirectory::new();
            let table = new_table(&dir);
            fs::write(log_of(dir.path()).join(log_files::commit_name(1)), bytes).unwrap();
            assert_eq!(table.refresh().unwrap_err().class, Class::Corruption);
            assert_eq!(table.look(1, "x").unwrap_err().class, Class::Corruption);
            let error = open(dir.path()).err().unwrap();
            assert_eq!(error.class, Class::Corruption);
            assert!(error.message.contains("00000000000000000001.json"), "{error}");
        }
    }

    #[test]
    fn a_handle_that_was_left_behind_writes_nothing() {
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        let other = open(dir.path()).unwrap();
        for i in 0..12_u64 {
            committed(other.commit(i, &marker(&format!("c{i}"), "app", 1)));
        }
        drop(other);
        for version in 0..10 {
            fs::remove_file(log_of(dir.path()).join(log_files::commit_name(version))).unwrap();
        }
        assert!(matches!(table.commit(0, &marker("late", "app", 2)), Outcome::Conflict));
        assert!(!log_of(dir.path()).join(log_files::commit_name(1)).exists());
        let advance = table.refresh().unwrap();
        assert!(advance.reset);
        assert_eq!(advance.version, 12);
        committed(table.commit(12, &marker("late", "app", 2)));
    }

    #[test]
    fn a_hint_that_names_nothing_is_corruption() {
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        fs::write(
            log_of(dir.path()).join("_last_checkpoint"),
            br#"{"version":7,"size":3}"#,
        )
        .unwrap();
        assert!(matches!(table.commit(0, &marker("one", "app", 1)), Outcome::Conflict));
        assert_eq!(table.refresh().unwrap_err().class, Class::Corruption);
        assert_eq!(open(dir.path()).err().unwrap().class, Class::Corruption);
    }

    #[test]
    fn a_table_that_changes_is_loaded_anew() {
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        let first = fs::read_to_string(log_of(dir.path()).join(log_files::commit_name(0))).unwrap();
        let metadata = first.lines().find(|l| l.contains("metaData")).unwrap();
        let changed = metadata.replace(
            r#""configuration":{}"#,
            r#""configuration":{"delta.checkpointInterval":"5"}"#,
        );
        fs::write(log_of(dir.path()).join(log_files::commit_name(1)), &changed).unwrap();
        let advance = table.refresh().unwrap();
        assert!(advance.reset);
        assert_eq!(advance.table.unwrap().configuration["delta.checkpointInterval"], "5");
        let expiring = metadata.replace(
            r#""configuration":{}"#,
            r#""configuration":{"delta.setTransactionRetentionDuration":"interval 1 day"}"#,
        );
        fs::write(log_of(dir.path()).join(log_files::commit_name(2)), &expiring).unwrap();
        assert_eq!(table.refresh().unwrap_err().class, Class::Unsupported);
        assert_eq!(open(dir.path()).err().unwrap().class, Class::Unsupported);
    }

    fn by_path(mut files: Vec<DataFile>) -> Vec<DataFile> {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    fn aged_table(dir: &TestDirectory, versions: u64) -> Table {
        let table = new_table(dir);
        for i in 0..versions {
            let add =
                format!(r#"{{"path":"k=a/{i}.parquet","size":7,"modificationTime":9,"partitionValues":{{"k":"a"}}}}"#);
            let remove = if i % 3 == 2 {
                format!(r#""k=a/{}.parquet""#, i - 1)
            } else {
                String::new()
            };
            let transaction = format!(r#"{{"appId":"app","version":{i}}}"#);
            committed(table.commit(i, &commit_with(&format!("c{i}"), &add, &remove, &transaction)));
            table.wait_for_checkpoint();
        }
        table
    }

    impl Table {
        fn wait_for_checkpoint(&self) {
            if let Some(thread) = lock(&self.checkpointing).take() {
                drop(thread.join());
            }
            *lock(&self.replayer.rest_until) = Instant::now();
        }
    }

    #[test]
    fn a_cleaned_log_says_what_it_said_from_a_checkpoint_on() {
        let dir = TestDirectory::new();
        let table = aged_table(&dir, 35);
        let log = log_of(dir.path());
        fs::write(log.join("00000000000000000003.crc"), b"{}").unwrap();
        fs::write(
            log.join("00000000000000000002.00000000000000000004.compacted.json"),
            b"{}",
        )
        .unwrap();
        fs::write(log.join("notes.txt"), b"of somebody").unwrap();
        let (files, tombstones) = (table.files(35).unwrap(), table.tombstones(35).unwrap());
        let at_30 = table.files(30).unwrap();

        let future = now_ms() + 1000;
        assert_eq!(
            table.clean_log(0, u64::MAX, false).unwrap().removed_files,
            0,
            "nothing is old enough"
        );
        let kept = table.clean_log(future, 7, false).unwrap();
        assert_eq!(
            (kept.removed_files, kept.oldest),
            (0, 0),
            "no checkpoint at or before 7"
        );
        let planned = table.clean_log(future, 24, true).unwrap();
        assert_eq!(planned.oldest, 20);
        assert!(
            log.join(log_files::commit_name(0)).exists(),
            "a dry run removes nothing"
        );
        assert_eq!(table.clean_log(future, 24, false).unwrap(), planned);
        // Commits 0 to 19, the checkpoint of 10 and its checksum, another checksum and a compacted commit.
        assert_eq!(planned.removed_files, 24);
        assert!(!log.join(log_files::checksum_name(10)).exists() && log.join(log_files::checksum_name(20)).exists());
        assert_eq!(table.versions(), Ok((20, 35)));
        assert!(log.join("notes.txt").exists());

        assert_eq!(table.clean_log(future, u64::MAX, false).unwrap().oldest, 30);
        let table = open(dir.path()).unwrap();
        assert_eq!(table.versions(), Ok((30, 35)));
        assert_eq!(by_path(table.files(35).unwrap()), by_path(files));
        assert_eq!(by_path(table.files(30).unwrap()), by_path(at_30));
        assert_eq!(table.state().transactions["app"], 34);
        assert_eq!(table.tombstones(35).unwrap().len(), tombstones.len());
    }

    #[test]
    fn where_no_checkpoint_is_near_one_is_written_first() {
        let dir = TestDirectory::new();
        let table = aged_table(&dir, 29);
        let log = log_of(dir.path());
        for version in [10, 20] {
            fs::remove_file(log.join(log_files::checkpoint_name(version))).unwrap();
        }
        fs::remove_file(log.join("_last_checkpoint")).unwrap();
        let planned = table.clean_log(now_ms() + 1000, 25, true).unwrap();
        assert!(!log.join(log_files::checkpoint_name(25)).exists());
        assert_eq!((planned.oldest, planned.removed_files), (25, 27), "and two checksums");
        assert_eq!(table.clean_log(now_ms() + 1000, 25, false).unwrap(), planned);
        assert!(log.join(log_files::checkpoint_name(25)).exists());
        assert_eq!(open(dir.path()).unwrap().state().transactions["app"], 28);
    }

    #[test]
    fn nothing_is_removed_behind_a_checkpoint_that_says_something_else() {
        let dir = TestDirectory::new();
        let other = TestDirectory::new();
        let table = aged_table(&dir, 22);
        drop(aged_table(&other, 25));
        let log = log_of(dir.path());
        let target = log.join(log_files::checkpoint_name(20));
        let whole = fs::read(&target).unwrap();
        let mut flipped = whole.clone();
        flipped.truncate(whole.len() / 2);
        let of_version_10 = fs::read(log_of(other.path()).join(log_files::checkpoint_name(10))).unwrap();
        for wrong in [flipped, of_version_10] {
            fs::write(&target, wrong).unwrap();
            assert!(table.clean_log(now_ms() + 1000, u64::MAX, false).is_err());
            assert!(log.join(log_files::commit_name(0)).exists());
        }
        fs::write(&target, whole).unwrap();
        assert_eq!(table.clean_log(now_ms() + 1000, u64::MAX, false).unwrap().oldest, 20);
    }

    /// Fails at the point of a thread's choosing, so that tests do not disturb each other.
    mod failing {
        use super::*;
        use std::cell::Cell;

        thread_local! {
            static ARMED: Cell<Option<(&'static str, c_int)>> = const { Cell::new(None) };
        }

        extern "C" fn hook(name: *const c_char) -> c_int {
            // SAFETY: the names are C string literals.
            let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap();
            ARMED.with(|armed| match armed.get() {
                Some((point, errno)) if point == name => errno,
                _ => 0,
            })
        }

        pub fn at<T>(point: &'static str, errno: c_int, body: impl FnOnce() -> T) -> T {
            fault::set_hook(Some(hook));
            ARMED.with(|armed| armed.set(Some((point, errno))));
            let result = body();
            ARMED.with(|armed| armed.set(None));
            result
        }
    }

    #[test]
    fn an_error_before_the_link_leaves_nothing_and_is_still_unknown() {
        const ENOSPC: c_int = 28;
        let dir = TestDirectory::new();
        let table = new_table(&dir);
        for point in [
            "lake.before_commit_write",
            "lake.after_commit_write",
            "lake.after_commit_fsync",
            "lake.before_commit_link",
        ] {
            match failing::at(point, ENOSPC, || table.commit(0, &marker("one", "app", 1))) {
                Outcome::Unknown(e) => {
                    assert_eq!(e.class, Class::Io);
                    assert!(e.message.contains("No space left on device"), "{e}");
                }
                _ => panic!("not unknown at {point}"),
            }
            assert_eq!(table.look(1, "one"), Ok((Standing::Absent, 0)));
            assert_eq!(
                fs::read_dir(log_of(dir.path())).unwrap().count(),
                1,
                "{point} left a file"
            );
        }
        committed(table.commit(0, &marker("one", "app", 1)));
    }

    #[test]
    fn an_error_after_the_link_is_unknown_and_the_commit_stands() {
        const EIO: c_int = 5;
        for point in ["lake.after_commit_link", "lake.after_commit_dirsync"] {
            let dir = TestDirectory::new();
            let table = new_table(&dir);
            match failing::at(point, EIO, || table.commit(0, &marker("one", "app", 1))) {
                Outcome::Unknown(e) => assert_eq!(e.class, Class::Io),
                _ => panic!("not unknown at {point}"),
            }
            assert_eq!(table.look(1, "one").unwrap().0, Standing::Ours);
            assert_eq!(table.state().version, 0);
            assert_eq!(table.refresh().unwrap().transactions["app"], 1);
        }
    }

    #[test]
    fn a_torn_temporary_of_a_dead_writer_is_no_commit() {
        let dir = TestDirectory::new();
        drop(new_table(&dir));
        let (temporary, _) = log_files::Temporary::create(&log_of(dir.path()), &log_files::commit_name(1)).unwrap();
        fs::write(&temporary.path, b"{\"add\":").unwrap();
        assert_eq!(open(dir.path()).unwrap().state().version, 0);
    }
}
