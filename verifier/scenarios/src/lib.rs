//! Scenarios: evidence on paper, and the findings that an expert derives from it.
//!
//! Each file `cases/RULE/NAME.toml` is one. A response is its first line, alone or with its
//! headers:
//!
//! ```toml
//! handoff = "X-Accel-Redirect: /protected/a.bin"   # the hand-off that the app must send
//! storage = "dummy"                                # or `not-found`, `refused` …, or `skipped`
//! app     = "200 handoff"                          # that header, and Content-Disposition
//! direct  = "200 dummy by nginx"                   # a file of nginx; `page` is its error page
//! full    = ["404 page by nginx", "Content-Disposition: attachment"]
//!
//! [probes]
//! "neighbour elsewhere" = "404 app-page via nginx" # a response that nginx forwards
//!
//! [local]                                          # the input of --proxy-config and --error-log
//! nginx = "server { … }"
//! ```
//!
//! The modules `paper` and `pages` define the words. `expected` lists all findings in order.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use sendfile_evidence::{
    Access, Body, CERT_DAYS, Certificate, Dummy, Evidence, ExtraProbe, Intent, Outcome, Probe,
    ProbeId, RequestRecord, Response, Source,
};
use serde::Deserialize;

use self::{
    local::Local,
    paper::{INSTANCE, KEY, NONCE, Paper, header, request_log, sent_by, wants},
};
mod local;
mod pages;
mod paper;

/// The URLs of the storage, the app, the direct location and the download, unless `requests` overrides one.
const URLS: [&str; 4] = [
    "file:///srv/media/a.bin",
    "http://127.0.0.1:8000/download/1",
    "http://example.org/direct/a.bin",
    "http://example.org/download/1",
];
const URLS_OF_FIXTURE: [&str; 4] = [
    "file:///srv/media/healthcheck/dummy.bin",
    "http://127.0.0.1:8000/healthcheck-utils/download",
    "http://example.org/healthcheck-utils/direct/dummy.bin",
    "http://example.org/healthcheck-utils/download",
];

/// A scenario, as its file states it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What happened, in one line.
    pub story: String,
    /// The hand-off that the app must send: `Header: value`, or the name of the header alone.
    handoff: Option<String>,
    /// Whether a fixture gives the expected content; otherwise the storage or the direct location does.
    #[serde(default)]
    fixture: bool,
    /// The request log of the fixture; each line is a method, a target and a response.
    request_log: Option<Vec<String>>,
    /// The request log of the fixture for further probes.
    #[serde(default)]
    request_logs: BTreeMap<String, Vec<String>>,
    /// Whether an anonymous client must be refused.
    #[serde(default)]
    private: bool,
    /// Headers that the client must receive.
    #[serde(default)]
    expect: Vec<String>,
    /// The request of a layer, where it matters: `URL` or `METHOD URL`, and headers.
    #[serde(default)]
    requests: BTreeMap<String, Lines>,
    storage: String,
    app: Lines,
    direct: Lines,
    full: Lines,
    #[serde(default)]
    probes: BTreeMap<String, Lines>,
    /// The client's headers that the fixture received.
    spoofed: Option<Vec<String>>,
    /// Days until the TLS certificate of the site expires.
    days_left: Option<i64>,
    /// The configuration and the log that the verifier may read.
    local: Option<Local>,
    /// The ids of all findings, the best explanation first.
    pub expected: Vec<String>,
    /// The ids of all warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The verdict; required if nothing is expected.
    pub verdict: Option<String>,
    /// The confidence of the first finding.
    pub confidence: Option<String>,
}

/// A first line, alone or followed by headers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Several(Vec<String>),
}

/// A file `cases/DIRECTORY/ID.toml`.
pub struct Case {
    /// The name of its directory.
    pub directory: String,
    /// The stem of its file.
    pub id: String,
    /// The scenario.
    pub scenario: Scenario,
}

/// All scenarios, sorted by id.
///
/// # Panics
///
/// If a file cannot be read or is not a scenario, or if two have the same name.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for directory in entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")) {
        for path in entries(&directory) {
            cases.push(Case {
                directory: name(&directory),
                id: name(&path.with_extension("")),
                scenario: read(&path),
            });
        }
    }
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    for pair in cases.windows(2) {
        let [first, second] = pair else { continue };
        assert!(
            first.id != second.id,
            "two scenarios are named {}: in {}/ and in {}/",
            first.id,
            first.directory,
            second.directory
        );
    }
    cases
}

