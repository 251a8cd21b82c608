//! Scenarios: evidence on paper, and what an expert concludes from it.
//!
//! Each file in `tests/scenarios` is one. An answer is its first line, or that and its headers:
//!
//! ```toml
//! handoff = "X-Accel-Redirect: /protected/a.bin"   # what the app is meant to send
//! storage = "dummy"                                # or `not-found`, `refused` …, or `skipped`
//! app     = "200 handoff"                          # that header, and Content-Disposition
//! direct  = "200 dummy by nginx"                   # its own file, or with `page` its error page
//! full    = ["404 page by nginx", "Content-Disposition: attachment"]
//!
//! [probes]
//! "neighbour elsewhere" = "404 app-page via nginx" # somebody's answer that came through nginx
//!
//! [local]                                          # what --proxy-config and --error-log give
//! nginx = "server { … }"
//! ```
//!
//! `scenarios/paper.rs` and `scenarios/pages.rs` have all the words. `expected` has all findings in
//! their order, so that ties show.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use sendfile_evidence::{
    Access, Asked, Body, CERT_DAYS, Certificate, Dummy, Evidence, Further, Intent, ProbeId, Probed,
    Response, Seen, Source,
};
use sendfile_rules::{Choice, Diagnosis, Finding, judge, rules};
use serde::Deserialize;

use self::{
    local::Local,
    paper::{INSTANCE, KEY, NONCE, Paper, header, journal, sent_by, wants},
};

mod local;
mod pages;
mod paper;

/// Rules that others always precede.
const NEVER_FIRST: &[&str] = &[];

/// Where storage, app, direct location and download are, unless `asked` says otherwise.
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

/// A scenario as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What happened, in a line.
    story: String,
    /// What the app is meant to send: `Header: value`, or the header's name alone.
    handoff: Option<String>,
    /// Whether a fixture tells the right bytes; else the storage does, or the direct location.
    #[serde(default)]
    fixture: bool,
    /// The fixture's journal, each line a method, a target and an answer.
    journal: Option<Vec<String>>,
    /// What it has about further probes.
    #[serde(default)]
    journals: BTreeMap<String, Vec<String>>,
    /// Whether a visitor without rights must be refused.
    #[serde(default)]
    private: bool,
    /// Headers that must reach the visitor.
    #[serde(default)]
    expect: Vec<String>,
    /// How a layer was asked, where that matters: `URL` or `METHOD URL`, and headers.
    #[serde(default)]
    asked: BTreeMap<String, Lines>,
    storage: String,
    app: Lines,
    direct: Lines,
    full: Lines,
    #[serde(default)]
    probes: BTreeMap<String, Lines>,
    /// Which of a visitor's headers reached the fixture.
    spoofed: Option<Vec<String>>,
    /// For how many days the site's certificate is good.
    days_left: Option<i64>,
    /// What the operator lets the verifier read.
    local: Option<Local>,
    /// The ids of all findings, the best explanation first.
    expected: Vec<String>,
    #[serde(default)]
    warnings: Vec<String>,
    verdict: Option<String>,
    /// How sure the first finding is.
    confidence: Option<String>,
}

/// A first line, and headers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Several(Vec<String>),
}

