//! The options of a store in addition to its URL: from the environment variables of the stores' own
//! tools, and by name.
//!
//! The names are those of `object_store`. Options without an effect here are refused.

use std::{fmt, str::FromStr, time::Duration};

use http::Uri;

use super::error::StorageError;

/// The default of [`StorageConfig::timeout`].
const TIMEOUT: Duration = Duration::from_secs(5);

/// Names of S3's options.
pub(super) const S3: &[&str] = &[
    "access_key_id",
    "secret_access_key",
    "session_token",
    "region",
    "endpoint",
    "virtual_hosted_style_request",
    "allow_http",
    "skip_signature",
    "unsigned_payload",
    "checksum_algorithm",
    "request_payer",
    "role_arn",
    "role_session_name",
    "web_identity_token_file",
    "endpoint_url_sts",
    "container_credentials_relative_uri",
    "container_credentials_full_uri",
    "container_authorization_token_file",
    "metadata_endpoint",
    "imdsv1_fallback",
    "server_side_encryption",
    "sse_kms_key_id",
    "sse_bucket_key_enabled",
    "sse_customer_key_base64",
];

/// Names of Azure's options.
pub(super) const AZURE: &[&str] = &[
    "account_name",
    "account_key",
    "sas_token",
    "bearer_token",
    "client_id",
    "client_secret",
    "tenant_id",
    "authority_host",
    "federated_token_file",
    "endpoint",
    "use_emulator",
    "allow_http",
    "skip_signature",
    "msi_endpoint",
    "object_id",
    "msi_resource_id",
    "encryption_key",
];

/// Names of Google's options.
pub(super) const GOOGLE: &[&str] = &[
    "service_account",
    "service_account_key",
    "application_credentials",
    "bearer_token",
    "base_url",
    "allow_http",
    "skip_signature",
];

/// Names of WebDAV's options.
pub(super) const DAV: &[&str] = &["username", "password", "bearer_token"];

/// The configuration of a storage.
#[derive(Clone)]
pub(crate) struct StorageConfig {
    /// Options by name. The last one of a name is used, and all override the environment.
    pub(crate) options: Vec<(String, String)>,
    pub(crate) metadata: MetadataService,
    /// The maximum time to wait for a response, also for each part of a large dummy.
    pub(crate) timeout: Duration,
}

/// Whether to request credentials from the host's metadata service if none are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataService {
    Enabled,
    Disabled,
}

/// The options for a builder of `object_store`, in order.
#[derive(Debug)]
pub(super) struct StoreOptions<K>(Vec<(K, String)>);

impl Default for StorageConfig {
    fn default() -> Self {
        Self { options: Vec::new(), metadata: MetadataService::Disabled, timeout: TIMEOUT }
    }
}

/// Prints only names: values may be secrets.
impl fmt::Debug for StorageConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.options.iter().map(|(name, _)| name).collect();
        f.debug_struct("StorageConfig").field("options", &names).finish_non_exhaustive()
    }
}

impl StorageConfig {
    /// Collects the options of a kind of store: first the environment variables whose names begin
    /// with `prefix`, many of which are for other programs, then the options by name.
    pub(super) fn options_for<K: FromStr + AsRef<str>>(
        &self,
        prefix: &str,
        known: &[&str],
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<StoreOptions<K>, StorageError> {
        let mut options = Vec::new();
        for (name, value) in environment {
            if name.starts_with(prefix)
                && !value.is_empty()
                && let Ok(key) = name.to_ascii_lowercase().parse::<K>()
                && is_known(known, key.as_ref())
            {
                options.push((key, checked(&name, value)?));
            }
        }
        for (name, value) in &self.options {
            match name.parse::<K>() {
                Ok(key) if known.contains(&name.as_str()) => {
                    options.push((key, checked(name, value.clone())?));
                }
                _ => return Err(unknown(name, known)),
            }
        }
        Ok(StoreOptions(options))
    }

    /// Returns the option of this name; WebDAV's options are not options of `object_store`.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        let (_, value) = self.options.iter().rfind(|(option, _)| option == name)?;
        Some(value)
    }

    /// Refuses options that are not among `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), StorageError> {
        for (name, _) in &self.options {
            if !known.contains(&name.as_str()) {
                return Err(unknown(name, known));
            }
        }
        Ok(())
    }
}

