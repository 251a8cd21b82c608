//! What the built-in proxy does with one request: where it leads, what the app says, which file.

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

use super::{CatchAll, Proxy, Settings};
use crate::listen::Address;

/// The longest wait for an answer of the app.
const PATIENCE: Duration = Duration::from_secs(30);

/// nginx gives up after as many internal redirects, with 500 (measured, 1.22.1).
const REDIRECTS: usize = 10;

/// What nginx keeps of the app's answer when it serves the file (measured, 1.22.1).
const KEPT: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_DISPOSITION,
    header::CACHE_CONTROL,
    header::EXPIRES,
    header::SET_COOKIE,
];

/// Of one connection only (RFC 9110, section 7.6.1).
const NOT_PASSED: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// By which a client would choose the hand-off.
const NOT_ASKED: [&str; 4] =
    ["x-accel-mapping", "x-accel-redirect", "x-sendfile", "x-sendfile-type"];

type Cause = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, Cause>;

/// Answers visitors. Cloning shares the settings.
#[derive(Clone, Debug)]
pub(super) struct Relay(Arc<Proxy>);

/// Where a URI leads.
enum Place<'a> {
    File(&'a str, &'a str),
    App,
    Page,
    Nowhere,
}

/// Who asks for a URI.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    Visitor,
    /// The app, by a hand-off.
    App,
}

impl Relay {
    pub(super) fn new(proxy: Arc<Proxy>) -> Self {
        Self(proxy)
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
        let proxy = Arc::clone(&self.0);
        Box::pin(async move {
            let mut response = proxy.visit(request).await;
            let name = HeaderValue::from_static("sendfile-fixture");
            response.headers_mut().insert(header::SERVER, name);
            Ok(response)
        })
    }
}

impl Proxy {
    /// Follows a request through as many hand-offs as it takes.
    async fn visit(&self, request: Request<Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let mut body = body.map_err(Cause::from).boxed_unsync();
        let mut uri = parts.uri.path().to_owned();
        let mut asker = Asker::Visitor;
        let mut kept = HeaderMap::new();
        for _ in 0..=REDIRECTS {
            match self.settings.place(&uri, asker) {
                Place::File(folder, rest) => return self.file(folder, rest, &parts, kept).await,
                Place::Page => return page(StatusCode::OK),
                Place::Nowhere => return page(StatusCode::NOT_FOUND),
                Place::App => {}
            }
            let asked = timeout(PATIENCE, self.ask(&parts, body)).await;
            let Ok(Ok(answer)) = asked else { return page(StatusCode::BAD_GATEWAY) };
            let Some(handoff) = self.settings.handoff(&answer) else { return answer };
            (kept, uri, asker) = (answer.into_parts().0.headers, handoff, Asker::App);
            // nginx asks anew with GET and without a body (measured, 1.22.1).
            body = Empty::new().map_err(|never| match never {}).boxed_unsync();
            if parts.method != Method::HEAD {
                parts.method = Method::GET;
            }
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.uri = escaped(&uri);
        }
        page(StatusCode::INTERNAL_SERVER_ERROR)
    }

    async fn ask(&self, parts: &Parts, body: Body) -> Result<Response<Body>, Cause> {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = target.parse()?;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = asked(&parts.headers);
        let mut response = match &self.app {
            Address::Tcp(address) => send(TcpStream::connect(address).await?, request).await?,
            Address::Unix(path) => send(UnixStream::connect(path).await?, request).await?,
        };
        *response.headers_mut() = passed(response.headers());
        Ok(response.map(|body| body.map_err(Cause::from).boxed_unsync()))
    }

    async fn file(
        &self,
        folder: &str,
        rest: &str,
        parts: &Parts,
        kept: HeaderMap,
    ) -> Response<Body> {
        let Some(path) = confined(&self.storage.join(folder), rest) else {
            return page(StatusCode::NOT_FOUND);
        };
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = match parts.method {
            Method::HEAD => Method::HEAD,
            _ => Method::GET,
        };
        *request.headers_mut() = parts.headers.clone();
        // ServeFile knows no If-Range, and the end of another file must not be put behind this one's
        // beginning: without Range the whole comes.
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
                let mut response = response.map(|body| body.map_err(Cause::from).boxed_unsync());
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
    fn place<'a>(&'a self, uri: &'a str, asker: Asker) -> Place<'a> {
        let below = |prefix: &str| if prefix.is_empty() { None } else { uri.strip_prefix(prefix) };
        if let Some(rest) = below(&self.direct) {
            return Place::File(&self.direct_to, rest);
        }
        if let Some(rest) = below(&self.map) {
            return match asker {
                Asker::Visitor if self.internal => Place::Nowhere,
                Asker::Visitor | Asker::App => Place::File(&self.map_to, rest),
            };
        }
        match self.catch_all {
            _ if self.pass.iter().any(|prefix| below(prefix).is_some()) => Place::App,
            CatchAll::App => Place::App,
            CatchAll::Page => Place::Page,
            CatchAll::NotFound => Place::Nowhere,
        }
    }

    fn handoff(&self, answer: &Response<Body>) -> Option<String> {
        let value = answer.headers().get(&self.header).filter(|_| self.obey)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

async fn send<I>(stream: I, request: Request<Body>) -> hyper::Result<Response<Incoming>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the response; what goes wrong then, its reader hears too.
    tokio::spawn(connection);
    sender.send_request(request).await
}

/// Decodes once, and stays below `root`: after decoding, `..` is refused wherever it stands.
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

/// Makes a URI of a value that may have been written raw.
fn escaped(uri: &str) -> Uri {
    const RAW: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'#');
    utf8_percent_encode(uri, RAW).to_string().parse().unwrap_or_default()
}

/// A client's headers as they go on to the app.
fn asked(headers: &HeaderMap) -> HeaderMap {
    let mut headers = passed(headers);
    for name in NOT_ASKED {
        headers.remove(name);
    }
    headers
}

fn passed(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in NOT_PASSED {
        headers.remove(name);
    }
    headers
}

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
    fn nothing_leaves_the_folder() {
        let path = |rest| confined(Path::new("/srv"), rest);
        for rest in ["..", "a/../..", "%2e%2e/x", "..%2fx", "a%2f..%2f..%2fx", "a%00", "%ff"] {
            assert_eq!(path(rest), None, "{rest}");
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
            assert_eq!(path(rest).as_deref(), Some(Path::new(expected)), "{rest}");
        }
    }
}
