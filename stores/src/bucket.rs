//! A bucket, or an object or prefix in it: parsed from its URL, and opened as a store.
//!
//! A key is literal: nothing in it is percent-decoded.

use std::{fmt, sync::Arc};

use object_store::{
    ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::MicrosoftAzureBuilder,
    client::HttpConnector,
    gcp::GoogleCloudStorageBuilder,
    multipart::MultipartStore,
    signer::Signer,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    scheme::Scheme,
    settings::{SettingsError, StoreSettings, options},
};

/// Characters to encode in a key: all except slashes and the unreserved ones of RFC 3986.
const KEY_UNSAFE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// An object, or a prefix of objects.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketAt {
    /// The kind of store.
    pub scheme: Scheme,
    /// The bucket or container.
    pub bucket: String,
    /// The key, exactly as in the store, without slashes at its ends.
    pub key: String,
    /// Options by name; later ones override earlier ones.
    options: Vec<(&'static str, String)>,
}

/// The traits that all stores of `object_store` implement.
pub trait RemoteStore: ObjectStore + MultipartStore + Signer {}
impl<T: ObjectStore + MultipartStore + Signer> RemoteStore for T {}

impl BucketAt {
    /// Parses the part `BUCKET/KEY` of a URL and collects the store's options.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if the bucket's name is missing or invalid, an option is unknown or not a
    /// URL, or credentials are missing.
    pub fn parse(
        scheme: Scheme,
        bucket_and_key: &str,
        settings: &StoreSettings<'_>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let (bucket, key) = bucket_and_key.split_once('/').unwrap_or((bucket_and_key, ""));
        if bucket.is_empty() || bucket.contains(['@', ':', '?', '#']) {
            return Err(SettingsError::BucketName);
        }
        let options = options(scheme, settings, environment)?;
        let (bucket, key) = (bucket.to_owned(), key.trim_matches('/').to_owned());
        Ok(Self { scheme, bucket, key, options })
    }

    /// Returns the object with this key below the prefix.
    #[must_use]
    pub fn below(&self, key: &str) -> Self {
        let prefix = self.key.trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        Self { key: format!("{prefix}{slash}{key}"), ..self.clone() }
    }

    /// Returns the object's HTTP URL. `None` for Amazon S3 without an endpoint: its URLs have two
    /// forms, and the app may sign either.
    pub fn http(&self) -> Option<String> {
        let server = self.server()?;
        let key = utf8_percent_encode(&self.key, KEY_UNSAFE);
        if self.option("virtual_hosted_style_request") == Some("true") {
            return Some(format!("{server}/{key}"));
        }
        Some(format!("{server}/{}/{key}", self.bucket))
    }

    /// Opens the store of the bucket over this transport; sends no request. The caller decides on
    /// retries.
    ///
    /// # Errors
    ///
    /// The error of `object_store` if the options contradict each other.
    pub fn open(
        &self,
        connector: impl HttpConnector,
    ) -> object_store::Result<Arc<dyn RemoteStore>> {
        match self.scheme {
            Scheme::S3 => self.s3(connector),
            Scheme::Azure => self.azure(connector),
            Scheme::Google => self.google(connector),
        }
    }

    fn s3(&self, connector: impl HttpConnector) -> object_store::Result<Arc<dyn RemoteStore>> {
        // Not every S3 server supports bulk deletes.
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true");
        for (name, value) in &self.options {
            builder = builder.with_config(name.parse()?, value);
        }
        let store = builder.with_http_connector(connector).with_retry(no_retries()).build()?;
        Ok(Arc::new(store))
    }

    fn azure(&self, connector: impl HttpConnector) -> object_store::Result<Arc<dyn RemoteStore>> {
        let mut builder = MicrosoftAzureBuilder::new().with_container_name(&self.bucket);
        for (name, value) in &self.options {
            builder = builder.with_config(name.parse()?, value);
        }
        let store = builder.with_http_connector(connector).with_retry(no_retries()).build()?;
        Ok(Arc::new(store))
    }

