//! The files of a `_delta_log` directory on local disk, the only code that writes there, and what their names say.
//!
//! Nothing becomes visible under a name that readers know before all its bytes are on disk: a file is written aside
//! under a name with a leading dot (which the kernel, Spark and delta-rs all skip), fsynced, and then linked (commits:
//! put-if-absent) or renamed (what may be replaced) into place; the directory is fsynced last.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::error::{Result, ShimError};
use crate::fault;

/// Older temporaries than this belong to nobody: a commit holds its own for milliseconds, a checkpoint for seconds.
pub const TEMPORARY_LIFETIME: Duration = Duration::from_secs(15 * 60);

const TEMPORARY_MARK: &str = ".inlet-tmp";

pub fn commit_name(version: u64) -> String {
    format!("{version:020}.json")
}

pub fn checkpoint_name(version: u64) -> String {
    format!("{version:020}.checkpoint.parquet")
}

pub fn checksum_name(version: u64) -> String {
    format!("{version:020}.crc")
}

/// Tells a file from another that took its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl FileIdentity {
    pub fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    pub fn modified_ms(&self) -> i64 {
        self.modified.0 * 1000 + self.modified.1 / 1_000_000
    }
}

/// None: no such file. Any other failure to look is an error, never absence.
pub fn identity(path: &Path) -> Result<Option<FileIdentity>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(FileIdentity::of(&metadata))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(ShimError::io(format_args!("look at {}", path.display()), &e)),
    }
}

/// None: no such file.
pub fn read(path: &Path) -> Result<Option<(Vec<u8>, FileIdentity)>> {
    let failed = |e: &io::Error| ShimError::io(format_args!("read {}", path.display()), e);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    let identity = FileIdentity::of(&file.metadata().map_err(|e| failed(&e))?);
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes).map_err(|e| failed(&e))?;
    Ok(Some((bytes, identity)))
}

fn temporary_path(directory: &Path, name: &str) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.subsec_nanos());
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    directory.join(format!(
        ".{name}.{}-{count}-{nanos}{TEMPORARY_MARK}",
        std::process::id()
    ))
}

/// A file that is being written aside; removed when dropped, whatever happened.
pub struct Temporary {
    pub path: PathBuf,
}

impl Temporary {
    pub fn create(directory: &Path, name: &str) -> io::Result<(Self, File)> {
        let path = temporary_path(directory, name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok((Self { path }, file))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already after a rename; otherwise remove_stale_temporaries takes it one day.
        let _ = fs::remove_file(&self.path);
    }
}

pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Tells what stands under a name of a log from what stood there before, on local disk or in an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    File(FileIdentity),
    /// A store without entity tags has the size alone.
    Object {
        tag: Option<String>,
        size: u64,
    },
}

/// A file of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub size: u64,
    pub modified_ms: i64,
}

/// How a put-if-absent ended.
#[derive(Debug)]
pub enum Put {
    /// Visible and durable.
    Placed(Identity),
    /// The name is taken, by whomever.
    Exists,
    /// Failed, perhaps after it became visible.
    Failed(ShimError),
}

