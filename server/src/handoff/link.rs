//! Signed links to a private bucket, and the two ways in which an app tells its proxy of one.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};

use super::{HandoffError, Header, Value};

/// Where a hand-off carries the link.
#[derive(Clone, Debug, Default)]
pub(crate) enum Carrier {
    /// Its query stands behind the value: the proxy knows the store and the bucket.
    #[default]
    Query,
    /// The whole of it stands in a header of its own, beside a value without query.
    Header(Header),
}

/// The links to all that is handed off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    carrier: Carrier,
    /// By the path below the map.
    urls: HashMap<String, String>,
    /// The fixture's own address, which is no store.
    own: Option<String>,
}

impl Links {
    pub(crate) fn new(
        carrier: Carrier,
        urls: HashMap<String, String>,
        own: Option<String>,
    ) -> Self {
        Self { carrier, urls, own }
    }

    /// Returns a link that leads away from the store, to a page of the fixture: a proxy that asks
    /// for that asks for anything. Only a whole link can lead anywhere.
    pub(crate) fn astray(&self, page: &str) -> Option<String> {
        self.header()?;
        Some(format!("{}{page}", self.own.as_deref()?))
    }

    /// Returns the query of the link to what lies at a path below the map.
    pub(super) fn query(&self, path: &str) -> Option<&str> {
        Some(self.url(path)?.split_once('?')?.1)
    }

    /// Writes a value, and what goes beside it, for what lies at a path below the map.
    pub(super) fn carry(&self, value: String, path: &str) -> Result<Value, HandoffError> {
        match (&self.carrier, self.url(path)) {
            (Carrier::Header(_), Some(url)) => Value::new(value)?.beside(url),
            _ => Value::new(match self.query(path) {
                Some(query) => format!("{value}?{query}"),
                None => value,
            }),
        }
    }

    /// Returns the header that carries the whole link, if one does.
    pub(crate) fn header(&self) -> Option<&Header> {
        match &self.carrier {
            Carrier::Query => None,
            Carrier::Header(header) => Some(header),
        }
    }

    /// Returns that header with the link of a value.
    pub(super) fn beside(&self, value: &Value) -> Option<(HeaderName, HeaderValue)> {
        Some((self.header()?.name.clone(), value.link.clone()?))
    }

    fn url(&self, path: &str) -> Option<&str> {
        self.urls.get(path.trim_start_matches('/')).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn headers(carrier: Carrier, path: &str) -> Vec<(String, String)> {
        let url = "https://store/bucket/media/a%20b?sig=1".to_owned();
        let links = Links::new(carrier, HashMap::from([("a b".to_owned(), url)]), None);
        let handoff = Handoff::new(Dialect::nginx(), "/p/").unwrap().signed(links);
        let headers = handoff.headers(&handoff.value_below("/p/", path).unwrap());
        let text = |it: HeaderValue| it.to_str().unwrap().to_owned();
        headers.into_iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    #[test]
    fn a_link_goes_behind_the_value_or_beside_it() {
        let check = |carrier: &Carrier, path, expected: &[(&str, &str)]| {
            let headers = headers(carrier.clone(), path);
            let headers: Vec<_> = headers.iter().map(|(a, b)| (&**a, &**b)).collect();
            assert_eq!(headers, expected);
        };
        let query = Carrier::Query;
        check(&query, "a b", &[("x-accel-redirect", "/p/a%20b?sig=1")]);
        check(&query, "other", &[("x-accel-redirect", "/p/other")]);
        let beside = Carrier::Header("X-Storage-Url".parse().unwrap());
        let link = ("x-storage-url", "https://store/bucket/media/a%20b?sig=1");
        check(&beside, "a b", &[("x-accel-redirect", "/p/a%20b"), link]);
        check(&beside, "/a b", &[("x-accel-redirect", "/p//a%20b"), link]);
        check(&beside, "other", &[("x-accel-redirect", "/p/other")]);
    }
}