impl Case {
    /// The evidence, as the probes would record it.
    ///
    /// # Panics
    ///
    /// If the scenario contains a word that is not known. The file is then named on standard error.
    pub fn evidence(&self) -> Evidence {
        let _named = NamedOnPanic(self);
        self.scenario.evidence()
    }
}

/// Names the file of a scenario if its evidence cannot be made.
struct NamedOnPanic<'a>(&'a Case);

impl Drop for NamedOnPanic<'_> {
    #[expect(clippy::print_stderr, reason = "only tests use this crate")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("in the scenario cases/{}/{}.toml", self.0.directory, self.0.id);
        }
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a readable directory");
    entries.map(|entry| entry.expect("a readable entry").path()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn read(path: &Path) -> Scenario {
    let file = path.display();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let scenario: Scenario =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(
        scenario.verdict.is_some() || !scenario.expected.is_empty(),
        "{file}: `expected` is empty, so `verdict` must be `healthy` or `inconclusive`"
    );
    scenario
}

impl Scenario {
    /// The directory that the scenario belongs in.
    pub fn directory(&self) -> &str {
        let rule = self.expected.first().or(self.warnings.first());
        rule.or(self.verdict.as_ref()).expect("a rule or a verdict")
    }

    /// Whether a rule is expected first, or as a warning.
    pub fn shows(&self, rule: &str) -> bool {
        self.expected.first().is_some_and(|first| first == rule)
            || self.warnings.iter().any(|warning| warning == rule)
    }

    /// Whether a rule is expected, as a finding or a warning.
    pub fn names(&self, rule: &str) -> bool {
        self.expected.iter().chain(&self.warnings).any(|expected| expected == rule)
    }

    fn evidence(&self) -> Evidence {
        let (header_name, value) = self.handoff();
        let paper = self.paper();
        let urls = if self.fixture { &URLS_OF_FIXTURE } else { &URLS };
        let [storage, app, direct, full] = *urls;
        let storage = Probe {
            request: self.request("storage", storage),
            outcome: paper.stored(&self.storage),
            took: Duration::from_millis(1),
        };
        let app = self.layer("app", &self.app, app);
        let direct = self.layer("direct", &self.direct, direct);
        let full = self.layer("full", &self.full, full);
        let mut probes = Vec::new();
        for (ids, lines) in &self.probes {
            probes.extend(ids.split(' ').map(|id| self.further(id, lines)));
        }
        let mut evidence = Evidence {
            target: "download".to_owned(),
            intent: Intent {
                header: header_name,
                value,
                expect: self.expect.iter().map(|line| header(line)).collect(),
                access: if self.private { Access::Private } else { Access::Unsaid },
                cert_days: CERT_DAYS,
            },
            dummy: self.dummy(&storage, &direct, &full),
            storage,
            app,
            direct,
            full,
            probes,
            spoofed: self.spoofed.clone(),
            certificate: self.days_left.map(certificate),
            checks: Vec::new(),
            request_log: self.request_log.as_deref().map(request_log),
            local: Vec::new(),
        };
        forget_comparisons(&mut evidence);
        if let Some(local) = &self.local {
            evidence.local = local.facts(&evidence);
        }
        evidence
    }

    fn handoff(&self) -> (Option<String>, Option<String>) {
        let Some(line) = &self.handoff else { return (None, None) };
        match line.split_once(':') {
            Some((name, value)) => (Some(name.to_owned()), Some(value.trim().to_owned())),
            None => (Some(line.clone()), None),
        }
    }

    fn paper(&self) -> Paper {
        let (name, value) = self.handoff();
        Paper { handoff: name.zip(value), fixture: self.fixture }
    }

    /// The reference copy, from the first source that has one, in the order of the plan.
    fn dummy(
        &self,
        storage: &Probe<Body>,
        direct: &Probe<Response>,
        full: &Probe<Response>,
    ) -> Option<Dummy> {
        if self.fixture {
            return Some(Dummy {
                nonce: Some(NONCE.to_owned()),
                instance: Some(format!("{INSTANCE:016x}")),
                key: Some(KEY.to_owned()),
                decoy: true,
                previous: Some(self.paper().body_of("older").sha256),
                ..Dummy::of(&self.paper().body_of("dummy"), Source::Contract)
            });
        }
        match (&storage.outcome, direct.response()) {
            (Outcome::Response(body), _) => Some(Dummy::of(body, Source::Storage)),
            (Outcome::Skipped(_), Some(direct)) => {
                let is_page = direct.media_type().as_deref() == Some("text/html");
                let is_file = direct.status == 200 && !is_page;
                is_file.then(|| Dummy::of(&direct.body, Source::Direct))
            }
            (Outcome::Skipped(_), None) => {
                let full = full.response()?;
                let is_file = full.status == 200 && full.is_of_file();
                is_file.then(|| Dummy::of(&full.body, Source::Client))
            }
            (Outcome::Failed(_), _) => None,
        }
    }

    fn layer(&self, name: &str, lines: &Lines, url: &str) -> Probe<Response> {
        let (line, headers) = lines.split();
        let seen = self.paper().answer(line, headers);
        Probe { request: self.request(name, url), outcome: seen, took: Duration::from_millis(2) }
    }

    fn further(&self, id: &str, lines: &Lines) -> ExtraProbe {
        let (line, headers) = lines.split();
        let paper = self.paper();
        let seen = paper.answer(line, headers);
        let probed = Probe { request: self.asked_further(id), outcome: seen, took: Duration::ZERO };
        let id: ProbeId = id.parse().unwrap_or_else(|error| panic!("{error}"));
        let wants = wants(id).map(|word| paper.body_of(word).sha256);
        let log = self.request_logs.get(&id.to_string()).map(|lines| request_log(lines));
        ExtraProbe { id, probed, wants, request_log: log }
    }

    fn asked_further(&self, id: &str) -> RequestRecord {
        let at_app = id.starts_with("app-");
        let origin = if at_app { "http://127.0.0.1:8000" } else { "http://example.org" };
        let path = match id.contains("target") {
            true => self.handoff().1.unwrap_or_default(),
            false => format!("/{id}"),
        };
        let method = match id {
            "target-options" => "OPTIONS",
            "head" | "app-head" | "store-as-app-head" => "HEAD",
            _ => "GET",
        };
        let header = sent_by(id.trim_start_matches("store-")).map(str::to_owned);
        ask(method, &format!("{origin}{path}"), header.as_slice())
    }

    fn request(&self, layer: &str, url: &str) -> RequestRecord {
        match self.requests.get(layer) {
            Some(lines) => {
                let (line, headers) = lines.split();
                let (method, url) = line.split_once(' ').unwrap_or(("GET", line));
                ask(method, url, headers)
            }
            None if url.starts_with("file:") => ask("", url, &[]),
            None => ask("GET", url, &[]),
        }
    }
}

impl Lines {
    fn split(&self) -> (&str, &[String]) {
        match self {
            Self::One(line) => (line, &[]),
            Self::Several(lines) => (&lines[0], &lines[1..]),
        }
    }
}

fn certificate(days_left: i64) -> Certificate {
    Certificate { until: SystemTime::UNIX_EPOCH, days_left }
}

fn ask(method: &str, url: &str, headers: &[String]) -> RequestRecord {
    RequestRecord {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.iter().map(|line| header(line)).collect(),
        ..RequestRecord::default()
    }
}

/// Removes the comparisons that the probes do not make: three layers are compared with the dummy, if
/// one of them has it.
fn forget_comparisons(evidence: &mut Evidence) {
    forget_comparison(&mut evidence.app);
    for further in &mut evidence.probes {
        forget_comparison(&mut further.probed);
    }
    let dummy = evidence.dummy.as_ref().map(|dummy| dummy.sha256);
    let compared = [evidence.storage.response(), body(&evidence.direct), body(&evidence.full)];
    if compared.iter().flatten().any(|body| Some(body.sha256) == dummy) {
        return;
    }
    forget_comparison(&mut evidence.direct);
    forget_comparison(&mut evidence.full);
    if let Outcome::Response(body) = &mut evidence.storage.outcome {
        body.same = None;
    }
}

fn forget_comparison(probed: &mut Probe<Response>) {
    if let Outcome::Response(response) = &mut probed.outcome {
        response.body.same = None;
    }
}

fn body(probed: &Probe<Response>) -> Option<&Body> {
    probed.response().map(|response| &response.body)
}