/// Writes `bytes` under `name` unless the name is taken: aside, fsync, hard link, fsync of the directory.
pub fn put_if_absent(directory: &Path, name: &str, bytes: &[u8]) -> Put {
    let target = directory.join(name);
    let step = |doing: &str, e: io::Error| ShimError::io(format_args!("{doing} {}", target.display()), &e);
    let point = |name: &CStr| fault::pass(name);

    let written = (|| {
        point(c"lake.before_commit_write").map_err(|e| step("write", e))?;
        let (temporary, mut file) = Temporary::create(directory, name).map_err(|e| step("create a file for", e))?;
        file.write_all(bytes).map_err(|e| step("write", e))?;
        point(c"lake.after_commit_write").map_err(|e| step("write", e))?;
        file.sync_all().map_err(|e| step("fsync", e))?;
        point(c"lake.after_commit_fsync").map_err(|e| step("fsync", e))?;
        let identity = FileIdentity::of(&file.metadata().map_err(|e| step("look at", e))?);
        point(c"lake.before_commit_link").map_err(|e| step("link", e))?;
        Ok((temporary, identity))
    })();
    let (temporary, identity) = match written {
        Ok(written) => written,
        Err(e) => return Put::Failed(e),
    };

    match fs::hard_link(&temporary.path, &target) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Put::Exists,
        Err(e) => return Put::Failed(step("link", e)),
    }
    // From here on the commit is visible: an error no longer means that nothing happened.
    let settled = (|| {
        point(c"lake.after_commit_link").map_err(|e| step("link", e))?;
        drop(temporary);
        sync_directory(directory).map_err(|e| step("fsync the directory of", e))?;
        point(c"lake.after_commit_dirsync").map_err(|e| step("fsync the directory of", e))
    })();
    match settled {
        Ok(()) => Put::Placed(Identity::File(identity)),
        Err(e) => Put::Failed(e),
    }
}

/// Writes `bytes` under `name`, replacing what stands there: aside, fsync, rename, fsync of the directory.
pub fn replace(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let target = directory.join(name);
    let step = |doing: &str, e: io::Error| ShimError::io(format_args!("{doing} {}", target.display()), &e);
    let (temporary, mut file) = Temporary::create(directory, name).map_err(|e| step("create a file for", e))?;
    file.write_all(bytes).map_err(|e| step("write", e))?;
    file.sync_all().map_err(|e| step("fsync", e))?;
    fs::rename(&temporary.path, &target).map_err(|e| step("rename", e))?;
    sync_directory(directory).map_err(|e| step("fsync the directory of", e))
}

/// Flushes a file and its directory entry: for a commit whose own flush may not have happened.
pub fn sync_entry(path: &Path) -> Result<()> {
    let failed = |e: io::Error| ShimError::io(format_args!("fsync {}", path.display()), &e);
    File::open(path).and_then(|f| f.sync_all()).map_err(failed)?;
    match path.parent() {
        Some(directory) => sync_directory(directory).map_err(failed),
        None => Ok(()),
    }
}

/// Creates `directory` and what is missing above it; each new entry is flushed in its parent.
pub fn create_directories(directory: &Path) -> Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let failed = |e: io::Error| ShimError::io(format_args!("create {}", directory.display()), &e);
    let Some(parent) = directory.parent() else {
        return Err(ShimError::invalid(format!("{} cannot be created", directory.display())));
    };
    create_directories(parent)?;
    match fs::create_dir(directory) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(failed(e)),
    }
    sync_directory(parent).map_err(failed)
}

/// What a log directory holds, by its names alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Ascending.
    pub commits: Vec<u64>,
    /// Newest version for which something that is named like a checkpoint (or a part of one) stands there.
    pub newest_checkpoint: Option<u64>,
    /// Ascending; by their names, every part of each is there.
    pub checkpoints: Vec<u64>,
}

impl Listing {
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.newest_checkpoint.is_none()
    }

    /// The oldest and the newest version that can be replayed: from version 0, or from a checkpoint on which every
    /// later commit follows. What was cleaned up lies before. None: nothing can be.
    pub fn versions(&self) -> Option<(u64, u64)> {
        let newest = self.commits.last().copied().max(self.checkpoints.last().copied())?;
        let mut unbroken_from = newest + 1;
        for version in self.commits.iter().rev() {
            if *version + 1 != unbroken_from {
                break;
            }
            unbroken_from = *version;
        }
        if unbroken_from == 0 {
            return Some((0, newest));
        }
        let oldest = self.checkpoints.iter().find(|c| **c + 1 >= unbroken_from)?;
        Some((*oldest, newest))
    }
}

