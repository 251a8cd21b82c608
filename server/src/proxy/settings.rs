//! The settings of the built-in proxy.

use serde::Deserialize;

/// The settings of the built-in proxy. The default is correct for a fixture with nginx's dialect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether the proxy obeys the hand-off header; otherwise it forwards the header to the client.
    pub obey: bool,
    /// The name of the hand-off header.
    pub header: String,
    /// The path prefix of hand-offs that maps to a directory of the storage.
    #[serde(rename = "map")]
    pub path_prefix: String,
    /// The directory that the path prefix maps to, relative to the storage; empty for the storage
    /// itself.
    #[serde(rename = "map_to")]
    pub directory: String,
    /// Whether the proxy refuses requests of clients below the path prefix.
    pub internal: bool,
    /// The path prefix under which clients get the dummies without the app.
    pub direct: String,
    /// The directory of the dummies, relative to the storage.
    #[serde(rename = "direct_to")]
    pub direct_directory: String,
    /// The path prefixes that are forwarded to the app.
    pub pass: Vec<String>,
    /// The response to all other requests.
    pub catch_all: CatchAll,
}

/// The response to a request that no other setting matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchAll {
    /// The proxy responds with 404.
    NotFound,
    /// The app responds.
    App,
    /// The proxy responds with 200 and always the same page, as for a single-page app.
    Page,
}

impl Default for Settings {
    fn default() -> Self {
        let base = "/healthcheck-utils";
        Self {
            obey: true,
            header: "X-Accel-Redirect".into(),
            path_prefix: "/protected/".into(),
            directory: String::new(),
            internal: true,
            direct: format!("{base}/direct/"),
            direct_directory: "healthcheck".into(),
            pass: vec![
                format!("{base}/download"),
                format!("{base}/probe/"),
                format!("{base}/denied"),
            ],
            catch_all: CatchAll::NotFound,
        }
    }
}
