//! What the kernel's log replay says about a version, taken out of its Arrow batches.

use std::collections::{BTreeMap, HashMap};

use delta_kernel::arrow::array::{Array, AsArray, MapArray, RecordBatch, StringArray, StructArray};
use delta_kernel::arrow::datatypes::Int64Type;
use delta_kernel::engine::arrow_data::EngineDataArrowExt as _;
use delta_kernel::schema::{DataType, StructField, StructType};
use delta_kernel::{Engine, SnapshotRef};

use crate::actions::DataFile;
use crate::digest;
use crate::error::{Result, ShimError};
use crate::file_path;

/// A live file and its path as the log has it, which a remove action must repeat.
#[derive(Clone, Debug)]
pub struct LiveFile {
    pub raw_path: String,
    pub file: DataFile,
}

pub fn live_files(snapshot: &SnapshotRef, engine: &dyn Engine) -> Result<Vec<LiveFile>> {
    let scan = snapshot.clone().scan_builder().without_row_transforms().build()?;
    let mut files = Vec::new();
    for metadata in scan.scan_metadata(engine)? {
        let batch = metadata?.scan_files.apply_selection_vector()?.try_into_record_batch()?;
        append_files(&batch, &mut files)?;
    }
    Ok(files)
}

fn append_files(batch: &RecordBatch, files: &mut Vec<LiveFile>) -> Result<()> {
    let missing = |name: &str| ShimError::internal(format!("the kernel's scan has no column {name}"));
    let path = batch
        .column_by_name("path")
        .and_then(|c| c.as_string_opt::<i32>())
        .ok_or_else(|| missing("path"))?;
    let int64 = |name: &str| {
        let column = batch
            .column_by_name(name)
            .and_then(|c| c.as_primitive_opt::<Int64Type>());
        column.ok_or_else(|| missing(name))
    };
    let size = int64("size")?;
    let modified = int64("modificationTime")?;
    let stats = batch
        .column_by_name("stats")
        .and_then(|c| c.as_string_opt::<i32>())
        .ok_or_else(|| missing("stats"))?;
    let vectors = batch
        .column_by_name("deletionVector")
        .ok_or_else(|| missing("deletionVector"))?;
    let vectors = vectors.as_struct_opt().ok_or_else(|| missing("deletionVector"))?;
    let constants = batch
        .column_by_name("fileConstantValues")
        .and_then(|c| c.as_struct_opt());
    let partitions = constants
        .and_then(|c| c.column_by_name("partitionValues"))
        .and_then(|c| c.as_map_opt());
    let partitions = partitions.ok_or_else(|| missing("fileConstantValues.partitionValues"))?;

    let tags = constants
        .and_then(|c| c.column_by_name("tags"))
        .and_then(|c| c.as_map_opt());

    for row in 0..batch.num_rows() {
        if path.is_null(row) {
            continue;
        }
        let raw_path = path.value(row).to_string();
        if has_deletion_vector(vectors, row) {
            return Err(ShimError::unsupported(format!(
                "the file {raw_path:?} has a deletion vector; Inlet reads whole files only"
            )));
        }
        let partition_values = texts(partitions, row).ok_or_else(|| missing("partitionValues.value"))?;
        let mut tags = match tags {
            Some(tags) => texts(tags, row).ok_or_else(|| missing("tags.value"))?,
            None => BTreeMap::new(),
        };
        files.push(LiveFile {
            file: DataFile {
                path: file_path::decode(&raw_path)?,
                size: size.value(row),
                modification_time: modified.value(row),
                partition_values,
                stats: optional(stats, row),
                digest: tags.remove(digest::TAG).flatten(),
            },
            raw_path,
        });
    }
    Ok(())
}

/// A map of texts; empty for a null. None: it holds something else.
fn texts(maps: &MapArray, row: usize) -> Option<BTreeMap<String, Option<String>>> {
    let mut map = BTreeMap::new();
    if maps.is_null(row) {
        return Some(map);
    }
    let entries = maps.value(row);
    let keys = entries.column(0).as_string_opt::<i32>()?;
    let values = entries.column(1).as_string_opt::<i32>()?;
    for entry in 0..entries.len() {
        map.insert(keys.value(entry).to_string(), optional(values, entry));
    }
    Some(map)
}

