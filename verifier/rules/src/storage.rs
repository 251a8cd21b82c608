//! Rules whose culprit is the storage: the file cannot be read there by anybody, or is not the
//! right one.

use super::{
    Culprit, Match, Reading, Remedy, Rule, Severity,
    handoff::parts::{flaw_of_store, unknown_to_store},
    instead::{Instead, content, instead},
};
use sendfile_evidence::{
    Body, Failure, FailureKind, ProbeId, Response, Seen, dialect::store_error,
};

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
            if let Some(direct) = unasked(r) {
                let gives = r.describe(direct);
                return Some(Match::possible(format!(
                    "the storage was not asked, and the proxy answers {gives} for the file itself"
                )));
            }
            let failure = blamed(r).filter(|it| it.kind == FailureKind::NotFound)?;
            let agreed = r.direct().zip(r.evidence.full.answer());
            let elsewhere =
                agreed.is_some_and(|(a, b)| a.status == 200 && a.body.sha256 == b.body.sha256);
            (!elsewhere || r.by_contract())
                .then(|| Match::sure(format!("the storage says: {}", failure.chain)))
        },
    },
    Rule {
        id: "storage.bucket-missing",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the bucket or container does not exist",
        meaning: "The store answers, and has no bucket or container of that name: not this file, all \
                  of them are gone, or another store is asked than the one that has them.",
        remedy: Remedy::any(
            "make the bucket, or correct its name and the store's endpoint, in the app and the proxy \
             alike",
        ),
        matches: |r| {
            let failure = blamed(r).filter(|it| it.kind == FailureKind::BucketMissing)?;
            let others = [r.direct(), r.evidence.full.answer()].into_iter().flatten();
            let mut codes = others.filter_map(|it| store_error(&it.body));
            // Otherwise it may be this program that was given the wrong name.
            let alike = codes.any(|it| matches!(&*it, "NoSuchBucket" | "ContainerNotFound"));
            let because = failure.chain.clone();
            Some(if alike { Match::sure(because) } else { Match::likely(because) })
        },
    },
    Rule {
        id: "storage.name-not-resolved",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the storage's host name cannot be resolved",
        meaning: "No name server knows the host in the storage's URL, and the file does not arrive \
                  through the proxy either.",
        remedy: Remedy::any(
            "correct the host in the storage's URL or endpoint, or the name server's records",
        ),
        matches: |r| {
            let failure = blamed(r).filter(|it| it.kind == FailureKind::NameNotResolved)?;
            Some(Match::likely(failure.chain.clone()))
        },
    },
    Rule {
        id: "storage.tls-refused",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "no trusted TLS connection to the storage can be made",
        meaning: "The storage's server answers, but not with TLS that this program accepts: it \
                  speaks none there, or its certificate is not trusted or not for that name.",
        remedy: Remedy::any(
            "see whether the storage's URL should begin with http://, renew the certificate, or have \
             the issuer trusted: --cacert here, the proxy's own setting there",
        ),
        matches: |r| {
            let failure = blamed(r).filter(|it| it.kind == FailureKind::Tls)?;
            Some(Match::likely(failure.chain.clone()))
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
            use FailureKind::{Closed, Lengths, NotHttp, Refused, TimedOut};
            let failure = blamed(r)?;
            let silent = matches!(failure.kind, Refused | TimedOut | Closed | NotHttp | Lengths);
            silent.then(|| Match::sure(format!("the storage gave no answer: {}", failure.chain)))
        },
    },
    Rule {
        id: "storage.key-refused",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the storage does not accept the key or what is signed with it",
        meaning: "The store refuses the key itself, to this program and to the proxy: it was \
                  withdrawn, replaced or misspelt, its secret is another one, or a signed link has \
                  run out. Where only this program's key is refused, nothing is said of the download.",
        remedy: Remedy::any(
            "give the app a key that is valid, with its own secret; then sign anew",
        ),
        matches: |r| refused_alike(r, FailureKind::KeyRefused),
    },
    Rule {
        id: "storage.access-denied",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the storage knows the key, and does not let it read the file",
        meaning: "The store refuses to hand the file out, to this program and to the proxy. The key \
                  is not the question: a policy, a firewall or the object's owner is. S3 says so too \
                  of a file that is missing, to a key that may not list.",
        remedy: Remedy::any(
            "let the key read below that prefix: look at the bucket's policy, the key's own policy, \
             and who owns the object",
        ),
        matches: |r| refused_alike(r, FailureKind::Denied),
    },
    Rule {
        id: "storage.wrong-region",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the requests are signed for another region than the bucket's",
        meaning: "A signature of S3 holds for one region. The bucket is in another one than the \
                  program, the app and the proxy ask for.",
        remedy: Remedy::any(
            "set the bucket's own region where links are signed: AWS_REGION, or `region`",
        ),
        matches: |r| refused_alike(r, FailureKind::WrongRegion),
    },
    Rule {
        id: "storage.clock-skewed",
        culprit: Culprit::Storage,
        severity: Severity::Broken,
        summary: "the clocks of the storage and of who signs are too far apart",
        meaning: "Stores refuse what was signed more than 15 minutes before or after their own time.",
        remedy: Remedy::any("set the clock of the machine that is wrong; let NTP keep it"),
        matches: |r| refused_alike(r, FailureKind::ClockSkewed),
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
        id: "storage.wrong-range",
        culprit: Culprit::Storage,
        severity: Severity::Degraded,
        summary: "the store itself gives parts of the file wrongly",
        meaning: "A request for a part of the download gets a wrong answer, and so does the same request \
                  at the store, past app and proxy: other bytes than Content-Range says, a part with \
                  200 as if it were the whole, or an error. Resumed downloads fail or are corrupt.",
        remedy: Remedy {
            nginx: Some(
                "a newer store, if there is one; or keep from it what it does not understand: \
                 proxy_set_header Range \"\"; proxy_set_header If-Range \"\"; and proxy_hide_header \
                 Accept-Ranges; in the internal location",
            ),
            ..Remedy::any(
                "a newer store, if there is one; or keep Range and If-Range from it, and Accept-Ranges \
                 from visitors",
            )
        },
        matches: |r| {
            let (part, flaw) = flaw_of_store(r)?;
            let same = "the store itself, asked the same way, answers so too";
            Some(Match::sure(flaw).also(same).shown_by(ProbeId::AtStore(part)))
        },
    },
    Rule {
        id: "storage.range-unknown",
        culprit: Culprit::Storage,
        severity: Severity::Warning,
        summary: "the store itself does not give every part that is asked for",
        meaning: "The store does not know this form of Range, or does not heed If-Range, whoever asks: \
                  HTTP allows the one, and the other shows only to those who have the beginning of \
                  what the file was before. App and proxy lose nothing.",
        remedy: Remedy::any(
            "a store that knows Range and If-Range, if downloads should go on where they broke off",
        ),
        matches: |r| {
            let (part, lacks) = unknown_to_store(r)?;
            Some(Match::sure(lacks).shown_by(ProbeId::AtStore(part)))
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
                Seen::Nothing(it)
                    if matches!(it.kind, FailureKind::NotFound | FailureKind::BucketMissing) =>
                {
                    it.chain.clone()
                }
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
            failure.kind.is_of_the_key().then(|| Match::sure(failure.chain.clone()))
        },
    },
];

