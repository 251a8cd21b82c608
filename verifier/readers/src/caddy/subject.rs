//! The current state of a request, as matchers and placeholders see it.

use sendfile_evidence::request::Request;

use crate::pattern::Matcher;

/// The current state of a request.
#[derive(Clone)]
pub(super) struct Subject<'a> {
    /// The request.
    pub(super) request: &'a Request,
    /// The decoded path, which directives may rewrite.
    pub(super) path: String,
    /// The headers of the app's response, once it has responded.
    pub(super) response_headers: &'a [(String, String)],
    /// Matches regular expressions.
    pub(super) matcher: &'a Matcher,
}
