//! A request to be made.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use crate::url::Url;

/// A request to send.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    /// The method.
    pub method: http::Method,
    /// The URL.
    pub url: Url,
    /// Additional headers, in order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The Unix socket to connect to.
    pub unix_socket: Option<PathBuf>,
    /// How much of the body matters.
    pub wants: Wants,
}

/// How much of a response's body matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The whole body.
    Body,
    /// Nothing after the head if the response is a hand-off: by the intended header, if one was
    /// declared, or any known one.
    ///
    /// Real apps announce the file's length and send no body (measured with django-downloadview,
    /// django-sendfile2 and Flask), so waiting for that body would take until a timeout.
    HandOff(Option<String>),
}

impl ProbeRequest {
    /// A GET request for the whole body.
    pub fn get(url: Url) -> Self {
        Self {
            method: http::Method::GET,
            url,
            headers: Vec::new(),
            unix_socket: None,
            wants: Wants::Body,
        }
    }
}
