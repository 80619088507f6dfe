//! An object store below one URL: the logs of tables (`ObjectLog`), their data files, and small objects that are put on
//! conditions. Every request is tried again with back-off by the client (store_options); what is left is an error here.

use std::collections::{BTreeSet, HashMap};
use std::error::Error as StdError;
use std::ffi::CStr;
use std::fs::File;
use std::future::Future;
use std::hash::Hasher as _;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use delta_kernel::object_store::client::HttpError;
use delta_kernel::object_store::path::Path as Key;
use delta_kernel::object_store::{
    Attributes, Error, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    PutResult, UpdateVersion,
};
use delta_kernel::Engine;
use futures_util::stream::{self, FuturesUnordered, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;
use url::Url;

use crate::digest;
use crate::engine;
use crate::error::{Class, Result, ShimError};
use crate::fault;
use crate::file_path;
use crate::log_files::{Entry, Identity, Put, Temporary};
use crate::log_store::{Content, LogStore};
use crate::store_options::{Kind, Request, StoreOptions};

/// Larger files are sent and fetched in pieces of this size.
const PIECE: u64 = 8 << 20;
const PIECES_AT_ONCE: usize = 4;
const FILES_AT_ONCE: usize = 8;
const LOOKS_AT_ONCE: usize = 16;
/// Above this many, files are looked for in a listing.
const MOST_LOOKS: usize = 200;

const PROBE: &str = "_inlet/probe";

/// By URL and options.
type OpenStores = HashMap<(String, String), Weak<Store>>;

pub struct Store {
    objects: Arc<dyn ObjectStore>,
    engine: Arc<dyn Engine>,
    /// Ends with a slash.
    url: Url,
    base: Key,
    kind: Option<Kind>,
    /// Conditional puts were tried, and held.
    is_proven: Mutex<bool>,
}

/// Who may put. There is none before the store has shown that a put fails whose condition does not hold
/// (`Store::writer`).
#[derive(Clone, Copy)]
struct Writer<'a>(&'a dyn ObjectStore);

impl Writer<'_> {
    async fn put(self, key: &Key, bytes: &[u8], mode: PutMode) -> std::result::Result<PutResult, Error> {
        let options = PutOptions {
            mode,
            attributes: Attributes::default(),
            ..PutOptions::default()
        };
        let payload = PutPayload::from(bytes.to_vec());
        self.0.put_opts(key, payload, options).await
    }

    async fn put_in_pieces(self, key: &Key) -> std::result::Result<Box<dyn MultipartUpload>, Error> {
        self.0.put_multipart(key).await
    }
}

/// One data file of a table: its name below the lake, and where it lies on local disk.
#[derive(Debug, Deserialize)]
pub struct Transfer {
    pub key: String,
    pub path: PathBuf,
    /// As the log has them; the size and digest of what is fetched must be these.
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub digest: String,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub key: String,
    pub size: u64,
    pub modified_ms: i64,
}

/// A small object and what tells it from what will stand there later.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct Small {
    pub text: String,
    pub tag: String,
}

pub enum Placed {
    /// The tag of what stands there now.
    Ours(String),
    Conflict,
}

#[derive(Serialize, Deserialize)]
struct Tag {
    etag: Option<String>,
    version: Option<String>,
}

fn tag_text(etag: Option<String>, version: Option<String>) -> String {
    serde_json::to_string(&Tag { etag, version }).unwrap_or_default()
}

impl Store {
    /// One for each URL and options in the process, as long as anybody has it: connections are shared, and what is
    /// known of the store. Asks it nothing.
    pub fn open(url: &str, options: &str) -> Result<Arc<Self>> {
        static OPEN: Mutex<Option<OpenStores>> = Mutex::new(None);
        let parsed: StoreOptions = serde_json::from_str(options)
            .map_err(|e| ShimError::invalid(format!("the options of the object store: {e}")))?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.get_or_insert_with(HashMap::new);
        let name = (url.to_string(), options.to_string());
        if let Some(store) = known.get(&name).and_then(Weak::upgrade) {
            return Ok(store);
        }
        let address = Url::parse(&format!("{}/", url.trim_end_matches('/')))
            .map_err(|e| ShimError::invalid(format!("{url} is no URL: {e}")))?;
        let kind = Kind::of(&address)?;
        let store = Arc::new(Self::over(parsed.connect(&address)?, address, Some(kind))?);
        known.retain(|_, store| store.strong_count() > 0);
        known.insert(name, Arc::downgrade(&store));
        Ok(store)
    }

