//! Where a store is: what an operator says, and the client for it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use evenkeel_core::{port::ObjectKind, store::ObjectKey};
use object_store::{
    ClientOptions, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    local::LocalFileSystem,
    memory::InMemory,
};

use crate::object::{Deadlines, exact::Exact, words};

/// The object store in a data directory.
const WITHIN: &str = "objects";

/// Where the objects of a cluster are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// S3, or what speaks like it.
    S3 {
        /// The bucket.
        bucket: String,
        /// What every key begins with; without slashes at the ends, may be empty.
        prefix: String,
        /// `http://` or `https://` and a host. `None`: what the environment says, or else AWS.
        endpoint: Option<String>,
        /// `None`: what the environment says, or else us-east-1.
        region: Option<String>,
    },
    /// Google Cloud Storage. Credentials come from the environment, and so may the endpoint, `GOOGLE_BASE_URL`.
    Google {
        /// The bucket.
        bucket: String,
        /// As for S3.
        prefix: String,
    },
    /// Azure Blob Storage. The account and credentials come from the environment, and so may the endpoint, `AZURE_STORAGE_ENDPOINT`.
    Azure {
        /// The container.
        container: String,
        /// As for S3.
        prefix: String,
    },
    /// A directory.
    Directory {
        /// Which.
        path: PathBuf,
        /// Make it if it is not there. Otherwise that is an error: it may be a disk that is not mounted.
        create: bool,
    },
    /// Memory of this process, for tests.
    Memory,
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorePlace::S3 { bucket, prefix, endpoint, region: _ } => {
                write!(f, "s3://{bucket}/{prefix}")?;
                endpoint.as_ref().map_or(Ok(()), |endpoint| write!(f, " at {endpoint}"))
            }
            StorePlace::Google { bucket, prefix } => write!(f, "gs://{bucket}/{prefix}"),
            StorePlace::Azure { container, prefix } => write!(f, "az://{container}/{prefix}"),
            StorePlace::Directory { path, create: _ } => write!(f, "directory {}", path.display()),
            StorePlace::Memory => f.write_str("memory"),
        }
    }
}

/// A client, and what it does not know by itself.
pub(super) struct Client {
    pub(super) store: Arc<dyn object_store::ObjectStore>,
    pub(super) prefix: String,
    pub(super) kind: ClientKind,
}

impl Client {
    /// Where something is whose name needs no escapes.
    pub(super) fn path(&self, name: &dyn fmt::Display) -> object_store::path::Path {
        object_store::path::Path::parse(format!("{}{name}", self.prefix))
            .expect("a prefix is checked, a key is plain")
    }
}

/// How a range behind the end shows, and what is behind a key.
pub(super) enum ClientKind {
    /// Answers by HTTP.
    Remote,
    /// Files below this directory.
    Directory(PathBuf),
    /// Files that are only read.
    Copy,
    Memory,
}

impl StorePlace {
    /// Where the objects are if nothing is said: with the log.
    #[must_use]
    pub fn within(data_directory: &Path) -> StorePlace {
        let path = data_directory.join(WITHIN);
        StorePlace::Directory { path: std::path::absolute(&path).unwrap_or(path), create: true }
    }

    /// Whether there are objects where they are if nothing is said.
    #[must_use]
    pub fn is_within(data_directory: &Path) -> bool {
        data_directory.join(WITHIN).exists()
    }