#[test]
fn every_scenario_comes_to_what_an_expert_concludes() {
    let wrong: Vec<String> = all().iter().filter_map(|(file, it)| check(file, it)).collect();
    assert!(wrong.is_empty(), "{} scenarios:\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_comes_first_in_some_scenario() {
    let scenarios = all();
    let first = |id: &str| {
        scenarios.iter().any(|(_, it)| {
            it.expected.first().is_some_and(|it| it == id) || it.warnings.iter().any(|it| it == id)
        })
    };
    let without: Vec<&str> = rules().map(|it| it.id).filter(|id| !first(id)).collect();
    assert_eq!(without, NEVER_FIRST, "each rule needs a scenario of its own");
}

/// All scenarios, by the names of their files.
pub(crate) fn all() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = fs::read_dir(folder).expect("the folder of scenarios");
    let mut all: Vec<_> = files.map(|file| read(&file.expect("a file").path())).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

fn read(path: &Path) -> (String, Scenario) {
    let file = path.file_name().expect("a file").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let scenario: Scenario =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let told = scenario.verdict.is_some() || !scenario.expected.is_empty();
    assert!(told, "{file}: `expected` is empty, so `verdict` must say healthy or inconclusive");
    (file, scenario)
}

/// What is wrong with the diagnosis, if anything is.
fn check(file: &str, scenario: &Scenario) -> Option<String> {
    let diagnosis = judge(&scenario.evidence(), &Choice::default());
    let verdict = diagnosis.verdict.to_string();
    let confidence = diagnosis.findings.first().map(|it| it.confidence.to_string());
    let right = ids(&diagnosis.findings) == scenario.expected
        && ids(&diagnosis.warnings) == scenario.warnings
        && scenario.verdict.as_ref().is_none_or(|it| *it == verdict)
        && scenario.confidence.as_ref().is_none_or(|it| Some(it) == confidence.as_ref());
    let Scenario { story, expected, warnings, .. } = scenario;
    let wanted = (scenario.verdict.as_deref(), scenario.confidence.as_deref());
    (!right).then(|| {
        format!(
            "{file}: {story}\n  expected {expected:?}, warnings {warnings:?}, {wanted:?}\n  \
             but {:?}\n{}",
            diagnosis.verdict,
            found(&diagnosis)
        )
    })
}

fn ids(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|it| it.rule.id).collect()
}

fn found(diagnosis: &Diagnosis) -> String {
    let all = diagnosis.findings.iter().chain(&diagnosis.warnings);
    let line = |it: &Finding| {
        format!("    {} ({}, {}): {}\n", it.rule.id, it.severity, it.confidence, it.evidence[0])
    };
    all.map(line).collect()
}

