//! Which tables Inlet writes: those whose every feature *in use* it knows. Anything else is refused by name.
//! Source: Delta protocol, "Requirements for Writers" and "Table Features".

use std::collections::HashMap;

use serde_json::Value;

use crate::error::{Result, ShimError};

/// A table's protocol and metaData, as far as they decide.
pub struct Claims<'a> {
    pub reader_version: i32,
    pub writer_version: i32,
    /// Reader and writer features; empty for a protocol without feature lists.
    pub features: Vec<String>,
    pub configuration: &'a HashMap<String, String>,
    pub schema_string: &'a str,
}

/// Features that ask nothing of a writer until a property or a column says that they are in use, which is looked at one
/// by one below; and features that ask nothing of Inlet at all. A file with a deletion vector is refused when the files
/// are listed.
const HARMLESS_FEATURES: [&str; 13] = [
    "appendOnly",
    "invariants",
    "checkConstraints",
    "changeDataFeed",
    "generatedColumns",
    "identityColumns",
    "columnMapping",
    "inCommitTimestamp",
    "deletionVectors",
    "timestampNtz",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "domainMetadata",
];

pub const TRANSACTION_RETENTION: &str = "delta.setTransactionRetentionDuration";

pub fn check(claims: &Claims<'_>) -> Result<()> {
    if claims.reader_version > 3 || claims.writer_version > 7 {
        return Err(ShimError::unsupported(format!(
            "the table needs reader version {} and writer version {}; Inlet knows reader 3 and writer 7",
            claims.reader_version, claims.writer_version
        )));
    }
    if claims.configuration.contains_key(TRANSACTION_RETENTION) {
        return Err(ShimError::unsupported(format!(
            "the table sets {TRANSACTION_RETENTION}: the markers that say what was ingested would expire"
        )));
    }
    let mut in_use: Vec<String> = claims
        .features
        .iter()
        .filter(|f| !HARMLESS_FEATURES.contains(&f.as_str()))
        .cloned()
        .collect();
    in_use.extend(enabled_by_properties(claims.configuration));
    in_use.extend(used_by_columns(claims.schema_string)?);
    in_use.sort_unstable();
    in_use.dedup();
    if in_use.is_empty() {
        return Ok(());
    }
    Err(ShimError::unsupported(format!(
        "the table uses what Inlet does not write: {}",
        in_use.join(", ")
    )))
}

fn enabled_by_properties(configuration: &HashMap<String, String>) -> Vec<String> {
    const SWITCHES: [(&str, &str); 8] = [
        ("delta.enableChangeDataFeed", "changeDataFeed"),
        ("delta.enableInCommitTimestamps", "inCommitTimestamp"),
        ("delta.enableRowTracking", "rowTracking"),
        ("delta.enableDeletionVectors", "deletionVectors"),
        ("delta.enableTypeWidening", "typeWidening"),
        ("delta.enableIcebergCompatV1", "icebergCompatV1"),
        ("delta.enableIcebergCompatV2", "icebergCompatV2"),
        ("delta.enableIcebergCompatV3", "icebergCompatV3"),
    ];
    let is_on = |key: &str| configuration.get(key).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let mut names: Vec<String> = SWITCHES
        .iter()
        .filter(|(key, _)| is_on(key))
        .map(|(_, name)| (*name).to_string())
        .collect();
    let mapping = configuration.get("delta.columnMapping.mode");
    if mapping.is_some_and(|mode| !mode.eq_ignore_ascii_case("none")) {
        names.push("columnMapping".into());
    }
    if configuration.keys().any(|key| key.starts_with("delta.constraints.")) {
        names.push("checkConstraints".into());
    }
    names
}

fn used_by_columns(schema_string: &str) -> Result<Vec<String>> {
    let schema: Value = serde_json::from_str(schema_string)
        .map_err(|e| ShimError::corruption(format!("the schema of the table is not JSON: {e}")))?;
    let mut names = Vec::new();
    let fields = schema
        .get("fields")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    for field in fields {
        let Some(metadata) = field.get("metadata").and_then(Value::as_object) else {
            continue;
        };
        for key in metadata.keys() {
            match key.as_str() {
                "delta.invariants" => names.push("invariants".into()),
                "delta.generationExpression" => names.push("generatedColumns".into()),
                key if key.starts_with("delta.identity.") => names.push("identityColumns".into()),
                _ => {}
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn outcome(features: &[&str], configuration: &[(&str, &str)], metadata: &str) -> Result<()> {
        let schema = format!(
            r#"{{"type":"struct","fields":[{{"name":"a","type":"long","nullable":true,"metadata":{metadata}}}]}}"#
        );
        check(&Claims {
            reader_version: if features.is_empty() { 1 } else { 3 },
            writer_version: if features.is_empty() { 2 } else { 7 },
            features: features.iter().map(|f| (*f).to_string()).collect(),
            configuration: &configuration
                .iter()
                .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
                .collect(),
            schema_string: &schema,
        })
    }

    #[test]
    fn features_that_are_not_in_use_are_no_obstacle() {
        assert_eq!(outcome(&[], &[("delta.checkpointInterval", "5")], "{}"), Ok(()));
        assert_eq!(
            outcome(&["appendOnly", "changeDataFeed", "v2Checkpoint"], &[], "{}"),
            Ok(())
        );
        assert_eq!(
            outcome(
                &["inCommitTimestamp"],
                &[("delta.enableInCommitTimestamps", "false")],
                "{}"
            ),
            Ok(())
        );
    }

    #[test]
    fn features_in_use_are_refused_by_name() {
        for (features, configuration, metadata, name) in [
            (&["rowTracking"][..], &[][..], "{}", "rowTracking"),
            (&["someFutureFeature"], &[], "{}", "someFutureFeature"),
            (
                &["inCommitTimestamp"],
                &[("delta.enableInCommitTimestamps", "true")],
                "{}",
                "inCommitTimestamp",
            ),
            (&[], &[("delta.enableChangeDataFeed", "true")], "{}", "changeDataFeed"),
            (&[], &[("delta.columnMapping.mode", "name")], "{}", "columnMapping"),
            (
                &[],
                &[("delta.constraints.positive", "a > 0")],
                "{}",
                "checkConstraints",
            ),
            (&[], &[], r#"{"delta.generationExpression":"b"}"#, "generatedColumns"),
            (&[], &[], r#"{"delta.invariants":"x"}"#, "invariants"),
        ] {
            let error = outcome(features, configuration, metadata).unwrap_err();
            assert_eq!(error.class, Class::Unsupported);
            assert!(error.message.contains(name), "{}", error.message);
        }
    }

    #[test]
    fn expiring_transactions_are_refused() {
        let error = outcome(&[], &[(TRANSACTION_RETENTION, "interval 1 day")], "{}").unwrap_err();
        assert_eq!(error.class, Class::Unsupported);
        assert!(error.message.contains(TRANSACTION_RETENTION));
    }

    #[test]
    fn protocols_of_the_future_are_refused() {
        let configuration = HashMap::new();
        let claims = Claims {
            reader_version: 4,
            writer_version: 8,
            features: vec![],
            configuration: &configuration,
            schema_string: "{}",
        };
        assert_eq!(check(&claims).unwrap_err().class, Class::Unsupported);
    }
}