    pub fn over(objects: Arc<dyn ObjectStore>, url: Url, kind: Option<Kind>) -> Result<Self> {
        let base = Key::from_url_path(url.path())
            .map_err(|e| ShimError::invalid(format!("{url} cannot be the place of a lake: {e}")))?;
        Ok(Self {
            engine: engine::over(Arc::clone(&objects))?,
            objects,
            url,
            base,
            kind,
            is_proven: Mutex::new(false),
        })
    }

    /// Before the first put of all the store is tried, once: a conditional put that does not hold would lose commits.
    /// What came of it is kept only when it is good, so that an outage or a missing permission may be over next time.
    fn writer(&self) -> Result<Writer<'_>> {
        let writer = Writer(self.objects.as_ref());
        let mut is_proven = self.is_proven.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_proven {
            self.probe(writer)?;
            *is_proven = true;
        }
        Ok(writer)
    }

    /// What the first put would find out: that objects may be put, and that conditions hold.
    pub fn check_writable(&self) -> Result<()> {
        self.writer().map(|_| ())
    }

    /// The second put of a name must fail, and one on a condition that does not hold too.
    fn probe(&self, writer: Writer<'_>) -> Result<()> {
        let key = self.key(PROBE)?;
        let failed = |e: &Error| self.error(Request::Put, self.place_of(PROBE), e);
        let refused = |what: &str| {
            let message = format!(
                "{}: the store {what}: two writers would overwrite each other's commits. It must support conditional \
                 writes (If-None-Match and If-Match)",
                self.url
            );
            ShimError::new(Class::NoConditionalPut, message)
        };
        let put = |mode: PutMode| wait(writer.put(&key, b"inlet", mode));
        let mut stands = false;
        for _ in 0..2 {
            match put(PutMode::Create)? {
                Ok(_) => {}
                Err(Error::AlreadyExists { .. }) => {
                    stands = true;
                    break;
                }
                Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                    return Err(refused("knows no conditional put"));
                }
                Err(e) => return Err(failed(&e)),
            }
        }
        if !stands {
            return Err(refused("took a second put of one name"));
        }
        let wrong = UpdateVersion {
            e_tag: Some("\"00000000000000000000000000000000\"".into()),
            version: Some("1".into()),
        };
        match put(PutMode::Update(wrong))? {
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => Ok(()),
            Ok(_) => Err(refused("replaced an object that was not the one named")),
            Err(e) => Err(failed(&e)),
        }
    }

    pub fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine)
    }

    pub fn url_of(&self, name: &str) -> Result<Url> {
        self.url
            .join(&format!("{}/", file_path::encode(name)))
            .map_err(|e| ShimError::invalid(format!("{name:?} cannot be the name of a table: {e}")))
    }

    /// `scratch`: a directory of local disk, where checkpoints are put together.
    pub fn log_of(self: &Arc<Self>, name: &str, scratch: &Path) -> Result<ObjectLog> {
        let folder = format!("{name}/_delta_log");
        Ok(ObjectLog {
            store: Arc::clone(self),
            prefix: self.key(&folder)?,
            folder,
            scratch: scratch.to_path_buf(),
        })
    }

    /// From a name below the lake, as on disk. Already encoded for a log once, it is not encoded again.
    fn key(&self, name: &str) -> Result<Key> {
        let path = format!("{}/{}", self.base.as_ref(), name);
        Key::parse(path.trim_start_matches('/'))
            .map_err(|e| ShimError::invalid(format!("{name:?} cannot be the name of an object: {e}")))
    }

    /// The name below the lake.
    fn name_of(&self, key: &Key) -> String {
        let below = key.as_ref().strip_prefix(self.base.as_ref()).unwrap_or(key.as_ref());
        below.trim_start_matches('/').to_string()
    }

    fn place_of(&self, name: &str) -> String {
        format!("{}{name}", self.url)
    }

    /// None: no such object. A bucket that is gone is an error.
    async fn get(&self, key: &Key) -> std::result::Result<Option<(Vec<u8>, ObjectMeta)>, Error> {
        let found = match self.objects.get(key).await {
            Ok(found) => found,
            Err(e) if is_absence(&e) => return Ok(None),
            Err(e) => return Err(e),
        };
        let meta = found.meta.clone();
        Ok(Some((found.bytes().await?.to_vec(), meta)))
    }

    async fn head(&self, key: &Key) -> std::result::Result<Option<ObjectMeta>, Error> {
        match self.objects.head(key).await {
            Ok(meta) => Ok(Some(meta)),
            // A reply to HEAD has no body that would tell a missing bucket from a missing object.
            Err(e) if is_absence(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn error(&self, request: Request, place: impl std::fmt::Display, error: &Error) -> ShimError {
        let class = class_of(error);
        let mut message = format!("{request} {place}: {}", short(error));
        if let (Class::Denied, Some(kind)) = (class, self.kind) {
            let (permission, sources) = (kind.permission(request), kind.credentials());
            message += &format!("; that needs the permission {permission}; credentials are looked for in {sources}");
        }
        ShimError::new(class, message)
    }

    // ---- data files ---------------------------------------------------------------------------------------------

    /// Each is whole under its name, or not there at all. Names are never given twice, so that a put may be repeated.
    pub fn put_files(&self, files: &[Transfer]) -> Result<()> {
        let writer = self.writer()?;
        wait_for_all(files.iter().map(|file| self.put_file(writer, file)))
    }

    async fn put_file(&self, writer: Writer<'_>, file: &Transfer) -> Result<()> {
        let failed = |e: &Error| self.error(Request::Put, self.place_of(&file.key), e);
        let unread = |e: io::Error| ShimError::io(format_args!("read {}", file.path.display()), &e);
        let key = self.key(&file.key)?;
        point(c"lake.before_upload_file").map_err(unread)?;
        let mut local = File::open(&file.path).map_err(unread)?;
        let size = local.metadata().map_err(unread)?.len();
        if size <= PIECE {
            let bytes = next_piece(&mut local, size).map_err(unread)?;
            let put = writer.put(&key, &bytes, PutMode::Overwrite).await;
            put.map_err(|e| failed(&e))?;
        } else {
            let upload = writer.put_in_pieces(&key).await.map_err(|e| failed(&e))?;
            send_in_pieces(upload, &mut local, size, &file.path, &failed).await?;
        }
        point(c"lake.after_upload_file").map_err(unread)?;
        // What is read-only is in the store, and may be thrown out of the cache.
        seal(&file.path).map_err(unread)
    }

    /// Fetches each to its place: aside, held against size and digest, renamed. CORRUPTION: it is another one.
    pub fn get_files(&self, files: &[Transfer]) -> Result<()> {
        wait_for_all(files.iter().map(|file| self.get_file(file)))
    }

    async fn get_file(&self, file: &Transfer) -> Result<()> {
        let place = self.place_of(&file.key);
        let unwritten = |e: io::Error| ShimError::io(format_args!("write {}", file.path.display()), &e);
        let key = self.key(&file.key)?;
        let directory = file.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(unwritten)?;
        let name = file.path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let (temporary, mut local) = Temporary::create(directory, name).map_err(unwritten)?;
        let mut hasher = XxHash64::with_seed(0);
        let mut at = 0;
        while at < file.size {
            let end = file.size.min(at + PIECE);
            let piece = match self.objects.get_range(&key, at..end).await {
                Ok(piece) => piece,
                Err(e) if is_absence(&e) => {
                    return Err(ShimError::new(Class::NotFound, format!("{place} is gone")));
                }
                Err(e) => return Err(self.error(Request::Get, &place, &e)),
            };
            if piece.len() as u64 != end - at {
                return Err(ShimError::corruption(format!(
                    "{place} is damaged: it ends before the {} bytes that the log has",
                    file.size
                )));
            }
            hasher.write(&piece);
            local.write_all(&piece).map_err(unwritten)?;
            at = end;
        }
        let found = digest::text(hasher.finish());
        if !file.digest.is_empty() && file.digest != found {
            return Err(ShimError::corruption(format!(
                "{place} is damaged: its digest is {found}, the table's log has {}",
                file.digest
            )));
        }
        drop(local);
        seal(&temporary.path).map_err(unwritten)?;
        std::fs::rename(&temporary.path, &file.path).map_err(unwritten)
    }

    /// Those of `names` that are not there.
    pub fn missing(&self, folder: &str, names: &[String]) -> Result<Vec<String>> {
        if names.len() > MOST_LOOKS {
            let there: BTreeSet<String> = self.list(folder)?.into_iter().map(|l| l.key).collect();
            return Ok(names.iter().filter(|n| !there.contains(*n)).cloned().collect());
        }
        let look = |name: &String| {
            let (name, key) = (name.clone(), self.key(name));
            async move {
                let found = self.head(&key?).await;
                let found = found.map_err(|e| self.error(Request::Look, self.place_of(&name), &e))?;
                Ok::<_, ShimError>(found.is_none().then_some(name))
            }
        };
        let gone = wait(
            stream::iter(names.iter().map(look))
                .buffered(LOOKS_AT_ONCE)
                .try_collect::<Vec<_>>(),
        )??;
        Ok(gone.into_iter().flatten().collect())
    }

    /// Everything below `folder`, by its name below the lake.
    pub fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let prefix = self.key(folder)?;
        let found = wait(self.objects.list(Some(&prefix)).try_collect::<Vec<ObjectMeta>>())?;
        let found = found.map_err(|e| self.error(Request::List, self.place_of(folder), &e))?;
        Ok(found.iter().map(|meta| self.listed(meta)).collect())
    }

    /// Names of what has a `_delta_log`, at any depth; a table holds no tables.
    pub fn tables(&self) -> Result<Vec<String>> {
        let mut tables = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let prefix = self.key(&folder)?;
            let found = wait(self.objects.list_with_delimiter(Some(&prefix)))?;
            let found = found.map_err(|e| self.error(Request::List, self.place_of(&folder), &e))?;
            let names: Vec<String> = found.common_prefixes.iter().map(|p| self.name_of(p)).collect();
            if !folder.is_empty() && names.iter().any(|n| last_part(n) == "_delta_log") {
                tables.push(folder);
                continue;
            }
            folders.extend(names.into_iter().filter(|n| !last_part(n).starts_with(['_', '.'])));
        }
        tables.sort();
        Ok(tables)
    }

    fn listed(&self, meta: &ObjectMeta) -> Listed {
        Listed {
            key: self.name_of(&meta.location),
            size: meta.size,
            modified_ms: meta.last_modified.timestamp_millis(),
        }
    }

    /// False: it was gone.
    pub fn delete(&self, name: &str) -> Result<bool> {
        let key = self.key(name)?;
        match wait(self.objects.delete(&key))? {
            Ok(()) => Ok(true),
            Err(e) if is_absence(&e) => Ok(false),
            Err(e) => Err(self.error(Request::Delete, self.place_of(name), &e)),
        }
    }

    // ---- small objects, on conditions -----------------------------------------------------------------------------

    pub fn get_small(&self, name: &str) -> Result<Option<Small>> {
        let key = self.key(name)?;
        let found = wait(self.get(&key))?;
        let found = found.map_err(|e| self.error(Request::Get, self.place_of(name), &e))?;
        Ok(found.map(|(bytes, meta)| Small {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            tag: tag_text(meta.e_tag, meta.version),
        }))
    }

    /// With an empty tag: where nothing stands. Otherwise: where what stands is still what had the tag. An own put can
    /// come back as a conflict: look at what stands there.
    pub fn put_small(&self, name: &str, text: &str, tag: &str) -> Result<Placed> {
        let key = self.key(name)?;
        let mode = if tag.is_empty() {
            PutMode::Create
        } else {
            let tag: Tag = serde_json::from_str(tag).map_err(|e| ShimError::invalid(format!("a tag: {e}")))?;
            PutMode::Update(UpdateVersion {
                e_tag: tag.etag,
                version: tag.version,
            })
        };
        match wait(self.writer()?.put(&key, text.as_bytes(), mode))? {
            Ok(put) => Ok(Placed::Ours(tag_text(put.e_tag, put.version))),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Placed::Conflict),
            Err(e) => Err(self.error(Request::Put, self.place_of(name), &e)),
        }
    }
}

