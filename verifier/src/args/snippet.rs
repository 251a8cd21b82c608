//! The arguments of `snippet`.

use clap::Args;

use crate::snippet::{Proxy, Remote, ValueError, Values, filled};

/// The arguments of `snippet`.
#[derive(Args, Debug)]
pub struct Snippet {
    /// The proxy
    #[arg(value_enum)]
    pub proxy: Proxy,
    /// The folder that the app and the proxy read from, as a path or a file:// URL; with
    /// --remote the http(s):// URL of bucket and prefix that the app's links begin with
    #[arg(long, value_name = "DIR|URL")]
    pub storage: Option<String>,
    /// The snippet for a private bucket, to which the app signs links
    #[arg(long, value_enum, value_name = "FORM")]
    pub remote: Option<Remote>,
    /// The header that carries a whole link [signed-header only; default: X-Storage-Url]
    #[arg(long, value_name = "NAME", requires = "remote")]
    pub remote_header: Option<String>,
    /// Where the fixture listens, as HOST:PORT
    #[arg(long, value_name = "HOST:PORT")]
    pub app: Option<String>,
    /// The prefix of the internal location
    #[arg(long, value_name = "PREFIX")]
    pub map: Option<String>,
}

impl Snippet {
    /// The file that they ask for, with their values.
    ///
    /// # Errors
    ///
    /// [`ValueError`], where no such file is shipped or a value cannot stand in it.
    pub fn text(&self) -> Result<String, ValueError> {
        let shipped = match self.remote {
            Some(remote) => remote.text(self.proxy)?,
            None => self.proxy.text(),
        };
        let values = Values {
            storage: self.storage.as_deref(),
            app: self.app.as_deref(),
            map: self.map.as_deref(),
            remote: self.remote,
            link_header: self.remote_header.as_deref(),
        };
        filled(self.proxy, shipped, values)
    }
}
