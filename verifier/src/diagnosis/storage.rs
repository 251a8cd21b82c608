//! Rules whose culprit is the storage: the file cannot be read there by anybody, or is not the
//! right one.

use super::{
    Culprit, Match, Reading, Remedy, Rule, Severity,
    instead::{Instead, content, instead},
};
use crate::evidence::{Body, Failure, FailureKind, Response, Seen};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "storage.file-missing",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the file is not where all layers look for it",
        meaning: "The storage was asked for the file itself and has none of that name. App and \
                  proxy can be as right as they like: there is nothing to send. Known from the \
                  storage's own answer, and from the proxy not finding it either.",
        remedy: Remedy::any(
            "put the file back, or point the app and the proxy to where it is now; after a \
             migration, see whether it was moved",
        ),
        matches: |r| {
            let failure = blamed(r).filter(|it| it.kind == FailureKind::NotFound)?;
            let agreed = r.direct().zip(r.evidence.full.answer());
            let elsewhere =
                agreed.is_some_and(|(a, b)| a.status == 200 && a.body.sha256 == b.body.sha256);
            (!elsewhere || r.by_contract())
                .then(|| Match::sure(format!("the storage says: {}", failure.chain)))
        },
    },
    Rule {
        id: "storage.unreachable",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the storage does not answer",
        meaning: "The storage server could not be reached, neither by this program nor, as its \
                  error shows, by the proxy.",
        remedy: Remedy::any(
            "bring the storage back, or correct its address; then look at the network between",
        ),
        matches: |r| {
            use FailureKind::{Closed, NameNotResolved, NotHttp, Refused, TimedOut, Tls};
            let failure = blamed(r)?;
            let silent = matches!(
                failure.kind,
                Refused | TimedOut | Closed | NameNotResolved | Tls | NotHttp
            );
            silent.then(|| Match::sure(format!("the storage gave no answer: {}", failure.chain)))
        },
    },
    Rule {
        id: "storage.refuses",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the storage answers with an error",
        meaning: "The storage server answers, but neither with the file nor with the news that \
                  it is missing.",
        remedy: Remedy::any("see the storage server's log for the error that it answered with"),
        matches: |r| {
            let failure = blamed(r).filter(|it| it.kind == FailureKind::Other)?;
            Some(Match::likely(format!("the storage says: {}", failure.chain)))
        },
    },
    Rule {
        id: "storage.file-differs",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the storage holds other bytes than were placed there",
        meaning: "The fixture remembers the SHA-256 of what it placed. The file of that name in \
                  the storage has another one: it was overwritten, cut short, or this is not the \
                  storage that the fixture uses.",
        remedy: Remedy::any(
            "check that --storage is the storage the fixture uses; otherwise find out what \
             writes to the folder of dummies",
        ),
        matches: |r| {
            let body = r.evidence.storage.answer().filter(|body| !r.evidence.is_dummy(body))?;
            let because = format!("the storage has {}", stored(r, body));
            let other = matches!(seen(r, body), Instead::OtherInstance(_));
            let found = match other {
                true => Match::likely(because).also(
                    "another fixture wrote it: two use this storage, or --fixture is not its own",
                ),
                false => Match::sure(because),
            };
            (!r.delivered || !r.direct_right()).then_some(found)
        },
    },
    Rule {
        id: "storage.another-storage",
        culprit: Culprit::Storage,
        severity: Severity::Warning,
        summary: "the storage that was read is not the one that the download comes from",
        meaning: "A visitor gets the file that the fixture placed, and so does the proxy; the storage \
                  named by --storage holds another one, or none. That is a fault of the check, not \
                  of the product.",
        remedy: Remedy::any("give --storage the storage that the fixture uses, or leave it out"),
        matches: |r| {
            let seen = match &r.evidence.storage.seen {
                _ if !proven(r) || !r.storage_failed() => return None,
                Seen::Answer(body) => format!("it has {}", stored(r, body)),
                Seen::Nothing(it) if it.kind == FailureKind::NotFound => it.chain.clone(),
                Seen::Nothing(_) | Seen::Skipped(_) => return None,
            };
            Some(Match::sure(seen))
        },
    },
    Rule {
        id: "storage.closed-to-the-check",
        culprit: Culprit::Storage,
        severity: Severity::Warning,
        summary: "the storage cannot be read by the user who runs this check",
        meaning: "The fixture placed the file, the proxy serves it, and this program may not read it: \
                  that says something about the user who runs the check, and nothing about the \
                  download.",
        remedy: Remedy::any(
            "run the check as a user who may read the storage, or leave --storage out: the fixture \
             then reads back",
        ),
        matches: |r| {
            let failure = r.evidence.storage.seen.failure().filter(|_| proven(r))?;
            (failure.kind == FailureKind::Denied).then(|| Match::sure(failure.chain.clone()))
        },
    },
];

/// Whether the fixture's own file arrives, with and without the app.
fn proven(r: &Reading<'_>) -> bool {
    r.delivered && r.direct_right() && r.by_contract()
}

/// What the storage holds, in one line.
fn stored(r: &Reading<'_>, body: &Body) -> String {
    content(r.evidence, &as_response(body))
}

fn seen(r: &Reading<'_>, body: &Body) -> Instead {
    instead(r.evidence, &as_response(body))
}

fn as_response(body: &Body) -> Response {
    Response { status: 200, headers: Vec::new(), body: body.clone() }
}

fn blamed<'a>(r: &Reading<'a>) -> Option<&'a Failure> {
    r.evidence.storage.seen.failure().filter(|_| r.storage_to_blame())
}