async fn send_in_pieces(
    mut upload: Box<dyn MultipartUpload>,
    local: &mut File,
    size: u64,
    path: &Path,
    failed: &impl Fn(&Error) -> ShimError,
) -> Result<()> {
    let unread = |e: io::Error| ShimError::io(format_args!("read {}", path.display()), &e);
    let mut sent = 0;
    let mut running = FuturesUnordered::new();
    let all = async {
        while sent < size {
            let piece = next_piece(local, PIECE.min(size - sent)).map_err(unread)?;
            sent += PIECE.min(size - sent);
            running.push(upload.put_part(PutPayload::from(piece)));
            if running.len() >= PIECES_AT_ONCE {
                if let Some(done) = running.next().await {
                    done.map_err(|e| failed(&e))?;
                }
            }
        }
        while let Some(done) = running.next().await {
            done.map_err(|e| failed(&e))?;
        }
        point(c"lake.before_upload_complete").map_err(unread)
    };
    let mut ended = all.await;
    drop(running);
    if ended.is_ok() {
        ended = upload.complete().await.map(|_| ()).map_err(|e| failed(&e));
    }
    if ended.is_err() {
        // What stays of it is nobody's: a rule of the bucket for unfinished uploads removes it.
        let _ = upload.abort().await;
    }
    ended
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn wait<T>(task: impl Future<Output = T>) -> Result<T> {
    Ok(engine::runtime()?.block_on(task))
}

/// So many at once; the first error ends the others.
fn wait_for_all<F: Future<Output = Result<()>>>(transfers: impl Iterator<Item = F>) -> Result<()> {
    let all = stream::iter(transfers).buffer_unordered(FILES_AT_ONCE);
    wait(all.try_collect::<Vec<()>>())?.map(|_| ())
}

fn point(name: &CStr) -> io::Result<()> {
    fault::pass(name)
}

fn seal(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o444))
}

