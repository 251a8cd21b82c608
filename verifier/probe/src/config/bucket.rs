//! A bucket as the operator writes it: `s3://`, `az://` or `gs://`, with options from the file, the
//! command line, and the environment variables of the store's own tools.
//!
//! `sendfile_stores` knows the options; this module writes the errors for the operator.

use sendfile_stores::{
    Access, BucketAt, MetadataService, Scheme, SettingsError, StoreSettings, UnknownOption,
    check_names,
};

use super::error::ConfigError;

/// Settings of a storage in addition to its URL.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// Options by name.
    pub options: &'a [(String, String)],
    /// Whether credentials may be requested from the machine's metadata service.
    pub metadata: MetadataService,
}

/// Parses the URL of a bucket; `None` if the scheme is not that of a bucket.
pub(super) fn bucket_at(
    text: &str,
    credentials: Credentials<'_>,
) -> Option<Result<BucketAt, ConfigError>> {
    let (scheme, bucket_and_key) = text.split_once("://")?;
    let scheme = Scheme::from_name(scheme)?;
    let Credentials { options, metadata } = credentials;
    let settings = StoreSettings { options, metadata, access: Access::Read };
    let parsed = BucketAt::parse(scheme, bucket_and_key, &settings, std::env::vars());
    Some(parsed.map_err(|error| not_a_bucket(text, scheme, error)))
}

/// Refuses options that the storage does not have.
pub(super) fn check_options(
    text: &str,
    options: &[(String, String)],
    supported: &[&'static str],
) -> Result<(), ConfigError> {
    check_names(options, supported).map_err(|unknown| unknown_option(text, unknown))
}

fn not_a_bucket(text: &str, scheme: Scheme, error: SettingsError) -> ConfigError {
    let (problem, hint) = match error {
        SettingsError::BucketName => (
            "missing or invalid bucket name".to_owned(),
            format!("write `{}://BUCKET/KEY`; set the server with --storage-option", scheme.name()),
        ),
        SettingsError::UnknownOption(unknown) => return unknown_option(text, unknown),
        SettingsError::NotAUrl { option, .. } => (
            format!("option `{option}` is not a URL"),
            "start it with a scheme, e.g. `https://HOST:PORT`".to_owned(),
        ),
        SettingsError::NoCredentials { variables } => (
            "no credentials".to_owned(),
            format!(
                "set {variables}, or add --storage-metadata to use this machine's metadata service"
            ),
        ),
    };
    ConfigError::Storage { url: crate::url::shown(text), problem, hint }
}

fn unknown_option(text: &str, unknown: UnknownOption) -> ConfigError {
    let hint = match unknown.similar {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => format!("supported options: {}", unknown.supported.join(", ")),
    };
    let problem = format!("unknown option `{}`", unknown.name);
    ConfigError::Storage { url: crate::url::shown(text), problem, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses the URL of a bucket with these options and the environment of the test.
    fn check_error(text: &str, options: &[(&str, &str)], expected: &str) {
        let mut owned = Vec::new();
        for (name, value) in options {
            owned.push(((*name).to_owned(), (*value).to_owned()));
        }
        let credentials = Credentials { options: &owned, metadata: MetadataService::Disabled };
        let parsed = bucket_at(text, credentials).expect("the scheme of a bucket");
        let error = parsed.expect_err("an error").to_string();
        assert!(error.contains(expected) && !error.contains("hush"), "{error}");
    }

    #[test]
    fn wrong_options_are_reported_before_the_first_request() {
        check_error("s3://b/k", &[("acess_key_id", "hush")], "did you mean `access_key_id`?");
        check_error("s3://b/k", &[("proxy_url", "http://p")], "unknown option `proxy_url`");
        check_error("s3://b/k", &[("colour", "red")], "supported options: endpoint, region, acc");
        check_error("s3://b/k", &[("endpoint", "127.0.0.1:9000")], "`endpoint` is not a URL");
        check_error("s3:///k", &[], "missing or invalid bucket name");
        check_error("s3://host:9000/b", &[], "write `s3://BUCKET/KEY`; set the server with");
    }

    #[test]
    fn missing_credentials_are_named() {
        let missing = SettingsError::NoCredentials { variables: "A and B" };
        assert_eq!(
            not_a_bucket("s3://b/k", Scheme::S3, missing).to_string(),
            "storage `s3://b/k`: no credentials\nhint: set A and B, or add --storage-metadata to \
             use this machine's metadata service"
        );
    }
}
