//! HTTP responses.

use serde::{Deserialize, Serialize};

use crate::body::Body;

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All header lines, in the order received for each name; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

impl Response {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        for (own_name, value) in &self.headers {
            if own_name.eq_ignore_ascii_case(name) {
                return Some(value);
            }
        }
        None
    }

    /// All values of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.headers.iter();
        let lines_of_name = lines.filter(move |(own_name, _)| own_name.eq_ignore_ascii_case(name));
        lines_of_name.map(|(_, value)| value.as_str())
    }

    /// Whether the response identifies a version of the file, by a strong ETag or a modification
    /// time.
    pub fn is_of_file(&self) -> bool {
        let has_strong_etag = self.header("etag").is_some_and(|etag| etag.starts_with('"'));
        self.body.size > 0 && (has_strong_etag || self.header("last-modified").is_some())
    }

    /// Whether the response identifies the same version of the file as another response.
    pub fn is_of_same_file(&self, other: &Self) -> bool {
        if let (Some(own), Some(other)) = (self.bare_etag(), other.bare_etag()) {
            return own == other;
        }
        let modified = self.header("last-modified");
        modified.is_some() && modified == other.header("last-modified")
    }

    /// The ETag without quotes, and without the suffix that compression adds.
    fn bare_etag(&self) -> Option<&str> {
        let etag = self.header("etag")?.trim_start_matches("W/").trim_matches('"');
        // Apache adds this suffix when it compresses.
        Some(etag.trim_end_matches("-gzip"))
    }

    /// The media type without its parameters, in lower case.
    pub fn media_type(&self) -> Option<String> {
        self.header("content-type").map(media_type)
    }
}

/// The media type of a Content-Type value, without parameters and in lower case.
pub fn media_type(value: &str) -> String {
    let bare = match value.split_once(';') {
        Some((bare, _)) => bare,
        None => value,
    };
    bare.trim().to_ascii_lowercase()
}
