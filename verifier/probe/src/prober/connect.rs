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
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub(super) mod tls;

use self::tls::handshake_failed;
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
        match timeout(self.timeout(), self.open_unbounded(url, unix_socket)).await {
            Ok(opened) => opened,
            Err(_) => Err(self.timed_out()),
        }
    }

    /// Connects to an https URL's origin and offers these protocols.
    pub(crate) async fn open_tls(
        &self,
        url: &Url,
        protocols: &[&[u8]],
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let mut config = (*self.tls()?).clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        match timeout(self.timeout(), self.tls_stream(url, Arc::new(config))).await {
            Ok(opened) => opened,
            Err(_) => Err(self.timed_out()),
        }
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
        match timeout(self.timeout(), self.addresses(&host, port)).await {
            Ok(found) => found,
            Err(_) => Err(self.timed_out()),
        }
    }

    /// The operator's connection options for a URL, as options of curl.
    pub(crate) fn through(&self, url: &Url) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(connect_to) = self.network.told_to(url.host(), url.port()) {
            words.extend(["--connect-to".to_owned(), connect_to.to_string()]);
        }
        let (host, port) = self.connect_to(url.host(), url.port());
        if let Some(resolve) = self.network.told_of(&host, port) {
            words.extend(["--resolve".to_owned(), resolve.to_string()]);
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

    async fn open_unbounded(
        &self,
        url: &Url,
        unix_socket: Option<&PathBuf>,
    ) -> Result<Box<dyn Stream>, Failure> {
        if let Some(path) = unix_socket {
            return match UnixStream::connect(path).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(refused(&path.display().to_string(), &error)),
            };
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
        let name = ServerName::try_from(url.host().to_owned());
        let name = name.map_err(|error| handshake_failed(&error))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        stream.map_err(|error| handshake_failed(&error))
    }

    async fn tcp(&self, url: &Url) -> Result<TcpStream, Failure> {
        let (host, port) = self.connect_to(url.host(), url.port());
        let mut last = Failure {
            kind: FailureKind::NameNotResolved,
            chain: format!("cannot resolve `{host}`: no address found"),
        };
        for address in self.addresses(&host, port).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Without it, small requests are only slower.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => last = refused(&address.to_string(), &error),
            }
        }
        Err(last)
    }

    /// The host and port to connect to for those of a URL.
    fn connect_to(&self, host: &str, port: u16) -> (String, u16) {
        let (mut to_host, mut to_port) = (host.to_owned(), port);
        if let Some(connect_to) = self.network.told_to(host, port) {
            if let Some(other) = &connect_to.to.0 {
                to_host.clone_from(other);
            }
            if let Some(other) = connect_to.to.1 {
                to_port = other;
            }
        }
        (to_host, to_port)
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(resolve) = self.network.told_of(host, port) {
            return Ok(vec![SocketAddr::new(resolve.address, port)]);
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        match lookup_host((host, port)).await {
            Ok(found) => Ok(found.collect()),
            Err(error) => Err(Failure {
                kind: FailureKind::NameNotResolved,
                chain: format!("cannot resolve `{host}`: {}", cause_chain(&error)),
            }),
        }
    }

    fn timed_out(&self) -> Failure {
        let limit = humantime::format_duration(self.timeout());
        Failure { kind: FailureKind::TimedOut, chain: format!("no connection within {limit}") }
    }
}

fn refused(address: &str, error: &io::Error) -> Failure {
    Failure {
        kind: FailureKind::Refused,
        chain: format!("cannot connect to `{address}`: {}", cause_chain(error)),
    }
}
