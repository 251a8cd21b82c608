//! Sends requests over HTTP/2, as browsers do if a site has TLS, and inspects its certificate.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Uri, header, uri::Authority};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::client::TlsStream;
use x509_cert::der::Decode as _;

use super::http::{Client, Observed, failure, http_request, unusable};
use crate::plan::ProbeRequest;
use sendfile_evidence::{Certificate, Failure, Outcome, Probe, Response};

/// Maximum size of a response's header block.
const HEADER_BYTES: u32 = 256 * 1024;

const DAY: u64 = 24 * 60 * 60;

impl Client {
    /// Sends a request over HTTP/2, if the site supports it; the certificate is inspected in any
    /// case.
    pub(crate) async fn send_http2(
        &self,
        request: &ProbeRequest,
        nonce: &str,
        cap: u64,
    ) -> (Option<Certificate>, Probe<Response>) {
        // The semaphore is never closed, so every request gets a permit.
        let _permit = self.permits.acquire().await;
        let began = Instant::now();
        let (certificate, outcome) = self.observe_http2(request, nonce, cap, began).await;
        let request = self.record(request);
        (certificate, Probe { request, outcome, took: began.elapsed() })
    }

    async fn observe_http2(
        &self,
        request: &ProbeRequest,
        nonce: &str,
        cap: u64,
        began: Instant,
    ) -> (Option<Certificate>, Outcome<Response>) {
        let stream = match self.connector.open_tls(&request.url, &[b"h2", b"http/1.1"]).await {
            Ok(stream) => stream,
            Err(failure) => return (None, Outcome::Failed(failure)),
        };
        let (_, session) = stream.get_ref();
        let certificate = match session.peer_certificates() {
            Some([first, ..]) => certificate(first),
            Some([]) | None => None,
        };
        if session.alpn_protocol() != Some(b"h2") {
            let reason = "the site does not support HTTP/2".to_owned();
            return (certificate, Outcome::Skipped(reason));
        }
        let outcome = match self.exchange_http2(stream, request, nonce, cap, began).await {
            Ok((response, _)) => Outcome::Response(response),
            Err(failure) => Outcome::Failed(failure),
        };
        (certificate, outcome)
    }

    async fn exchange_http2(
        &self,
        stream: TlsStream<TcpStream>,
        request: &ProbeRequest,
        nonce: &str,
        cap: u64,
        began: Instant,
    ) -> Observed {
        let http_request = as_http2(http_request(request, nonce)?, request)?;
        let until = began + self.limits.timeout;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_header_list_size(HEADER_BYTES);
        let handshake = builder.handshake::<_, Empty<Bytes>>(TokioIo::new(stream));
        let (mut sender, connection) = match timeout_at(until, handshake).await {
            Ok(opened) => opened.map_err(|error| failure(&error))?,
            Err(_) => return Err(self.timed_out()),
        };
        let connection = tokio::spawn(connection);
        let observed = match timeout_at(until, sender.send_request(http_request)).await {
            Err(_) => Err(self.timed_out()),
            Ok(Err(error)) => Err(failure(&error)),
            Ok(Ok(response)) => {
                let (parts, body) = response.into_parts();
                let (status, headers) = (parts.status.as_u16(), &parts.headers);
                let (watch, end) = self.read(request, cap, headers, status, body, began).await;
                let (body, trace) = watch.finish(end, 0, &self.redactor);
                Ok((self.response(status, headers, body), trace))
            }
        };
        connection.abort();
        observed
    }
}

/// The same request in the form of HTTP/2: the authority is part of the URI, and
/// connection-specific headers are not sent (RFC 9113, section 8.2.2).
fn as_http2(
    mut http_request: http::Request<Empty<Bytes>>,
    request: &ProbeRequest,
) -> Result<http::Request<Empty<Bytes>>, Failure> {
    http_request.headers_mut().remove(header::CONNECTION);
    let mut parts = request.url.uri().clone().into_parts();
    if let Some(host) = http_request.headers_mut().remove(header::HOST) {
        let authority = Authority::try_from(host.as_bytes());
        parts.authority = Some(authority.map_err(|error| unusable(&error))?);
    }
    *http_request.uri_mut() = Uri::from_parts(parts).map_err(|error| unusable(&error))?;
    Ok(http_request)
}

/// The expiry of a certificate.
fn certificate(der: &CertificateDer<'_>) -> Option<Certificate> {
    let parsed = x509_cert::Certificate::from_der(der).ok()?;
    let until = parsed.tbs_certificate().validity().not_after.to_unix_duration();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Certificate {
        until: SystemTime::UNIX_EPOCH.checked_add(until)?,
        days_left: days(now, until),
    })
}

/// Whole days from one time to another.
fn days(from: Duration, to: Duration) -> i64 {
    let between = i128::from(to.as_secs()) - i128::from(from.as_secs());
    i64::try_from(between.div_euclid(i128::from(DAY))).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_between_times() {
        let check = |from, to, expected| {
            assert_eq!(days(Duration::from_secs(from), Duration::from_secs(to)), expected);
        };
        check(0, 2 * DAY + 1, 2);
        check(1, 1, 0);
        check(1, 0, -1);
    }
}
