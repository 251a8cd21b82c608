//! Opens connections: name resolution with the operator's overrides, TCP, TLS, Unix sockets; each
//! within the connect timeout.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::client::TlsStream;

pub(super) mod tls;

use crate::{
    config::{Network, Trust},
    url::Url,
};
use sendfile_evidence::{Failure, FailureKind, cause_chain};

/// A byte stream over any transport.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens connections. Loading root certificates takes milliseconds, so they are loaded when the
/// first https URL is requested.
pub(crate) struct Connector {
    network: Network,
    tls: OnceLock<Result<Arc<rustls::ClientConfig>, Failure>>,
}

impl Connector {
    pub(crate) fn new(network: Network) -> Self {
        Self { network, tls: OnceLock::new() }
    }

    /// Connects to a URL's origin, or to a Unix socket instead.
    pub(crate) async fn open(
        &self,
        url: &Url,
        unix_socket: Option<&PathBuf>,
    ) -> Result<Box<dyn Stream>, Failure> {
        let limit = self.network.connect_timeout;
        let opened = tokio::time::timeout(limit, self.open_unbounded(url, unix_socket)).await;
        opened.unwrap_or_else(|_| Err(self.too_late()))
    }

    async fn open_unbounded(
        &self,
        url: &Url,
        unix_socket: Option<&PathBuf>,
    ) -> Result<Box<dyn Stream>, Failure> {
        if let Some(path) = unix_socket {
            let stream = UnixStream::connect(path)
                .await
                .map_err(|error| refused(&path.display().to_string(), &error))?;
            return Ok(Box::new(stream));
        }
        if !url.is_https() {
            return Ok(Box::new(self.tcp(url).await?));
        }
        Ok(Box::new(self.tls_stream(url, self.tls()?).await?))
    }

    async fn tls_stream(
        &self,
        url: &Url,
        config: Arc<rustls::ClientConfig>,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let stream = self.tcp(url).await?;
        let name =
            ServerName::try_from(url.host().to_owned()).map_err(|error| tls_failure(&error))?;
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await;
        stream.map_err(|error| tls_failure(&error))
    }

    /// Connects to an https URL's origin and offers these protocols.
    pub(crate) async fn open_tls(
        &self,
        url: &Url,
        protocols: &[&[u8]],
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let mut config = (*self.tls()?).clone();
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        let opening = self.tls_stream(url, Arc::new(config));
        let opened = tokio::time::timeout(self.network.connect_timeout, opening).await;
        opened.unwrap_or_else(|_| Err(self.too_late()))
    }

    /// The TLS settings, created on first use.
    pub(crate) fn tls(&self) -> Result<Arc<rustls::ClientConfig>, Failure> {
        self.tls.get_or_init(|| tls::config(&self.network.trust)).clone()
    }

    /// The connect timeout.
    pub(crate) fn timeout(&self) -> Duration {
        self.network.connect_timeout
    }

    /// The addresses of a URL's host, with the operator's overrides applied; within the timeout.
    pub(crate) async fn resolved(&self, url: &Url) -> Result<Vec<SocketAddr>, Failure> {
        let (host, port) = self.connect_to(url.host(), url.port());
        let found = tokio::time::timeout(self.timeout(), self.addresses(&host, port)).await;
        found.unwrap_or_else(|_| Err(self.too_late()))
    }

    fn too_late(&self) -> Failure {
        let limit = humantime::format_duration(self.timeout());
        Failure { kind: FailureKind::TimedOut, chain: format!("no connection within {limit}") }
    }

    async fn tcp(&self, url: &Url) -> Result<TcpStream, Failure> {
        let (host, port) = self.connect_to(url.host(), url.port());
        let addresses = self.addresses(&host, port).await?;
        let mut last = None;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true).ok();
                    return Ok(stream);
                }
                Err(error) => last = Some(refused(&address.to_string(), &error)),
            }
        }
        Err(last.unwrap_or(Failure {
            kind: FailureKind::NameNotResolved,
            chain: format!("cannot resolve `{host}`: no address found"),
        }))
    }

    /// The operator's connection options for a URL, as options of curl.
    pub(crate) fn through(&self, url: &Url) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(it) = self.network.told_to(url.host(), url.port()) {
            words.extend(["--connect-to".to_owned(), it.to_string()]);
        }
        let (host, port) = self.connect_to(url.host(), url.port());
        if let Some(it) = self.network.told_of(&host, port) {
            words.extend(["--resolve".to_owned(), it.to_string()]);
        }
        match &self.network.trust {
            Trust::File(path) if url.is_https() => {
                words.extend(["--cacert".to_owned(), path.display().to_string()]);
            }
            Trust::Anything if url.is_https() => words.push("-k".to_owned()),
            _ => {}
        }
        words
    }

    fn connect_to(&self, host: &str, port: u16) -> (String, u16) {
        match self.network.told_to(host, port) {
            Some(it) => {
                (it.to.0.clone().unwrap_or_else(|| host.to_owned()), it.to.1.unwrap_or(port))
            }
            None => (host.to_owned(), port),
        }
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(it) = self.network.told_of(host, port) {
            return Ok(vec![SocketAddr::new(it.address, port)]);
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = tokio::net::lookup_host((host, port)).await.map_err(|error| Failure {
            kind: FailureKind::NameNotResolved,
            chain: format!("cannot resolve `{host}`: {}", cause_chain(&error)),
        })?;
        Ok(found.collect())
    }
}

fn refused(place: &str, error: &io::Error) -> Failure {
    Failure {
        kind: FailureKind::Refused,
        chain: format!("cannot connect to `{place}`: {}", cause_chain(error)),
    }
}

fn tls_failure(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure {
        kind: FailureKind::Tls,
        chain: format!("TLS handshake failed: {}", cause_chain(error)),
    }
}
