//! A folder on a WebDAV server: GET, PUT, DELETE, and MKCOL for what lies above.
//!
//! Servers differ in what they make of a missing folder, of which some answer a PUT with 500
//! (nginx): so each folder is made before it is needed. None is ever deleted: on WebDAV that takes
//! all that is in it along.

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
use sha2::{Digest as _, Sha256};

use super::{
    Head, StorageError, Trouble,
    client::{Client, Outgoing, broken_off},
    error::Cause,
    failure::Failure,
    options::{self, Settings},
};
use crate::{
    catalog::Key,
    dummy::{Content, Digest},
};

/// A large dummy is made and sent in pieces of this size, in bytes.
const PIECE: usize = 256 << 10;

/// A folder on a WebDAV server.
pub(super) struct Dav {
    client: Client,
    /// Without a slash at its end.
    url: String,
    authorization: Option<HeaderValue>,
    /// The folders that are known to be there.
    made: Mutex<HashSet<String>>,
}

/// What is sent has the URL only: the rest is secret.
impl fmt::Debug for Dav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dav").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Dav {
    /// Takes a user and a password out of the URL, where they would be shown.
    pub(super) fn open(
        url: &str,
        settings: &Settings,
        client: Client,
    ) -> Result<Self, StorageError> {
        settings.only(options::DAV)?;
        let (url, user) = without_user(url);
        let not_a_url = || StorageError::NotAUrl { given: url.clone() };
        let uri: Uri = url.parse().map_err(|_| not_a_url())?;
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() || url.contains('#') {
            return Err(not_a_url());
        }
        let authorization = authorization(settings, user.as_deref())
            .map(|text| HeaderValue::try_from(text).map_err(|_| not_a_url()))
            .transpose()?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { client, url, authorization, made: Mutex::default() })
    }

    /// Returns the URL. It has no credentials.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn head(&self, key: &Key, max: usize) -> Result<Head, Cause> {
        let response = match self.ask(Method::GET, &key.escaped(), empty()).await {
            Err(failure) if failure.trouble == Trouble::NotFound => return Ok(Head::Nothing),
            response => response?,
        };
        let length = response.headers().get(header::CONTENT_LENGTH);
        let size = length.and_then(|it| it.to_str().ok()?.parse().ok());
        let (uri, mut body) = (self.uri(&key.escaped())?, response.into_body());
        let mut bytes = BytesMut::new();
        while bytes.len() < max
            && let Some(frame) = body.frame().await
        {
            let frame = frame.map_err(|error| broken_off(&Method::GET, &uri, error))?;
            let chunk = frame.into_data().unwrap_or_default();
            bytes.extend_from_slice(&chunk[..chunk.len().min(max - bytes.len())]);
        }
        let size = size.unwrap_or(bytes.len() as u64);
        Ok(Head::File { bytes: bytes.freeze(), size })
    }

    pub(super) async fn put(&self, key: &Key, bytes: Bytes, kind: &str) -> Result<(), Cause> {
        self.make_folders(key).await?;
        let size = bytes.len() as u64;
        let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        self.send(key, body, size, kind).await
    }

    /// Writes a dummy while it is made, and returns its hash. Memory is flat.
    pub(super) async fn upload(
        &self,
        key: &Key,
        content: &Arc<Content>,
        kind: &str,
    ) -> Result<Digest, Cause> {
        self.make_folders(key).await?;
        let hasher = Arc::new(Mutex::new(Sha256::new()));
        let (hashed, content) = (Arc::clone(&hasher), Arc::clone(content));
        let size = content.size();
        let pieces = stream::unfold(0, move |offset| {
            let piece = content.read(offset, PIECE);
            hashed.lock().unwrap_or_else(PoisonError::into_inner).update(&piece);
            let next = offset + piece.len() as u64;
            let piece = (!piece.is_empty()).then(|| (Ok(Frame::data(piece)), next));
            async { piece }
        });
        self.send(key, StreamBody::new(pieces).boxed_unsync(), size, kind).await?;
        let hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(hasher.into())
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<(), Cause> {
        match self.ask(Method::DELETE, &key.escaped(), empty()).await {
            Err(failure) if failure.trouble == Trouble::NotFound => Ok(()),
            response => Ok(response.map(drop)?),
        }
    }

    pub(super) async fn read_back(&self, key: &Key) -> Result<(u64, Digest), Cause> {
        let response = self.ask(Method::GET, &key.escaped(), empty()).await?;
        let (uri, mut body) = (self.uri(&key.escaped())?, response.into_body());
        let (mut size, mut hasher) = (0, Sha256::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken_off(&Method::GET, &uri, error))?;
            let chunk = frame.into_data().unwrap_or_default();
            size += chunk.len() as u64;
            hasher.update(&chunk);
        }
        Ok((size, hasher.into()))
    }

    async fn send(&self, key: &Key, body: Outgoing, size: u64, kind: &str) -> Result<(), Cause> {
        let mut request = self.request(Method::PUT, &key.escaped(), body)?;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_str(kind)?);
        // Servers refuse too much before it comes, and some take no body of unknown length.
        request.headers_mut().insert(header::CONTENT_LENGTH, size.into());
        let answered = self.client.ask(request).await;
        if answered.is_err() {
            // Whoever deleted a folder meanwhile makes it be made again.
            self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(answered.map(drop)?)
    }

    /// Makes the folders above a key, the outermost first. One that cannot be made shows when it
    /// is written to.
    async fn make_folders(&self, key: &Key) -> Result<(), Cause> {
        for folder in key.folders() {
            if self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(folder) {
                continue;
            }
            let path = format!("{}/", crate::catalog::escape(folder));
            if let Err(failure) = self.ask(mkcol(), &path, empty()).await
                && (failure.trouble.is_silence() || failure.trouble == Trouble::BucketMissing)
            {
                return Err(failure.into());
            }
            let mut known = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(folder.to_owned());
        }
        Ok(())
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Outgoing,
    ) -> Result<Response<Incoming>, Failure> {
        self.client.ask(self.request(method, path, body)?).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Outgoing,
    ) -> Result<Request<Outgoing>, Failure> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(path)?;
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        Ok(request)
    }

    fn uri(&self, path: &str) -> Result<Uri, Failure> {
        let uri = format!("{}/{path}", self.url).parse();
        uri.map_err(|error: http::uri::InvalidUri| {
            Failure::new(Trouble::Other, format!("`{}` is not a URL", self.url)).because(error)
        })
    }
}

/// RFC 4918, section 9.3: of a folder that is there, 405.
fn mkcol() -> Method {
    Method::from_bytes(b"MKCOL").unwrap_or_default()
}

fn empty() -> Outgoing {
    Full::default().map_err(|never| match never {}).boxed_unsync()
}

/// Splits `http://user:password@host/` into a URL without them, and them.
fn without_user(url: &str) -> (String, Option<String>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, host)) => (format!("{scheme}://{host}{}", &rest[end..]), Some(user.into())),
        None => (url.to_owned(), None),
    }
}

/// The header that the options or the URL ask for.
fn authorization(settings: &Settings, user: Option<&str>) -> Option<String> {
    let basic = |text: String| format!("Basic {}", BASE64_STANDARD.encode(text));
    let named = settings
        .named("username")
        .map(|name| basic(format!("{name}:{}", settings.named("password").unwrap_or_default())));
    let bearer = || settings.named("bearer_token").map(|token| format!("Bearer {token}"));
    let of_url = || Some(basic(percent_decode_str(user?).decode_utf8_lossy().into_owned()));
    named.or_else(bearer).or_else(of_url)
}
