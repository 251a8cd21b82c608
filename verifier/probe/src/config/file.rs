//! The TOML file of targets that the operator writes.
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
    target::{Expectations, LocalPlaces, Places, Target},
    values::{expected, fixture_at, handoff, headers},
};
use sendfile_evidence::{Access, CERT_DAYS, Intent};

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

/// The targets of the file, or only the named ones.
pub fn targets(path: &Path, named: &[String]) -> Result<Vec<Target>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let written: Written = toml::from_str(&text).map_err(|error| ConfigError::NotUnderstood {
        path: path.to_owned(),
        problem: problem(&text, &error),
    })?;
    if written.targets.is_empty() {
        return Err(ConfigError::NotUnderstood {
            path: path.to_owned(),
            problem: "no target\nhint: add a table, e.g. `[targets.downloads]`".to_owned(),
        });
    }
    if let Some(missing) = named.iter().find(|name| !written.targets.contains_key(*name)) {
        let known: Vec<&str> = written.targets.keys().map(String::as_str).collect();
        return Err(wrong(
            missing,
            &format!("not in `{}`, which has {}", path.display(), known.join(", ")),
            "give --target the name of a table `[targets.NAME]`",
        ));
    }
    let chosen =
        written.targets.into_iter().filter(|(name, _)| named.is_empty() || named.contains(name));
    chosen.map(|(name, target)| target.read(name)).collect()
}

/// The target that a table describes, with the keys of the file.
pub fn target(name: &str, table: toml::Table) -> Result<Target, ConfigError> {
    let written: Result<WrittenTarget, _> = table.try_into();
    let written = written.map_err(|error| {
        wrong(name, error.message(), "use the keys of a target in a --config file")
    })?;
    written.read(name.to_owned())
}

impl WrittenTarget {
    fn read(self, name: String) -> Result<Target, ConfigError> {
        let places = self.places(&name)?;
        let (header, value) = self.handoff.as_deref().map(handoff).transpose()?.unwrap_or_default();
        let urls =
            |list: &[String]| list.iter().map(|it| it.parse()).collect::<Result<Vec<_>, _>>();
        let configs: Result<Vec<_>, String> =
            self.proxy_config.iter().map(|it| proxy_config(it)).collect();
        let not_a_config = |problem: String| {
            wrong(&name, &problem, "write `proxy-config = [\"nginx:/etc/nginx/nginx.conf\"]`")
        };
        let method = self.full_method.as_deref().unwrap_or("GET").parse();
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
            full_method: method.map_err(|_| {
                wrong(&name, "`full-method` is not an HTTP method", "write GET, HEAD or POST")
            })?,
            inner: urls(&self.inner)?,
            refused: urls(&self.refused)?,
            unix_socket: self.unix_socket,
            local: LocalPlaces { configs: configs.map_err(not_a_config)?, logs: self.error_log },
        };
        Ok(Target { name, places, expectations })
    }

    fn places(&self, name: &str) -> Result<Places, ConfigError> {
        let metadata = if self.storage_metadata {
            MetadataService::Enabled
        } else {
            MetadataService::Disabled
        };
        let options: Vec<_> = self.storage_options.clone().into_iter().collect();
        let means = Credentials { options: &options, metadata };
        let storage = self.storage.as_deref().map(|it| storage_at(it, means)).transpose()?;
        let url = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
        match (&self.fixture, &self.site, &self.full) {
            (Some(fixture), Some(site), None) => Ok(Places::Fixture {
                fixture: fixture_at(fixture, self.unix_socket.clone())?,
                site: site.parse()?,
                storage,
            }),
            (None, None, Some(full)) => Ok(Places::Urls {
                storage,
                app: url(&self.app)?,
                direct: url(&self.direct)?,
                full: full.parse()?,
            }),
            _ => Err(wrong(
                name,
                "set either `fixture` and `site`, or `full`",
                "e.g. `fixture = \"http://127.0.0.1:8000\"` and `site = \"https://example.org\"`",
            )),
        }
    }
}

fn wrong(target: &str, problem: &str, hint: &'static str) -> ConfigError {
    ConfigError::Target { target: target.to_owned(), problem: problem.to_owned(), hint }
}

/// The message of the parser with its line number; omits the line, which may hold a password.
fn problem(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |it| it.matches('\n').count() + 1);
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
    let wrong = quoted.next().unwrap_or_default();
    match nearest(wrong, quoted.filter(|it| !it.is_empty())) {
        Some(meant) => format!("{problem}\nhint: did you mean `{meant}`?"),
        None => problem.to_owned(),
    }
}
