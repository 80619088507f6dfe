//! Commits as JSON lines: what is written, and what is understood of what others wrote.
//! Source: Delta protocol, "Actions" and "Delta Log Entries".
//!
//! The lines are built here rather than by the kernel's transaction, because they carry what it does not take: the
//! txnId, the statistics exactly as they were given, further fields of commitInfo.

use std::collections::{BTreeMap, HashSet};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Result, ShimError};
use crate::file_path;

// ---- in: documents of the C border ----------------------------------------------------------------------------------

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableDocument {
    pub id: String,
    pub txn_id: String,
    pub engine_info: String,
    #[serde(default)]
    pub name: Option<String>,
    pub schema_string: String,
    #[serde(default)]
    pub partition_columns: Vec<String>,
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitDocument {
    pub txn_id: String,
    pub operation: String,
    #[serde(default)]
    pub operation_parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub operation_metrics: BTreeMap<String, i64>,
    #[serde(default)]
    pub info: BTreeMap<String, String>,
    pub engine_info: String,
    pub data_change: bool,
    #[serde(default)]
    pub adds: Vec<DataFile>,
    #[serde(default)]
    pub removes: Vec<String>,
    #[serde(default)]
    pub transactions: Vec<AppTransaction>,
    #[serde(default)]
    pub table: Option<TableChange>,
}

/// What a commit makes of the table itself: its columns and how it is partitioned. The rest stays as it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableChange {
    pub schema_string: String,
    pub partition_columns: Vec<String>,
}

/// A data file on either side of the border; `path` as on disk.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataFile {
    pub path: String,
    pub size: i64,
    pub modification_time: i64,
    #[serde(default)]
    pub partition_values: BTreeMap<String, Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppTransaction {
    pub app_id: String,
    pub version: i64,
}

// ---- out: lines of a commit -----------------------------------------------------------------------------------------

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo<'a> {
    timestamp: i64,
    operation: &'a str,
    operation_parameters: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_version: Option<u64>,
    is_blind_append: bool,
    /// As strings, which is how Delta's other writers have them.
    operation_metrics: BTreeMap<&'a str, String>,
    engine_info: &'a str,
    txn_id: &'a str,
    #[serde(flatten)]
    info: &'a BTreeMap<String, String>,
}

