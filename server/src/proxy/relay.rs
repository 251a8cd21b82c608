//! One request to the built-in proxy: finds its destination, forwards it to the app, serves the file.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header, request::Parts,
};
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tower::Service;
use tower_http::services::ServeFile;

use super::settings::{CatchAll, Settings};
use crate::{causes::BoxError, listen::Address};

/// The maximum time to wait for a response of the app.
const APP_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum number of internal redirects; nginx then responds with 500 (measured, 1.22.1).
const REDIRECTS_MAX: usize = 10;

/// The headers of the app that nginx sends with the file (measured, 1.22.1).
const KEPT: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_DISPOSITION,
    header::CACHE_CONTROL,
    header::EXPIRES,
    header::SET_COOKIE,
];

/// Headers for one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// Headers with which a client could choose the hand-off.
const STRIPPED: [&str; 4] =
    ["x-accel-mapping", "x-accel-redirect", "x-sendfile", "x-sendfile-type"];

type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Responds to the requests of clients. Clones share the settings.
#[derive(Clone, Debug)]
pub(super) struct Relay(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    app: Address,
    storage: PathBuf,
    settings: Settings,
}

/// The destination of a URI.
enum Destination<'a> {
    /// A directory of the storage, and an encoded path below it.
    File(&'a str, &'a str),
    App,
    Page,
    Nowhere,
}

/// The origin of a URI.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Client,
    HandOff,
}

impl Relay {
    pub(super) fn new(app: Address, storage: PathBuf, settings: Settings) -> Self {
        Self(Arc::new(Shared { app, storage, settings }))
    }
}

impl Service<Request<Incoming>> for Relay {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let mut response = shared.respond(request).await;
            let name = HeaderValue::from_static("sendfile-fixture");
            response.headers_mut().insert(header::SERVER, name);
            Ok(response)
        })
    }
}

impl Shared {
    /// Follows a request through all of its hand-offs.
    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let mut body = body.map_err(BoxError::from).boxed_unsync();
        let mut uri = parts.uri.path().to_owned();
        let mut origin = Origin::Client;
        let mut kept = HeaderMap::new();
        for _ in 0..=REDIRECTS_MAX {
            match self.settings.destination(&uri, origin) {
                Destination::File(directory, rest) => {
                    return self.file(directory, rest, &parts, kept).await;
                }
                Destination::Page => return page(StatusCode::OK),
                Destination::Nowhere => return page(StatusCode::NOT_FOUND),
                Destination::App => {}
            }
            let forwarded = timeout(APP_TIMEOUT, self.forward(&parts, body)).await;
            let Ok(Ok(response)) = forwarded else { return page(StatusCode::BAD_GATEWAY) };
            let Some(handoff) = self.settings.handoff(&response) else { return response };
            (kept, uri, origin) = (response.into_parts().0.headers, handoff, Origin::HandOff);
            // nginx redirects with GET and without a body (measured, 1.22.1).
            body = Empty::new().map_err(|never| match never {}).boxed_unsync();
            if parts.method != Method::HEAD {
                parts.method = Method::GET;
            }
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.uri = parse_uri(&uri);
        }
        page(StatusCode::INTERNAL_SERVER_ERROR)
    }

    async fn forward(&self, parts: &Parts, body: Body) -> Result<Response<Body>, BoxError> {
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = match parts.uri.path_and_query() {
            Some(target) => target.as_str().parse()?,
            None => Uri::from_static("/"),
        };
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = for_app(&parts.headers);
        let mut response = match &self.app {
            Address::Tcp(address) => send(TcpStream::connect(address).await?, request).await?,
            Address::Unix(path) => send(UnixStream::connect(path).await?, request).await?,
        };
        *response.headers_mut() = end_to_end(response.headers());
        Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
    }

    async fn file(
        &self,
        directory: &str,
        rest: &str,
        parts: &Parts,
        kept: HeaderMap,
    ) -> Response<Body> {
        let Some(path) = confined(&self.storage.join(directory), rest) else {
            return page(StatusCode::NOT_FOUND);
        };
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = match parts.method {
            Method::HEAD => Method::HEAD,
            _ => Method::GET,
        };
        *request.headers_mut() = parts.headers.clone();
        // ServeFile does not support If-Range, and the client must not append the end of another file
        // to the beginning of this one. Without Range it gets the whole file.
        if request.headers().contains_key(header::IF_RANGE) {
            request.headers_mut().remove(header::RANGE);
        }
        let response = match tokio::fs::metadata(&path).await {
            Ok(meta) if meta.is_file() => ServeFile::new(path).try_call(request).await,
            Ok(_) => Err(io::ErrorKind::NotFound.into()),
            Err(error) => Err(error),
        };
        match response {
            Ok(response) => {
                let mut response = response.map(|body| body.map_err(BoxError::from).boxed_unsync());
                keep(&kept, response.headers_mut());
                response
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                page(StatusCode::FORBIDDEN)
            }
            Err(_) => page(StatusCode::NOT_FOUND),
        }
    }
}