/// The proxy's own 404 for the file itself and for the visitor alike, where the storage was not asked.
fn unasked<'a>(r: &Reading<'a>) -> Option<&'a Response> {
    let missing = |it: &Response| it.status == 404 && r.own_page(it).is_some();
    let direct = r.direct_wrong().filter(|it| missing(it) && !r.storage_asked())?;
    r.wrong_full().filter(|it| missing(it) && r.app_right() && !r.direct_unknown())?;
    Some(direct)
}

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

/// The store refuses this program's key: its own fault, unless the store refuses the proxy and the
/// visitor for the same reason.
fn refused_alike(r: &Reading<'_>, kind: FailureKind) -> Option<Match> {
    let failure = r.evidence.storage.seen.failure().filter(|it| it.kind == kind)?;
    let direct = r.direct_wrong()?;
    let code = store_error(&direct.body).filter(|it| means(it, kind))?;
    let visitor = store_error(&r.wrong_full()?.body);
    let alike = match &visitor {
        Some(code) => means(code, kind),
        // A proxy may put a page of its own in its place. A private bucket denies a location that
        // signs nothing in any case.
        None => kind != FailureKind::Denied,
    };
    let proxy = format!("to the proxy it answers {} {code}", direct.status);
    alike.then(|| Match::likely(failure.chain.clone()).also(proxy))
}

/// Whether a store's code says this.
fn means(code: &str, kind: FailureKind) -> bool {
    match code {
        "AccessDenied" | "AuthorizationFailure" | "AuthorizationPermissionMismatch" => {
            kind == FailureKind::Denied
        }
        "SignatureDoesNotMatch" | "InvalidAccessKeyId" | "InvalidToken" | "ExpiredToken" => {
            kind == FailureKind::KeyRefused
        }
        "AuthenticationFailed" => {
            matches!(kind, FailureKind::KeyRefused | FailureKind::ClockSkewed)
        }
        "RequestTimeTooSkewed" => kind == FailureKind::ClockSkewed,
        "AuthorizationHeaderMalformed" | "PermanentRedirect" => kind == FailureKind::WrongRegion,
        _ => false,
    }
}

fn blamed<'a>(r: &Reading<'a>) -> Option<&'a Failure> {
    r.evidence.storage.seen.failure().filter(|_| r.storage_to_blame())
}
