//! Sends requests over HTTP/2, as browsers do if a site has TLS, and inspects its certificate.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Uri, header, uri::Authority};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::client::TlsStream;
use x509_cert::der::Decode;

use super::http::{Client, Observed, failure, request};
use crate::plan::ProbeRequest;
use sendfile_evidence::{Certificate, Failure, FailureKind, Outcome, Probe, Response, cause_chain};

/// Maximum size of a response's header block.
const HEADER_BYTES: u32 = 256 * 1024;

const DAY: u64 = 24 * 60 * 60;

impl Client {
    /// Sends a request over HTTP/2, if the site supports it; the certificate is inspected in any
    /// case.
    pub(crate) async fn ask_http2(
        &self,
        ask: &ProbeRequest,
        nonce: &str,
        cap: u64,
    ) -> (Option<Certificate>, Probe<Response>) {
        // The semaphore is never closed, so every request gets a permit.
        let _permit = self.permits.acquire().await;
        let began = Instant::now();
        let probed =
            |seen| Probe { request: self.asked(ask), outcome: seen, took: began.elapsed() };
        let stream = match self.connector.open_tls(&ask.url, &[b"h2", b"http/1.1"]).await {
            Ok(stream) => stream,
            Err(failure) => return (None, probed(Outcome::Failed(failure))),
        };
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(|it| certificate(it.first()?));
        if session.alpn_protocol() != Some(b"h2") {
            let none = Outcome::Skipped("the site does not support HTTP/2".to_owned());
            return (certificate, probed(none));
        }
        let seen = match self.exchange_http2(stream, ask, nonce, cap, began).await {
            Ok((response, _)) => Outcome::Response(response),
            Err(failure) => Outcome::Failed(failure),
        };
        (certificate, probed(seen))
    }

    async fn exchange_http2(
        &self,
        stream: TlsStream<TcpStream>,
        ask: &ProbeRequest,
        nonce: &str,
        cap: u64,
        began: Instant,
    ) -> Observed {
        let request = as_http2(request(ask, nonce)?, ask)?;
        let until = began + self.limits.timeout;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_header_list_size(HEADER_BYTES);
        let handshake = builder.handshake::<_, Empty<Bytes>>(TokioIo::new(stream));
        let opened = tokio::time::timeout_at(until, handshake).await;
        let (mut sender, connection) =
            opened.map_err(|_| self.timed_out())?.map_err(|error| failure(&error))?;
        let connection = tokio::spawn(connection);
        let answered = tokio::time::timeout_at(until, sender.send_request(request)).await;
        let observed = match answered {
            Err(_) => Err(self.timed_out()),
            Ok(Err(error)) => Err(failure(&error)),
            Ok(Ok(response)) => {
                let (parts, body) = response.into_parts();
                let status = parts.status.as_u16();
                let (watch, end) = self.read(ask, cap, &parts.headers, status, body, began).await;
                let (body, trace) = watch.finish(end, 0, &self.redactor);
                Ok((self.response(status, &parts.headers, body), trace))
            }
        };
        connection.abort();
        observed
    }
}

/// The same request in the form of HTTP/2: the authority is part of the URI, and
/// connection-specific headers are not sent (RFC 9113, section 8.2.2).
fn as_http2(
    mut request: http::Request<Empty<Bytes>>,
    ask: &ProbeRequest,
) -> Result<http::Request<Empty<Bytes>>, Failure> {
    let unusable = |problem: String| Failure { kind: FailureKind::Other, chain: problem };
    request.headers_mut().remove(header::CONNECTION);
    let host = request.headers_mut().remove(header::HOST);
    let named = host.as_ref().map(HeaderValue::as_bytes).map(Authority::try_from);
    let mut parts = ask.url.uri().clone().into_parts();
    if let Some(named) = named {
        parts.authority = Some(named.map_err(|error| unusable(cause_chain(&error)))?);
    }
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| unusable(cause_chain(&error)))?;
    Ok(request)
}

/// The expiry of a certificate.
fn certificate(der: &CertificateDer<'_>) -> Option<Certificate> {
    let ends = x509_cert::Certificate::from_der(der).ok()?;
    let until = ends.tbs_certificate().validity().not_after.to_unix_duration();
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
        let of = |from, to| days(Duration::from_secs(from), Duration::from_secs(to));
        assert_eq!(of(0, 2 * DAY + 1), 2);
        assert_eq!(of(1, 1), 0);
        assert_eq!(of(1, 0), -1);
    }
}