    /// Reads a URL: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, `file:///path`, `memory://`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(url: &str) -> Result<StorePlace, String> {
        let (scheme, rest) = url.split_once("://").ok_or(
            "a URL is needed: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, file:///path, or none",
        )?;
        let bucket_and_prefix = || {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            Ok::<_, String>((bucket_name(bucket)?, key_prefix(prefix)?))
        };
        match scheme {
            "s3" => {
                let (bucket, prefix) = bucket_and_prefix()?;
                Ok(StorePlace::S3 { bucket, prefix, endpoint: None, region: None })
            }
            "gs" => bucket_and_prefix().map(|(bucket, prefix)| StorePlace::Google { bucket, prefix }),
            "az" => bucket_and_prefix().map(|(container, prefix)| StorePlace::Azure { container, prefix }),
            "file" if rest.starts_with('/') => {
                Ok(StorePlace::Directory { path: PathBuf::from(rest), create: false })
            }
            "file" => Err(format!("{url}: a path from the root is needed, as in file:///srv/evenkeel")),
            "memory" if rest.is_empty() || rest == "/" => Ok(StorePlace::Memory),
            "memory" => Err(format!("{url}: memory has no place to name")),
            other => Err(format!("{other}:// is not known; there are s3, gs, az, file and memory")),
        }
    }

    /// S3 by its parts.
    ///
    /// # Errors
    /// A sentence that says what is wrong with one of them.
    pub fn s3(
        bucket: &str,
        prefix: &str,
        endpoint: Option<&str>,
        region: Option<&str>,
    ) -> Result<StorePlace, String> {
        Ok(StorePlace::S3 {
            bucket: bucket_name(bucket)?,
            prefix: key_prefix(prefix)?,
            endpoint: endpoint.map(self::endpoint).transpose()?,
            region: region.map(String::from),
        })
    }

    /// Makes the client. Asks the store nothing.
    pub(super) fn client(&self, deadlines: &Deadlines) -> Result<Client, String> {
        match self {
            StorePlace::S3 { bucket, prefix, endpoint, region } => {
                let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
                if let Some(region) = region {
                    builder = builder.with_region(region);
                }
                if let Some(endpoint) = endpoint {
                    builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
                }
                s3_client(builder, prefix, deadlines)
            }
            StorePlace::Google { bucket, prefix } => {
                let builder = GoogleCloudStorageBuilder::from_env();
                let endpoint = builder.get_config_value(&GoogleConfigKey::BaseUrl);
                let store = builder
                    .with_bucket_name(bucket)
                    .with_client_options(options(deadlines, endpoint, false))
                    .with_retry(no_retries())
                    .with_http_connector(Exact)
                    .build();
                remote(store, prefix)
            }
            StorePlace::Azure { container, prefix } => {
                let builder = MicrosoftAzureBuilder::from_env();
                let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
                let has_key = builder.get_config_value(&AzureConfigKey::AccessKey).is_some();
                let store = builder
                    .with_container_name(container)
                    .with_client_options(options(deadlines, endpoint, has_key))
                    .with_retry(no_retries())
                    .with_http_connector(Exact)
                    .build();
                remote(store, prefix)
            }
            StorePlace::Directory { path, create } => {
                crate::disk::keep_folders(path, *create, super::KINDS.map(|kind| kind.folder()))
                    .and_then(|()| tidy_up(path))
                    .map_err(|error| words(&error))?;
                // It syncs a file before it is seen, and the folder before it is told of.
                let store = LocalFileSystem::new_with_prefix(path).map_err(|error| words(&error))?;
                let store = Arc::new(store.with_fsync(true));
                Ok(Client { store, prefix: String::new(), kind: ClientKind::Directory(path.clone()) })
            }
            StorePlace::Memory => Ok(Client {
                store: Arc::new(InMemory::new()),
                prefix: String::new(),
                kind: ClientKind::Memory,
            }),
        }
    }
}

impl StorePlace {
    /// Makes a client for someone who only reads: nothing is created, and folders of a directory may be missing, as a copy by objects
    /// leaves out empty ones. Asks the store nothing.
    pub(super) fn reader(&self, deadlines: &Deadlines) -> Result<Client, String> {
        match self {
            StorePlace::Directory { path, create: _ } => {
                // A directory without any is most likely another one than was meant.
                let folder = path.join(ObjectKind::Manifest.folder());
                folder.metadata().map_err(|error| format!("{}: {}", folder.display(), words(&error)))?;
                let store = LocalFileSystem::new_with_prefix(path).map_err(|error| words(&error))?;
                Ok(Client { store: Arc::new(store), prefix: String::new(), kind: ClientKind::Copy })
            }
            StorePlace::S3 { .. }
            | StorePlace::Google { .. }
            | StorePlace::Azure { .. }
            | StorePlace::Memory => self.client(deadlines),
        }
    }
}

/// The client for what a builder names.
pub(super) fn s3_client(
    builder: AmazonS3Builder,
    prefix: &str,
    deadlines: &Deadlines,
) -> Result<Client, String> {
    let endpoint = builder
        .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    let has_key = builder.get_config_value(&AmazonS3ConfigKey::AccessKeyId).is_some();
    let store = builder
        .with_client_options(options(deadlines, endpoint, has_key))
        .with_retry(no_retries())
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // One object at a time; the call for many is not known to every server.
        .with_disable_bulk_delete(true)
        .with_http_connector(Exact)
        .build();
    remote(store, prefix)
}

/// The client of a store that answers by HTTP.
fn remote(
    store: object_store::Result<impl object_store::ObjectStore>,
    prefix: &str,
) -> Result<Client, String> {
    let store = Arc::new(store.map_err(|error| words(&error))?);
    Ok(Client { store, prefix: slashed(prefix), kind: ClientKind::Remote })
}

