//! Faults: named changes that break a healthy set-up, each with its expected first finding.

use clap::ValueEnum;
use serde::Deserialize;

use super::{StageError, script::Answer};
use crate::{args::DemoProxy, config::Depth};

mod change;

pub use change::{Act, App, Edit, Edited, Relay};

/// One change, and its expected findings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The cause, in one line.
    pub story: String,
    /// The proxy, by its value of `--proxy`.
    pub proxy: String,
    /// The shipped file to edit.
    pub file: Option<String>,
    /// The edit.
    pub edit: Option<Edit>,
    /// Where the edit is active.
    #[serde(default)]
    pub edited: Edited,
    /// A change to the storage or the fixture instead of an edit.
    pub act: Option<Act>,
    /// The hand-off that the app sends instead of the expected one.
    pub app: Option<App>,
    /// The responses of an app that replaces the fixture.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// The responses of an object store at `@STORE@`.
    #[serde(default)]
    pub store: Vec<Answer>,
    /// A proxy between the client and the proxy that serves the file.
    pub front: Option<Relay>,
    /// A proxy between the proxy that serves the file and the app.
    pub between: Option<Relay>,
    /// Settings of the target in addition to the known ones, with the keys of the file for
    /// `--config`; empty values are removed.
    #[serde(default)]
    pub target: toml::Table,
    /// Whether `--thorough` is needed to find it.
    #[serde(default)]
    pub thorough: bool,
    /// The rule of the first finding; none for an unusual but healthy set-up. Further rules may be
    /// first instead if the configuration can be read.
    pub expected: Vec<String>,
    /// The rule of the first finding if the configuration and the log can be read, where it differs.
    pub told: Option<String>,
    /// A required warning, regardless of the findings.
    pub warned: Option<String>,
    /// The required warning if the configuration and the log can be read.
    #[serde(rename = "told-warning")]
    pub told_warning: Option<String>,
}

macro_rules! faults {
    ($($id:literal),+ $(,)?) => {
        /// All faults: their ids, and their files in `tests/faults`.
        pub const FAULTS: &[(&str, &str)] = &[
            $(($id, include_str!(concat!("../../tests/faults/", $id, ".toml")))),+
        ];
    };
}

