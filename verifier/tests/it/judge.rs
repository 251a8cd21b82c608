//! Saved reports: JSON keeps all evidence that rules use, so that the verdict is the same.

use sendfile_check::report::{Detail, Format, Report, Width, json};
use sendfile_evidence::{
    Check, Checked, End, Evidence, Failure, FailureKind, Gunzipped, Made, Outcome, ProbeId,
    Response, Same,
};
use sendfile_rules::Choice;

#[test]
fn evidence_is_read_as_written() {
    for case in sendfile_scenarios::all() {
        check(&case.id, case.evidence());
    }
}

#[test]
fn rare_evidence_is_read_as_written() {
    let bodies = |change: fn(&mut Response)| {
        let mut all = sendfile_scenarios::all().into_iter();
        let healthy = all.find(|case| case.id == "healthy-nginx").unwrap();
        let mut evidence = healthy.evidence();
        let Outcome::Response(it) = &mut evidence.full.outcome else { panic!("no response") };
        change(it);
        evidence
    };
    check("cut", bodies(|it| it.body.end = End::Cut));
    check("too long", bodies(|it| it.body.end = End::TooLong));
    check("timed out", bodies(|it| it.body.end = End::TimedOut));
    check("not awaited", bodies(|it| it.body.end = End::NotAwaited));
    check("same", bodies(|it| it.body.same = Some(Same::AtLeast(65_536))));
    check("beyond", bodies(|it| it.body.beyond = 20_000));
    let gunzipped = bodies(|it| {
        let head = b"\0\xff%41".to_vec();
        it.body.gunzipped = Some(Gunzipped { size: 9, sha256: it.body.sha256, head });
    });
    check("gunzipped", gunzipped);
    check("any byte", bodies(|it| it.body.head = (0..=255).collect()));
    check(
        "any text",
        bodies(|it| it.headers.push(("x-ü".to_owned(), "\"\u{1b}[31m\\\n".to_owned()))),
    );
    let mut checked = bodies(|_| {});
    checked.checks = vec![
        Checked { check: Check::Leak, made: Made::By(Vec::new()) },
        Checked { check: Check::Head, made: Made::By(vec![ProbeId::Head]) },
        Checked { check: Check::Ranges, made: Made::Skipped("why".to_owned()) },
    ];
    check("checks", checked);
    let kinds = [
        FailureKind::Other,
        FailureKind::NameNotResolved,
        FailureKind::Lengths,
        FailureKind::BucketMissing,
        FailureKind::WrongRegion,
    ];
    for kind in kinds {
        let mut evidence = bodies(|_| {});
        evidence.app.outcome = Outcome::Failed(Failure { kind, chain: "why: because".to_owned() });
        evidence.app.request.unix_socket = Some("/run/app.sock".to_owned());
        check("failure", evidence);
    }
}

#[test]
fn judging_a_saved_report_gives_the_same_document() {
    let seen: Vec<_> = sendfile_scenarios::all().iter().map(|case| case.evidence()).collect();
    let fresh = report(seen);
    let again = report(json::read(&written(&fresh)).unwrap().seen);
    assert!(written(&fresh) == written(&again), "a finding or a line of evidence differs");
    assert_eq!(fresh.status(), again.status());
}

const TOOL: &str = "sendfile-check 0.1.0";
const STARTED: &str = "2026-11-23T06:00:00Z";

fn check(name: &str, evidence: Evidence) {
    let text = written(&report(vec![evidence.clone()]));
    let saved = json::read(&text).unwrap_or_else(|it| panic!("{name}: {it}"));
    assert_eq!((saved.tool.as_str(), saved.started.as_str()), (TOOL, STARTED), "{name}");
    assert_eq!(saved.seen, [evidence], "{name}");
}

fn report(seen: Vec<Evidence>) -> Report {
    Report::new(TOOL.to_owned(), STARTED.to_owned(), seen, &Choice::default())
}

fn written(report: &Report) -> Vec<u8> {
    let mut text = Vec::new();
    report.write(&mut text, Format::Json, Detail::Normal, Width::default()).expect("memory");
    text
}
