//! A bucket as the operator writes it: `s3://`, `az://` or `gs://`, with options from the file, the
//! command line, and the environment variables of each store's own tools.
//!
//! Options have the names that `object_store` gives them. This module sends no request, so that
//! misspelt options are reported before the first one.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::{ConfigError, nearest};

/// Settings of a storage in addition to its URL.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// Options by name.
    pub options: &'a [(String, String)],
    /// Whether the metadata service may be asked.
    pub metadata: Metadata,
}

/// Whether credentials may be requested from the machine's metadata service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// It may.
    Asked,
    /// It may not.
    NotAsked,
}

/// An object, or a prefix of objects.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketAt {
    /// The kind of store.
    pub scheme: Scheme,
    /// The bucket or container.
    pub bucket: String,
    /// The key, exactly as in the store; not percent-decoded.
    pub key: String,
    /// Options by name; later ones override earlier ones.
    pub options: Vec<(String, String)>,
}

/// The kinds of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// S3 and compatible stores.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage.
    Google,
}

/// The properties of a kind of store.
struct Kind {
    scheme: Scheme,
    name: &'static str,
    variables: &'static str,
    options: &'static [&'static str],
    /// Other tools' environment variables, and the options that they set.
    aliases: &'static [(&'static str, &'static str)],
    /// Options that provide credentials; one of them suffices.
    credentials: &'static [&'static str],
    /// The hint if there are no credentials.
    missing: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        scheme: Scheme::S3,
        name: "s3",
        variables: "AWS_",
        options: &[
            "endpoint",
            "region",
            "access_key_id",
            "secret_access_key",
            "session_token",
            "virtual_hosted_style_request",
            "skip_signature",
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
            "sse_customer_key_base64",
            "allow_http",
        ],
        aliases: &[
            ("AWS_DEFAULT_REGION", "region"),
            ("AWS_ENDPOINT_URL", "endpoint"),
            ("AWS_ENDPOINT_URL_S3", "endpoint"),
        ],
        credentials: &[
            "access_key_id",
            "secret_access_key",
            "web_identity_token_file",
            "container_credentials_relative_uri",
            "container_credentials_full_uri",
            "skip_signature",
        ],
        missing: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or add --storage-metadata to \
                  use this machine's metadata service",
    },
    Kind {
        scheme: Scheme::Azure,
        name: "az",
        variables: "AZURE_",
        options: &[
            "endpoint",
            "account_name",
            "account_key",
            "sas_token",
            "bearer_token",
            "client_id",
            "client_secret",
            "tenant_id",
            "authority_host",
            "federated_token_file",
            "msi_endpoint",
            "object_id",
            "msi_resource_id",
            "skip_signature",
            "use_emulator",
            "encryption_key",
            "allow_http",
        ],
        aliases: &[
            ("AZURE_STORAGE_ACCOUNT_NAME", "account_name"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "account_key"),
            ("AZURE_STORAGE_SAS_TOKEN", "sas_token"),
            ("AZURE_STORAGE_TOKEN", "bearer_token"),
            ("AZURE_STORAGE_ENDPOINT", "endpoint"),
            ("AZURE_STORAGE_CLIENT_ID", "client_id"),
            ("AZURE_STORAGE_CLIENT_SECRET", "client_secret"),
            ("AZURE_STORAGE_TENANT_ID", "tenant_id"),
            ("AZURE_STORAGE_USE_EMULATOR", "use_emulator"),
        ],
        credentials: &[
            "account_key",
            "sas_token",
            "bearer_token",
            "client_secret",
            "federated_token_file",
            "skip_signature",
            "use_emulator",
        ],
        missing: "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or add \
                  --storage-metadata to use this machine's metadata service",
    },
    Kind {
        scheme: Scheme::Google,
        name: "gs",
        variables: "GOOGLE_",
        options: &[
            "base_url",
            "service_account",
            "service_account_key",
            "application_credentials",
            "bearer_token",
            "skip_signature",
            "allow_http",
        ],
        aliases: &[],
        credentials: &[
            "service_account",
            "service_account_key",
            "application_credentials",
            "bearer_token",
            "skip_signature",
        ],
        missing: "set GOOGLE_APPLICATION_CREDENTIALS, or add --storage-metadata to use this \
                  machine's metadata service",
    },
];