/// Removes what the client was about to write when a process ended: `KEY#NUMBER`, which no listing shows. Should another process be
/// writing one just now, its creation fails, and it tries again.
fn tidy_up(root: &Path) -> io::Result<()> {
    super::KINDS.into_iter().try_for_each(|kind| {
        crate::disk::remove_files(&root.join(kind.folder()), |name| {
            let of_whom = name.split_once('#').map(|(of_whom, _)| format!("{}/{of_whom}", kind.folder()));
            of_whom.is_some_and(|key| ObjectKey::parse(&key).is_some())
        })
    })
}

/// How to speak to an endpoint, or to the one that the library knows: without TLS only if its URL says so. Who has a key speaks to
/// nobody but the endpoint; without TLS a machine that has no certificates will do for that.
fn options(deadlines: &Deadlines, endpoint: Option<String>, has_key: bool) -> ClientOptions {
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    ClientOptions::new()
        .with_allow_http(plain)
        .with_no_system_certificates(plain && has_key)
        .with_connect_timeout(deadlines.connect)
        .with_timeout(deadlines.request)
        .with_pool_idle_timeout(deadlines.idle)
}

/// Whoever asks decides whether to ask again. A creation that is repeated unseen finds its own object.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn slashed(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!("{prefix}/") }
}

fn bucket_name(name: &str) -> Result<String, String> {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    if name.is_empty() || !name.chars().all(known) {
        return Err(format!("{name:?} is not the name of a bucket: letters, digits, '-', '.' and '_'"));
    }
    Ok(name.to_string())
}

/// Only what no store spells in another way: keys are compared with what a listing gives.
fn key_prefix(prefix: &str) -> Result<String, String> {
    let prefix = prefix.trim_matches('/');
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-._=/".contains(letter);
    let wrong = |part: &str| ["", ".", ".."].contains(&part);
    if !prefix.is_empty() && (!prefix.chars().all(known) || prefix.split('/').any(wrong)) {
        return Err(format!(
            "{prefix:?} cannot be what keys begin with: names of letters, digits, '-', '.', '_' and '=', with '/' between them"
        ));
    }
    Ok(prefix.to_string())
}

fn endpoint(url: &str) -> Result<String, String> {
    let (scheme, host) = url.split_once("://").unwrap_or(("", url));
    let host = host.trim_end_matches('/');
    if !["http", "https"].contains(&scheme) || host.is_empty() || host.contains(['@', '?', '#']) {
        return Err(format!(
            "{url:?} is not an endpoint, which is https://HOST[:PORT], or http:// without TLS"
        ));
    }
    Ok(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where() {
        let s3 = |bucket: &str, prefix: &str| StorePlace::S3 {
            bucket: bucket.into(),
            prefix: prefix.into(),
            endpoint: None,
            region: None,
        };
        for (url, place) in [
            ("s3://b", s3("b", "")),
            ("s3://b/", s3("b", "")),
            ("s3://my.bucket/one/two/", s3("my.bucket", "one/two")),
            ("gs://b/p", StorePlace::Google { bucket: "b".into(), prefix: "p".into() }),
            ("az://c/p", StorePlace::Azure { container: "c".into(), prefix: "p".into() }),
            ("file:///srv/x", StorePlace::Directory { path: "/srv/x".into(), create: false }),
            ("memory://", StorePlace::Memory),
        ] {
            assert_eq!(StorePlace::parse(url), Ok(place), "{url}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused_in_words() {
        for (url, words) in [
            ("bucket", "a URL is needed"),
            ("s3://", "not the name of a bucket"),
            ("s3:///prefix", "not the name of a bucket"),
            ("s3://user:word@b", "not the name of a bucket"),
            ("s3://b/a//c", "cannot be what keys begin with"),
            ("s3://b/50%", "cannot be what keys begin with"),
            ("s3://b/a/../c", "cannot be what keys begin with"),
            ("file://relative", "path from the root"),
            ("memory://here", "no place to name"),
            ("ftp://b", "not known"),
        ] {
            let error = StorePlace::parse(url).expect_err(url);
            assert!(error.contains(words), "{url}: {error}");
        }
        for url in ["localhost:9000", "ftp://h", "https://", "http://user@h", "http://h?x"] {
            let error = StorePlace::s3("b", "", Some(url), None).expect_err(url);
            assert!(error.contains("not an endpoint"), "{url}: {error}");
        }
    }

    #[test]
    fn an_endpoint_is_kept_without_its_slash() {
        let place = StorePlace::s3("b", "/p/", Some("http://127.0.0.1:9000/"), Some("eu-west-1"));
        let told = StorePlace::S3 {
            bucket: "b".into(),
            prefix: "p".into(),
            endpoint: Some("http://127.0.0.1:9000".into()),
            region: Some("eu-west-1".into()),
        };
        assert_eq!(place, Ok(told.clone()));
        assert_eq!(told.to_string(), "s3://b/p at http://127.0.0.1:9000");
    }
}
