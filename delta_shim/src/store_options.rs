//! How an object store is reached. Secrets are in no option: they come from the environment, from a profile of the AWS
//! files, or from the role of the machine, and so they stand in no pipeline file.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use delta_kernel::object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use delta_kernel::object_store::azure::MicrosoftAzureBuilder;
use delta_kernel::object_store::gcp::GoogleCloudStorageBuilder;
use delta_kernel::object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use serde::Deserialize;
use url::Url;

use crate::error::{Result, ShimError};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreOptions {
    endpoint: Option<String>,
    region: Option<String>,
    profile: Option<String>,
    #[serde(default)]
    allow_http: bool,
    #[serde(default)]
    virtual_hosted: bool,
    /// Of one request, and of all its tries together. Milliseconds.
    timeout_ms: Option<u64>,
    retry_timeout_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    S3,
    Azure,
    Google,
}

/// What is asked of a store, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Put,
    Get,
    /// Whether an object is there.
    Look,
    List,
    Delete,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Look => "look at",
            Self::List => "list",
            Self::Delete => "delete",
        })
    }
}

impl Kind {
    pub fn of(url: &Url) -> Result<Self> {
        match url.scheme() {
            "s3" | "s3a" => Ok(Self::S3),
            "az" | "azure" | "abfs" | "abfss" => Ok(Self::Azure),
            "gs" => Ok(Self::Google),
            other => Err(ShimError::invalid(format!(
                "{other}:// is no object store that is known; s3://, az://, abfss:// and gs:// are"
            ))),
        }
    }

    /// What must be allowed for a request, by the store's own name for it.
    pub fn permission(self, request: Request) -> &'static str {
        match (self, request) {
            (Self::S3, Request::Put) => "s3:PutObject",
            // A store that may not be listed refuses what is absent too.
            (Self::S3, Request::Get | Request::Look) => "s3:GetObject, and s3:ListBucket for what is not there",
            (Self::S3, Request::List) => "s3:ListBucket",
            (Self::S3, Request::Delete) => "s3:DeleteObject",
            (Self::Azure, Request::Put) => "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
            (Self::Azure, Request::Delete) => "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
            (Self::Azure, _) => "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
            (Self::Google, Request::Put) => "storage.objects.create, and storage.objects.delete to replace one",
            (Self::Google, Request::Get | Request::Look) => "storage.objects.get",
            (Self::Google, Request::List) => "storage.objects.list",
            (Self::Google, Request::Delete) => "storage.objects.delete",
        }
    }

    /// For the error that says that none was good.
    pub fn credentials(self) -> &'static str {
        match self {
            Self::S3 => {
                "storage.profile, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN), a web identity \
                 (AWS_WEB_IDENTITY_TOKEN_FILE), the profile AWS_PROFILE of ~/.aws/credentials, and the role of the \
                 container or of the machine, in this order"
            }
            Self::Azure => {
                "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_KEY, a client secret or \
                 a federated token, and the identity of the machine"
            }
            Self::Google => {
                "GOOGLE_SERVICE_ACCOUNT, GOOGLE_APPLICATION_CREDENTIALS, and the service account of the machine"
            }
        }
    }
}

impl StoreOptions {
    fn retry(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: 20,
            retry_timeout: Duration::from_millis(self.retry_timeout_ms.unwrap_or(15_000)),
        }
    }

    fn client(&self) -> ClientOptions {
        ClientOptions::new()
            .with_allow_http(self.allow_http)
            .with_timeout(Duration::from_millis(self.timeout_ms.unwrap_or(30_000)))
            .with_connect_timeout(Duration::from_secs(5))
    }

    pub fn connect(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let refused = |e: delta_kernel::object_store::Error| ShimError::invalid(format!("{url}: {e}"));
        match Kind::of(url)? {
            Kind::S3 => self.s3(url),
            Kind::Azure => {
                let mut builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str());
                if let Some(endpoint) = &self.endpoint {
                    builder = builder.with_endpoint(endpoint.clone());
                }
                let builder = builder.with_client_options(self.client()).with_retry(self.retry());
                Ok(Arc::new(builder.build().map_err(refused)?))
            }
            Kind::Google => {
                let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str());
                if let Some(endpoint) = &self.endpoint {
                    builder = builder.with_base_url(endpoint);
                }
                let builder = builder.with_client_options(self.client()).with_retry(self.retry());
                Ok(Arc::new(builder.build().map_err(refused)?))
            }
        }
    }

    fn s3(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let refused = |e: delta_kernel::object_store::Error| ShimError::invalid(format!("{url}: {e}"));
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut builder = AmazonS3Builder::from_env();
        let has_keys = set("AWS_ACCESS_KEY_ID").is_some() || set("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
        let profile = match &self.profile {
            Some(name) => Some(Profile::read(name, true)?),
            // As the AWS tools have it: keys of the environment come before a profile that only the environment names.
            None if has_keys => None,
            None => {
                let name = set("AWS_PROFILE");
                let read = Profile::read(name.as_deref().unwrap_or("default"), name.is_some())?;
                Some(read)
            }
        };
        if let Some(profile) = profile {
            builder = profile.apply(
                builder,
                set("AWS_REGION").is_none() && set("AWS_DEFAULT_REGION").is_none(),
            );
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region.clone());
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        let bucket = url.host_str().unwrap_or_default();
        let builder = builder
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_virtual_hosted_style_request(self.virtual_hosted)
            .with_client_options(self.client())
            .with_retry(self.retry());
        Ok(Arc::new(builder.build().map_err(refused)?))
    }
}

