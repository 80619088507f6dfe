//! Version checksum files, `N.crc`: what a version holds in all. One is written beside each checkpoint, for which the
//! whole state is walked anyway; another writer's stay as they are.
//! Source: Delta protocol, "Version Checksum File".
//!
//! The kernel takes the table's metadata and protocol from the newest one instead of from the log, so none is believed
//! before its digest was looked at, or, without one, before it was held against the log. It has the checkpoint's digest
//! as well. Other readers skip digests as fields that they do not know; for their sake no transactions are in it, which
//! a changed digit would move.

use std::collections::BTreeSet;
use std::io::Write as _;

use delta_kernel::actions::visitors::{visit_protocol_at, ProtocolVisitor};
use delta_kernel::actions::{get_commit_schema, Metadata, Protocol};
use delta_kernel::arrow::array::{Array as _, AsArray as _, RecordBatch};
use delta_kernel::arrow::datatypes::Int64Type;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::engine_data::{GetData, RowVisitor};
use delta_kernel::expressions::ColumnName;
use delta_kernel::schema::DataType;
use delta_kernel::table_features::TableFeature;
use delta_kernel::{Engine, EngineData, KernelResult, Snapshot};
use serde::Serialize;

use crate::digest::{self, Seal};
use crate::error::{Result, ShimError};
use crate::fault;
use crate::live_files::LiveFile;
use crate::log_files;
use crate::log_store::LogStore;

/// What the actions that were seen say of the table itself; of each kind the first counts.
#[derive(Default)]
struct Described {
    metadata: Option<Metadata>,
    protocol: Option<Protocol>,
}

impl Described {
    fn look_at(&mut self, actions: &dyn EngineData) -> Result<()> {
        if self.metadata.is_none() {
            self.metadata = Metadata::try_new_from_data(actions)?;
        }
        if self.protocol.is_none() {
            let mut first = FirstProtocol(None);
            first.visit_rows_of(actions)?;
            self.protocol = first.0;
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.metadata.is_some() && self.protocol.is_some()
    }

    /// As the log has it, whatever stands in checksum files.
    fn by_log(snapshot: &Snapshot, engine: &dyn Engine) -> Result<Self> {
        let schema = get_commit_schema().project(&["metaData", "protocol"])?;
        let mut described = Self::default();
        for batch in snapshot.log_segment().read_actions(engine, schema)? {
            described.look_at(batch?.actions.as_ref())?;
            if described.is_whole() {
                break;
            }
        }
        Ok(described)
    }
}

/// The kernel's own visitor keeps what it found to itself.
struct FirstProtocol(Option<Protocol>);

impl RowVisitor for FirstProtocol {
    fn selected_column_names_and_types(&self) -> (&'static [ColumnName], &'static [DataType]) {
        ProtocolVisitor::default().selected_column_names_and_types()
    }

    fn visit<'a>(&mut self, row_count: usize, getters: &[&'a dyn GetData<'a>]) -> KernelResult<()> {
        for row in 0..row_count {
            if self.0.is_none() {
                self.0 = visit_protocol_at(row, getters)?;
            }
        }
        Ok(())
    }
}

/// What the rows of a checkpoint come to.
#[derive(Default)]
pub struct Totals {
    files: i64,
    bytes: i64,
    described: Described,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionChecksum<'a> {
    /// The first field: where `digest` looks for it.
    inlet_digest: &'static str,
    inlet_checkpoint: &'a str,
    table_size_bytes: i64,
    num_files: i64,
    num_metadata: i64,
    num_protocol: i64,
    metadata: &'a Metadata,
    protocol: &'a Protocol,
}

impl Totals {
    pub fn count(&mut self, rows: &RecordBatch) -> Result<()> {
        let missing = || ShimError::internal("the kernel's checkpoint has no column add.size");
        let adds = rows.column_by_name("add").and_then(|c| c.as_struct_opt());
        let adds = adds.ok_or_else(missing)?;
        let sizes = adds
            .column_by_name("size")
            .and_then(|c| c.as_primitive_opt::<Int64Type>())
            .ok_or_else(missing)?;
        for row in (0..rows.num_rows()).filter(|row| adds.is_valid(*row)) {
            self.files += 1;
            self.bytes += sizes.value(row);
        }
        self.described.look_at(&ArrowEngineData::new(rows.clone()))
    }

    /// Writes the checksum file of `version`, which has a checkpoint of that digest. Another writer's that stands there
    /// stays; one of ours is about a checkpoint that was taken away.
    pub fn write(&self, version: u64, checkpoint: &str, log: &dyn LogStore) -> Result<()> {
        let (Some(metadata), Some(protocol)) = (&self.described.metadata, &self.described.protocol) else {
            return Err(ShimError::internal(format!(
                "the checkpoint of version {version} has no metaData or no protocol"
            )));
        };
        let mut text = serde_json::to_vec(&VersionChecksum {
            inlet_digest: digest::PLACEHOLDER,
            inlet_checkpoint: checkpoint,
            table_size_bytes: self.bytes,
            num_files: self.files,
            num_metadata: 1,
            num_protocol: 1,
            metadata,
            protocol,
        })
        .map_err(|e| ShimError::internal(e.to_string()))?;
        digest::seal(&mut text)?;
        let name = log_files::checksum_name(version);
        let (temporary, mut file) = log.scratch(&name)?;
        fault::pass(c"lake.before_checksum_file")
            .and_then(|()| file.write_all(&text))
            .and_then(|()| file.sync_all())
            .map_err(|e| ShimError::io(format_args!("write {}", log.place_of(&name)), &e))?;
        if !log.place(temporary, &name)? && seal_of(&name, log)? != Seal::Absent {
            log.replace(&name, &text)?;
        }
        Ok(())
    }
}

