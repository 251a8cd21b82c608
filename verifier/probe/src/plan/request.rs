//! A request to be made: what is sent, where to, and how much of the response matters. Knows
//! nothing about why the request is made.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue, Method};
use sendfile_evidence::{ProbeId, Sha256};

use crate::url::Url;

/// A request to send.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: Url,
    /// Additional headers, in order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The Unix socket to connect to.
    pub unix_socket: Option<PathBuf>,
    /// How much of the body matters.
    pub wants: Wants,
}

/// Which part of a response's body matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The whole body.
    Body,
    /// Nothing after the response header, if it contains a hand-off: the intended hand-off header
    /// if one was declared, otherwise any known one.
    ///
    /// Real apps announce the file's length and send no body (measured with django-downloadview,
    /// django-sendfile2 and Flask), so waiting for that body would take until a timeout.
    HandOff(Option<String>),
}

impl ProbeRequest {
    /// A GET request for the whole body.
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            unix_socket: None,
            wants: Wants::Body,
        }
    }
}

/// A request beyond the four layers.
#[derive(Clone, Debug)]
pub struct ExtraRequest {
    /// The id of the probe.
    pub id: ProbeId,
    /// What is sent, and where to.
    pub destination: Destination,
    /// The SHA-256 of the expected content, if it is not the dummy's.
    pub expected: Option<Sha256>,
    /// Maximum number of bytes worth reading, if less than the whole body.
    pub max_bytes: Option<u64>,
}

/// Where an extra request is sent, and how.
#[derive(Clone, Debug)]
pub enum Destination {
    /// The request's own URL, over HTTP/1.1.
    Http1(ProbeRequest),
    /// The request's own URL, over HTTP/2. This destination also reveals the site's certificate.
    Http2(ProbeRequest),
    /// The file at the store itself, with these additional headers. The prober provides the rest of
    /// the request, because a link to an object has to be signed.
    Store(Vec<(HeaderName, HeaderValue)>),
}

impl ExtraRequest {
    /// A request whose whole body should be the dummy.
    pub fn new(id: ProbeId, request: ProbeRequest) -> Self {
        Self { id, destination: Destination::Http1(request), expected: None, max_bytes: None }
    }

    /// A request of which only the beginning of the body matters.
    pub fn of_beginning(id: ProbeId, request: ProbeRequest) -> Self {
        Self { max_bytes: Some(BEGINNING), ..Self::new(id, request) }
    }
}

/// Maximum number of bytes to read if only the beginning of a body matters.
pub(super) const BEGINNING: u64 = 128 * 1024;