/// Options whose value is a URL; `object_store` panics if the scheme is missing.
const URLS: [&str; 5] =
    ["endpoint", "endpoint_url_sts", "metadata_endpoint", "base_url", "authority_host"];

/// Characters to encode in a key: all except slashes and the unreserved ones of RFC 3986.
const KEY_UNSAFE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Where `gcloud auth application-default login` stores the credentials; `object_store` reads them
/// without an option.
const WELL_KNOWN: &str = ".config/gcloud/application_default_credentials.json";

impl BucketAt {
    /// Parses the URL of a bucket; `None` if the scheme is not that of a bucket.
    pub(super) fn parse(
        text: &str,
        scheme: &str,
        rest: &str,
        means: Credentials<'_>,
    ) -> Option<Result<Self, ConfigError>> {
        let kind = KINDS.iter().find(|it| it.name == scheme)?;
        Some(kind.bucket(text, rest, means, std::env::vars()))
    }

    /// The object with this key below the prefix.
    pub(crate) fn below(&self, key: &str) -> Self {
        let prefix = self.key.trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        Self { key: format!("{prefix}{slash}{key}"), ..self.clone() }
    }

    /// The object's HTTP URL. `None` for Amazon S3 without an endpoint: its URLs have two forms, and
    /// the app may sign either.
    pub(crate) fn http(&self) -> Option<String> {
        let url = |name| self.option(name).map(|it| it.trim_end_matches('/').to_owned());
        let server = match self.scheme {
            Scheme::S3 => url("endpoint")?,
            Scheme::Azure => match url("endpoint") {
                Some(url) => url,
                None => format!("https://{}.blob.core.windows.net", self.option("account_name")?),
            },
            Scheme::Google => {
                url("base_url").unwrap_or_else(|| "https://storage.googleapis.com".to_owned())
            }
        };
        let key = utf8_percent_encode(&self.key, KEY_UNSAFE);
        let in_host = self.option("virtual_hosted_style_request") == Some("true");
        Some(match in_host {
            true => format!("{server}/{key}"),
            false => format!("{server}/{}/{key}", self.bucket),
        })
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|it| it.0 == name).map(|it| it.1.as_str())
    }
}

/// The URL, which contains no secret.
impl fmt::Display for BucketAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = KINDS.iter().find(|it| it.scheme == self.scheme);
        write!(f, "{}://{}/{}", kind.map_or("", |it| it.name), self.bucket, self.key)
    }
}

impl fmt::Debug for BucketAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketAt({self})")
    }
}

impl Kind {
    fn bucket(
        &self,
        text: &str,
        rest: &str,
        means: Credentials<'_>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<BucketAt, ConfigError> {
        let wrong = |problem: String, hint: String| ConfigError::Storage {
            url: crate::url::shown(text),
            problem,
            hint,
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains(['@', ':', '?', '#']) {
            let hint =
                format!("write `{}://BUCKET/KEY`; set the server with --storage-option", self.name);
            return Err(wrong("missing or invalid bucket name".to_owned(), hint));
        }
        let mut options: Vec<_> = environment.filter_map(|it| self.variable(it)).collect();
        for (name, value) in means.options {
            if !self.options.contains(&name.as_str()) {
                return Err(unknown(name, self.options, wrong));
            }
            options.push((name.clone(), value.clone()));
        }
        if let Some((name, _)) = options.iter().find(|it| URLS.contains(&&*it.0) && !is_url(&it.1))
        {
            let hint = "start it with a scheme, e.g. `https://HOST:PORT`".to_owned();
            return Err(wrong(format!("option `{name}` is not a URL"), hint));
        }
        let given = options.iter().any(|(name, _)| self.credentials.contains(&name.as_str()));
        let given = given || self.scheme == Scheme::Google && has_well_known();
        if !given && means.metadata == Metadata::NotAsked {
            return Err(wrong("no credentials".to_owned(), self.missing.to_owned()));
        }
        let (bucket, key) = (bucket.to_owned(), key.trim_matches('/').to_owned());
        Ok(BucketAt { scheme: self.scheme, bucket, key, options })
    }

    /// The option that an environment variable sets; most variables belong to other programs.
    fn variable(&self, (variable, value): (String, String)) -> Option<(String, String)> {
        let rest = variable.strip_prefix(self.variables).filter(|_| !value.is_empty())?;
        let alias = self.aliases.iter().find(|(name, _)| *name == variable).map(|(_, it)| *it);
        let plain = rest.to_ascii_lowercase();
        let option = alias.or_else(|| self.options.iter().find(|it| **it == plain).copied())?;
        Some((option.to_owned(), value))
    }
}

pub(super) fn unknown(
    name: &str,
    known: &[&str],
    wrong: impl Fn(String, String) -> ConfigError,
) -> ConfigError {
    let hint = match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("supported options: {}", known.join(", ")),
    };
    wrong(format!("unknown option `{name}`"), hint)
}

