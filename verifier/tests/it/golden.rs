//! The saved form of a report, held by golden files in `tests/golden`: its keys and values are in
//! scripts of users, so they never change.
//!
//! `INSTA_UPDATE=always cargo test -p sendfile-check --test it golden` rewrites the files.

use std::time::{Duration, SystemTime};

use insta::{assert_snapshot, with_settings};
use sendfile_check::report::{Detail, Format, Report, Width, json};
use sendfile_evidence::{
    Access, Body, CERT_DAYS, Certificate, Check, Checked, Dummy, End, Evidence, ExtraProbe,
    Failure, FailureKind, Gunzipped, Intent, LoggedRequest, Made, Outcome, Probe, ProbeId,
    RequestRecord, Response, Same, Sha256, Source,
    fact::{Fact, FactKind, FileState, Misconfiguration, SourceLine},
    log::{LogEntry, LogEvent, LogSubject},
};
use sendfile_rules::Choice;

#[test]
fn every_value() {
    // One rule alone: the texts of rules are not what this file holds.
    let choice = Choice {
        only: vec!["frontend.certificate-ends-soon".to_owned()],
        skip: vec!["frontend.cached-stale".to_owned(), "handoff.header-leaks".to_owned()],
    };
    let targets = vec![
        fullest(),
        sparest(),
        with_dummy_of(Source::Direct),
        with_dummy_of(Source::Client),
        with_failures(),
        with_facts(),
        with_checks(),
    ];
    let report = Report::new(TOOL.to_owned(), STARTED.to_owned(), targets.clone(), &choice);
    let text = written(&report);
    let saved = json::read(text.as_bytes()).expect("a report");
    assert_eq!(saved.seen, targets);
    assert_eq!((saved.choice.only, saved.choice.skip), (choice.only, choice.skip));
    held("every-value", &text);
}

#[test]
fn reports_of_scenarios() {
    for name in ["healthy-fixture", "healthy-nginx", "local-healthy", "root-for-alias"] {
        let mut all = sendfile_scenarios::all().into_iter();
        let case = all.find(|case| case.id == name).expect("a scenario");
        let evidence = vec![case.evidence()];
        let report = Report::new(TOOL.to_owned(), STARTED.to_owned(), evidence, &Choice::default());
        held(name, &written(&report));
    }
}

