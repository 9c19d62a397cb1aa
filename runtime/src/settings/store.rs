//! Where the object store is: the same flags wherever one is named.

use clap::Args;

use crate::object::StorePlace;

/// The object store.
#[derive(Clone, Debug, Default, Args)]
pub struct StoreFlags {
    /// Object store: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, file:///PATH for a directory that is
    /// there, or none. Credentials come from the environment, or from the machine; one prefix belongs to one cluster. Default:
    /// the directory "objects" in the data directory, which is lost with it.
    #[arg(long, env = "EVENKEEL_OBJECT_STORE", value_name = "URL")]
    pub object_store: Option<String>,

    /// Bucket on S3, instead of --object-store.
    #[arg(long, env = "EVENKEEL_S3_BUCKET", value_name = "NAME")]
    pub s3_bucket: Option<String>,

    /// Server that speaks S3: https://HOST[:PORT], or http:// for one without TLS. Default: AWS_ENDPOINT_URL, or AWS.
    #[arg(long, env = "EVENKEEL_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,

    /// Region of the bucket. Default: AWS_REGION, or us-east-1.
    #[arg(long, env = "EVENKEEL_S3_REGION", value_name = "REGION")]
    pub s3_region: Option<String>,

    /// What every key in the bucket begins with.
    #[arg(long, env = "EVENKEEL_S3_PREFIX", value_name = "PREFIX")]
    pub s3_prefix: Option<String>,
}

impl StoreFlags {
    /// The object store; `unsaid` if the flags do not say where it is, `None` if they say that there is none.
    ///
    /// # Errors
    /// A sentence that names the setting and what is wrong with it.
    pub fn place(&self, unsaid: Option<StorePlace>) -> Result<Option<StorePlace>, String> {
        let parts = [
            ("--s3-endpoint", &self.s3_endpoint),
            ("--s3-region", &self.s3_region),
            ("--s3-prefix", &self.s3_prefix),
        ];
        match (&self.object_store, &self.s3_bucket) {
            (Some(_), Some(_)) => {
                Err(String::from("--object-store and --s3-bucket both name a store: one of them is enough"))
            }
            (None, Some(bucket)) => {
                let prefix = self.s3_prefix.as_deref().unwrap_or("");
                StorePlace::s3(bucket, prefix, self.s3_endpoint.as_deref(), self.s3_region.as_deref())
                    .map(Some)
                    .map_err(|error| format!("object store on S3: {error}"))
            }
            (url, None) => {
                if let Some((flag, _)) = parts.iter().find(|(_, given)| given.is_some()) {
                    return Err(format!(
                        "{flag} is for the bucket that --s3-bucket names, and it names none"
                    ));
                }
                match url.as_deref() {
                    None => Ok(unsaid),
                    Some("none") => Ok(None),
                    Some(url) => {
                        StorePlace::parse(url).map(Some).map_err(|error| format!("--object-store: {error}"))
                    }
                }
            }
        }
    }
}
