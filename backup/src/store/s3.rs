//! A bucket of Amazon's S3, or of a server that speaks as it does. Who asks is in the environment, as for its other
//! tools: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, or the role of the machine.
//!
//! An object is there whole or not at all, and durable once it is answered: the service says so. What fails for a
//! while is asked again by the library.

use super::found::{Listed, Read};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload};
use std::sync::Arc;
use std::time::Duration;

/// The longest that one request may take: a segment over a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);

/// See the module's essay.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Arc<AmazonS3>,
    bucket: String,
    /// In front of every name; empty, or without a slash at its ends.
    prefix: String,
}

impl S3 {
    /// A bucket, or what begins with a prefix in it. `endpoint`: the server's URL, unless it is Amazon's.
    pub fn new(bucket: &str, prefix: &str, endpoint: Option<&str>) -> Result<Self, String> {
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        let named = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
        let of_environment = named.iter().find_map(|name| std::env::var(name).ok());
        let endpoint = endpoint.map(str::to_owned).or(of_environment);
        // In the clear to a server that is named so, and to no other. It needs no certificates of authorities then.
        let is_plain = endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        let options = ClientOptions::new()
            .with_timeout(REQUEST_TIMEOUT)
            .with_allow_http(is_plain)
            .with_no_system_certificates(is_plain);
        builder = builder.with_client_options(options);
        if let Some(endpoint) = endpoint {
            builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
        }
        let client = Arc::new(builder.build().map_err(|error| error.to_string())?);
        Ok(Self { client, bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }

    pub(super) fn place(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.bucket, self.prefix)
    }

    fn path(&self, name: &str) -> Result<Path, String> {
        let parts = [self.prefix.as_str(), name];
        let whole: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Path::parse(whole.join("/")).map_err(|error| error.to_string())
    }

    pub(super) async fn read(&self, name: &str, bytes_max: u64) -> Result<Read, String> {
        let found = match self.client.get(&self.path(name)?).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(Read::Absent),
            found => found.map_err(|error| error.to_string())?,
        };
        let bytes = found.meta.size;
        if bytes > bytes_max {
            return Ok(Read::TooLarge { bytes });
        }
        let whole = found.bytes().await.map_err(|error| error.to_string())?;
        Ok(Read::Whole(whole.to_vec()))
    }

    pub(super) async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), String> {
        let put = self.client.put(&self.path(name)?, PutPayload::from(bytes)).await;
        put.map(|_| ()).map_err(|error| error.to_string())
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Listed>, String> {
        let path = self.path(folder)?;
        let found = self.client.list_with_delimiter(Some(&path)).await.map_err(|error| error.to_string())?;
        let last = |path: &Path| path.filename().unwrap_or_default().to_owned();
        let files = found.objects.iter().map(|object| Listed {
            name: last(&object.location),
            bytes: object.size,
            written_at: object.last_modified.into(),
        });
        let folders = found.common_prefixes.iter().map(|path| Listed {
            name: last(path),
            bytes: 0,
            written_at: std::time::UNIX_EPOCH,
        });
        Ok(files.chain(folders).collect())
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), String> {
        match self.client.delete(&self.path(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
