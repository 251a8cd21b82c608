//! Converts the options that the user gives, and the environment variables of each store's own
//! tools, to the options of `object_store`.
//!
//! Misspelt options and missing credentials are reported here, before the first request.

use http::Uri;
use thiserror::Error;

use crate::scheme::{OptionKind, Scheme, StoreOption};

/// Names of the options of a WebDAV server, which is not an object store.
pub const WEBDAV: &[&str] = &["username", "password", "bearer_token"];

/// Where `gcloud auth application-default login` stores the credentials; `object_store` reads them
/// without an option.
const GCLOUD_LOGIN: &str = ".config/gcloud/application_default_credentials.json";

/// Settings of a store in addition to its URL.
#[derive(Clone, Copy)]
pub struct StoreSettings<'a> {
    /// Options by name. Of several with the same name, the last one is used. All override the
    /// environment.
    pub options: &'a [(String, String)],
    /// Whether missing credentials are an error.
    pub metadata: MetadataService,
    /// Which options have an effect.
    pub access: Access,
}

/// Whether to request credentials from the host's metadata service if none are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataService {
    /// Request them.
    Enabled,
    /// Credentials must be given.
    Disabled,
}

/// What a program does with the objects of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The program reads the objects; options that only apply to writing are refused.
    Read,
    /// The program reads and writes the objects.
    ReadWrite,
}

/// A URL or settings of a store that cannot be used. No variant contains a value: it may be a secret.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The URL names no bucket, or contains something else in its place.
    #[error("missing or invalid bucket name")]
    BucketName,
    /// The store has no such option.
    #[error(transparent)]
    UnknownOption(#[from] UnknownOption),
    /// The value of an option is not a URL with a scheme.
    #[error("the value of `{given}` is not a valid URL")]
    NotAUrl {
        /// The option.
        option: &'static str,
        /// The name by which it was given: the option or the environment variable.
        given: &'static str,
    },
    /// No option or variable provides credentials.
    #[error("no credentials")]
    NoCredentials {
        /// The environment variables to suggest.
        variables: &'static str,
    },
}

/// An option that a storage does not have.
#[derive(Debug, Error)]
#[error("unknown option `{name}`")]
pub struct UnknownOption {
    /// The name, as given.
    pub name: String,
    /// The most similar supported option, if one is similar enough.
    pub similar: Option<&'static str>,
    /// All supported options.
    pub supported: Vec<&'static str>,
}

/// Refuses options that are not among `supported`.
///
/// # Errors
///
/// [`UnknownOption`] for the first one.
pub fn check_names(
    options: &[(String, String)],
    supported: &[&'static str],
) -> Result<(), UnknownOption> {
    for (name, _) in options {
        if !supported.contains(&name.as_str()) {
            return Err(UnknownOption {
                name: name.clone(),
                similar: similar(name, supported),
                supported: supported.to_vec(),
            });
        }
    }
    Ok(())
}

/// Collects the options of a store: those of the environment, in the order of the table, then those
/// of the user. A later one overrides an earlier one of the same name.
///
/// # Errors
///
/// [`SettingsError`] if an option is unknown or not a URL, or if credentials are missing.
pub(crate) fn options(
    scheme: Scheme,
    settings: &StoreSettings<'_>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Vec<(&'static str, String)>, SettingsError> {
    let supported = supported(scheme, settings.access);
    let names: Vec<_> = supported.iter().map(|option| option.name).collect();
    check_names(settings.options, &names)?;
    let mut options = Vec::new();
    for (option, variable, value) in from_environment(scheme, &supported, environment) {
        push(&mut options, option, variable, value)?;
    }
    for (name, value) in settings.options {
        for option in &supported {
            if option.name == name {
                push(&mut options, option, option.name, value.clone())?;
            }
        }
    }
    if settings.metadata == MetadataService::Disabled && !has_credentials(scheme, &options) {
        // `object_store` would request them from a metadata address, which fails slowly.
        let variables = scheme.store().suggested_variables;
        return Err(SettingsError::NoCredentials { variables });
    }
    Ok(options)
}

fn supported(scheme: Scheme, access: Access) -> Vec<&'static StoreOption> {
    let mut supported = Vec::new();
    for option in scheme.store().options {
        if access == Access::ReadWrite || option.kind != OptionKind::WriteOnly {
            supported.push(option);
        }
    }
    supported
}

