//! The question that a configuration is asked: one download, as the evidence has it.

use sendfile_evidence::{
    Evidence,
    request::{Address, Request},
};

/// One download, in the words of a request.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// What the visitor asks.
    pub site: Request,
    /// The status that the visitor gets.
    pub status: Option<u16>,
    /// What the direct location is asked.
    pub direct: Option<Request>,
    /// Whether the direct location gives the file.
    pub direct_right: bool,
    /// What the app is asked.
    pub app: Option<Request>,
    /// The hand-off header's name.
    pub header: Option<String>,
    /// The hand-off header's value, as the app sends it, or else as it is meant.
    pub value: Option<String>,
    /// The hand-off header's value, as it is meant.
    pub meant: Option<String>,
    /// All headers of the app's answer.
    pub answer: Vec<(String, String)>,
    /// The file's path on disk.
    pub file: Option<String>,
    /// The file's place on a server that speaks HTTP.
    pub store: Option<Request>,
}

/// Whether a request header switches the hand-off of Rack, Symfony and their kin on.
pub(super) fn is_switch(name: &str) -> bool {
    ["x-sendfile-type", "x-accel-mapping"].iter().any(|it| name.eq_ignore_ascii_case(it))
}

/// A request header as its users write it.
pub(super) fn spelled(name: &str) -> &str {
    match name.to_ascii_lowercase().as_str() {
        "x-sendfile-type" => "X-Sendfile-Type",
        "x-accel-mapping" => "X-Accel-Mapping",
        _ => name,
    }
}

impl Question {
    /// The question about a target; `None` where the site was not asked at a URL.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let mut site = Request::of(&evidence.full.asked)?;
        if let Some(host) = site.header("host") {
            let port = site.address.port;
            site.address = Address { port, ..Address::of(host, port) };
        }
        let intent = &evidence.intent;
        let answer = evidence.app.answer();
        let sent = answer
            .and_then(|it| sendfile_evidence::dialect::handoff_of(it, intent.header.as_deref()));
        let header = sent.map(|(name, _)| name).or(intent.header.as_deref());
        let value = sent.map(|(_, value)| value).or(intent.value.as_deref());
        let right = evidence.direct.answer().filter(|it| it.status == 200);
        let storage = &evidence.storage.asked.url;
        // What the fixture reads back comes from a URL of the fixture, not of the storage.
        let key = evidence.dummy.as_ref().and_then(|it| it.key.as_deref());
        let of_store = |it: &Request| {
            key.is_none_or(|key| sendfile_evidence::dialect::decoded(&it.path).ends_with(key))
        };
        let served = |it: &&String| it.starts_with("http://") || it.starts_with("https://");
        let url = evidence.storage.asked.http.as_ref().or(Some(storage).filter(served));
        let store = url.and_then(|it| Request::get(it)).filter(of_store);
        Some(Self {
            site,
            status: evidence.full.answer().map(|it| it.status),
            direct: Request::of(&evidence.direct.asked),
            direct_right: right.is_some_and(|it| evidence.is_dummy(&it.body)),
            app: Request::of(&evidence.app.asked),
            header: header.map(sendfile_evidence::dialect::spelling).map(str::to_owned),
            value: value.map(str::to_owned),
            meant: intent.value.clone().or(value.map(str::to_owned)),
            answer: answer.map(|it| it.headers.clone()).unwrap_or_default(),
            file: storage.strip_prefix("file://").map(str::to_owned),
            store,
        })
    }

    /// Whether the hand-off's header is this one.
    pub fn hands_over_by(&self, name: &str) -> bool {
        self.header.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(name))
    }

    /// Whether an address is the app's; `None` where the app's is not known.
    pub fn is_app(&self, address: &Address) -> Option<bool> {
        self.app.as_ref().map(|it| it.address.is(address))
    }
}
