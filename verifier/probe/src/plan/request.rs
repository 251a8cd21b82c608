//! A request to be made.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use crate::url::Url;

/// A request to be made.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: http::Method,
    /// The URL.
    pub url: Url,
    /// Further headers, in order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The Unix socket to go through.
    pub unix_socket: Option<PathBuf>,
    /// How much of the body matters.
    pub wants: Wants,
}

/// How much of a response's body matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// All of it.
    Body,
    /// Nothing after the head if that hands over: by the intended header, if one was declared, or
    /// any known one.
    ///
    /// Real apps announce the file's length and send nothing (measured with django-downloadview,
    /// django-sendfile2 and Flask), so waiting for that body would take until somebody loses
    /// patience.
    HandOff(Option<String>),
}

impl Ask {
    /// A GET of the whole.
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