/// Finds the variables that set an option. Most variables belong to other programs.
fn from_environment(
    scheme: Scheme,
    supported: &[&'static StoreOption],
    environment: impl Iterator<Item = (String, String)>,
) -> Vec<(&'static StoreOption, &'static str, String)> {
    let prefix = scheme.store().prefix;
    let mut set = Vec::new();
    for (variable, value) in environment {
        if variable.starts_with(prefix) && !value.is_empty() {
            set.push((variable.to_ascii_uppercase(), value));
        }
    }
    let mut found = Vec::new();
    for option in supported {
        for variable in option.variables {
            for (name, value) in &set {
                if name == variable {
                    found.push((*option, *variable, value.clone()));
                }
            }
        }
    }
    found
}

fn push(
    options: &mut Vec<(&'static str, String)>,
    option: &StoreOption,
    given: &'static str,
    value: String,
) -> Result<(), SettingsError> {
    // `object_store` panics if the scheme is missing.
    if option.kind == OptionKind::Url && !is_http_url(&value) {
        return Err(SettingsError::NotAUrl { option: option.name, given });
    }
    options.push((option.name, value));
    Ok(())
}

fn is_http_url(value: &str) -> bool {
    let has_scheme = value.starts_with("http://") || value.starts_with("https://");
    match value.parse::<Uri>() {
        Ok(uri) => has_scheme && uri.host().is_some_and(|host| !host.is_empty()),
        Err(_) => false,
    }
}

fn has_credentials(scheme: Scheme, options: &[(&'static str, String)]) -> bool {
    for option in scheme.store().options {
        let given = options.iter().any(|(name, _)| *name == option.name);
        if given && option.kind == OptionKind::Credential {
            return true;
        }
    }
    scheme == Scheme::Google && has_gcloud_login()
}

fn has_gcloud_login() -> bool {
    std::env::home_dir().is_some_and(|home| home.join(GCLOUD_LOGIN).exists())
}

/// Returns the name with the smallest edit distance, if at most a third of its letters differ, or
/// one more.
fn similar(wrong: &str, known: &[&'static str]) -> Option<&'static str> {
    let mut similar = None;
    for name in known {
        let distance = strsim::levenshtein(name, wrong);
        if similar.is_none_or(|best| (distance, *name) < best) {
            similar = Some((distance, *name));
        }
    }
    let (distance, name) = similar?;
    if distance > name.len() / 3 + 1 {
        return None;
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Returns the options as text, or the error.
    fn collected(
        scheme: Scheme,
        access: Access,
        named: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Result<String, SettingsError> {
        let named = owned(named);
        let metadata = MetadataService::Enabled;
        let settings = StoreSettings { options: &named, metadata, access };
        let options = options(scheme, &settings, owned(environment).into_iter())?;
        let pairs: Vec<_> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(pairs.join(" "))
    }

    fn check(scheme: Scheme, named: &[(&str, &str)], environment: &[(&str, &str)], expected: &str) {
        let options = collected(scheme, Access::Read, named, environment);
        assert_eq!(options.expect("valid settings"), expected);
    }

    fn check_error(named: &[(&str, &str)], environment: &[(&str, &str)], expected: &str) {
        let error = collected(Scheme::S3, Access::Read, named, environment).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn options_override_the_environment() {
        let environment =
            [("AWS_REGION", "a"), ("AWS_PAGER", "less"), ("AWS_BUCKET", "other"), ("X", "y")];
        check(Scheme::S3, &[("region", "b")], &environment, "region=a region=b");
        let environment = [("AWS_ENDPOINT_URL_S3", "http://s:1")];
        let named = [("endpoint", "http://t:2")];
        check(Scheme::S3, &named, &environment, "endpoint=http://s:1 endpoint=http://t:2");
        let environment = [("AZURE_STORAGE_ACCOUNT_KEY", "k"), ("AZURE_STORAGE_ACCOUNT_NAME", "n")];
        check(Scheme::Azure, &[], &environment, "account_name=n account_key=k");
    }

    #[test]
    fn of_several_variables_the_more_specific_one_is_used() {
        let environment = [
            ("AWS_REGION", "b"),
            ("AWS_DEFAULT_REGION", "a"),
            ("AWS_ENDPOINT_URL_S3", "http://s:1"),
            ("AWS_ENDPOINT_URL", "http://t:2"),
        ];
        let expected = "endpoint=http://t:2 endpoint=http://s:1 region=a region=b";
        check(Scheme::S3, &[], &environment, expected);
    }

    #[test]
    fn empty_variables_are_not_set() {
        check(Scheme::Google, &[], &[("GOOGLE_BASE_URL", "")], "");
    }

    #[test]
    fn unknown_options_are_refused_with_a_suggestion() {
        check_error(&[("acces_key", "hush")], &[], "unknown option `acces_key`");
        check_error(&[("bucket", "b")], &[], "unknown option `bucket`");
        check_error(&[("proxy_url", "http://p")], &[], "unknown option `proxy_url`");
        let supported = ["region", "access_key_id"];
        let error = check_names(&owned(&[("acces_key", "k")]), &supported).expect_err("misspelt");
        assert_eq!(error.similar, Some("access_key_id"));
        let error = check_names(&owned(&[("colour", "k")]), &supported).expect_err("unknown");
        assert_eq!(error.similar, None);
    }

    #[test]
    fn options_for_writing_are_refused_where_nothing_is_written() {
        let named = [("sse_kms_key_id", "k")];
        check_error(&named, &[], "unknown option `sse_kms_key_id`");
        let options = collected(Scheme::S3, Access::ReadWrite, &named, &[]);
        assert_eq!(options.expect("valid settings"), "sse_kms_key_id=k");
        check(Scheme::S3, &[], &[("AWS_SSE_KMS_KEY_ID", "k")], "");
    }

    #[test]
    fn urls_need_a_scheme_and_a_host() {
        for endpoint in ["127.0.0.1:9000", "store", "ftp://store", "http://"] {
            let expected = "the value of `AWS_ENDPOINT_URL` is not a valid URL";
            check_error(&[], &[("AWS_ENDPOINT_URL", endpoint)], expected);
            let expected = "the value of `endpoint` is not a valid URL";
            check_error(&[("endpoint", endpoint)], &[], expected);
        }
    }

    #[test]
    fn missing_credentials_are_an_error() {
        let named = owned(&[("region", "r")]);
        let metadata = MetadataService::Disabled;
        let settings = StoreSettings { options: &named, metadata, access: Access::Read };
        let missing = options(Scheme::S3, &settings, std::iter::empty());
        assert!(matches!(missing, Err(SettingsError::NoCredentials { .. })), "{missing:?}");
        let environment = owned(&[("AWS_SKIP_SIGNATURE", "true")]);
        let given = options(Scheme::S3, &settings, environment.into_iter());
        assert!(given.is_ok(), "{given:?}");
    }
}