fn is_url(value: &str) -> bool {
    let uri = value.parse::<http::Uri>().ok();
    let scheme = ["http://", "https://"].iter().any(|it| value.starts_with(it));
    scheme && uri.is_some_and(|it| it.host().is_some_and(|host| !host.is_empty()))
}

fn has_well_known() -> bool {
    std::env::home_dir().is_some_and(|home| home.join(WELL_KNOWN).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn bucket(url: &str, options: &[(&str, &str)], environment: &[(&str, &str)]) -> String {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let kind = KINDS.iter().find(|it| it.name == scheme).expect("a kind");
        let options = owned(options);
        let means = Credentials { options: &options, metadata: Metadata::NotAsked };
        match kind.bucket(url, rest, means, owned(environment).into_iter()) {
            Ok(it) => {
                let options: Vec<_> = it.options.iter().map(|(a, b)| format!("{a}={b}")).collect();
                format!("{it} {}", options.join(" "))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn options_come_from_the_environment_and_the_operator() {
        let environment = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_PAGER", "less"), ("AWS_REGION", "a")];
        assert_eq!(
            bucket("s3://b/a b/c%20.bin", &[("region", "b")], &environment),
            "s3://b/a b/c%20.bin access_key_id=k region=a region=b"
        );
        let environment = [("AZURE_STORAGE_ACCOUNT_NAME", "n"), ("AZURE_STORAGE_ACCOUNT_KEY", "k")];
        assert_eq!(bucket("az://c", &[], &environment), "az://c/ account_name=n account_key=k");
    }

    #[test]
    fn http_url_is_known_if_the_server_is() {
        let http = |scheme, options: &[(&str, &str)]| {
            let (bucket, key) = ("b".to_owned(), "a b.bin".to_owned());
            BucketAt { scheme, bucket, key, options: owned(options) }.http()
        };
        let is = |it: &str| Some(it.to_owned());
        assert_eq!(http(Scheme::S3, &[]), None);
        let endpoint = ("endpoint", "http://h:1/");
        assert_eq!(http(Scheme::S3, &[endpoint]), is("http://h:1/b/a%20b.bin"));
        let in_host = ("virtual_hosted_style_request", "true");
        assert_eq!(http(Scheme::S3, &[endpoint, in_host]), is("http://h:1/a%20b.bin"));
        let account = http(Scheme::Azure, &[("account_name", "n")]);
        assert_eq!(account, is("https://n.blob.core.windows.net/b/a%20b.bin"));
    }

    #[test]
    fn wrong_options_are_reported_before_the_first_request() {
        let wrong = [
            ("s3://b/k", &[("acess_key_id", "hush")][..], "did you mean `access_key_id`?"),
            ("s3://b/k", &[("proxy_url", "http://p")], "unknown option `proxy_url`"),
            ("s3://b/k", &[], "no credentials"),
            ("s3://b/k", &[("endpoint", "127.0.0.1:9000")], "`endpoint` is not a URL"),
            ("s3:///k", &[], "missing or invalid bucket name"),
            ("s3://host:9000/b", &[], "missing or invalid bucket name"),
        ];
        for (url, options, expected) in wrong {
            let said = bucket(url, options, &[]);
            assert!(said.contains(expected) && !said.contains("hush"), "{said}");
        }
    }
}