impl Scenario {
    /// The evidence, as the probes would have written it down.
    pub(crate) fn evidence(&self) -> Evidence {
        let (header_name, value) = self.handoff();
        let paper = self.paper();
        let urls = if self.fixture { &URLS_OF_FIXTURE } else { &URLS };
        let [storage, app, direct, full] = *urls;
        let storage = Probed {
            asked: self.asked("storage", storage),
            seen: paper.stored(&self.storage),
            took: Duration::from_millis(1),
        };
        let app = self.layer("app", &self.app, app);
        let direct = self.layer("direct", &self.direct, direct);
        let full = self.layer("full", &self.full, full);
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
            probes: self.probes.iter().flat_map(|(ids, lines)| self.further(ids, lines)).collect(),
            spoofed: self.spoofed.clone(),
            certificate: self.days_left.map(certificate),
            checks: Vec::new(),
            journal: self.journal.as_deref().map(journal),
            local: Vec::new(),
        };
        forget_comparisons(&mut evidence);
        evidence.local = self.local.as_ref().map(|it| it.facts(&evidence)).unwrap_or_default();
        evidence
    }

    fn handoff(&self) -> (Option<String>, Option<String>) {
        let Some(line) = &self.handoff else { return (None, None) };
        match line.split_once(':') {
            Some((name, value)) => (Some(name.to_owned()), Some(value.trim().to_owned())),
            None => (Some(line.clone()), None),
        }
    }

    /// Whether a rule is expected, as a finding or a warning.
    pub(crate) fn names(&self, rule: &str) -> bool {
        self.expected.iter().chain(&self.warnings).any(|it| it == rule)
    }

    fn paper(&self) -> Paper {
        let (name, value) = self.handoff();
        Paper { handoff: name.zip(value), fixture: self.fixture }
    }

    /// Which bytes are right, by the order in which the plan believes.
    fn dummy(
        &self,
        storage: &Probed<Body>,
        direct: &Probed<Response>,
        full: &Probed<Response>,
    ) -> Option<Dummy> {
        let of = |body: &Body, source| Dummy {
            size: body.size,
            sha256: body.sha256,
            source,
            nonce: None,
            instance: None,
            key: None,
            twin: false,
            previous: None,
        };
        match (&storage.seen, direct.answer()) {
            _ if self.fixture => Some(Dummy {
                nonce: Some(NONCE.to_owned()),
                instance: Some(format!("{INSTANCE:016x}")),
                key: Some(KEY.to_owned()),
                twin: true,
                previous: Some(self.paper().body_of("older").sha256),
                ..of(&self.paper().body_of("dummy"), Source::Contract)
            }),
            (Seen::Answer(body), _) => Some(of(body, Source::Storage)),
            (Seen::Skipped(_), Some(it))
                if it.status == 200 && it.media_type().as_deref() != Some("text/html") =>
            {
                Some(of(&it.body, Source::Direct))
            }
            (Seen::Skipped(_), None) => {
                let full = full.answer().filter(|it| it.status == 200 && it.is_of_file())?;
                Some(of(&full.body, Source::Visitor))
            }
            _ => None,
        }
    }

    fn layer(&self, name: &str, lines: &Lines, url: &str) -> Probed<Response> {
        let (line, headers) = lines.split();
        let seen = self.paper().answer(line, headers);
        Probed { asked: self.asked(name, url), seen, took: Duration::from_millis(2) }
    }

    /// Probes with the same answer, their ids separated by spaces.
    fn further(&self, ids: &str, lines: &Lines) -> Vec<Further> {
        let (line, headers) = lines.split();
        let paper = self.paper();
        let further = |id: &str| {
            let seen = paper.answer(line, headers);
            let probed = Probed { asked: self.asked_further(id), seen, took: Duration::ZERO };
            let id: ProbeId = id.parse().unwrap_or_else(|error| panic!("{error}"));
            let wants = wants(id).map(|word| paper.body_of(word).sha256);
            let journal = self.journals.get(&id.to_string()).map(|it| journal(it));
            Further { id, probed, wants, journal }
        };
        ids.split(' ').map(further).collect()
    }

    fn asked_further(&self, id: &str) -> Asked {
        let origin = match id.starts_with("app-") {
            true => "http://127.0.0.1:8000",
            false => "http://example.org",
        };
        let path = match id.contains("target") {
            true => self.handoff().1.unwrap_or_default(),
            false => format!("/{id}"),
        };
        let method = match id {
            "target-options" => "OPTIONS",
            "head" | "app-head" | "store-as-app-head" => "HEAD",
            _ => "GET",
        };
        let headers: Vec<_> =
            sent_by(id.trim_start_matches("store-")).into_iter().map(str::to_owned).collect();
        ask(method, &format!("{origin}{path}"), &headers)
    }

    fn asked(&self, layer: &str, url: &str) -> Asked {
        match self.asked.get(layer).map(Lines::split) {
            Some((line, headers)) => {
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
            Self::Several(lines) => lines
                .split_first()
                .map(|(first, rest)| (first.as_str(), rest))
                .expect("a first line"),
        }
    }
}

fn certificate(days_left: i64) -> Certificate {
    Certificate { until: SystemTime::UNIX_EPOCH, days_left }
}

fn ask(method: &str, url: &str, headers: &[String]) -> Asked {
    Asked {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.iter().map(|line| header(line)).collect(),
        ..Asked::default()
    }
}

/// Only three layers are compared with the dummy, and only where one of them has it.
fn forget_comparisons(evidence: &mut Evidence) {
    let dummy = evidence.dummy.as_ref().map(|it| it.sha256);
    let compared = [evidence.storage.answer(), body(&evidence.direct), body(&evidence.full)];
    let known = compared.iter().flatten().any(|it| Some(it.sha256) == dummy);
    let forget = |probed: &mut Probed<Response>| {
        if let Seen::Answer(it) = &mut probed.seen {
            it.body.same = None;
        }
    };
    forget(&mut evidence.app);
    evidence.probes.iter_mut().for_each(|it| forget(&mut it.probed));
    if !known {
        forget(&mut evidence.direct);
        forget(&mut evidence.full);
    }
    if let (Seen::Answer(it), false) = (&mut evidence.storage.seen, known) {
        it.same = None;
    }
}

fn body(probed: &Probed<Response>) -> Option<&Body> {
    probed.answer().map(|it| &it.body)
}
