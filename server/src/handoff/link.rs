//! Signed links to a private bucket, and the two ways in which an app sends one to its proxy.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};

use super::{error::HandoffError, header::Header, value::Value};

/// The part of a hand-off that contains the signed link.
#[derive(Clone, Debug, Default)]
pub(crate) enum Carrier {
    /// The query of the link is appended to the value: the proxy knows the store and the bucket.
    #[default]
    Query,
    /// The complete link is sent in a separate header, next to a value without a query.
    Header(Header),
}

/// The signed links to all files that are handed off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    carrier: Carrier,
    /// The links by the path below the path prefix.
    urls: HashMap<String, String>,
    /// The fixture's own URL, which is not a store.
    own_url: Option<String>,
}

impl Links {
    pub(crate) fn new(
        carrier: Carrier,
        urls: HashMap<String, String>,
        own_url: Option<String>,
    ) -> Self {
        Self { carrier, urls, own_url }
    }

    /// Returns a link to a page of the fixture instead of the store: a proxy that requests this
    /// page requests any URL. Only a complete link can point to another server.
    pub(crate) fn astray(&self, page: &str) -> Option<String> {
        match (&self.carrier, &self.own_url) {
            (Carrier::Header(_), Some(own_url)) => Some(format!("{own_url}{page}")),
            _ => None,
        }
    }

    /// Returns the header that contains the complete link, if there is one.
    pub(crate) fn header(&self) -> Option<&Header> {
        match &self.carrier {
            Carrier::Query => None,
            Carrier::Header(header) => Some(header),
        }
    }

    /// Returns the query of the link to a path below the path prefix.
    pub(super) fn query(&self, path: &str) -> Option<&str> {
        let (_, query) = self.url(path)?.split_once('?')?;
        Some(query)
    }

    /// Adds the link to the value for a path below the path prefix.
    pub(super) fn sign(&self, value: String, path: &str) -> Result<Value, HandoffError> {
        match (&self.carrier, self.url(path), self.query(path)) {
            (Carrier::Header(_), Some(url), _) => Value::new(value)?.with_link(url),
            (_, _, Some(query)) => Value::new(format!("{value}?{query}")),
            _ => Value::new(value),
        }
    }

    /// Returns the separate header with the link of a value.
    pub(super) fn separate_header(&self, value: &Value) -> Option<(HeaderName, HeaderValue)> {
        Some((self.header()?.name.clone(), value.link.clone()?))
    }

    fn url(&self, path: &str) -> Option<&String> {
        self.urls.get(path.trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handoff::{Dialect, Handoff};

    fn check(carrier: &Carrier, path: &str, expected: &[(&str, &str)]) {
        let url = "https://store/bucket/media/a%20b?sig=1".to_owned();
        let links = Links::new(carrier.clone(), HashMap::from([("a b".to_owned(), url)]), None);
        let handoff = Handoff::new(Dialect::nginx(), "/p/").unwrap().signed(links);
        let headers = handoff.headers(&handoff.value_below("/p/", path).unwrap());
        let mut texts = Vec::new();
        for (name, value) in &headers {
            texts.push((name.as_str(), value.to_str().unwrap()));
        }
        assert_eq!(texts, expected);
    }

    #[test]
    fn link_is_appended_to_the_value_or_sent_in_its_own_header() {
        let query = Carrier::Query;
        check(&query, "a b", &[("x-accel-redirect", "/p/a%20b?sig=1")]);
        check(&query, "other", &[("x-accel-redirect", "/p/other")]);
        let header = Carrier::Header("X-Storage-Url".parse().unwrap());
        let link = ("x-storage-url", "https://store/bucket/media/a%20b?sig=1");
        check(&header, "a b", &[("x-accel-redirect", "/p/a%20b"), link]);
        check(&header, "/a b", &[("x-accel-redirect", "/p//a%20b"), link]);
        check(&header, "other", &[("x-accel-redirect", "/p/other")]);
    }
}
