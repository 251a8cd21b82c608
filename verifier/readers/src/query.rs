//! The query to a configuration: one download, in the terms of requests and headers.
//!
//! It is built from the evidence. It contains nothing that a reader finds in a configuration.

use sendfile_evidence::{
    Evidence, dialect,
    request::{Address, Request},
};

/// One download, as requests and headers.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The client's request.
    pub site: Request,
    /// The status returned to the client.
    pub status: Option<u16>,
    /// The request to the direct location.
    pub direct: Option<Request>,
    /// Whether the direct location serves the file.
    pub direct_right: bool,
    /// The request to the app.
    pub app: Option<Request>,
    /// The hand-off header's name.
    pub header: Option<String>,
    /// The value of the hand-off header that the app sends, or the intended one if it sends none.
    pub value: Option<String>,
    /// The hand-off header's intended value.
    pub intended: Option<String>,
    /// All headers of the app's response.
    pub response_headers: Vec<(String, String)>,
    /// The file's path on disk.
    pub file: Option<String>,
    /// The file's URL on an HTTP server, as a request.
    pub store: Option<Request>,
}

impl Query {
    /// The query for a target; `None` if the site was not requested by URL.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let intended_value = evidence.intent.value.as_deref();
        let mut header = evidence.intent.header.as_deref();
        let mut value = intended_value;
        let mut app_headers = Vec::new();
        if let Some(response) = evidence.app.response() {
            app_headers.clone_from(&response.headers);
            if let Some((sent_header, sent_value)) = dialect::handoff_of(response, header) {
                header = Some(sent_header);
                value = Some(sent_value);
            }
        }
        let mut status = None;
        if let Some(response) = evidence.full.response() {
            status = Some(response.status);
        }
        Some(Self {
            site: site_request(evidence)?,
            status,
            direct: Request::of(&evidence.direct.request),
            direct_right: direct_serves_file(evidence),
            app: Request::of(&evidence.app.request),
            header: header.map(|name| dialect::spelling(name).to_owned()),
            value: value.map(str::to_owned),
            intended: intended_value.or(value).map(str::to_owned),
            response_headers: app_headers,
            file: evidence.storage.request.url.strip_prefix("file://").map(str::to_owned),
            store: store_request(evidence),
        })
    }

    /// Whether this is the hand-off's header.
    pub fn hands_over_by(&self, name: &str) -> bool {
        match &self.header {
            Some(header) => header.eq_ignore_ascii_case(name),
            None => false,
        }
    }

    /// Whether an address is the app's address; `None` if that is unknown.
    pub fn is_app(&self, address: &Address) -> Option<bool> {
        let app = self.app.as_ref()?;
        Some(app.address.is(address))
    }
}

/// The client's request, addressed to the host of its Host header.
fn site_request(evidence: &Evidence) -> Option<Request> {
    let mut site = Request::of(&evidence.full.request)?;
    if let Some(host) = site.header("host") {
        let port = site.address.port;
        site.address = Address { port, ..Address::of(host, port) };
    }
    Some(site)
}

fn direct_serves_file(evidence: &Evidence) -> bool {
    match evidence.direct.response() {
        Some(response) => response.status == 200 && evidence.is_dummy(&response.body),
        None => false,
    }
}

/// The request for the file at its HTTP server, if its storage is one.
fn store_request(evidence: &Evidence) -> Option<Request> {
    let storage = &evidence.storage.request;
    let url = match &storage.http {
        Some(url) => url,
        None if storage.url.starts_with("http://") || storage.url.starts_with("https://") => {
            &storage.url
        }
        None => return None,
    };
    let request = Request::get(url)?;
    // The fixture reads the file back through its own URL, which is not the storage's.
    if let Some(dummy) = &evidence.dummy
        && let Some(key) = &dummy.key
        && !dialect::decoded(&request.path).ends_with(key.as_str())
    {
        return None;
    }
    Some(request)
}

/// Whether a request header enables the hand-off of Rack, Symfony and similar frameworks.
pub(super) fn is_switch(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "x-sendfile-type" | "x-accel-mapping")
}

/// A request header's name in the usual spelling.
pub(super) fn spelled(name: &str) -> &str {
    match name.to_ascii_lowercase().as_str() {
        "x-sendfile-type" => "X-Sendfile-Type",
        "x-accel-mapping" => "X-Accel-Mapping",
        _ => name,
    }
}