fn next_piece(file: &mut File, size: u64) -> io::Result<Vec<u8>> {
    let size = usize::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    let mut bytes = vec![0; size];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A missing bucket is not a missing object.
fn is_absence(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !is_missing_bucket(&error.to_string())
}

fn is_missing_bucket(text: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "specified bucket does not exist"]
        .iter()
        .any(|word| text.contains(word))
}

/// Of an error that the client's own tries did not get over.
pub fn class_of(error: &Error) -> Class {
    let text = error.to_string();
    if is_missing_bucket(&text) {
        return Class::NoStore;
    }
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Class::Denied,
        Error::NotFound { .. } | Error::AlreadyExists { .. } | Error::Precondition { .. } => Class::Io,
        // Of the services that hand out credentials to a machine: there is none, or it knows no role.
        _ if ["169.254.169.254", "latest/api/token", "security-credentials"]
            .iter()
            .any(|w| text.contains(w)) =>
        {
            Class::NoCredentials
        }
        // Of a listing the client does not tell a refusal from other failures.
        _ if text.contains("status code: 401") || text.contains("status code: 403") => Class::Denied,
        _ if is_passing(error, &text) => Class::Transient,
        _ => Class::Io,
    }
}

/// What the client would have tried again, had there been time: a reply that says so, or none at all.
fn is_passing(error: &Error, text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let says_so = [
        "status code: 5",
        "status code: 429",
        "status code: 408",
        "status code: 409",
    ];
    cause::<HttpError>(error).is_some()
        || says_so.iter().any(|words| lower.contains(words))
        || lower.contains("<code>internalerror</code>")
        || lower.contains("<code>slowdown</code>")
}

