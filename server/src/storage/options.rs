//! How a store is reached, beside its URL: the variables of the ecosystem's own tools, and options
//! that were given by name.
//!
//! Names are those of `object_store`; only what has an effect here is taken.

use std::{fmt, str::FromStr, time::Duration};

use http::Uri;

use super::StorageError;

/// How long a storage may take for an answer, unless it is told otherwise.
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

/// How a storage is reached.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Options by name; the last of a name counts, and all before the environment.
    pub(crate) options: Vec<(String, String)>,
    pub(crate) metadata: Metadata,
    /// For an answer, and for each part of a large dummy.
    pub(crate) timeout: Duration,
}

/// Whether a machine's metadata address is asked for credentials where none were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metadata {
    Asked,
    NotAsked,
}

impl Default for Settings {
    fn default() -> Self {
        Self { options: Vec::new(), metadata: Metadata::NotAsked, timeout: TIMEOUT }
    }
}

/// Values may be secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.options.iter().map(|(name, _)| name).collect();
        f.debug_struct("Settings").field("options", &names).finish_non_exhaustive()
    }
}

/// What a builder of `object_store` is given, in order.
#[derive(Debug)]
pub(super) struct Chosen<K>(Vec<(K, String)>);

impl Settings {
    /// Collects the options for a kind of store: first those of the environment whose names begin
    /// with `prefix`, of which there are many that mean other programs, then those given by name.
    pub(super) fn chosen<K: FromStr + AsRef<str>>(
        &self,
        prefix: &str,
        known: &[&str],
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Chosen<K>, StorageError> {
        let mut chosen = Vec::new();
        for (name, value) in environment.filter(|(name, _)| name.starts_with(prefix)) {
            let key = name.to_ascii_lowercase().parse::<K>().ok();
            if let Some(key) = key.filter(|key| is_known(known, key.as_ref()) && !value.is_empty())
            {
                chosen.push((key, checked(&name, value)?));
            }
        }
        for (name, value) in &self.options {
            let key = known.contains(&&**name).then(|| name.parse::<K>().ok()).flatten();
            let key = key.ok_or_else(|| unknown(name, known))?;
            chosen.push((key, checked(name, value.clone())?));
        }
        Ok(Chosen(chosen))
    }

    /// Returns the option of this name; those of WebDAV are none of `object_store`'s.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(it, _)| it == name).map(|(_, value)| &**value)
    }

    /// Refuses options that are not among `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), StorageError> {
        match self.options.iter().find(|(name, _)| !known.contains(&&**name)) {
            Some((name, _)) => Err(unknown(name, known)),
            None => Ok(()),
        }
    }
}

impl<K: AsRef<str>> Chosen<K> {
    /// Tells whether any of these options was given, by the end of its name.
    pub(super) fn any(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(key, _)| names.iter().any(|name| key.as_ref().ends_with(name)))
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (K, String)> {
        self.0.into_iter()
    }
}

/// A key's own name has a prefix, and for some a second one.
fn is_known(known: &[&str], canonical: &str) -> bool {
    let aliases = [
        ("aws_default_region", "region"),
        ("aws_endpoint_url", "endpoint"),
        ("aws_endpoint_url_s3", "endpoint"),
        ("azure_storage_sas_key", "sas_token"),
        ("azure_storage_token", "bearer_token"),
        ("azure_storage_authority_id", "tenant_id"),
    ];
    let alias = aliases.iter().find(|(name, _)| *name == canonical);
    let short = ["aws_", "azure_storage_", "azure_", "google_"]
        .iter()
        .find_map(|prefix| canonical.strip_prefix(prefix))
        .unwrap_or(canonical);
    known.contains(&alias.map_or(short, |(_, name)| name))
}

/// A URL without its scheme makes `object_store` panic.
fn checked(name: &str, value: String) -> Result<String, StorageError> {
    let lower = name.to_ascii_lowercase();
    let is_url = ["endpoint", "base_url", "authority_host"].iter().any(|it| lower.contains(it));
    let host = || value.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    let has_scheme = value.starts_with("http://") || value.starts_with("https://");
    match is_url && !(has_scheme && host().is_some_and(|host| !host.is_empty())) {
        true => Err(StorageError::Endpoint { name: name.into() }),
        false => Ok(value),
    }
}

fn unknown(name: &str, known: &[&str]) -> StorageError {
    StorageError::Option { name: name.into(), meant: nearest(name, known).map(str::to_owned) }
}

/// The known name that most of the letters of a wrong one are in, in its order.
fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().map(|name| (distance(name, wrong), *name)).min()?;
    (best.0 <= best.1.len() / 2).then_some(best.1)
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

    /// A name that `object_store` does not know would be refused as if the user had misspelt it.
    #[test]
    fn names_are_those_of_the_library() {
        parse::<AmazonS3ConfigKey>(S3);
        parse::<AzureConfigKey>(AZURE);
        parse::<GoogleConfigKey>(GOOGLE);
    }

    fn chosen(options: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<String, String> {
        let owned = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|&(name, value)| (name.into(), value.into())).collect()
        };
        let settings = Settings { options: owned(options), ..Settings::default() };
        let environment = owned(environment).into_iter();
        let chosen = settings.chosen::<AmazonS3ConfigKey>("AWS_", S3, environment);
        let chosen =
            chosen.map_err(|error| format!("{error}; {}", error.hint().unwrap_or_default()))?;
        let pairs: Vec<_> =
            chosen.into_iter().map(|(key, value)| format!("{}={value}", key.as_ref())).collect();
        Ok(pairs.join(" "))
    }

    #[test]
    fn given_options_come_after_the_environment() {
        let environment =
            [("AWS_REGION", "a"), ("AWS_PAGER", "less"), ("AWS_BUCKET", "other"), ("X", "y")];
        assert_eq!(chosen(&[("region", "b")], &environment).unwrap(), "aws_region=a aws_region=b");
        let environment = [("AWS_ENDPOINT_URL_S3", "http://s:1"), ("AWS_DEFAULT_REGION", "r")];
        assert_eq!(
            chosen(&[], &environment).unwrap(),
            "aws_endpoint_url_s3=http://s:1 aws_default_region=r"
        );
    }

    #[test]
    fn wrong_options_are_refused_with_what_is_meant() {
        assert_eq!(
            chosen(&[("acces_key", "hush")], &[]).unwrap_err(),
            "the storage has no option `acces_key`; did you mean `access_key_id`?"
        );
        assert!(chosen(&[("bucket", "b")], &[]).is_err(), "the URL names it");
        assert!(chosen(&[("proxy_url", "http://p")], &[]).is_err(), "it would have no effect");
        for endpoint in ["127.0.0.1:9000", "store", "ftp://store", "http://"] {
            let said = chosen(&[], &[("AWS_ENDPOINT_URL", endpoint)]).unwrap_err();
            assert_eq!(
                said,
                "`AWS_ENDPOINT_URL` is not a URL; write it with its scheme, like `https://HOST:PORT`"
            );
        }
    }
}
