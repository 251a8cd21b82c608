//! A directory on a WebDAV server: GET, PUT, DELETE, and MKCOL for parent directories.
//!
//! Servers respond differently to a PUT into a missing directory, some with 500 (nginx), so each
//! directory is created before it is needed. No directory is ever deleted, because WebDAV deletes
//! it with all of its content.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use percent_encoding::percent_decode_str;
use sendfile_stores::WEBDAV;
use sha2::{Digest as _, Sha256};

use super::{
    client::{Client, RequestBody, incomplete},
    error::StorageError,
    failure::{Failure, FailureKind},
    options::StorageConfig,
    stored::Stored,
};
use crate::{
    causes::BoxError,
    dummy::{Content, Digest},
    key::{Key, escape},
};

/// The size of the chunks in which a large dummy is generated and sent, in bytes.
const CHUNK: usize = 256 << 10;

/// A directory on a WebDAV server.
pub(super) struct Dav {
    client: Client,
    /// The URL without a trailing slash.
    url: String,
    authorization: Option<HeaderValue>,
    /// The directories that are known to exist.
    known: Mutex<HashSet<String>>,
}

/// Prints only the URL: the rest is secret.
impl fmt::Debug for Dav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dav").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Dav {
    /// Opens a directory. Removes user and password from the URL, because the URL is displayed.
    pub(super) fn open(url: &str, config: &StorageConfig) -> Result<Self, StorageError> {
        let client = Client::new()?;
        config.only(WEBDAV)?;
        let (url, user) = without_user(url);
        let Ok(uri) = url.parse::<Uri>() else { return Err(StorageError::not_a_url(&url)) };
        let has_host = matches!(uri.host(), Some(host) if !host.is_empty());
        if !has_host || uri.query().is_some() || url.contains('#') {
            return Err(StorageError::not_a_url(&url));
        }
        let authorization = match authorization(config, user.as_deref()) {
            None => None,
            Some(text) => match HeaderValue::try_from(text) {
                Ok(value) => Some(value),
                Err(_) => return Err(StorageError::not_a_url(&url)),
            },
        };
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { client, url, authorization, known: Mutex::default() })
    }

    /// Returns the URL without credentials.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn read_start(&self, key: &Key, max: usize) -> Result<Stored, BoxError> {
        let response = match self.request(Method::GET, &key.escaped(), empty()).await {
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(Stored::Nothing),
            response => response?,
        };
        let size = content_length(&response);
        let uri = self.uri(&key.escaped())?;
        let mut body = response.into_body();
        let mut bytes = BytesMut::new();
        while bytes.len() < max
            && let Some(frame) = body.frame().await
        {
            let frame = frame.map_err(|error| incomplete(&Method::GET, &uri, error))?;
            let chunk = frame.into_data().unwrap_or_default();
            bytes.extend_from_slice(&chunk[..chunk.len().min(max - bytes.len())]);
        }
        let size = size.unwrap_or(bytes.len() as u64);
        Ok(Stored::File { bytes: bytes.freeze(), size })
    }

    pub(super) async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        content_type: &str,
    ) -> Result<(), BoxError> {
        self.create_directories(key).await?;
        let size = bytes.len() as u64;
        let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        self.send(key, body, size, content_type).await
    }

    /// Sends a dummy while it is generated, and returns its checksum. Memory use is constant.
    pub(super) async fn upload(
        &self,
        key: &Key,
        content: &Arc<Content>,
        content_type: &str,
    ) -> Result<Digest, BoxError> {
        self.create_directories(key).await?;
        let hasher = Arc::new(Mutex::new(Sha256::new()));
        let (hashed, content) = (Arc::clone(&hasher), Arc::clone(content));
        let size = content.size();
        let chunks = stream::unfold(0, move |offset| {
            let chunk = content.read(offset, CHUNK);
            hashed.lock().unwrap_or_else(PoisonError::into_inner).update(&chunk);
            async move {
                if chunk.is_empty() {
                    return None;
                }
                let next = offset + chunk.len() as u64;
                Some((Ok(Frame::data(chunk)), next))
            }
        });
        self.send(key, StreamBody::new(chunks).boxed_unsync(), size, content_type).await?;
        let hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(hasher.into())
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<(), BoxError> {
        match self.request(Method::DELETE, &key.escaped(), empty()).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(super) async fn read_back(&self, key: &Key) -> Result<(u64, Digest), BoxError> {
        let response = self.request(Method::GET, &key.escaped(), empty()).await?;
        let uri = self.uri(&key.escaped())?;
        let mut body = response.into_body();
        let (mut size, mut hasher) = (0, Sha256::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| incomplete(&Method::GET, &uri, error))?;
            let chunk = frame.into_data().unwrap_or_default();
            size += chunk.len() as u64;
            hasher.update(&chunk);
        }
        Ok((size, hasher.into()))
    }

    async fn send(
        &self,
        key: &Key,
        body: RequestBody,
        size: u64,
        content_type: &str,
    ) -> Result<(), BoxError> {
        let mut request = self.prepare(Method::PUT, &key.escaped(), body)?;
        let content_type = HeaderValue::from_str(content_type)?;
        request.headers_mut().insert(header::CONTENT_TYPE, content_type);
        // Servers can refuse a body that is too large early, and some require a length.
        request.headers_mut().insert(header::CONTENT_LENGTH, size.into());
        if let Err(failure) = self.client.send(request).await {
            // If another program has deleted a directory, the next write creates it again.
            self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
            return Err(failure.into());
        }
        Ok(())
    }

    /// Creates the parent directories of a key, outermost first. If one cannot be created, the write
    /// into it fails.
    async fn create_directories(&self, key: &Key) -> Result<(), BoxError> {
        for directory in key.directories() {
            if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(directory) {
                continue;
            }
            let path = format!("{}/", escape(directory));
            if let Err(failure) = self.request(mkcol(), &path, empty()).await
                && (failure.kind.is_silence() || failure.kind == FailureKind::BucketMissing)
            {
                return Err(failure.into());
            }
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(directory.to_owned());
        }
        Ok(())
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: RequestBody,
    ) -> Result<Response<Incoming>, Failure> {
        self.client.send(self.prepare(method, path, body)?).await
    }

    fn prepare(
        &self,
        method: Method,
        path: &str,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, Failure> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(path)?;
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        Ok(request)
    }

    fn uri(&self, path: &str) -> Result<Uri, Failure> {
        match format!("{}/{path}", self.url).parse::<Uri>() {
            Ok(uri) => Ok(uri),
            Err(error) => {
                let what = format!("`{}` is not a valid URL", self.url);
                Err(Failure::new(FailureKind::Other, what).because(error))
            }
        }
    }
}

/// Returns the method that creates a directory. If the directory exists, the response is 405 (RFC
/// 4918, section 9.3).
fn mkcol() -> Method {
    Method::from_bytes(b"MKCOL").unwrap_or_default()
}

fn empty() -> RequestBody {
    Full::default().map_err(|never| match never {}).boxed_unsync()
}

fn content_length(response: &Response<Incoming>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Splits `http://user:password@host/` into the URL without credentials and the credentials.
fn without_user(url: &str) -> (String, Option<String>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, host)) => (format!("{scheme}://{host}{}", &rest[end..]), Some(user.into())),
        None => (url.to_owned(), None),
    }
}

/// Returns the value of `Authorization`, from the options or else from the URL.
fn authorization(config: &StorageConfig, user: Option<&str>) -> Option<String> {
    if let Some(name) = config.named("username") {
        let password = config.named("password").unwrap_or_default();
        return Some(basic(&format!("{name}:{password}")));
    }
    if let Some(token) = config.named("bearer_token") {
        return Some(format!("Bearer {token}"));
    }
    Some(basic(&percent_decode_str(user?).decode_utf8_lossy()))
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(credentials))
}