/// What the AWS files say of a profile: keys, a session token, a region, an endpoint. A profile that asks for more (a
/// role to assume, a single sign-on, a process to ask) is refused.
#[derive(Debug, Default)]
struct Profile {
    values: HashMap<String, String>,
}

impl Profile {
    fn file(variable: &str, name: &str) -> Option<PathBuf> {
        let given = std::env::var_os(variable).filter(|value| !value.is_empty());
        given.map(PathBuf::from).or_else(|| {
            let home = std::env::var_os("HOME").filter(|value| !value.is_empty())?;
            Some(PathBuf::from(home).join(".aws").join(name))
        })
    }

    /// `wanted`: it is an error that neither file has it.
    fn read(name: &str, wanted: bool) -> Result<Self> {
        let files = [
            (Self::file("AWS_CONFIG_FILE", "config"), true),
            (Self::file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), false),
        ];
        let mut profile = Self::default();
        let mut found = false;
        for (path, is_config) in files {
            let Some(path) = path else { continue };
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(ShimError::io(format_args!("read {}", path.display()), &e)),
            };
            if let Some(values) = section(&text, name, is_config) {
                found = true;
                profile.values.extend(values);
            }
        }
        if wanted && !found {
            return Err(ShimError::invalid(format!(
                "no profile {name:?} stands in ~/.aws/credentials or ~/.aws/config"
            )));
        }
        let has_keys = profile.values.contains_key("aws_access_key_id");
        for unknown in ["role_arn", "sso_session", "sso_start_url", "credential_process"] {
            if wanted && !has_keys && profile.values.contains_key(unknown) {
                return Err(ShimError::invalid(format!(
                    "the profile {name:?} has {unknown}, which is not supported: export its keys into the environment"
                )));
            }
        }
        Ok(profile)
    }

    fn apply(self, mut builder: AmazonS3Builder, region_too: bool) -> AmazonS3Builder {
        let value = |name: &str| self.values.get(name).cloned();
        if let (Some(id), Some(secret)) = (value("aws_access_key_id"), value("aws_secret_access_key")) {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            if let Some(token) = value("aws_session_token") {
                builder = builder.with_token(token);
            }
        }
        if let (Some(region), true) = (value("region"), region_too) {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = value("endpoint_url") {
            builder = builder.with_endpoint(endpoint);
        }
        builder
    }
}

/// The keys of one section of an AWS file; in `config` a profile other than the default is called "profile NAME".
fn section(text: &str, name: &str, is_config: bool) -> Option<HashMap<String, String>> {
    let wanted = if is_config && name != "default" {
        format!("profile {name}")
    } else {
        name.to_string()
    };
    let mut values = None;
    let mut inside = false;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(title) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            inside = title.split_whitespace().collect::<Vec<_>>().join(" ") == wanted;
            if inside {
                values.get_or_insert_with(HashMap::new);
            }
        } else if let (true, false, Some((key, value))) = (inside, is_nested, line.split_once('=')) {
            let values = values.get_or_insert_with(HashMap::new);
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_string());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_as_each_file_names_it() {
        let config =
            "[default]\nregion = eu-west-1\n[profile  two]\nregion=us-east-2\ns3 =\n  max_queue = 1\n# x = y\n";
        assert_eq!(section(config, "default", true).unwrap()["region"], "eu-west-1");
        let two = section(config, "two", true).unwrap();
        assert_eq!(two["region"], "us-east-2");
        assert!(!two.contains_key("max_queue"));
        assert!(section(config, "two", false).is_none());
        let credentials = "[two]\naws_access_key_id = A\naws_secret_access_key = s=c\n";
        assert_eq!(
            section(credentials, "two", false).unwrap()["aws_secret_access_key"],
            "s=c"
        );
        assert!(section(credentials, "three", false).is_none());
    }

    #[test]
    fn an_option_that_nobody_knows_is_refused() {
        assert!(serde_json::from_str::<StoreOptions>(r#"{"endpoint":"http://x","allowHttp":true}"#).is_ok());
        assert!(serde_json::from_str::<StoreOptions>(r#"{"alow_http":true}"#).is_err());
        let url = |text: &str| Kind::of(&Url::parse(text).unwrap());
        assert_eq!(url("s3://b/p"), Ok(Kind::S3));
        assert_eq!(url("abfss://c@a.dfs.core.windows.net/p"), Ok(Kind::Azure));
        assert_eq!(url("gs://b"), Ok(Kind::Google));
        assert!(url("hdfs://n/p").is_err());
    }
}
