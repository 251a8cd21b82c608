//! The TOML file of targets that the operator writes. Knows its keys; the syntax of their values is
//! that of the flags, in `values`, `storage` and `local`.
//!
//! ```toml
//! [targets.downloads]
//! fixture = "http://127.0.0.1:8000"
//! site = "https://example.org"
//! storage = "file:///srv/media"
//! ```

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sendfile_stores::MetadataService;
use serde::Deserialize;

use super::{
    bucket::Credentials,
    error::{ConfigError, nearest},
    local::proxy_config,
    storage::storage_at,
    target::{Expectations, FixtureUrls, GivenUrls, LayerUrls, LocalFiles, StorageAt, Target},
    values::{expected, fixture_at, handoff, headers, urls},
};
use crate::url::{Url, UrlError};
use sendfile_evidence::{Access, CERT_DAYS, Intent, Server};

/// The targets of the file, or only the named ones.
///
/// # Errors
///
/// [`ConfigError`] if the file cannot be read, is not a valid configuration, or lacks a named
/// target.
pub fn targets(path: &Path, named: &[String]) -> Result<Vec<Target>, ConfigError> {
    let written = read(path)?;
    for name in named {
        if !written.targets.contains_key(name) {
            let known: Vec<&str> = written.targets.keys().map(String::as_str).collect();
            let problem = format!("not in `{}`, which has {}", path.display(), known.join(", "));
            let hint = "give --target the name of a table `[targets.NAME]`";
            return Err(invalid(name, &problem, hint));
        }
    }
    let mut targets = Vec::new();
    for (name, target) in written.targets {
        if named.is_empty() || named.contains(&name) {
            targets.push(target.read(name)?);
        }
    }
    Ok(targets)
}

/// The target that a table describes, with the keys of the file.
///
/// # Errors
///
/// [`ConfigError`] if the table is not a valid target.
pub fn target(name: &str, table: toml::Table) -> Result<Target, ConfigError> {
    let written: WrittenTarget = match table.try_into() {
        Ok(written) => written,
        Err(error) => {
            let hint = "use the keys of a target in a --config file";
            return Err(invalid(name, error.message(), hint));
        }
    };
    written.read(name.to_owned())
}

fn read(path: &Path) -> Result<Written, ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(source) => return Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    };
    let problem = match toml::from_str::<Written>(&text) {
        Ok(written) if !written.targets.is_empty() => return Ok(written),
        Ok(_) => "no target\nhint: add a table, e.g. `[targets.downloads]`".to_owned(),
        Err(error) => problem(&text, &error),
    };
    Err(ConfigError::NotUnderstood { path: path.to_owned(), problem })
}

/// Values by name.
type Named<T> = BTreeMap<String, T>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    #[serde(default)]
    targets: Named<WrittenTarget>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenTarget {
    fixture: Option<String>,
    site: Option<String>,
    storage: Option<String>,
    #[serde(default)]
    storage_options: Named<String>,
    #[serde(default)]
    storage_metadata: bool,
    app: Option<String>,
    direct: Option<String>,
    full: Option<String>,
    #[serde(default)]
    inner: Vec<String>,
    unix_socket: Option<PathBuf>,
    handoff: Option<String>,
    #[serde(default)]
    app_headers: Vec<String>,
    #[serde(default)]
    full_headers: Vec<String>,
    full_method: Option<String>,
    #[serde(default)]
    expect_headers: Vec<String>,
    #[serde(default)]
    private: bool,
    cert_days: Option<u32>,
    #[serde(default)]
    refused: Vec<String>,
    #[serde(default)]
    proxy_config: Vec<String>,
    #[serde(default)]
    error_log: Vec<PathBuf>,
}

