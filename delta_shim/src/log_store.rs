//! Where the log of a table lies: a directory of local disk, or objects below a prefix. What this trait does is all
//! that is done to a log; everything above it is one code for both.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use crate::digest;
use crate::error::{Class, Result, ShimError};
use crate::log_files::{self, Entry, Identity, Listing, Put, Temporary};

/// Bytes, what tells them from others under that name, and when they were written.
pub struct Content {
    pub bytes: Vec<u8>,
    pub identity: Identity,
    pub modified_ms: i64,
}

/// Errors are never absence. Any thread may call.
pub trait LogStore: Send + Sync {
    /// For messages: the path or the URL of the file `name`.
    fn place_of(&self, name: &str) -> String;
    /// None: no log is there.
    fn names(&self) -> Result<Option<Vec<String>>>;
    fn entries(&self) -> Result<Option<Vec<Entry>>>;
    /// None: no such file.
    fn read(&self, name: &str) -> Result<Option<Content>>;
    /// As `read` of each, where that takes long for one at a time.
    fn read_all(&self, names: &[String]) -> Result<Vec<Option<Content>>> {
        names.iter().map(|name| self.read(name)).collect()
    }
    /// None: no such file.
    fn identity(&self, name: &str) -> Result<Option<Identity>>;
    /// Before the first file is written.
    fn prepare(&self) -> Result<()>;
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Put;
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()>;
    /// False: it was gone.
    fn remove(&self, name: &str) -> Result<bool>;
    /// What is visible under `name` is durable from then on.
    fn settle(&self, name: &str) -> Result<()>;
    /// Removes what writers left that are long dead.
    fn sweep(&self);
    /// A local file to write a large one in, before it is placed.
    fn scratch(&self, name: &str) -> Result<(Temporary, File)>;
    /// Puts what was written under `name` unless the name is taken; false: it is.
    fn place(&self, written: Temporary, name: &str) -> Result<bool>;
    /// The digest of a file; None: no such file.
    fn digest(&self, name: &str) -> Result<Option<String>>;
}

impl dyn LogStore + '_ {
    /// None: no log is there.
    pub fn list(&self) -> Result<Option<Listing>> {
        let names = self.names()?;
        Ok(names.map(|names| log_files::listing_of(names.iter().map(String::as_str))))
    }

    /// Version that `_last_checkpoint` names, and the digest of the checkpoint if it tells one. It is a hint: absent,
    /// damaged and unreadable are all None.
    pub fn last_checkpoint(&self) -> Option<(u64, Option<String>)> {
        let content = self.read(LAST_CHECKPOINT).ok()??;
        let document: serde_json::Value = serde_json::from_slice(&content.bytes).ok()?;
        let digest = document.get("tags").and_then(|tags| tags.get(digest::TAG)?.as_str());
        Some((document.get("version")?.as_u64()?, digest.map(str::to_string)))
    }

    pub fn last_checkpoint_version(&self) -> Option<u64> {
        Some(self.last_checkpoint()?.0)
    }
}

pub const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// For errors that mean "no table here".
pub fn not_a_table(place: &str) -> ShimError {
    ShimError::new(Class::NotFound, format!("{place} is not a Delta table"))
}

pub struct LocalLog {
    directory: PathBuf,
}

impl LocalLog {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl LogStore for LocalLog {
    fn place_of(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn names(&self) -> Result<Option<Vec<String>>> {
        log_files::names(&self.directory)
    }

    fn entries(&self) -> Result<Option<Vec<Entry>>> {
        let names = self.names()?;
        names
            .map(|names| log_files::entries(&self.directory, names))
            .transpose()
    }

    fn read(&self, name: &str) -> Result<Option<Content>> {
        let found = log_files::read(&self.path(name))?;
        Ok(found.map(|(bytes, identity)| Content {
            bytes,
            modified_ms: identity.modified_ms(),
            identity: Identity::File(identity),
        }))
    }

    fn identity(&self, name: &str) -> Result<Option<Identity>> {
        Ok(log_files::identity(&self.path(name))?.map(Identity::File))
    }

    fn prepare(&self) -> Result<()> {
        log_files::create_directories(&self.directory)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Put {
        log_files::put_if_absent(&self.directory, name, bytes)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        log_files::replace(&self.directory, name, bytes)
    }

    fn remove(&self, name: &str) -> Result<bool> {
        match fs::remove_file(self.path(name)) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(ShimError::io(format_args!("remove {}", self.place_of(name)), &e)),
        }
    }

    fn settle(&self, name: &str) -> Result<()> {
        log_files::sync_entry(&self.path(name))
    }

    fn sweep(&self) {
        log_files::remove_stale_temporaries(&self.directory, log_files::TEMPORARY_LIFETIME);
    }

    fn scratch(&self, name: &str) -> Result<(Temporary, File)> {
        Temporary::create(&self.directory, name)
            .map_err(|e| ShimError::io(format_args!("create a file for {}", self.place_of(name)), &e))
    }

    fn place(&self, written: Temporary, name: &str) -> Result<bool> {
        let failed = |doing: &str, e: &io::Error| ShimError::io(format_args!("{doing} {}", self.place_of(name)), e);
        match fs::hard_link(&written.path, self.path(name)) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(e) => return Err(failed("link", &e)),
        }
        drop(written);
        log_files::sync_directory(&self.directory).map_err(|e| failed("fsync the directory of", &e))?;
        Ok(true)
    }

    fn digest(&self, name: &str) -> Result<Option<String>> {
        digest::of_file(&self.path(name))
    }
}