/// The first of its causes, itself among them, that is of this type.
pub fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Without the XML around the message that a store sends.
fn short(error: &Error) -> String {
    let text = error.to_string();
    let between = |from: &str, to: &str| {
        let start = text.find(from)? + from.len();
        let length = text.get(start..)?.find(to)?;
        text.get(start..start + length)
    };
    match (between("<Code>", "</Code>"), between("<Message>", "</Message>")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => text,
    }
}

// ---- the log of a table -----------------------------------------------------------------------------------------------

pub struct ObjectLog {
    store: Arc<Store>,
    prefix: Key,
    folder: String,
    scratch: PathBuf,
}

impl ObjectLog {
    fn key(&self, name: &str) -> Key {
        self.prefix.clone().join(name)
    }

    fn failed(&self, request: Request, name: &str, error: &Error) -> ShimError {
        self.store.error(request, self.place_of(name), error)
    }
}

fn content((bytes, meta): (Vec<u8>, ObjectMeta)) -> Content {
    Content {
        identity: Identity::Object {
            tag: meta.e_tag,
            size: meta.size,
        },
        modified_ms: meta.last_modified.timestamp_millis(),
        bytes,
    }
}

impl LogStore for ObjectLog {
    fn place_of(&self, name: &str) -> String {
        self.store.place_of(&format!("{}/{name}", self.folder))
    }