impl WrittenTarget {
    fn read(self, name: String) -> Result<Target, ConfigError> {
        let layers = self.layers(&name)?;
        let (header, value) = match &self.handoff {
            Some(line) => handoff(line)?,
            None => (None, None),
        };
        let configs = self.proxy_configs();
        let expectations = Expectations {
            intent: Intent {
                header,
                value,
                expect: expected(&self.expect_headers)?,
                access: if self.private { Access::Private } else { Access::Unsaid },
                cert_days: self.cert_days.unwrap_or(CERT_DAYS),
            },
            app_headers: headers(&self.app_headers)?,
            full_headers: headers(&self.full_headers)?,
            full_method: self.method(&name)?,
            inner: urls(&self.inner)?,
            refused: urls(&self.refused)?,
            unix_socket: self.unix_socket,
            local: LocalFiles {
                configs: configs.map_err(|problem| invalid(&name, &problem, CONFIG_HINT))?,
                logs: self.error_log,
            },
        };
        Ok(Target { name, layers, expectations })
    }

    fn method(&self, name: &str) -> Result<http::Method, ConfigError> {
        let Some(text) = &self.full_method else { return Ok(http::Method::GET) };
        match text.parse() {
            Ok(method) => Ok(method),
            Err(_) => {
                let hint = "write GET, HEAD or POST";
                Err(invalid(name, "`full-method` is not an HTTP method", hint))
            }
        }
    }

    fn proxy_configs(&self) -> Result<Vec<(Server, PathBuf)>, String> {
        self.proxy_config.iter().map(|text| proxy_config(text)).collect()
    }

    fn layers(&self, name: &str) -> Result<LayerUrls, ConfigError> {
        let storage = self.storage()?;
        match (&self.fixture, &self.site, &self.full) {
            (Some(fixture), Some(site), None) => Ok(LayerUrls::Fixture(FixtureUrls {
                fixture: fixture_at(fixture, self.unix_socket.clone())?,
                site: site.parse()?,
                storage,
            })),
            (None, None, Some(full)) => Ok(LayerUrls::Given(GivenUrls {
                storage,
                app: optional_url(self.app.as_deref())?,
                direct: optional_url(self.direct.as_deref())?,
                full: full.parse()?,
            })),
            _ => Err(invalid(
                name,
                "set either `fixture` and `site`, or `full`",
                "e.g. `fixture = \"http://127.0.0.1:8000\"` and `site = \"https://example.org\"`",
            )),
        }
    }

    fn storage(&self) -> Result<Option<StorageAt>, ConfigError> {
        let Some(text) = &self.storage else { return Ok(None) };
        let metadata = if self.storage_metadata {
            MetadataService::Enabled
        } else {
            MetadataService::Disabled
        };
        let options: Vec<_> = self.storage_options.clone().into_iter().collect();
        let credentials = Credentials { options: &options, metadata };
        Ok(Some(storage_at(text, credentials)?))
    }
}

const CONFIG_HINT: &str = "write `proxy-config = [\"nginx:/etc/nginx/nginx.conf\"]`";

fn optional_url(text: Option<&str>) -> Result<Option<Url>, UrlError> {
    match text {
        Some(text) => Ok(Some(text.parse()?)),
        None => Ok(None),
    }
}

fn invalid(target: &str, problem: &str, hint: &'static str) -> ConfigError {
    ConfigError::Target { target: target.to_owned(), problem: problem.to_owned(), hint }
}

/// The message of the parser with its line number; omits the line, which may hold a password.
fn problem(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = match before {
        Some(before) => before.matches('\n').count() + 1,
        None => 1,
    };
    with_suggestion(&format!("line {line}: {}", without_value(error.message())))
}

/// The message of the parser without the value that it quotes.
fn without_value(message: &str) -> String {
    match (message.split_once('"'), message.rsplit_once('"')) {
        (Some((before, _)), Some((_, after))) => format!("{before}\"…\"{after}"),
        _ => message.to_owned(),
    }
}

/// Adds `did you mean` to the parser's message "unknown field `x`, expected one of `a`, `b`".
fn with_suggestion(problem: &str) -> String {
    let Some((_, rest)) = problem.split_once("unknown field `") else { return problem.to_owned() };
    let mut quoted = rest.split('`').step_by(2);
    let misspelt = quoted.next().unwrap_or_default();
    let known = quoted.filter(|name| !name.is_empty());
    match nearest(misspelt, known) {
        Some(meant) => format!("{problem}\nhint: did you mean `{meant}`?"),
        None => problem.to_owned(),
    }
}