#[test]
fn unknown_values_are_errors() {
    let golden = include_str!("../golden/every-value.snap");
    let (_, report) = golden.split_once("\n---\n").expect("a snapshot");
    let error = |value: &str, unknown: &str| {
        assert!(report.contains(value), "{value}");
        let changed = report.replacen(value, unknown, 1);
        json::read(changed.as_bytes()).err().expect("an error").to_string()
    };
    assert_snapshot!(
        error(r#""id": "target-outside""#, r#""id": "target-inside""#),
        @"not a report of `sendfile-check verify -o json`: unknown probe `target-inside` at line 196 column 31"
    );
    assert_snapshot!(
        error(r#""check": "leak""#, r#""check": "leaks""#),
        @"not a report of `sendfile-check verify -o json`: unknown check `leaks` at line 2425 column 26"
    );
    assert_snapshot!(
        error(r#""says": "unread""#, r#""says": "unheard""#),
        @"not a report of `sendfile-check verify -o json`: unknown fact, or invalid details of a fact at line 1423 column 9"
    );
    assert_snapshot!(
        error(r#""state": "closed""#, r#""state": "open""#),
        @"not a report of `sendfile-check verify -o json`: unknown fact, or invalid details of a fact at line 1958 column 9"
    );
    assert_snapshot!(
        error(r#""source": "visitor""#, r#""source": "client""#),
        @"not a report of `sendfile-check verify -o json`: unknown variant `client`, expected one of `contract`, `storage`, `direct`, `visitor` at line 1079 column 26"
    );
    assert_snapshot!(
        error(r#""sha256": "0101"#, r#""sha256": "zz01"#),
        @"not a report of `sendfile-check verify -o json`: `zz01010101010101010101010101010101010101010101010101010101010101` is not a SHA-256 in hexadecimal at line 51 column 84"
    );
    assert_snapshot!(
        error(r#""took_ms": 2"#, r#""took_ms": -2"#),
        @"not a report of `sendfile-check verify -o json`: `took_ms`: -2 is out of range at line 192 column 9"
    );
    assert_snapshot!(
        error(r#""skipped": "no --full""#, r#""omitted": "no --full""#),
        @"not a report of `sendfile-check verify -o json`: no variant of enum outcome found in flattened data at line 956 column 9"
    );
}

/// The names of all probes, as reports and scenarios write them.
const PROBES: [&str; 83] = [
    "target-outside",
    "target-options",
    "target-bare",
    "app-target",
    "neighbour",
    "app-neighbour",
    "elsewhere",
    "app-elsewhere",
    "app-bare",
    "app-engaged",
    "app-anonymous",
    "anonymous",
    "without-authorization",
    "fresh-query",
    "without-query",
    "again",
    "other-host",
    "http2",
    "full-get",
    "plain",
    "direct-uri",
    "double-slash",
    "no-extension",
    "missing",
    "nowhere",
    "name-space",
    "name-percent",
    "name-escape",
    "name-question",
    "name-hash",
    "name-plus",
    "name-semicolon",
    "name-ampersand",
    "name-quotes",
    "name-nfc",
    "name-nfd",
    "name-dot",
    "name-deep",
    "name-long",
    "html",
    "empty",
    "range",
    "range-suffix",
    "range-open",
    "range-beyond",
    "range-several",
    "range-if-same",
    "range-if-other",
    "not-modified",
    "other-etag",
    "modified-since",
    "head",
    "app-head",
    "gzip",
    "target-two-slashes",
    "target-letter",
    "target-dots",
    "target-semicolon",
    "target-case",
    "target-last-dot",
    "target-slash",
    "target-other-host",
    "storage-public",
    "direct-up",
    "parent",
    "relay",
    "relay-outside",
    "denied",
    "spoofed",
    "app-spoofed",
    "direct-as-app",
    "store-as-app",
    "store-as-app-head",
    "direct-range",
    "store-range",
    "store-range-suffix",
    "store-range-open",
    "store-range-beyond",
    "store-range-several",
    "store-range-if-same",
    "store-range-if-other",
    "inner-1",
    "refused-255",
];

const TOOL: &str = "sendfile-check 0.1.0";
const STARTED: &str = "2026-11-23T06:00:00Z";

/// A target with a value in each field, and with all probes.
fn fullest() -> Evidence {
    let dummy = Dummy {
        nonce: Some("0123456789abcdef0000000000000002".to_owned()),
        instance: Some("7ea48d76de226321".to_owned()),
        key: Some("healthcheck/dummy.bin".to_owned()),
        decoy: true,
        previous: Some(digest(9)),
        ..dummy(Source::Contract)
    };
    let direct_request = request("GET", "https://example.org/direct/a.bin");
    let direct_outcome = Outcome::Response(response(body(End::TooLong)));
    Evidence {
        target: "fullest".to_owned(),
        intent: Intent {
            header: Some("X-Accel-Redirect".to_owned()),
            value: Some("/protected/a%20b.bin".to_owned()),
            expect: vec![pair("Cache-Control", "private"), pair("Content-Disposition", "")],
            access: Access::Private,
            cert_days: 30,
        },
        dummy: Some(dummy),
        storage: storage_in_bucket(),
        app: app_at_socket(),
        direct: probe(direct_request, 2_000_000, direct_outcome),
        full: full_that_breaks_off(),
        probes: all_probes(),
        checks: Vec::new(),
        request_log: Some(vec![logged("GET", "/download/1", "view"), logged("", "*", "")]),
        local: Vec::new(),
        spoofed: Some(vec!["x-sendfile-type".to_owned()]),
        certificate: Some(Certificate {
            until: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_413_580),
            days_left: -1,
        }),
    }
}

fn storage_in_bucket() -> Probe<Body> {
    let request = RequestRecord {
        url: "s3://bucket/a%20b.bin".to_owned(),
        http: Some("https://store.example.org/bucket/a%20b.bin".to_owned()),
        ..RequestRecord::default()
    };
    probe(request, 0, Outcome::Response(compressed()))
}

fn app_at_socket() -> Probe<Response> {
    let request = RequestRecord {
        unix_socket: Some("/run/app.sock".to_owned()),
        ..request("GET", "http://localhost/download/1")
    };
    probe(request, 1_234_567, Outcome::Response(response(compressed())))
}

fn full_that_breaks_off() -> Probe<Response> {
    let request = RequestRecord {
        headers: vec![pair("Cookie", "REDACTED"), pair("X-Ü", "\"\u{1b}[31m\\\n")],
        through: vec!["--resolve".to_owned(), "example.org:443:127.0.0.1".to_owned()],
        ..request("HEAD", "https://example.org/download/1?a=b&c=REDACTED-00112233")
    };
    let head = (0..=255).collect();
    let body = Body { head, same: Some(Same::AtLeast(65_536)), ..body(End::Cut) };
    probe(request, 61_000_000_499, Outcome::Response(response(body)))
}

fn compressed() -> Body {
    let gunzipped = Gunzipped { size: 9, sha256: digest(7), head: b"\0\xff%41".to_vec() };
    Body {
        gunzipped: Some(gunzipped),
        beyond: 20_000,
        same: Some(Same::Exactly(1)),
        ..body(End::Whole)
    }
}

/// All probes, with outcomes, expected contents and request logs of all kinds in turn.
fn all_probes() -> Vec<ExtraProbe> {
    let mut probes = Vec::new();
    for (number, name) in PROBES.iter().enumerate() {
        let id: ProbeId = name.parse().expect("a probe");
        assert_eq!(id.to_string(), *name);
        let outcome = match number {
            0 => Outcome::Response(response(body(End::TimedOut))),
            1 => Outcome::Response(response(body(End::NotAwaited))),
            2 => Outcome::Failed(Failure { kind: FailureKind::Tls, chain: "a: b".to_owned() }),
            _ => Outcome::Skipped(format!("not sent: {name}")),
        };
        let (wants, request_log) = match number {
            0 => (Some(digest(3)), Some(Vec::new())),
            1 => (None, Some(vec![logged("GET", "/x?y", "fall-through")])),
            _ => (None, None),
        };
        let probed = probe(request("GET", "http://example.org/x"), 0, outcome);
        probes.push(ExtraProbe { id, probed, wants, request_log });
    }
    probes
}

/// A target with nothing that can be absent.
fn sparest() -> Evidence {
    Evidence {
        target: String::new(),
        intent: Intent { cert_days: CERT_DAYS, ..Intent::default() },
        dummy: None,
        storage: Probe::skipped("no --storage"),
        app: Probe::skipped(""),
        direct: Probe::skipped("no --direct"),
        full: Probe::skipped("no --full"),
        probes: Vec::new(),
        checks: Vec::new(),
        request_log: None,
        local: Vec::new(),
        spoofed: None,
        certificate: None,
    }
}

fn with_dummy_of(source: Source) -> Evidence {
    let spoofed = Some(Vec::new());
    Evidence { dummy: Some(dummy(source)), spoofed, request_log: Some(Vec::new()), ..sparest() }
}

fn with_failures() -> Evidence {
    use FailureKind::{
        BucketMissing, ClockSkewed, Closed, Denied, KeyRefused, Lengths, NameNotResolved, NotFound,
        NotHttp, Other, Refused, TimedOut, Tls, WrongRegion,
    };
    let kinds = [
        NameNotResolved,
        Refused,
        TimedOut,
        Tls,
        Closed,
        NotHttp,
        Lengths,
        NotFound,
        BucketMissing,
        Denied,
        KeyRefused,
        WrongRegion,
        ClockSkewed,
        Other,
    ];
    let mut evidence = Evidence {
        dummy: Some(dummy(Source::Storage)),
        storage: probe(
            request("", "file:///srv/media/a.bin"),
            0,
            Outcome::Failed(failure(NotFound)),
        ),
        ..sparest()
    };
    for (number, kind) in (1..).zip(kinds) {
        let outcome = Outcome::Failed(failure(kind));
        evidence.probes.push(ExtraProbe {
            id: ProbeId::Inner(number),
            probed: probe(request("GET", "http://inner/"), 1, outcome),
            wants: None,
            request_log: None,
        });
    }
    evidence
}

/// A target with all kinds of facts.
fn with_facts() -> Evidence {
    let mut evidence = sparest();
    for (number, kind) in (0..).zip(fact_kinds()) {
        let text = "alias /srv/media/; # \"ü\"".to_owned();
        let at = SourceLine { file: "/etc/nginx/site.conf".to_owned(), line: number % 4, text };
        let fact = match number % 3 {
            0 => Fact::of(kind, "of the whole"),
            1 => Fact::at(kind, at, "at a line"),
            _ => Fact::at(kind, at, "at a line").mended_by("In site.conf, change it"),
        };
        evidence.local.push(fact);
    }
    evidence
}

/// The kinds of facts that have no details.
const FACTS_WITHOUT_DETAILS: [FactKind; 48] = [
    FactKind::Unread,
    FactKind::LogUnread,
    FactKind::ListensElsewhere,
    FactKind::Unsure,
    FactKind::DownloadAsksApp,
    FactKind::DownloadShadowed,
    FactKind::DownloadNotRouted,
    FactKind::DownloadRedirected,
    FactKind::DownloadRefused,
    FactKind::LoginAsked,
    FactKind::Guarded,
    FactKind::PathRewritten,
    FactKind::AppElsewhere,
    FactKind::HeaderObeyed,
    FactKind::FeatureOff,
    FactKind::OverrideForbidden,
    FactKind::Bypassed,
    FactKind::SwallowedBetween,
    FactKind::NotAnnounced,
    FactKind::MappingWrong,
    FactKind::TargetFallsThrough,
    FactKind::TargetShadowed,
    FactKind::TargetInOtherServer,
    FactKind::TargetRefused,
    FactKind::TargetAsksApp,
    FactKind::TargetPathUnknown,
    FactKind::TargetAsksStore,
    FactKind::PathNotAllowed,
    FactKind::ValueNotRead,
    FactKind::HeadersDropped,
    FactKind::NotInternal,
    FactKind::ErrorsMasked,
    FactKind::NoResolver,
    FactKind::HostWrong,
    FactKind::AuthorizationForwarded,
    FactKind::PathDecoded,
    FactKind::QueryDropped,
    FactKind::StoreKeyWrong,
    FactKind::StoreKeyCaptured,
    FactKind::StoreKeyOfVariable,
    FactKind::StorePrefixKept,
    FactKind::Relays,
    FactKind::RelaysForAnybody,
    FactKind::BytesChanged,
    FactKind::Cached,
    FactKind::CachesErrors,
    FactKind::Edited,
    FactKind::Fine,
];

fn fact_kinds() -> Vec<FactKind> {
    let mut kinds = FACTS_WITHOUT_DETAILS.to_vec();
    let states = [
        FileState::Readable,
        FileState::There,
        FileState::Missing,
        FileState::Directory,
        FileState::Closed,
        FileState::Unknown,
    ];
    let misconfigurations = [
        Misconfiguration::Root,
        Misconfiguration::Alias,
        Misconfiguration::Slash,
        Misconfiguration::Capture,
        Misconfiguration::Variable,
        Misconfiguration::Directory,
    ];
    for (state, wrong) in states.into_iter().zip(misconfigurations) {
        let path = "/srv/media/a b.bin".to_owned();
        kinds.extend([
            FactKind::TargetOpens { path: path.clone(), state, wrong: Some(wrong) },
            FactKind::TargetOpens { path: String::new(), state, wrong: None },
            FactKind::DirectOpens { path: path.clone(), state, other: true },
            FactKind::DirectOpens { path, state, other: false },
        ]);
    }
    kinds.extend(log_entries().into_iter().map(FactKind::Logged));
    kinds
}

fn log_entries() -> Vec<LogEntry> {
    let events = [
        LogEvent::Missing,
        LogEvent::Closed,
        LogEvent::Link,
        LogEvent::Directory,
        LogEvent::Refused,
        LogEvent::NotAllowed,
        LogEvent::OverrideForbidden,
        LogEvent::Unsafe,
        LogEvent::NoResolver,
        LogEvent::NotResolved,
        LogEvent::NotConnected,
        LogEvent::TimedOut,
        LogEvent::Closes,
        LogEvent::NotTrusted,
        LogEvent::HeaderTooBig,
        LogEvent::Cycle,
    ];
    let mut entries = Vec::new();
    for event in events {
        let what = Some("/srv/media/a.bin".to_owned());
        entries.push(LogEntry { event, of: LogSubject::Download, what });
    }
    let event = LogEvent::Missing;
    entries.push(LogEntry { event, of: LogSubject::Direct, what: None });
    entries.push(LogEntry { event, of: LogSubject::Unknown, what: Some(String::new()) });
    entries
}

/// A target with all checks.
fn with_checks() -> Evidence {
    let mut evidence = Evidence { checks: Vec::new(), ..fullest() };
    evidence.probes.clear();
    for (number, check) in Check::all().enumerate() {
        let made = match number % 3 {
            0 => Made::By(vec![ProbeId::Head, ProbeId::Inner(2)]),
            1 => Made::By(Vec::new()),
            _ => Made::Skipped("the download failed".to_owned()),
        };
        evidence.checks.push(Checked { check, made });
    }
    evidence
}

fn dummy(source: Source) -> Dummy {
    Dummy { size: 4096, sha256: digest(1), ..Dummy::of(&Body::empty(End::Whole), source) }
}

fn response(body: Body) -> Response {
    let headers = vec![pair("content-type", "text/plain"), pair("set-cookie", "REDACTED")];
    Response { status: 200, headers, body }
}

fn body(end: End) -> Body {
    let head = "%PDF ü\r\n\u{1b}".into();
    Body { size: 4096, sha256: digest(0xab), head, ..Body::empty(end) }
}

fn probe<T>(request: RequestRecord, nanoseconds: u64, outcome: Outcome<T>) -> Probe<T> {
    // JSON has whole microseconds.
    let took = Duration::from_micros((nanoseconds + 500) / 1000);
    Probe { request, outcome, took }
}

fn request(method: &str, url: &str) -> RequestRecord {
    RequestRecord { method: method.to_owned(), url: url.to_owned(), ..RequestRecord::default() }
}

fn failure(kind: FailureKind) -> Failure {
    Failure { kind, chain: "cannot connect: connection refused".to_owned() }
}

fn logged(method: &str, target: &str, answer: &str) -> LoggedRequest {
    LoggedRequest {
        method: method.to_owned(),
        target: target.to_owned(),
        answer: answer.to_owned(),
    }
}

fn digest(byte: u8) -> Sha256 {
    Sha256([byte; 32])
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Compares a document with its golden file.
fn held(name: &str, text: &str) {
    with_settings!({
        snapshot_path => "../golden",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        assert_snapshot!(name, text);
    });
}

fn written(report: &Report) -> String {
    let mut text = Vec::new();
    report.write(&mut text, Format::Json, Detail::Normal, Width::default()).expect("memory");
    String::from_utf8(text).expect("JSON")
}