/// A file that was removed, and when; some may be live again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tombstone {
    pub path: String,
    pub deletion_timestamp: i64,
}

/// Every remove action of the log segment: those since the checkpoint, and those that the checkpoint kept.
pub fn tombstones(snapshot: &SnapshotRef, engine: &dyn Engine) -> Result<Vec<Tombstone>> {
    let remove = StructType::try_new([
        StructField::nullable("path", DataType::STRING),
        StructField::nullable("deletionTimestamp", DataType::LONG),
    ])?;
    let schema = std::sync::Arc::new(StructType::try_new([StructField::nullable("remove", remove)])?);
    let mut tombstones = Vec::new();
    for batch in snapshot.log_segment().read_actions(engine, schema)? {
        let batch = batch?.actions.try_into_record_batch()?;
        let wrong = || ShimError::corruption("a remove action in the log has no path");
        let remove = batch
            .column_by_name("remove")
            .and_then(|c| c.as_struct_opt())
            .ok_or_else(wrong)?;
        let paths = remove
            .column_by_name("path")
            .and_then(|c| c.as_string_opt::<i32>())
            .ok_or_else(wrong)?;
        let times = remove
            .column_by_name("deletionTimestamp")
            .and_then(|c| c.as_primitive_opt::<Int64Type>());
        let times = times.ok_or_else(wrong)?;
        for row in 0..batch.num_rows() {
            if remove.is_null(row) || paths.is_null(row) {
                continue;
            }
            tombstones.push(Tombstone {
                path: file_path::decode(paths.value(row))?,
                // Source: Delta protocol, "Add File and Remove File": absent counts as long ago.
                deletion_timestamp: if times.is_valid(row) { times.value(row) } else { 0 },
            });
        }
    }
    Ok(tombstones)
}

fn optional(array: &StringArray, row: usize) -> Option<String> {
    array.is_valid(row).then(|| array.value(row).to_string())
}

/// The descriptor of a file without one comes as a null struct or as a struct of nulls.
fn has_deletion_vector(vectors: &StructArray, row: usize) -> bool {
    vectors.is_valid(row) && vectors.column_by_name("storageType").is_some_and(|c| c.is_valid(row))
}

/// The newest txn action of every application, of the whole log segment: replay goes from new to old, so the first
/// that is seen is the one that counts (a version may have gone down since an older one).
pub fn live_transactions(snapshot: &SnapshotRef, engine: &dyn Engine) -> Result<HashMap<String, i64>> {
    let txn = StructType::try_new([
        StructField::nullable("appId", DataType::STRING),
        StructField::nullable("version", DataType::LONG),
    ])?;
    let schema = std::sync::Arc::new(StructType::try_new([StructField::nullable("txn", txn)])?);
    let mut transactions = HashMap::new();
    for batch in snapshot.log_segment().read_actions(engine, schema)? {
        let batch = batch?.actions.try_into_record_batch()?;
        let wrong = || ShimError::corruption("a txn action in the log has no appId or no version");
        let txn = batch
            .column_by_name("txn")
            .and_then(|c| c.as_struct_opt())
            .ok_or_else(wrong)?;
        let app_ids = txn
            .column_by_name("appId")
            .and_then(|c| c.as_string_opt::<i32>())
            .ok_or_else(wrong)?;
        let versions = txn
            .column_by_name("version")
            .and_then(|c| c.as_primitive_opt::<Int64Type>());
        let versions = versions.ok_or_else(wrong)?;
        for row in 0..batch.num_rows() {
            if txn.is_null(row) || app_ids.is_null(row) {
                continue;
            }
            if versions.is_null(row) {
                return Err(wrong());
            }
            transactions
                .entry(app_ids.value(row).to_string())
                .or_insert_with(|| versions.value(row));
        }
    }
    Ok(transactions)
}