    fn google(&self, connector: impl HttpConnector) -> object_store::Result<Arc<dyn RemoteStore>> {
        let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(&self.bucket);
        for (name, value) in &self.options {
            builder = builder.with_config(name.parse()?, value);
        }
        let store = builder.with_http_connector(connector).with_retry(no_retries()).build()?;
        Ok(Arc::new(store))
    }

    /// Returns the URL of the server, without a slash at its end.
    fn server(&self) -> Option<String> {
        let name = match self.scheme {
            Scheme::S3 | Scheme::Azure => "endpoint",
            Scheme::Google => "base_url",
        };
        if let Some(url) = self.option(name) {
            return Some(url.trim_end_matches('/').to_owned());
        }
        match self.scheme {
            Scheme::S3 => None,
            Scheme::Azure => {
                let account = self.option("account_name")?;
                Some(format!("https://{account}.blob.core.windows.net"))
            }
            Scheme::Google => Some("https://storage.googleapis.com".to_owned()),
        }
    }

    fn option(&self, name: &str) -> Option<&str> {
        let (_, value) = self.options.iter().rfind(|(option, _)| *option == name)?;
        Some(value)
    }
}

/// Writes the URL, which contains no secret.
impl fmt::Display for BucketAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme.name(), self.bucket, self.key)
    }
}

impl fmt::Debug for BucketAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketAt({self})")
    }
}

/// Disables retries: `object_store` would also resume an incomplete body, and report the failure of
/// that attempt instead.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Access, MetadataService};

    fn parse(
        scheme: Scheme,
        rest: &str,
        named: &[(&str, &str)],
    ) -> Result<BucketAt, SettingsError> {
        let mut options = Vec::new();
        for (name, value) in named {
            options.push(((*name).to_owned(), (*value).to_owned()));
        }
        let metadata = MetadataService::Enabled;
        let settings = StoreSettings { options: &options, metadata, access: Access::Read };
        BucketAt::parse(scheme, rest, &settings, std::iter::empty())
    }

    #[test]
    fn keys_are_literal() {
        let bucket = parse(Scheme::S3, "b/a b/c%20.bin", &[]).expect("a bucket");
        assert_eq!(bucket.to_string(), "s3://b/a b/c%20.bin");
        let bucket = parse(Scheme::Google, "b//a/", &[]).expect("a bucket");
        assert_eq!(bucket.to_string(), "gs://b/a");
        assert_eq!(bucket.below("c.bin").to_string(), "gs://b/a/c.bin");
        let bucket = parse(Scheme::Azure, "b", &[]).expect("a bucket");
        assert_eq!(bucket.below("c.bin").to_string(), "az://b/c.bin");
    }

    #[test]
    fn bucket_names_are_checked() {
        for rest in ["", "/k", "host:9000/b", "user@host/b", "b?x=y", "b#x/k"] {
            let bucket = parse(Scheme::S3, rest, &[]);
            assert!(matches!(bucket, Err(SettingsError::BucketName)), "{rest}: {bucket:?}");
        }
    }

    #[test]
    fn http_url_is_known_if_the_server_is() {
        let check = |scheme, options: &[(&str, &str)], expected: Option<&str>| {
            let bucket = parse(scheme, "b/a b.bin", options).expect("a bucket");
            assert_eq!(bucket.http().as_deref(), expected);
        };
        let endpoint = ("endpoint", "http://h:1/");
        let in_host = ("virtual_hosted_style_request", "true");
        check(Scheme::S3, &[], None);
        check(Scheme::S3, &[endpoint], Some("http://h:1/b/a%20b.bin"));
        check(Scheme::S3, &[endpoint, in_host], Some("http://h:1/a%20b.bin"));
        let account = [("account_name", "n")];
        check(Scheme::Azure, &account, Some("https://n.blob.core.windows.net/b/a%20b.bin"));
        check(Scheme::Azure, &[], None);
        check(Scheme::Google, &[], Some("https://storage.googleapis.com/b/a%20b.bin"));
    }
}
