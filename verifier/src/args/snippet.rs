//! The arguments of `snippet`.

use clap::Args;
use sendfile_evidence::Server;

use super::server::with_snippet;
use crate::snippet::{self, Remote, ValueError, Values};

/// The arguments of `snippet`.
#[derive(Args, Debug)]
pub struct Snippet {
    /// Proxy to print the snippet for
    #[arg(value_parser = with_snippet())]
    pub proxy: Server,
    /// Storage directory of the app and the proxy, as a path or a file:// URL; with --remote the
    /// http(s):// URL of bucket and prefix with which the app's links begin
    #[arg(long, value_name = "DIR|URL")]
    pub storage: Option<String>,
    /// Print the snippet for a private bucket with links signed by the app
    #[arg(long, value_enum, value_name = "FORM")]
    pub remote: Option<Remote>,
    /// Header that carries the signed link [signed-header only; default: X-Storage-Url]
    #[arg(long, value_name = "NAME", requires = "remote")]
    pub remote_header: Option<String>,
    /// Address of the fixture: HOST:PORT, or unix:/PATH for nginx and Caddy
    #[arg(long, value_name = "HOST:PORT")]
    pub app: Option<String>,
    /// Prefix of the internal location, e.g. /protected/
    #[arg(long, value_name = "PREFIX")]
    pub map: Option<String>,
}

impl Snippet {
    /// The text of the snippet, with the given values.
    ///
    /// # Errors
    ///
    /// [`ValueError`], if no such snippet is shipped or a value is not valid in it.
    pub fn text(&self) -> Result<String, ValueError> {
        let snippet = snippet::of(self.proxy)?;
        let text = match self.remote {
            Some(remote) => snippet.remote_text(remote)?,
            None => snippet.text,
        };
        let values = Values {
            storage: self.storage.as_deref(),
            app: self.app.as_deref(),
            map: self.map.as_deref(),
            remote: self.remote,
            link_header: self.remote_header.as_deref(),
        };
        snippet.filled(text, values)
    }
}