/// Absent: no such file, too.
fn seal_of(name: &str, log: &dyn LogStore) -> Result<Seal> {
    let content = log.read(name)?;
    Ok(content.map_or(Seal::Absent, |content| digest::seal_of(&content.bytes)))
}

/// The digest of the checkpoint of `version`; None: it was left by no checksum file of ours.
pub fn checkpoint_digest(version: u64, log: &dyn LogStore) -> Result<Option<String>> {
    let name = log_files::checksum_name(version);
    let Some(content) = log.read(&name)? else {
        return Ok(None);
    };
    match digest::seal_of(&content.bytes) {
        Seal::Absent => Ok(None),
        Seal::Broken => Err(broken(&log.place_of(&name))),
        Seal::Whole => {
            let text: serde_json::Value =
                serde_json::from_slice(&content.bytes).map_err(|e| damaged(&log.place_of(&name), &e.to_string()))?;
            Ok(text.get("inletCheckpoint").and_then(|d| d.as_str()).map(str::to_string))
        }
    }
}

fn damaged(place: &str, what: &str) -> ShimError {
    ShimError::corruption(format!("{place} is damaged: {what}"))
}

fn broken(place: &str) -> ShimError {
    damaged(place, "it is not what was written, says its digest")
}

/// Whether the kernel took the table's metadata and protocol from a whole file. Corruption: the checksum file is not what
/// was written, or another writer's that says something else than the log.
pub fn check(snapshot: &Snapshot, log: &dyn LogStore, engine: &dyn Engine) -> Result<()> {
    let Some(file) = &snapshot.log_segment().listed.latest_crc_file else {
        return Ok(());
    };
    let place = log.place_of(&file.filename);
    // One that is gone again may have been read by the kernel.
    match seal_of(&file.filename, log)? {
        Seal::Whole => return Ok(()),
        Seal::Broken => return Err(broken(&place)),
        Seal::Absent => {}
    }
    let taken = snapshot.table_configuration();
    let Described { metadata, protocol } = Described::by_log(snapshot, engine)?;
    if metadata.is_some_and(|m| m != *taken.metadata()) {
        return Err(damaged(&place, "it has another metadata of the table than the log"));
    }
    if protocol.is_some_and(|p| comparable(&p) != comparable(taken.protocol())) {
        return Err(damaged(&place, "it has another protocol of the table than the log"));
    }
    Ok(())
}

/// As `check`, by its digest alone, of the newest one up to `version`, for when the kernel made no snapshot.
pub fn check_newest(version: Option<u64>, log: &dyn LogStore) -> Result<()> {
    let names = log.names()?.unwrap_or_default();
    let of_versions = names
        .iter()
        .filter(|name| name.ends_with(".crc"))
        .filter_map(|name| log_files::last_version_of(name))
        .filter(|found| version.is_none_or(|version| *found <= version));
    let Some(name) = of_versions.max().map(log_files::checksum_name) else {
        return Ok(());
    };
    match seal_of(&name, log)? {
        Seal::Broken => Err(broken(&log.place_of(&name))),
        Seal::Whole | Seal::Absent => Ok(()),
    }
}

/// Features are sets, which writers have in any order.
fn comparable(protocol: &Protocol) -> (i32, i32, BTreeSet<&str>, BTreeSet<&str>) {
    fn names(features: Option<&[TableFeature]>) -> BTreeSet<&str> {
        features.into_iter().flatten().map(AsRef::as_ref).collect()
    }
    (
        protocol.min_reader_version(),
        protocol.min_writer_version(),
        names(protocol.reader_features()),
        names(protocol.writer_features()),
    )
}

/// Corruption: the checksum file of just this version, if there is one, counts other files than the log has.
pub fn check_files(snapshot: &Snapshot, files: &[LiveFile], log: &dyn LogStore) -> Result<()> {
    let Some(expected) = snapshot.get_file_stats_if_present() else {
        return Ok(());
    };
    let count = i64::try_from(files.len()).unwrap_or(i64::MAX);
    let bytes: i64 = files.iter().map(|f| f.file.size).sum();
    if (count, bytes) == (expected.num_files(), expected.table_size_bytes()) {
        return Ok(());
    }
    let version = snapshot.version();
    Err(ShimError::corruption(format!(
        "the log has {count} files of {bytes} bytes in all for version {version}, and {} says {} of {}: the checkpoint, \
         a commit before it or that file is damaged",
        log.place_of(&log_files::checksum_name(version)),
        expected.num_files(),
        expected.table_size_bytes()
    )))
}