faults!(
    "apache-app-answers-ranges",
    "apache-app-body-beside-handoff",
    "apache-app-header-misspelt",
    "apache-app-is-down",
    "apache-app-length-without-body",
    "apache-app-path-encoded",
    "apache-app-relative-path",
    "apache-app-sends-uri",
    "apache-app-wrong-dialect",
    "apache-app-wrong-status",
    "apache-bypassed-by-caddy",
    "apache-direct-location-wrong",
    "apache-dummy-closed",
    "apache-dummy-missing",
    "apache-etag-constant",
    "apache-folder-closed",
    "apache-healthy",
    "apache-healthy-behind-nginx",
    "apache-healthy-both-headers",
    "apache-healthy-passed-on",
    "apache-healthy-virtual-host",
    "apache-mended-not-reloaded",
    "apache-mended-off-not-reloaded",
    "apache-module-missing",
    "apache-no-answer-in-front",
    "apache-off-behind-nginx",
    "apache-override-forbidden",
    "apache-own-error-page",
    "apache-path-not-allowed",
    "apache-path-not-allowed-behind-nginx",
    "apache-path-of-another-machine",
    "apache-permission-behind-nginx",
    "apache-proxypass-missing",
    "apache-refused-between",
    "apache-upstream-wrong",
    "apache-xsendfile-off",
    "built-in-another-folder",
    "built-in-another-prefix",
    "built-in-app-is-down",
    "built-in-dummy-missing",
    "built-in-dummy-overwritten",
    "built-in-fallback-page",
    "built-in-header-ignored",
    "built-in-healthy",
    "built-in-not-internal",
    "caddy-another-prefix",
    "caddy-app-contradictory-lengths",
    "caddy-app-is-down",
    "caddy-app-looks-elsewhere",
    "caddy-app-path-encoded",
    "caddy-app-sends-path",
    "caddy-app-sends-url",
    "caddy-certificate-of-its-own",
    "caddy-disposition-lost",
    "caddy-dummy-missing",
    "caddy-head-becomes-get",
    "caddy-healthy",
    "caddy-healthy-behind-apache",
    "caddy-healthy-handle-path",
    "caddy-mended-not-reloaded",
    "caddy-not-routed",
    "caddy-packed-copy-stale",
    "caddy-prefix-stays",
    "caddy-query-dropped",
    "caddy-root-elsewhere",
    "caddy-rule-for-another-header",
    "caddy-storage-not-mounted",
    "caddy-value-not-read",
    "lighttpd-app-answers-ranges",
    "lighttpd-app-duplicate-handoff",
    "lighttpd-app-is-down",
    "lighttpd-app-obsolete-header",
    "lighttpd-app-other-folder",
    "lighttpd-app-wrong-header",
    "lighttpd-app-wrong-status",
    "lighttpd-docroot-behind-caddy",
    "lighttpd-docroot-elsewhere",
    "lighttpd-dummy-closed",
    "lighttpd-dummy-missing",
    "lighttpd-healthy",
    "lighttpd-healthy-behind-nginx",
    "lighttpd-healthy-both-headers",
    "lighttpd-healthy-broken-not-loaded",
    "lighttpd-healthy-two-docroots",
    "lighttpd-mended-not-reloaded",
    "lighttpd-not-routed",
    "lighttpd-off-behind-nginx",
    "lighttpd-ranges-lost-behind-nginx",
    "lighttpd-ranges-off",
    "lighttpd-swallowed-between",
    "lighttpd-xsendfile-off",
    "nginx-access-denied",
    "nginx-alias-elsewhere",
    "nginx-alias-traversal",
    "nginx-alias-traversal-inside",
    "nginx-alias-without-slash",
    "nginx-another-app",
    "nginx-another-prefix",
    "nginx-another-storage",
    "nginx-app-contradictory-lengths",
    "nginx-app-down-behind-caddy",
    "nginx-app-duplicate-header",
    "nginx-app-fails",
    "nginx-app-handoff-differs",
    "nginx-app-header-misspelt",
    "nginx-app-is-down",
    "nginx-app-no-handoff",
    "nginx-app-open-to-anybody",
    "nginx-app-other-prefix",
    "nginx-app-path-not-encoded",
    "nginx-app-prefix-lost",
    "nginx-app-refuses",
    "nginx-app-refuses-head",
    "nginx-app-sends-bytes",
    "nginx-app-sends-path",
    "nginx-app-status-intercepted",
    "nginx-app-wrong-content-type",
    "nginx-app-wrong-dialect",
    "nginx-asks-for-login",
    "nginx-auth-request-refuses",
    "nginx-bypassed",
    "nginx-cached-error",
    "nginx-cached-error-any-query",
    "nginx-cached-private",
    "nginx-cached-stale",
    "nginx-closed-for-maintenance",
    "nginx-closes-connection",
    "nginx-content-encoding",
    "nginx-contradictory-lengths-in-front",
    "nginx-cookie-not-passed",
    "nginx-default-server-open",
    "nginx-direct-location-wrong",
    "nginx-disposition-doubled",
    "nginx-drops-hand-off",
    "nginx-dummy-closed",
    "nginx-dummy-missing",
    "nginx-dummy-overwritten",
    "nginx-dummy-truncated",
    "nginx-echo-headers",
    "nginx-exposed-behind-login",
    "nginx-exposed-behind-nginx",
    "nginx-filter-adds-bytes",
    "nginx-filter-changes-bytes",
    "nginx-filter-changes-html",
    "nginx-filter-everywhere",
    "nginx-folder-closed",
    "nginx-front-compresses",
    "nginx-front-drops-headers",
    "nginx-front-keeps-downloads",
    "nginx-hands-off-to-dead-store",
    "nginx-header-dropped-between",
    "nginx-header-ignored",
    "nginx-header-too-big",
    "nginx-header-unset-between",
    "nginx-healthy",
    "nginx-healthy-app-answers-ranges",
    "nginx-healthy-app-status",
    "nginx-healthy-behind-apache",
    "nginx-healthy-behind-caddy",
    "nginx-healthy-behind-lighttpd",
    "nginx-healthy-behind-login",
    "nginx-healthy-behind-nginx",
    "nginx-healthy-both-headers",
    "nginx-healthy-broken-not-loaded",
    "nginx-healthy-cached",
    "nginx-healthy-engaged",
    "nginx-healthy-fallback",
    "nginx-healthy-gzip",
    "nginx-healthy-headers",
    "nginx-healthy-length-without-body",
    "nginx-healthy-limited",
    "nginx-healthy-named-location",
    "nginx-healthy-of-a-cdn",
    "nginx-healthy-once-only",
    "nginx-healthy-once-redirects",
    "nginx-healthy-passed-on",
    "nginx-healthy-private",
    "nginx-healthy-rate-limited",
    "nginx-healthy-regex-captures",
    "nginx-healthy-root",
    "nginx-healthy-rotated",
    "nginx-healthy-store",
    "nginx-healthy-try-files",
    "nginx-healthy-without-slashes",
    "nginx-host-refused",
    "nginx-link-leaks",
    "nginx-link-not-allowed",
    "nginx-link-refused",
    "nginx-location-case",
    "nginx-location-exact",
    "nginx-location-named",
    "nginx-login-in-front",
    "nginx-mapping-wrong",
    "nginx-masked-errors",
    "nginx-mended-not-reloaded",
    "nginx-mended-prefix-not-reloaded",
    "nginx-mended-routing-not-reloaded",
    "nginx-name-excluded",
    "nginx-no-location-static",
    "nginx-not-engaged",
    "nginx-not-internal",
    "nginx-not-internal-unmeasured",
    "nginx-not-routed",
    "nginx-open-file-kept",
    "nginx-open-file-kept-everywhere",
    "nginx-open-relay",
    "nginx-open-relay-by-path",
    "nginx-other-server",
    "nginx-own-error-page",
    "nginx-packed-copy-of-another-file",
    "nginx-packed-copy-stale",
    "nginx-path-leaks",
    "nginx-path-stripped",
    "nginx-path-stripped-by-caddy",
    "nginx-path-stripped-in-front",
    "nginx-path-variable-wrong",
    "nginx-permission-behind-nginx",
    "nginx-privacy-lost",
    "nginx-proxy-is-down",
    "nginx-query-dropped",
    "nginx-ranges-off",
    "nginx-redirected-in-front",
    "nginx-redirects-to-https",
    "nginx-refusal-ignored",
    "nginx-refusal-masked",
    "nginx-refused-by-condition",
    "nginx-refused-in-front",
    "nginx-regex-capture-folder",
    "nginx-regex-takes-html",
    "nginx-regex-takes-target",
    "nginx-relay-for-anybody",
    "nginx-root-elsewhere",
    "nginx-root-for-alias",
    "nginx-signed-for-get",
    "nginx-spoofable",
    "nginx-storage-elsewhere-behind-apache",
    "nginx-storage-not-mounted",
    "nginx-storage-public",
    "nginx-store-asked-for-the-download",
    "nginx-store-copy-kept",
    "nginx-store-copy-kept-by-path",
    "nginx-store-gets-authorization",
    "nginx-store-host-wrong",
    "nginx-store-key-wrong",
    "nginx-store-name-not-resolved",
    "nginx-store-name-unknown",
    "nginx-store-out-of-reach",
    "nginx-store-path-decoded",
    "nginx-store-prefix-kept",
    "nginx-store-refuses",
    "nginx-store-unreachable",
    "nginx-store-wants-signature",
    "nginx-swallowed-between",
    "nginx-swallowed-unseen",
    "nginx-target-passes-to-app",
    "nginx-upstream-wrong",
    "nginx-variable-empty",
    "nginx-wrong-protocol",
    "nginx-wrong-server-block",
);

