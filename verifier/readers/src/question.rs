//! The query to a configuration: one download, from the evidence.

use sendfile_evidence::{
    Evidence,
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
    /// The hand-off header's value as sent by the app, else as intended.
    pub value: Option<String>,
    /// The hand-off header's intended value.
    pub meant: Option<String>,
    /// All headers of the app's response.
    pub answer: Vec<(String, String)>,
    /// The file's path on disk.
    pub file: Option<String>,
    /// The file's URL on an HTTP server, as a request.
    pub store: Option<Request>,
}

/// Whether a request header enables the hand-off of Rack, Symfony and similar frameworks.
pub(super) fn is_switch(name: &str) -> bool {
    ["x-sendfile-type", "x-accel-mapping"].iter().any(|it| name.eq_ignore_ascii_case(it))
}

/// A request header's name in the usual spelling.
pub(super) fn spelled(name: &str) -> &str {
    match name.to_ascii_lowercase().as_str() {
        "x-sendfile-type" => "X-Sendfile-Type",
        "x-accel-mapping" => "X-Accel-Mapping",
        _ => name,
    }
}

impl Query {
    /// The query for a target; `None` if the site was not requested by URL.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let mut site = Request::of(&evidence.full.request)?;
        if let Some(host) = site.header("host") {
            let port = site.address.port;
            site.address = Address { port, ..Address::of(host, port) };
        }
        let intent = &evidence.intent;
        let answer = evidence.app.response();
        let sent = answer
            .and_then(|it| sendfile_evidence::dialect::handoff_of(it, intent.header.as_deref()));
        let header = sent.map(|(name, _)| name).or(intent.header.as_deref());
        let value = sent.map(|(_, value)| value).or(intent.value.as_deref());
        let right = evidence.direct.response().filter(|it| it.status == 200);
        let storage = &evidence.storage.request.url;
        // The fixture reads back through its own URL, which is not the storage's.
        let key = evidence.dummy.as_ref().and_then(|it| it.key.as_deref());
        let of_store = |it: &Request| {
            key.is_none_or(|key| sendfile_evidence::dialect::decoded(&it.path).ends_with(key))
        };
        let served = |it: &&String| it.starts_with("http://") || it.starts_with("https://");
        let url = evidence.storage.request.http.as_ref().or(Some(storage).filter(served));
        let store = url.and_then(|it| Request::get(it)).filter(of_store);
        Some(Self {
            site,
            status: evidence.full.response().map(|it| it.status),
            direct: Request::of(&evidence.direct.request),
            direct_right: right.is_some_and(|it| evidence.is_dummy(&it.body)),
            app: Request::of(&evidence.app.request),
            header: header.map(sendfile_evidence::dialect::spelling).map(str::to_owned),
            value: value.map(str::to_owned),
            meant: intent.value.clone().or(value.map(str::to_owned)),
            answer: answer.map(|it| it.headers.clone()).unwrap_or_default(),
            file: storage.strip_prefix("file://").map(str::to_owned),
            store,
        })
    }

    /// Whether this is the hand-off's header.
    pub fn hands_over_by(&self, name: &str) -> bool {
        self.header.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(name))
    }

    /// Whether an address is the app's; `None` if the app's address is unknown.
    pub fn is_app(&self, address: &Address) -> Option<bool> {
        self.app.as_ref().map(|it| it.address.is(address))
    }
}
