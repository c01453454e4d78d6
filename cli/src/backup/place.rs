//! Where a repository is: a folder, or a bucket.

use super::failed::failed;
use crate::exit::{Exit, Failure};
use clap::Args;
use quorate_backup::snapshot::Snapshot;
use quorate_backup::{Repository, S3, Store};
use std::path::Path;

/// How a bucket is named.
const S3_SCHEME: &str = "s3://";

/// The repository of a command.
#[derive(Args, Debug)]
pub struct Place {
    /// The repository: a folder, or s3://BUCKET/PREFIX with the credentials of the AWS_... variables.
    repository: String,
    /// A server that speaks S3, for s3:// [default: `AWS_ENDPOINT_URL`, or Amazon's].
    #[arg(long, value_name = "URL")]
    s3_endpoint: Option<String>,
}

impl Place {
    /// Where its files are.
    pub fn store(&self) -> Result<Store, Failure> {
        let usage = |sentence: String| Failure::new(Exit::Usage, sentence);
        let Some(rest) = self.repository.strip_prefix(S3_SCHEME) else {
            if self.s3_endpoint.is_some() {
                return Err(usage("--s3-endpoint is for a repository in s3://BUCKET/PREFIX".to_owned()));
            }
            if self.repository.is_empty() || self.repository.contains("://") {
                let said = self.repository.escape_debug();
                return Err(usage(format!("\"{said}\" is neither a folder nor s3://BUCKET/PREFIX")));
            }
            return Ok(Store::folder(Path::new(&self.repository)));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(usage("s3:// names no bucket: s3://BUCKET/PREFIX".to_owned()));
        }
        // The library for buckets uses the process's TLS provider.
        quorate_client::install_crypto_provider();
        let s3 = S3::new(bucket, prefix, self.s3_endpoint.as_deref());
        s3.map(Store::S3).map_err(|cause| usage(format!("{} can't be used: {cause}", self.repository)))
    }

    /// The repository that is there.
    pub async fn open(&self) -> Result<Repository, Failure> {
        Repository::open(self.store()?).await.map_err(failed)
    }
}

/// The snapshot of this name, or the last one.
pub async fn snapshot(repository: &Repository, id: Option<&str>) -> Result<Snapshot, Failure> {
    let id = match id {
        Some(id) => id.to_owned(),
        None => repository.ids().await.map_err(failed)?.pop().ok_or_else(|| {
            let sentence = format!("there is no snapshot in {}", repository.place());
            Failure::new(Exit::NotFound, sentence).next("make one with `quorate backup create`")
        })?,
    };
    repository.snapshot(&id).await.map_err(failed)
}

/// The tables of a snapshot that are wanted, by their places: all, if none is named.
pub fn chosen(snapshot: &Snapshot, names: &[String]) -> Result<Vec<usize>, Failure> {
    if names.is_empty() {
        return Ok((0..snapshot.tables.len()).collect());
    }
    let place = |name: &String| {
        let found = snapshot.tables.iter().position(|table| table.name == *name);
        found.ok_or_else(|| {
            let sentence = format!("snapshot {} has no table {name}", snapshot.id);
            Failure::new(Exit::NotFound, sentence)
                .next("`quorate backup list --output json` names its tables")
        })
    };
    let mut places = names.iter().map(place).collect::<Result<Vec<usize>, Failure>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(places)
}