/// A file of a checkpoint: (part, parts).
/// Source: Delta protocol, "Checkpoints": N.checkpoint.parquet, N.checkpoint.UUID.parquet|json, and in parts
/// N.checkpoint.PART.PARTS.parquet.
fn checkpoint_part(rest: &str) -> Option<(u64, u64)> {
    let words: Vec<&str> = rest.split('.').collect();
    match words.as_slice() {
        ["checkpoint", "parquet"] | ["checkpoint", _, "parquet" | "json"] => Some((1, 1)),
        ["checkpoint", part, parts, "parquet"] => Some((part.parse().ok()?, parts.parse().ok()?)),
        _ => None,
    }
}

/// What a log holds, of which these are the names.
pub fn listing_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Listing {
    let mut listing = Listing::default();
    let mut parts_seen: BTreeMap<(u64, u64), BTreeSet<u64>> = BTreeMap::new();
    for name in names {
        let Some((version, rest)) = version_and_rest(name) else {
            continue;
        };
        if rest == "json" {
            listing.commits.push(version);
        } else if rest.starts_with("checkpoint.") {
            listing.newest_checkpoint = listing.newest_checkpoint.max(Some(version));
            if let Some((part, parts)) = checkpoint_part(rest) {
                parts_seen.entry((version, parts)).or_default().insert(part);
            }
        }
    }
    listing.commits.sort_unstable();
    for ((version, parts), seen) in parts_seen {
        let whole = u64::try_from(seen.len()) == Ok(parts);
        if whole && listing.checkpoints.last() != Some(&version) {
            listing.checkpoints.push(version);
        }
    }
    listing
}