const COMMIT_INFO_FIELDS: [&str; 14] = [
    "timestamp",
    "inCommitTimestamp",
    "operation",
    "operationParameters",
    "operationMetrics",
    "readVersion",
    "isolationLevel",
    "isBlindAppend",
    "engineInfo",
    "txnId",
    "tags",
    "version",
    "job",
    "notebook",
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Add<'a> {
    path: String,
    partition_values: &'a BTreeMap<String, Option<String>>,
    size: i64,
    modification_time: i64,
    data_change: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Remove<'a> {
    path: &'a str,
    deletion_timestamp: i64,
    data_change: bool,
    extended_file_metadata: bool,
    partition_values: &'a BTreeMap<String, Option<String>>,
    size: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Transaction<'a> {
    app_id: &'a str,
    version: i64,
    last_updated: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Protocol {
    min_reader_version: i32,
    min_writer_version: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<'a> {
    pub id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    pub format: Format,
    pub schema_string: &'a str,
    pub partition_columns: &'a [String],
    pub configuration: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<i64>,
}

#[derive(Serialize)]
pub struct Format {
    provider: &'static str,
    options: BTreeMap<String, String>,
}

impl Format {
    pub fn parquet() -> Self {
        Self {
            provider: "parquet",
            options: BTreeMap::new(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Action<'a> {
    CommitInfo(CommitInfo<'a>),
    Protocol(Protocol),
    MetaData(Metadata<'a>),
    Txn(Transaction<'a>),
    Remove(Remove<'a>),
    Add(Add<'a>),
}

struct Lines(Vec<u8>);

impl Lines {
    fn push(&mut self, action: &Action<'_>) -> Result<()> {
        serde_json::to_writer(&mut self.0, action).map_err(|e| ShimError::internal(format!("write an action: {e}")))?;
        self.0.push(b'\n');
        Ok(())
    }
}

/// A live file that is about to be removed: `raw_path` as it stands in the log.
#[derive(Clone, Debug)]
pub struct RemovedFile {
    pub raw_path: String,
    pub size: i64,
    pub partition_values: BTreeMap<String, Option<String>>,
}

/// Version 0. Reader 1, writer 2: what is written needs no table feature.
pub fn table_lines(document: &TableDocument, now_ms: i64) -> Result<Vec<u8>> {
    let mut lines = Lines(Vec::new());
    let parameters = BTreeMap::from([(
        "partitionBy".to_string(),
        serde_json::to_string(&document.partition_columns).unwrap_or_default(),
    )]);
    lines.push(&Action::CommitInfo(CommitInfo {
        timestamp: now_ms,
        operation: "CREATE TABLE",
        operation_parameters: &parameters,
        read_version: None,
        is_blind_append: true,
        operation_metrics: BTreeMap::new(),
        engine_info: &document.engine_info,
        txn_id: &document.txn_id,
        info: &BTreeMap::new(),
    }))?;
    lines.push(&Action::Protocol(Protocol {
        min_reader_version: 1,
        min_writer_version: 2,
    }))?;
    lines.push(&Action::MetaData(Metadata {
        id: &document.id,
        name: document.name.as_deref(),
        description: None,
        format: Format::parquet(),
        schema_string: &document.schema_string,
        partition_columns: &document.partition_columns,
        configuration: &document.configuration,
        created_time: Some(now_ms),
    }))?;
    Ok(lines.0)
}

/// What is wrong with a commit that could not be right on any snapshot of a table partitioned by `partition_columns`.
pub fn check_commit(commit: &CommitDocument, partition_columns: &[String]) -> Result<()> {
    if commit.txn_id.is_empty() || commit.operation.is_empty() {
        return Err(ShimError::invalid("a commit needs a txnId and an operation"));
    }
    if let Some(field) = commit.info.keys().find(|k| COMMIT_INFO_FIELDS.contains(&k.as_str())) {
        return Err(ShimError::invalid(format!(
            "commitInfo.{field} cannot be set as a further field"
        )));
    }
    let mut app_ids = HashSet::new();
    for transaction in &commit.transactions {
        if !app_ids.insert(transaction.app_id.as_str()) {
            return Err(ShimError::invalid(format!(
                "two txn actions for the appId {:?}",
                transaction.app_id
            )));
        }
    }
    let mut paths = HashSet::new();
    for add in &commit.adds {
        file_path::check_relative(&add.path)?;
        if !paths.insert(add.path.as_str()) {
            return Err(ShimError::invalid(format!("{:?} is added twice", add.path)));
        }
        if add.size < 0 {
            return Err(ShimError::invalid(format!("{:?} has the size {}", add.path, add.size)));
        }
        let named = add.partition_values.len() == partition_columns.len()
            && partition_columns.iter().all(|c| add.partition_values.contains_key(c));
        if !named {
            return Err(ShimError::invalid(format!(
                "{:?} has values for the partition columns {:?}; the table is partitioned by {partition_columns:?}",
                add.path,
                add.partition_values.keys().collect::<Vec<_>>(),
            )));
        }
        if let Some(stats) = &add.stats {
            serde_json::from_str::<BTreeMap<String, IgnoredAny>>(stats).map_err(|e| {
                ShimError::invalid(format!("the statistics of {:?} are not a JSON object: {e}", add.path))
            })?;
        }
    }
    Ok(())
}

/// The bytes of a commit on `read_version`. `removed` are the files `commit.removes` names, as they live; `metadata` is
/// what the table becomes, where `commit.table` says so.
pub fn commit_lines(
    commit: &CommitDocument,
    read_version: u64,
    removed: &[RemovedFile],
    metadata: Option<Metadata<'_>>,
    now_ms: i64,
) -> Result<Vec<u8>> {
    let mut lines = Lines(Vec::with_capacity(1024 + commit.adds.len() * 1024));
    lines.push(&Action::CommitInfo(CommitInfo {
        timestamp: now_ms,
        operation: &commit.operation,
        operation_parameters: &commit.operation_parameters,
        read_version: Some(read_version),
        is_blind_append: commit.removes.is_empty() && metadata.is_none(),
        operation_metrics: commit
            .operation_metrics
            .iter()
            .map(|(k, v)| (k.as_str(), v.to_string()))
            .collect(),
        engine_info: &commit.engine_info,
        txn_id: &commit.txn_id,
        info: &commit.info,
    }))?;
    if let Some(metadata) = metadata {
        lines.push(&Action::MetaData(metadata))?;
    }
    for transaction in &commit.transactions {
        lines.push(&Action::Txn(Transaction {
            app_id: &transaction.app_id,
            version: transaction.version,
            last_updated: now_ms,
        }))?;
    }
    for file in removed {
        lines.push(&Action::Remove(Remove {
            path: &file.raw_path,
            deletion_timestamp: now_ms,
            data_change: commit.data_change,
            extended_file_metadata: true,
            partition_values: &file.partition_values,
            size: file.size,
        }))?;
    }
    for add in &commit.adds {
        lines.push(&Action::Add(Add {
            path: file_path::encode(&add.path),
            partition_values: &add.partition_values,
            size: add.size,
            modification_time: add.modification_time,
            data_change: commit.data_change,
            stats: add.stats.as_deref(),
        }))?;
    }
    Ok(lines.0)
}

// ---- in: commits as they stand in the log ---------------------------------------------------------------------------

#[derive(Debug, Default)]
pub struct CommitSummary {
    pub commit_info: Option<Value>,
    pub transactions: Vec<AppTransaction>,
    pub added_files: u64,
    pub removed_files: u64,
    /// It carries a protocol or metaData action: the table is to be loaded anew.
    pub changes_table: bool,
}

impl CommitSummary {
    pub fn txn_id(&self) -> Option<&str> {
        self.commit_info.as_ref()?.get("txnId")?.as_str()
    }
    pub fn timestamp(&self) -> Option<i64> {
        self.commit_info.as_ref()?.get("timestamp")?.as_i64()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    commit_info: Option<Value>,
    txn: Option<LoggedTransaction>,
    add: Option<IgnoredAny>,
    remove: Option<IgnoredAny>,
    meta_data: Option<IgnoredAny>,
    protocol: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoggedTransaction {
    app_id: String,
    version: i64,
}

/// `name` is for the message. A commit without one action, or with a line that is not a JSON object, is corruption:
/// no writer commits nothing, so it is what a crash or a full disk left.
pub fn parse_commit(name: &str, bytes: &[u8]) -> Result<CommitSummary> {
    let mut summary = CommitSummary::default();
    let mut actions = 0;
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: Line = serde_json::from_slice(line).map_err(|e| {
            ShimError::corruption(format!(
                "{name} of the Delta log is damaged: line {} is not an action: {e}",
                index + 1
            ))
        })?;
        actions += 1;
        if line.commit_info.is_some() {
            summary.commit_info = line.commit_info;
        }
        if let Some(txn) = line.txn {
            summary.transactions.push(AppTransaction {
                app_id: txn.app_id,
                version: txn.version,
            });
        }
        summary.added_files += u64::from(line.add.is_some());
        summary.removed_files += u64::from(line.remove.is_some());
        summary.changes_table |= line.meta_data.is_some() || line.protocol.is_some();
    }
    if actions == 0 {
        return Err(ShimError::corruption(format!(
            "{name} of the Delta log is damaged: it is {} and holds no action",
            if bytes.is_empty() { "empty" } else { "blank" }
        )));
    }
    Ok(summary)
}

/// What one commit did to the table's rows: the files it added, and whether it took rows out.
#[derive(Debug, Default, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Only those with dataChange: the others hold rows that were there before.
    pub adds: Vec<DataFile>,
    /// Every file that was removed, by its path on disk.
    pub removes: Vec<String>,
    /// A remove with dataChange: rows went.
    pub removes_data: bool,
    pub changes_table: bool,
    pub txn_id: Option<String>,
    pub timestamp: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileLine {
    add: Option<LoggedAdd>,
    remove: Option<LoggedRemove>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoggedAdd {
    path: String,
    size: i64,
    modification_time: i64,
    #[serde(default)]
    partition_values: BTreeMap<String, Option<String>>,
    data_change: bool,
    stats: Option<String>,
    deletion_vector: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoggedRemove {
    path: String,
    data_change: bool,
}

/// As `parse_commit`, with the files. A file with a deletion vector is unsupported, as it is in a snapshot.
pub fn parse_changes(name: &str, bytes: &[u8]) -> Result<Changes> {
    let summary = parse_commit(name, bytes)?;
    let mut changes = Changes {
        changes_table: summary.changes_table,
        txn_id: summary.txn_id().map(str::to_string),
        timestamp: summary.timestamp(),
        ..Changes::default()
    };
    for line in bytes.split(|b| *b == b'\n') {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: FileLine = serde_json::from_slice(line)
            .map_err(|e| ShimError::corruption(format!("{name} of the Delta log is damaged: {e}")))?;
        if let Some(remove) = line.remove {
            changes.removes_data |= remove.data_change;
            changes.removes.push(file_path::decode(&remove.path)?);
        }
        let Some(add) = line.add.filter(|a| a.data_change) else {
            continue;
        };
        if add.deletion_vector.is_some() {
            return Err(ShimError::unsupported(format!(
                "the file {:?} has a deletion vector; Inlet reads whole files only",
                add.path
            )));
        }
        changes.adds.push(DataFile {
            path: file_path::decode(&add.path)?,
            size: add.size,
            modification_time: add.modification_time,
            partition_values: add.partition_values,
            stats: add.stats,
        });
    }
    Ok(changes)
}

/// The files of one commit as the log has them, whether their rows are new or not: those added, by their path in the
/// log, and the paths of those removed.
pub fn parse_files(name: &str, bytes: &[u8]) -> Result<(BTreeMap<String, DataFile>, Vec<String>)> {
    let mut added = BTreeMap::new();
    let mut removed = Vec::new();
    for line in bytes.split(|b| *b == b'\n') {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: FileLine = serde_json::from_slice(line)
            .map_err(|e| ShimError::corruption(format!("{name} of the Delta log is damaged: {e}")))?;
        removed.extend(line.remove.map(|r| r.path));
        if let Some(add) = line.add {
            let file = DataFile {
                path: file_path::decode(&add.path)?,
                size: add.size,
                modification_time: add.modification_time,
                partition_values: add.partition_values,
                stats: add.stats,
            };
            added.insert(add.path, file);
        }
    }
    Ok((added, removed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn commit() -> CommitDocument {
        serde_json::from_str(
            r#"{"txnId":"t-1","operation":"STREAMING UPDATE","operationMetrics":{"numFiles":1},"info":{"epoch":"4"},
                "engineInfo":"Inlet/0.1.0","dataChange":true,
                "adds":[{"path":"k=a b/x.parquet","size":3,"modificationTime":5,"partitionValues":{"k":"a b"},
                         "stats":"{\"numRecords\":1}"}],
                "transactions":[{"appId":"p/s/0","version":-1}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_commit_reads_back_as_what_was_written() {
        let bytes = commit_lines(&commit(), 7, &[], None, 123).unwrap();
        let summary = parse_commit("x", &bytes).unwrap();
        assert_eq!(summary.txn_id(), Some("t-1"));
        assert_eq!(summary.timestamp(), Some(123));
        assert_eq!(summary.added_files, 1);
        assert_eq!(
            summary.transactions,
            vec![AppTransaction {
                app_id: "p/s/0".into(),
                version: -1
            }]
        );
        assert!(!summary.changes_table);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with(r#"{"commitInfo":{"timestamp":123,"#), "{text}");
        assert!(text.contains(r#""operationMetrics":{"numFiles":"1"}"#), "{text}");
        assert!(text.contains(r#""epoch":"4""#), "{text}");
        assert!(text.contains(r#""path":"k=a%20b/x.parquet""#), "{text}");
        assert!(text.contains(r#""stats":"{\"numRecords\":1}""#), "{text}");
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn changes_are_the_files_whose_rows_are_new() {
        let bytes = commit_lines(&commit(), 7, &[], None, 123).unwrap();
        let changes = parse_changes("x", &bytes).unwrap();
        assert_eq!(changes.adds, commit().adds);
        assert!(!changes.removes_data);
        assert_eq!((changes.txn_id.as_deref(), changes.timestamp), (Some("t-1"), Some(123)));

        let mut compaction = commit();
        compaction.data_change = false;
        let removed = [RemovedFile {
            raw_path: "old.parquet".into(),
            size: 1,
            partition_values: BTreeMap::new(),
        }];
        let changes = parse_changes("x", &commit_lines(&compaction, 7, &removed, None, 123).unwrap()).unwrap();
        assert_eq!((changes.adds.len(), changes.removes_data), (0, false));
        let changes = parse_changes("x", &commit_lines(&commit(), 7, &removed, None, 123).unwrap()).unwrap();
        assert_eq!((changes.adds.len(), changes.removes_data), (1, true));
        assert_eq!(changes.removes, vec!["old.parquet"]);
    }

    #[test]
    fn empty_blank_and_torn_commits_are_corruption() {
        let whole = commit_lines(&commit(), 7, &[], None, 123).unwrap();
        for bytes in [
            &b""[..],
            b"\n \n",
            b"\0\0\0",
            b"{\"add\":",
            b"[]",
            b"1",
            &whole[..whole.len() - 5],
        ] {
            assert_eq!(
                parse_commit("x", bytes).unwrap_err().class,
                Class::Corruption,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn actions_nobody_knows_here_are_passed_over() {
        let summary = parse_commit("x", b"{\"cdc\":{\"path\":\"p\"}}\n{\"domainMetadata\":{}}\n").unwrap();
        assert_eq!(summary.added_files, 0);
    }

    #[test]
    fn wrong_commits_are_refused() {
        let k = vec!["k".to_string()];
        assert_eq!(check_commit(&commit(), &k), Ok(()));
        let mut wrong = commit();
        wrong.transactions.push(wrong.transactions[0].clone());
        assert!(check_commit(&wrong, &k).is_err());
        let mut wrong = commit();
        wrong.adds[0].partition_values.clear();
        assert!(check_commit(&wrong, &k).is_err());
        let mut wrong = commit();
        wrong.adds[0].stats = Some("nothing".into());
        assert!(check_commit(&wrong, &k).is_err());
        let mut wrong = commit();
        wrong.info.insert("timestamp".into(), "1".into());
        assert!(check_commit(&wrong, &k).is_err());
        assert!(check_commit(&commit(), &[]).is_err());
    }
}