    fn names(&self) -> Result<Option<Vec<String>>> {
        let entries = self.entries()?;
        Ok(entries.map(|entries| entries.into_iter().map(|e| e.name).collect()))
    }

    fn entries(&self) -> Result<Option<Vec<Entry>>> {
        let found = wait(self.store.objects.list_with_delimiter(Some(&self.prefix)))?;
        let found = found.map_err(|e| self.failed(Request::List, "", &e))?;
        let entries: Vec<Entry> = found
            .objects
            .iter()
            .filter_map(|meta| {
                Some(Entry {
                    name: meta.location.filename()?.to_string(),
                    size: meta.size,
                    modified_ms: meta.last_modified.timestamp_millis(),
                })
            })
            .collect();
        Ok((!entries.is_empty()).then_some(entries))
    }

    fn read(&self, name: &str) -> Result<Option<Content>> {
        let found = wait(self.store.get(&self.key(name)))?;
        Ok(found.map_err(|e| self.failed(Request::Get, name, &e))?.map(content))
    }

    fn read_all(&self, names: &[String]) -> Result<Vec<Option<Content>>> {
        let read = |name: &String| {
            let (name, key) = (name.clone(), self.key(name));
            async move {
                let found = self.store.get(&key).await;
                Ok(found.map_err(|e| self.failed(Request::Get, &name, &e))?.map(content))
            }
        };
        wait(
            stream::iter(names.iter().map(read))
                .buffered(LOOKS_AT_ONCE)
                .try_collect(),
        )?
    }

    fn identity(&self, name: &str) -> Result<Option<Identity>> {
        let found = wait(self.store.head(&self.key(name)))?;
        let found = found.map_err(|e| self.failed(Request::Look, name, &e))?;
        Ok(found.map(|meta| Identity::Object {
            tag: meta.e_tag,
            size: meta.size,
        }))
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    /// Whatever came of a put whose reply was lost, the client's next try sees: Exists can be this very commit.
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Put {
        let failed = |e: io::Error| ShimError::io(format_args!("put {}", self.place_of(name)), &e);
        if let Err(e) = point(c"lake.before_commit_put") {
            return Put::Failed(failed(e));
        }
        let writer = self.store.writer();
        let put = match writer.and_then(|writer| wait(writer.put(&self.key(name), bytes, PutMode::Create))) {
            Ok(put) => put,
            Err(e) => return Put::Failed(e),
        };
        if let Err(e) = point(c"lake.after_commit_put") {
            return Put::Failed(failed(e));
        }
        match put {
            Ok(put) => Put::Placed(Identity::Object {
                tag: put.e_tag,
                size: bytes.len() as u64,
            }),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Put::Exists,
            Err(e) => Put::Failed(self.failed(Request::Put, name, &e)),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let put = wait(self.store.writer()?.put(&self.key(name), bytes, PutMode::Overwrite))?;
        put.map(|_| ()).map_err(|e| self.failed(Request::Put, name, &e))
    }

    fn remove(&self, name: &str) -> Result<bool> {
        self.store.delete(&format!("{}/{name}", self.folder))
    }

    fn settle(&self, _: &str) -> Result<()> {
        Ok(()) // what a store shows it keeps
    }

    fn sweep(&self) {}

    fn scratch(&self, name: &str) -> Result<(Temporary, File)> {
        let failed = |e: io::Error| ShimError::io(format_args!("write into {}", self.scratch.display()), &e);
        std::fs::create_dir_all(&self.scratch).map_err(failed)?;
        Temporary::create(&self.scratch, name).map_err(failed)
    }

    /// Read back after it was put, as a reader gets it.
    fn place(&self, written: Temporary, name: &str) -> Result<bool> {
        let bytes = std::fs::read(&written.path)
            .map_err(|e| ShimError::io(format_args!("read {}", written.path.display()), &e))?;
        match wait(self.store.writer()?.put(&self.key(name), &bytes, PutMode::Create))? {
            Ok(_) => {}
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => return Ok(false),
            Err(e) => return Err(self.failed(Request::Put, name, &e)),
        }
        match self.read(name)? {
            Some(read) if read.bytes == bytes => Ok(true),
            _ => Err(ShimError::corruption(format!(
                "{} does not read back as it was put",
                self.place_of(name)
            ))),
        }
    }

    fn digest(&self, name: &str) -> Result<Option<String>> {
        Ok(self.read(name)?.map(|read| digest::of_bytes(&read.bytes)))
    }
}