fn version_and_rest(name: &str) -> Option<(u64, &str)> {
    let (digits, rest) = name.split_once('.')?;
    if digits.len() != 20 {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

/// The newest version that a file of the log is about, if it is about versions alone that a clean-up may remove:
/// commits, checkpoints, checksums, compacted commits.
pub fn last_version_of(name: &str) -> Option<u64> {
    let (first, rest) = version_and_rest(name)?;
    match rest.split('.').collect::<Vec<_>>().as_slice() {
        ["json" | "crc"] | ["checkpoint", ..] => Some(first),
        [last, "compacted", "json"] => last.parse().ok(),
        _ => None,
    }
}

/// None: no such directory.
pub fn names(directory: &Path) -> Result<Option<Vec<String>>> {
    let failed = |e: &io::Error| ShimError::io(format_args!("list {}", directory.display()), e);
    let found = match fs::read_dir(directory) {
        Ok(found) => found,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    let mut names = Vec::new();
    for entry in found {
        if let Ok(name) = entry.map_err(|e| failed(&e))?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(Some(names))
}

/// Those of `names` that are still there, with their sizes and times.
pub fn entries(directory: &Path, names: Vec<String>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for name in names {
        if let Some(found) = identity(&directory.join(&name))? {
            entries.push(Entry {
                name,
                size: found.size,
                modified_ms: found.modified_ms(),
            });
        }
    }
    Ok(entries)
}

/// Temporaries of writers that died in mid-write. Failing to remove one harms nobody.
pub fn remove_stale_temporaries(directory: &Path, lifetime: Duration) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|n| n.starts_with('.') && n.ends_with(TEMPORARY_MARK));
        let old = || {
            let modified = entry.metadata().and_then(|m| m.modified()).ok();
            modified
                .and_then(|m| m.elapsed().ok())
                .is_some_and(|age| age >= lifetime)
        };
        if ours && old() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;
    use crate::test_directory::TestDirectory;

    fn list(directory: &Path) -> Option<Listing> {
        let names = names(directory).unwrap()?;
        Some(listing_of(names.iter().map(String::as_str)))
    }

    #[test]
    fn a_name_is_given_once() {
        let dir = TestDirectory::new();
        assert!(matches!(put_if_absent(dir.path(), "a.json", b"1"), Put::Placed(_)));
        assert!(matches!(put_if_absent(dir.path(), "a.json", b"2"), Put::Exists));
        assert_eq!(fs::read(dir.path().join("a.json")).unwrap(), b"1");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary is left");
    }

    #[test]
    fn the_identity_of_a_placed_file_is_that_of_the_file_in_place() {
        let dir = TestDirectory::new();
        let Put::Placed(placed) = put_if_absent(dir.path(), "a.json", b"1") else {
            panic!("not placed");
        };
        let found = identity(&dir.path().join("a.json")).unwrap().unwrap();
        assert_eq!(Identity::File(found), placed);
    }

    #[test]
    fn a_directory_that_is_missing_is_an_io_error_with_the_systems_words() {
        let dir = TestDirectory::new();
        match put_if_absent(&dir.path().join("missing"), "a.json", b"1") {
            Put::Failed(e) => {
                assert_eq!(e.class, Class::Io);
                assert!(e.message.contains("No such file or directory"), "{}", e.message);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_old_temporaries_are_removed() {
        let dir = TestDirectory::new();
        let (temporary, _file) = Temporary::create(dir.path(), "a.json").unwrap();
        fs::write(dir.path().join(".other"), b"").unwrap();
        remove_stale_temporaries(dir.path(), Duration::from_secs(60));
        assert!(temporary.path.exists());
        remove_stale_temporaries(dir.path(), Duration::ZERO);
        assert!(!temporary.path.exists());
        assert!(dir.path().join(".other").exists());
    }

    #[test]
    fn a_listing_knows_commits_and_checkpoints_by_name() {
        let dir = TestDirectory::new();
        for name in [
            "00000000000000000001.json",
            "00000000000000000000.json",
            "00000000000000000001.checkpoint.parquet",
            "00000000000000000000.crc",
            ".00000000000000000002.json.1.inlet-tmp",
            "_last_checkpoint",
            "1.json",
        ] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        let listing = list(dir.path()).unwrap();
        assert_eq!(listing.commits, vec![0, 1]);
        assert_eq!(listing.newest_checkpoint, Some(1));
        assert_eq!(listing.checkpoints, vec![1]);
        assert_eq!(list(&dir.path().join("none")), None);
    }

    #[test]
    fn the_versions_that_can_be_replayed_begin_at_0_or_at_a_whole_checkpoint() {
        let listed = |commits: &[u64], checkpoints: &[&str]| {
            let dir = TestDirectory::new();
            for version in commits {
                fs::write(dir.path().join(commit_name(*version)), b"x").unwrap();
            }
            for name in checkpoints {
                fs::write(dir.path().join(format!("{name:0>20}")), b"x").unwrap();
            }
            list(dir.path()).unwrap().versions()
        };
        let checkpoint = |version: u64, rest: &str| format!("{version:020}.checkpoint.{rest}");
        let single = [checkpoint(3, "parquet"), checkpoint(5, "parquet")];
        let single: Vec<&str> = single.iter().map(String::as_str).collect();
        assert_eq!(listed(&[0, 1, 2], &[]), Some((0, 2)));
        assert_eq!(listed(&[0, 1, 2, 3, 4, 5], &single), Some((0, 5)));
        assert_eq!(
            listed(&[2, 3, 4, 5, 6], &single),
            Some((3, 6)),
            "2 has nothing before it"
        );
        assert_eq!(listed(&[4, 5, 6], &single), Some((3, 6)));
        assert_eq!(
            listed(&[5, 6], &single),
            Some((5, 6)),
            "4 is missing behind checkpoint 3"
        );
        assert_eq!(listed(&[], &single), Some((5, 5)));
        assert_eq!(listed(&[4, 6], &single[..1]), None);
        let first = checkpoint(5, "0000000001.0000000002.parquet");
        let second = checkpoint(5, "0000000002.0000000002.parquet");
        assert_eq!(listed(&[5, 6], &[&first]), None, "half a checkpoint");
        assert_eq!(listed(&[5, 6], &[&first, &second]), Some((5, 6)));
        assert_eq!(
            listed(
                &[5, 6],
                &[&checkpoint(5, "6ba7b810-9dad-11d1-80b4-00c04fd430c8.parquet")]
            ),
            Some((5, 6))
        );
        assert_eq!(listed(&[], &[]), None);
    }
}
