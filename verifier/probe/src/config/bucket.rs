//! A bucket as an operator names it: `s3://`, `az://`, `gs://`, with options of the file, the
//! command line, and the variables of the ecosystem's own tools.
//!
//! Names of options are those of `object_store`. Nobody is asked here, so that what is misspelt is
//! said before anything is.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::{ConfigError, nearest};

/// What the operator says about storages beside their URL.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// Options by name.
    pub options: &'a [(String, String)],
    /// Whether the metadata service may be asked.
    pub metadata: Metadata,
}

/// Whether the machine's metadata service may be asked for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// It may.
    Asked,
    /// It may not.
    NotAsked,
}

/// An object, or a prefix that objects stand below.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketAt {
    /// The kind of store.
    pub scheme: Scheme,
    /// The bucket or container.
    pub bucket: String,
    /// The key, as it is at the store: nothing in it is decoded.
    pub key: String,
    /// Options by name, those that count last.
    pub options: Vec<(String, String)>,
}

/// The kinds of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// S3 and all that speaks it.
    S3,
    /// Azure.
    Azure,
    /// Google.
    Google,
}

/// What is known of a kind of store.
struct Kind {
    scheme: Scheme,
    name: &'static str,
    variables: &'static str,
    options: &'static [&'static str],
    /// Variables of other tools, and the option that they mean.
    aliases: &'static [(&'static str, &'static str)],
    /// One of these says as whom to ask.
    credentials: &'static [&'static str],
    /// What to set where none is there.
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
        missing: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --storage-metadata, \
                  which asks this machine's metadata service",
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
        missing: "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or give \
                  --storage-metadata, which asks this machine's metadata service",
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
        missing: "set GOOGLE_APPLICATION_CREDENTIALS, or give --storage-metadata, which asks this \
                  machine's metadata service",
    },
];

/// Options whose value is a URL: `object_store` panics on one without its scheme.
const URLS: [&str; 5] =
    ["endpoint", "endpoint_url_sts", "metadata_endpoint", "base_url", "authority_host"];

/// What a key in a URL is encoded of: all but what RFC 3986 leaves unreserved, and slashes.
const KEY_UNSAFE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Where `gcloud auth application-default login` leaves what `object_store` reads by itself.
const WELL_KNOWN: &str = ".config/gcloud/application_default_credentials.json";

impl BucketAt {
    /// The bucket that a URL names, if its scheme is a bucket's.
    pub(super) fn parse(
        text: &str,
        scheme: &str,
        rest: &str,
        means: Means<'_>,
    ) -> Option<Result<Self, ConfigError>> {
        let kind = KINDS.iter().find(|it| it.name == scheme)?;
        Some(kind.bucket(text, rest, means, std::env::vars()))
    }

    /// An object below this prefix.
    pub(crate) fn below(&self, key: &str) -> Self {
        let prefix = self.key.trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        Self { key: format!("{prefix}{slash}{key}"), ..self.clone() }
    }

    /// The object's URL over HTTP. Amazon's own has two forms, and nothing tells which one an app
    /// signs.
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

/// The URL, which has no secret in it.
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
        means: Means<'_>,
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
                format!("write `{}://BUCKET/KEY`; the server goes into an option", self.name);
            return Err(wrong("it names no bucket".to_owned(), hint));
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
            let hint = "write it with its scheme, like `https://HOST:PORT`".to_owned();
            return Err(wrong(format!("its option `{name}` is no URL"), hint));
        }
        let given = options.iter().any(|(name, _)| self.credentials.contains(&name.as_str()));
        let given = given || self.scheme == Scheme::Google && has_well_known();
        if !given && means.metadata == Metadata::NotAsked {
            return Err(wrong(
                "there are no credentials for it".to_owned(),
                self.missing.to_owned(),
            ));
        }
        let (bucket, key) = (bucket.to_owned(), key.trim_matches('/').to_owned());
        Ok(BucketAt { scheme: self.scheme, bucket, key, options })
    }

    /// The option that a variable of the environment sets; most of them mean other programs.
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
        None => format!("it has {}", known.join(", ")),
    };
    wrong(format!("it has no option `{name}`"), hint)
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
        let means = Means { options: &options, metadata: Metadata::NotAsked };
        match kind.bucket(url, rest, means, owned(environment).into_iter()) {
            Ok(it) => {
                let options: Vec<_> = it.options.iter().map(|(a, b)| format!("{a}={b}")).collect();
                format!("{it} {}", options.join(" "))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn options_come_from_the_environment_and_from_the_operator() {
        let environment = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_PAGER", "less"), ("AWS_REGION", "a")];
        assert_eq!(
            bucket("s3://b/a b/c%20.bin", &[("region", "b")], &environment),
            "s3://b/a b/c%20.bin access_key_id=k region=a region=b"
        );
        let environment = [("AZURE_STORAGE_ACCOUNT_NAME", "n"), ("AZURE_STORAGE_ACCOUNT_KEY", "k")];
        assert_eq!(bucket("az://c", &[], &environment), "az://c/ account_name=n account_key=k");
    }

    #[test]
    fn what_it_is_over_http_is_known_where_it_was_said() {
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
    fn what_cannot_work_is_said_before_anybody_is_asked() {
        let wrong = [
            ("s3://b/k", &[("acess_key_id", "hush")][..], "did you mean `access_key_id`?"),
            ("s3://b/k", &[("proxy_url", "http://p")], "it has no option `proxy_url`"),
            ("s3://b/k", &[], "there are no credentials"),
            ("s3://b/k", &[("endpoint", "127.0.0.1:9000")], "`endpoint` is no URL"),
            ("s3:///k", &[], "it names no bucket"),
            ("s3://host:9000/b", &[], "it names no bucket"),
        ];
        for (url, options, expected) in wrong {
            let said = bucket(url, options, &[]);
            assert!(said.contains(expected) && !said.contains("hush"), "{said}");
        }
    }
}