impl Settings {
    fn destination<'a>(&'a self, uri: &'a str, origin: Origin) -> Destination<'a> {
        if let Some(rest) = below(&self.direct, uri) {
            return Destination::File(&self.direct_directory, rest);
        }
        if let Some(rest) = below(&self.path_prefix, uri) {
            return match origin {
                Origin::Client if self.internal => Destination::Nowhere,
                Origin::Client | Origin::HandOff => Destination::File(&self.directory, rest),
            };
        }
        if self.pass.iter().any(|prefix| below(prefix, uri).is_some()) {
            return Destination::App;
        }
        match self.catch_all {
            CatchAll::App => Destination::App,
            CatchAll::Page => Destination::Page,
            CatchAll::NotFound => Destination::Nowhere,
        }
    }

    fn handoff(&self, response: &Response<Body>) -> Option<String> {
        if !self.obey {
            return None;
        }
        let value = response.headers().get(&self.header)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

/// Returns the rest of a URI below a prefix; an empty prefix matches nothing.
fn below<'a>(prefix: &str, uri: &'a str) -> Option<&'a str> {
    if prefix.is_empty() {
        return None;
    }
    uri.strip_prefix(prefix)
}

async fn send<I>(stream: I, request: Request<Body>) -> hyper::Result<Response<Incoming>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The task ends with the response, and the reader of the response gets its errors.
    tokio::spawn(connection);
    sender.send_request(request).await
}

/// Decodes a path once and joins it to `root`. Refuses `..` in the decoded path.
fn confined(root: &Path, rest: &str) -> Option<PathBuf> {
    let rest = percent_decode_str(rest).decode_utf8().ok()?;
    let mut path = root.to_owned();
    for segment in rest.split('/') {
        match segment {
            "" | "." => {}
            ".." => return None,
            name if name.contains('\0') => return None,
            name => path.push(name),
        }
    }
    Some(path)
}

/// Parses the value of a hand-off, which may be unencoded.
fn parse_uri(uri: &str) -> Uri {
    const RAW: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'#');
    utf8_percent_encode(uri, RAW).to_string().parse().unwrap_or_default()
}

/// Returns the headers of a client that are forwarded to the app.
fn for_app(headers: &HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(headers);
    for name in STRIPPED {
        headers.remove(name);
    }
    headers
}

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}

/// Copies the kept headers of the app to the response with the file.
fn keep(from: &HeaderMap, to: &mut HeaderMap) {
    for name in KEPT {
        let mut values = from.get_all(&name).iter();
        if let Some(first) = values.next() {
            to.insert(name.clone(), first.clone());
        }
        for value in values {
            to.append(name.clone(), value.clone());
        }
    }
}

fn page(status: StatusCode) -> Response<Body> {
    let page = format!(
        "<html><head><title>{status}</title></head>\n\
         <body><h1>{status}</h1><hr>sendfile-fixture proxy</body></html>\n"
    );
    let mut response =
        Response::new(Full::from(page).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_directory() {
        let root = Path::new("/srv");
        for rest in ["..", "a/../..", "%2e%2e/x", "..%2fx", "a%2f..%2f..%2fx", "a%00", "%ff"] {
            assert_eq!(confined(root, rest), None, "{rest}");
        }
        let table = [
            ("a/b", "/srv/a/b"),
            ("//etc/passwd", "/srv/etc/passwd"),
            ("%2fetc", "/srv/etc"),
            ("a%2520", "/srv/a%20"),
            ("odd é 100%.bin", "/srv/odd é 100%.bin"),
            ("..a/.b", "/srv/..a/.b"),
            ("", "/srv"),
        ];
        for (rest, expected) in table {
            assert_eq!(confined(root, rest).as_deref(), Some(Path::new(expected)), "{rest}");
        }
    }
}