impl Fault {
    /// The depth that is needed to find it.
    pub fn depth(&self) -> Depth {
        if self.thorough { Depth::Thorough } else { Depth::AsNeeded }
    }

    /// All faults of a proxy, with their ids.
    pub fn all_of(proxy: DemoProxy) -> impl Iterator<Item = (&'static str, Self)> {
        let all = FAULTS.iter().filter_map(|(id, _)| Some((*id, Self::named(id).ok()?)));
        all.filter(move |(_, it)| it.proxy == name(proxy))
    }

    /// The fault with this id, if it belongs to this proxy.
    pub fn of(proxy: DemoProxy, id: &str) -> Result<Self, StageError> {
        let fault = Self::named(id)?;
        if fault.proxy == name(proxy) {
            return Ok(fault);
        }
        Err(StageError::OtherProxy { id: id.to_owned(), proxy: fault.proxy })
    }

    /// The fault with this id.
    pub fn named(id: &str) -> Result<Self, StageError> {
        let (_, text) = FAULTS
            .iter()
            .find(|(it, _)| *it == id)
            .ok_or_else(|| StageError::NoSuchFault(id.to_owned()))?;
        let wrong = |problem: String| StageError::Fault { id: id.to_owned(), problem };
        let fault: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        match (&fault.file, &fault.edit) {
            (Some(_), Some(_)) | (None, None) => Ok(fault),
            _ => Err(wrong("`file` and `edit` require each other".to_owned())),
        }
    }

    /// The text of a file with the fault's edit, if the edit is for this file.
    pub(super) fn applied(&self, file: &str, text: &str) -> Result<String, StageError> {
        let Some(Edit { from, to }) =
            self.edit.as_ref().filter(|_| self.file.as_deref() == Some(file))
        else {
            return Ok(text.to_owned());
        };
        match text.matches(from.as_str()).count() {
            1 => Ok(text.replacen(from, to, 1)),
            n => Err(StageError::Fault {
                id: self.story.clone(),
                problem: format!("`{from}` occurs {n} times in {file}, expected once"),
            }),
        }
    }
}

/// The name of a proxy on the command line.
fn name(proxy: DemoProxy) -> String {
    proxy.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned())
}
