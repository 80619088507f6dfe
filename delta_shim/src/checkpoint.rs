//! Checkpoints: the kernel replays the log, this writes what it yields, durably and never torn, and beside it the
//! version's checksum file, which has the checkpoint's digest; and holds one that was read against that.
//! Source: Delta protocol, "Checkpoints" and "Last Checkpoint File".

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use delta_kernel::arrow::datatypes::SchemaRef;
use delta_kernel::engine::arrow_data::EngineDataArrowExt as _;
use delta_kernel::parquet::arrow::ArrowWriter;
use delta_kernel::parquet::basic::Compression;
use delta_kernel::parquet::file::metadata::KeyValue;
use delta_kernel::parquet::file::properties::WriterProperties;
use delta_kernel::parquet::file::reader::{FileReader as _, SerializedFileReader};
use delta_kernel::{Engine, Snapshot, SnapshotRef};
use serde::Serialize;

use crate::checksum_file::{self, Totals};
use crate::digest;
use crate::error::{Result, ShimError};
use crate::fault;
use crate::log_files;
use crate::log_store::{LogStore, LAST_CHECKPOINT};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastCheckpoint {
    version: u64,
    size: i64,
    size_in_bytes: u64,
    num_of_add_files: i64,
    /// Source: Delta protocol, "Last Checkpoint File Schema": "additional metadata about the last checkpoint".
    tags: BTreeMap<&'static str, String>,
}

/// In the key-value metadata of our checkpoints: a writer that puts its own in the place of one leaves none.
const OURS: &str = "inlet.writer";

/// Writes the checkpoint of `snapshot` unless one stands there, points `_last_checkpoint` at it, and writes its checksum
/// file.
pub fn write(snapshot: &SnapshotRef, engine: &dyn Engine, log: &dyn LogStore) -> Result<()> {
    let version = snapshot.version();
    let name = log_files::checkpoint_name(version);
    if log.identity(&name)?.is_some() {
        return Ok(());
    }
    let failed = |doing: &str, e: io::Error| ShimError::io(format_args!("{doing} {}", log.place_of(&name)), &e);
    fault::pass(c"lake.before_checkpoint").map_err(|e| failed("write", e))?;

    let (temporary, file) = log.scratch(&name)?;
    let data = snapshot
        .clone()
        .create_checkpoint_writer(engine)?
        .checkpoint_data(engine)?;
    let state = data.state();
    let mut file = Some(file);
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut rows = 0;
    let mut totals = Totals::default();
    for batch in data {
        let batch = batch?.apply_selection_vector()?.try_into_record_batch()?;
        if let Some(file) = file.take() {
            writer = Some(start(file, batch.schema())?);
        }
        if let Some(writer) = &mut writer {
            writer.write(&batch).map_err(delta_kernel::KernelError::from)?;
            rows += batch.num_rows();
            totals.count(&batch)?;
        }
    }
    let Some(writer) = writer else {
        return Err(ShimError::internal(format!(
            "version {version} has no action to put into a checkpoint"
        )));
    };
    let file = writer.into_inner().map_err(delta_kernel::KernelError::from)?;
    file.sync_all().map_err(|e| failed("fsync", e))?;
    let bytes = read_back(&temporary.path, rows)?;
    let digest = digest::of_file(&temporary.path)?
        .ok_or_else(|| ShimError::internal(format!("{} is gone", temporary.path.display())))?;

    if !log.place(temporary, &name)? {
        return Ok(()); // Another process was faster; its checkpoint says the same.
    }

    let state = Arc::into_inner(state).ok_or_else(|| ShimError::internal("the checkpoint is still being read"))?;
    let hint = LastCheckpoint {
        version,
        size: state.actions_count(),
        size_in_bytes: bytes,
        num_of_add_files: state.add_actions_count(),
        tags: BTreeMap::from([(digest::TAG, digest.clone())]),
    };
    if log.last_checkpoint_version().is_none_or(|newest| newest < version) {
        let text = serde_json::to_vec(&hint).map_err(|e| ShimError::internal(e.to_string()))?;
        log.replace(LAST_CHECKPOINT, &text)?;
    }
    totals.write(version, &digest, log)?;
    fault::pass(c"lake.after_checkpoint").map_err(|e| failed("write", e))
}

fn start(file: File, schema: SchemaRef) -> Result<ArrowWriter<File>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![KeyValue::new(OURS.to_string(), "delta_shim".to_string())]))
        .build();
    Ok(ArrowWriter::try_new(file, schema, Some(properties)).map_err(delta_kernel::KernelError::from)?)
}

/// Opens what was written as a reader would; its size in bytes.
fn read_back(path: &Path, rows: usize) -> Result<u64> {
    let failed = |e: io::Error| ShimError::io(format_args!("read back {}", path.display()), &e);
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let reader = SerializedFileReader::new(file).map_err(delta_kernel::KernelError::from)?;
    let found = reader.metadata().file_metadata().num_rows();
    if usize::try_from(found) != Ok(rows) {
        return Err(ShimError::corruption(format!(
            "{} reads back with {found} rows; {rows} were written",
            path.display()
        )));
    }
    Ok(bytes)
}

/// The version whose checkpoint the kernel read for `snapshot`; None: it read none, or none as we write them.
pub fn below(snapshot: &Snapshot) -> Option<u64> {
    match snapshot.log_segment().listed.checkpoint_parts.as_slice() {
        [only] if only.filename == log_files::checkpoint_name(only.version) => Some(only.version),
        _ => None,
    }
}

/// Corruption: the checkpoint of `version` is not what we wrote, says the digest that we left. Another writer's is
/// believed, also in the place of ours.
pub fn check(version: u64, log: &dyn LogStore) -> Result<()> {
    let (expected, by) = match checksum_file::checkpoint_digest(version, log)? {
        Some(digest) => (digest, log_files::checksum_name(version)),
        None => match log.last_checkpoint() {
            Some((newest, Some(digest))) if newest == version => (digest, LAST_CHECKPOINT.to_string()),
            _ => return Ok(()),
        },
    };
    let name = log_files::checkpoint_name(version);
    if log.digest(&name)?.is_none_or(|found| found == expected) {
        return Ok(());
    }
    match log.read(&name)? {
        Some(content) if !is_anothers(&content.bytes) => Err(ShimError::corruption(format!(
            "the checkpoint {} is damaged: it is not what was written, says its digest in {}",
            log.place_of(&name),
            log.place_of(&by)
        ))),
        _ => Ok(()),
    }
}

/// A whole Parquet file without our mark.
fn is_anothers(bytes: &[u8]) -> bool {
    bytes.ends_with(b"PAR1") && !bytes.windows(OURS.len()).any(|w| w == OURS.as_bytes())
}