impl<K: AsRef<str>> StoreOptions<K> {
    /// Whether the name of an option ends with any of `endings`.
    pub(super) fn contains_any(&self, endings: &[&str]) -> bool {
        for (key, _) in &self.0 {
            if endings.iter().any(|ending| key.as_ref().ends_with(ending)) {
                return true;
            }
        }
        false
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (K, String)> {
        self.0.into_iter()
    }
}

/// Whether an option is among `known`, given its canonical name, which has a prefix and in some cases
/// a different ending.
fn is_known(known: &[&str], canonical: &str) -> bool {
    let short = match canonical {
        "aws_default_region" => "region",
        "aws_endpoint_url" | "aws_endpoint_url_s3" => "endpoint",
        "azure_storage_sas_key" => "sas_token",
        "azure_storage_token" => "bearer_token",
        "azure_storage_authority_id" => "tenant_id",
        _ => without_prefix(canonical),
    };
    known.contains(&short)
}

fn without_prefix(canonical: &str) -> &str {
    for prefix in ["aws_", "azure_storage_", "azure_", "google_"] {
        if let Some(short) = canonical.strip_prefix(prefix) {
            return short;
        }
    }
    canonical
}

/// Refuses a URL without a scheme, which makes `object_store` panic.
fn checked(name: &str, value: String) -> Result<String, StorageError> {
    let lower = name.to_ascii_lowercase();
    let is_url = ["endpoint", "base_url", "authority_host"].iter().any(|url| lower.contains(url));
    if is_url && !is_http_url(&value) {
        return Err(StorageError::Endpoint { name: name.into() });
    }
    Ok(value)
}

fn is_http_url(value: &str) -> bool {
    let has_scheme = value.starts_with("http://") || value.starts_with("https://");
    match value.parse::<Uri>() {
        Ok(uri) => has_scheme && uri.host().is_some_and(|host| !host.is_empty()),
        Err(_) => false,
    }
}

fn unknown(name: &str, known: &[&str]) -> StorageError {
    StorageError::Option { name: name.into(), similar: similar(name, known).map(str::to_owned) }
}

/// Returns the known name with the smallest edit distance, if that is at most half of its letters.
fn similar<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, name) = known.iter().map(|name| (distance(name, wrong), *name)).min()?;
    if distance > name.len() / 2 {
        return None;
    }
    Some(name)
}

/// Counts the letters to insert, delete or replace.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use object_store::{aws::AmazonS3ConfigKey, azure::AzureConfigKey, gcp::GoogleConfigKey};

    use super::*;

    fn parse<K: FromStr + AsRef<str>>(known: &[&str]) {
        for name in known {
            let key: K = name.parse().ok().unwrap_or_else(|| panic!("{name}"));
            assert!(
                is_known(known, key.as_ref()) || *name == "allow_http",
                "{name}: {}",
                key.as_ref()
            );
        }
    }

    /// A name that `object_store` does not know would be refused like a misspelt one.
    #[test]
    fn object_store_knows_all_names() {
        parse::<AmazonS3ConfigKey>(S3);
        parse::<AzureConfigKey>(AZURE);
        parse::<GoogleConfigKey>(GOOGLE);
    }

    /// Returns the options of S3 as text, or the error and its hint.
    fn s3_options(
        options: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Result<String, String> {
        let config = StorageConfig { options: owned(options), ..StorageConfig::default() };
        let environment = owned(environment).into_iter();
        match config.options_for::<AmazonS3ConfigKey>("AWS_", S3, environment) {
            Ok(options) => {
                let mut pairs = Vec::new();
                for (key, value) in options.into_iter() {
                    pairs.push(format!("{}={value}", key.as_ref()));
                }
                Ok(pairs.join(" "))
            }
            Err(error) => Err(format!("{error}; {}", error.hint().unwrap_or_default())),
        }
    }

    fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn options_override_the_environment() {
        let environment =
            [("AWS_REGION", "a"), ("AWS_PAGER", "less"), ("AWS_BUCKET", "other"), ("X", "y")];
        assert_eq!(
            s3_options(&[("region", "b")], &environment).unwrap(),
            "aws_region=a aws_region=b"
        );
        let environment = [("AWS_ENDPOINT_URL_S3", "http://s:1"), ("AWS_DEFAULT_REGION", "r")];
        assert_eq!(
            s3_options(&[], &environment).unwrap(),
            "aws_endpoint_url_s3=http://s:1 aws_default_region=r"
        );
    }

    #[test]
    fn wrong_options_are_refused_with_a_suggestion() {
        assert_eq!(
            s3_options(&[("acces_key", "hush")], &[]).unwrap_err(),
            "unknown storage option `acces_key`; did you mean `access_key_id`?"
        );
        assert!(s3_options(&[("bucket", "b")], &[]).is_err(), "the URL contains the bucket");
        assert!(
            s3_options(&[("proxy_url", "http://p")], &[]).is_err(),
            "the option has no effect here"
        );
        for endpoint in ["127.0.0.1:9000", "store", "ftp://store", "http://"] {
            let error = s3_options(&[], &[("AWS_ENDPOINT_URL", endpoint)]).unwrap_err();
            assert_eq!(
                error,
                "the value of `AWS_ENDPOINT_URL` is not a valid URL; \
                 include the scheme, for example `https://HOST:PORT`"
            );
        }
    }
}
