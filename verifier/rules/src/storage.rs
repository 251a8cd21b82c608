//! Rules whose culprit is the storage: the file cannot be read there by any client, or is not the
//! expected one.

use sendfile_evidence::{
    Body, Check, Failure, FailureKind, Outcome, ProbeId, Response, Server, dialect::store_error,
};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, body_class, content},
    handoff::parts::{flaw_of_store, unknown_to_store},
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] = &[
    &FILE_MISSING,
    &BUCKET_MISSING,
    &NAME_NOT_RESOLVED,
    &TLS_REFUSED,
    &UNREACHABLE,
    &KEY_REFUSED,
    &ACCESS_DENIED,
    &WRONG_REGION,
    &CLOCK_SKEWED,
    &REFUSES,
    &FILE_DIFFERS,
    &WRONG_RANGE,
    &RANGE_UNKNOWN,
    &ANOTHER_STORAGE,
    &CLOSED_TO_THE_CHECK,
];

pub(crate) static FILE_MISSING: Rule = Rule {
    id: "storage.file-missing",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The storage does not contain the file",
    meaning: "The storage was checked directly and has no file of that name, so app and proxy have \
              nothing to send. Known from the storage's own response, and from the proxy not \
              finding the file either.",
    remedy: Remedy::any(
        "Restore the file, or point the app and the proxy to its current location. After a \
         migration, check whether it was moved",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        if let Some(direct) = unasked(analysis) {
            let gives = analysis.describe(direct);
            return Some(Match::possible(format!(
                "The proxy returns {gives}, for the file itself; the storage was not checked"
            )));
        }
        let failure = blamed(analysis).filter(|it| it.kind == FailureKind::NotFound)?;
        let agreed = analysis.direct().zip(analysis.evidence.full.response());
        let elsewhere =
            agreed.is_some_and(|(a, b)| a.status == 200 && a.body.sha256 == b.body.sha256);
        (!elsewhere || analysis.by_contract())
            .then(|| Match::sure(format!("Storage error: {}", failure.chain)))
    },
};

pub(crate) static BUCKET_MISSING: Rule = Rule {
    id: "storage.bucket-missing",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The bucket or container does not exist",
    meaning: "The store responds, but has no bucket or container of that name. Either all files in \
              it are gone, not only this one, or the requests go to a different store than the one \
              that has them.",
    remedy: Remedy::any(
        "Create the bucket, or correct its name and the store's endpoint, in both the app and the \
         proxy",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = blamed(analysis).filter(|it| it.kind == FailureKind::BucketMissing)?;
        let others = [analysis.direct(), analysis.evidence.full.response()].into_iter().flatten();
        let mut codes = others.filter_map(|it| store_error(&it.body));
        // Otherwise the wrong name may have been given to this program only.
        let alike = codes.any(|it| matches!(&*it, "NoSuchBucket" | "ContainerNotFound"));
        let because = failure.chain.clone();
        Some(if alike { Match::sure(because) } else { Match::likely(because) })
    },
};

pub(crate) static NAME_NOT_RESOLVED: Rule = Rule {
    id: "storage.name-not-resolved",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The storage's host name cannot be resolved",
    meaning: "DNS has no entry for the host in the storage's URL, and the file does not arrive \
              through the proxy either.",
    remedy: Remedy::any("Correct the host in the storage's URL or endpoint, or the DNS records"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = blamed(analysis).filter(|it| it.kind == FailureKind::NameNotResolved)?;
        Some(Match::likely(failure.chain.clone()))
    },
};

pub(crate) static TLS_REFUSED: Rule = Rule {
    id: "storage.tls-refused",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The TLS connection to the storage fails",
    meaning: "The storage's server responds, but not with TLS that this program accepts: the port \
              does not speak TLS, or the certificate is not trusted or not valid for that name.",
    remedy: Remedy::any(
        "Check whether the storage's URL should begin with http://, renew the certificate, or \
         trust its issuer: with --cacert here, with the proxy's own setting there",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = blamed(analysis).filter(|it| it.kind == FailureKind::Tls)?;
        Some(Match::likely(failure.chain.clone()))
    },
};

pub(crate) static UNREACHABLE: Rule = Rule {
    id: "storage.unreachable",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The storage does not respond",
    meaning: "The storage server cannot be reached, neither by this program nor, as its error \
              shows, by the proxy.",
    remedy: Remedy::any(
        "Start the storage server, or correct its address; then check the network in between",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        use FailureKind::{Closed, Lengths, NotHttp, Refused, TimedOut};
        let failure = blamed(analysis)?;
        let silent = matches!(failure.kind, Refused | TimedOut | Closed | NotHttp | Lengths);
        silent.then(|| Match::sure(format!("The storage does not respond: {}", failure.chain)))
    },
};

pub(crate) static KEY_REFUSED: Rule = Rule {
    id: "storage.key-refused",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The storage rejects the access key or its signature",
    meaning: "The store rejects the access key itself, from this program and from the proxy. \
              Typical causes: a key that was revoked, replaced or misspelled, a wrong secret, or a \
              signed link that has expired. If only this program's key is rejected, this does not \
              affect the download.",
    remedy: Remedy::any(
        "Configure a valid access key with its own secret in the app, then sign the links again",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| refused_alike(analysis, FailureKind::KeyRefused),
};

pub(crate) static ACCESS_DENIED: Rule = Rule {
    id: "storage.access-denied",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The storage accepts the access key, but denies read access to the file",
    meaning: "The store denies access to the file, to this program and to the proxy. The access \
              key is valid; a policy, a firewall or the object's owner prevents the access. S3 \
              also returns this error for a missing file if the key has no permission to list the \
              bucket.",
    remedy: Remedy::any(
        "Grant the key read access below that prefix: check the bucket policy, the key's own \
         policy, and the owner of the object",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| refused_alike(analysis, FailureKind::Denied),
};

pub(crate) static WRONG_REGION: Rule = Rule {
    id: "storage.wrong-region",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The requests are signed for a different region than the bucket's",
    meaning: "An S3 signature is valid for one region. The bucket is in a different region than \
              the one that this program, the app and the proxy use.",
    remedy: Remedy::any("Set the bucket's region where links are signed: AWS_REGION, or `region`"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| refused_alike(analysis, FailureKind::WrongRegion),
};

pub(crate) static CLOCK_SKEWED: Rule = Rule {
    id: "storage.clock-skewed",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The clocks of the storage and the signer are too far apart",
    meaning: "Stores reject signatures made more than 15 minutes before or after their own time.",
    remedy: Remedy::any(
        "Set the clock of the machine that is wrong, and keep it synchronised with NTP",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| refused_alike(analysis, FailureKind::ClockSkewed),
};

pub(crate) static REFUSES: Rule = Rule {
    id: "storage.refuses",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The storage returns an error",
    meaning: "The storage server responds, but with neither the file nor an error that says that \
              the file is missing.",
    remedy: Remedy::any("Check the storage server's log for the error that it returned"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = blamed(analysis).filter(|it| it.kind == FailureKind::Other)?;
        Some(Match::likely(format!("Storage error: {}", failure.chain)))
    },
};

pub(crate) static FILE_DIFFERS: Rule = Rule {
    id: "storage.file-differs",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The storage contains different content than the fixture placed there",
    meaning: "The fixture records the SHA-256 of every file that it places. The file of that name \
              in the storage has a different one. Typical causes: it was overwritten or truncated, \
              or this is not the storage that the fixture uses.",
    remedy: Remedy::any(
        "Check that --storage is the storage that the fixture uses; otherwise find out which \
         program writes to the directory of dummies",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let body = analysis
            .evidence
            .storage
            .response()
            .filter(|body| !analysis.evidence.is_dummy(body))?;
        let because = format!("The storage has {}", stored(analysis, body));
        let other = matches!(seen(analysis, body), BodyClass::OtherInstance(_));
        let found = match other {
            true => Match::likely(because).also(
                "Another fixture wrote it: two fixtures use this storage, or --fixture belongs to \
                 another storage",
            ),
            false => Match::sure(because),
        };
        (!analysis.delivered || !analysis.direct_right()).then_some(found)
    },
};

pub(crate) static WRONG_RANGE: Rule = Rule {
    id: "storage.wrong-range",
    culprit: Culprit::Storage,
    severity: Severity::Degraded,
    check: Some(Check::Ranges),
    summary: "The store itself responds incorrectly to range requests",
    meaning: "A range request for the download returns a wrong response, and so does the same \
              request sent to the store without app and proxy: other bytes than Content-Range \
              announces, a part with status 200 as if it were the whole file, or an error. Resumed \
              downloads fail or are corrupt.",
    remedy: Remedy {
        any: "Upgrade the store, if a fixed version exists; or remove Range and If-Range from \
              requests to it, and Accept-Ranges from responses to clients",
        servers: &[(
            Server::Nginx,
            "Upgrade the store, if a fixed version exists; or disable range requests in the \
             internal location: `proxy_set_header Range \"\"; proxy_set_header If-Range \"\"; \
             proxy_hide_header Accept-Ranges;`",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (part, flaw) = flaw_of_store(analysis)?;
        let same = "The same request sent directly to the store returns the same";
        Some(Match::sure(flaw).also(same).shown_by(ProbeId::AtStore(part)))
    },
};

pub(crate) static RANGE_UNKNOWN: Rule = Rule {
    id: "storage.range-unknown",
    culprit: Culprit::Storage,
    severity: Severity::Warning,
    check: Some(Check::Ranges),
    summary: "The store itself does not support every range request",
    meaning: "The store does not support this form of Range, or it ignores If-Range, regardless of \
              the client. HTTP permits the former; the latter affects only clients that hold the \
              beginning of an earlier version of the file. App and proxy are not the cause.",
    remedy: Remedy::any(
        "Use a store that supports Range and If-Range if interrupted downloads must resume",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (part, lacks) = unknown_to_store(analysis)?;
        Some(Match::sure(lacks).shown_by(ProbeId::AtStore(part)))
    },
};

pub(crate) static ANOTHER_STORAGE: Rule = Rule {
    id: "storage.another-storage",
    culprit: Culprit::Storage,
    severity: Severity::Warning,
    check: None,
    summary: "--storage is not the storage that serves the download",
    meaning: "The client and the proxy get the file that the fixture placed, but the storage named \
              by --storage contains a different file, or none. This is a mistake in the check, not \
              in the product.",
    remedy: Remedy::any("Point --storage to the storage that the fixture uses, or omit it"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let seen = match &analysis.evidence.storage.outcome {
            _ if !proven(analysis) || !analysis.storage_failed() => return None,
            Outcome::Response(body) => format!("--storage has {}", stored(analysis, body)),
            Outcome::Failed(it)
                if matches!(it.kind, FailureKind::NotFound | FailureKind::BucketMissing) =>
            {
                it.chain.clone()
            }
            Outcome::Failed(_) | Outcome::Skipped(_) => return None,
        };
        Some(Match::sure(seen))
    },
};

pub(crate) static CLOSED_TO_THE_CHECK: Rule = Rule {
    id: "storage.closed-to-the-check",
    culprit: Culprit::Storage,
    severity: Severity::Warning,
    check: None,
    summary: "The user who runs this check cannot read the storage",
    meaning: "The fixture placed the file and the proxy serves it, but this program has no \
              permission to read it. This concerns the user who runs the check, not the download.",
    remedy: Remedy::any(
        "Run the check as a user who can read the storage, or omit --storage: the fixture then \
         reads the file back",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = analysis.evidence.storage.outcome.failure().filter(|_| proven(analysis))?;
        failure.kind.is_of_the_key().then(|| Match::sure(failure.chain.clone()))
    },
};

/// The proxy's own 404, both for the file itself and for the client's download, if the storage was
/// not checked.
fn unasked<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let missing = |it: &Response| it.status == 404 && analysis.own_page(it).is_some();
    let direct = analysis.direct_wrong().filter(|it| missing(it) && !analysis.storage_checked())?;
    analysis
        .wrong_full()
        .filter(|it| missing(it) && analysis.app_right() && !analysis.direct_unknown())?;
    Some(direct)
}

/// Whether the fixture's own file arrives, with and without the app.
fn proven(analysis: &Analysis<'_>) -> bool {
    analysis.delivered && analysis.direct_right() && analysis.by_contract()
}

/// Describes the content of the storage in one line.
fn stored(analysis: &Analysis<'_>, body: &Body) -> String {
    content(analysis.evidence, &as_response(body))
}

fn seen(analysis: &Analysis<'_>, body: &Body) -> BodyClass {
    body_class(analysis.evidence, &as_response(body))
}

fn as_response(body: &Body) -> Response {
    Response { status: 200, headers: Vec::new(), body: body.clone() }
}

/// The store rejects this program's key. This is a problem of the check alone, unless the store
/// rejects the proxy and the client for the same reason.
fn refused_alike(analysis: &Analysis<'_>, kind: FailureKind) -> Option<Match> {
    let failure = analysis.evidence.storage.outcome.failure().filter(|it| it.kind == kind)?;
    let direct = analysis.direct_wrong()?;
    let code = store_error(&direct.body).filter(|it| means(it, kind))?;
    let visitor = store_error(&analysis.wrong_full()?.body);
    let alike = match &visitor {
        Some(code) => means(code, kind),
        // A proxy may replace the error with its own page. A private bucket denies access to a
        // location that does not sign in any case.
        None => kind != FailureKind::Denied,
    };
    let proxy = format!("The store returns {} {code} to the proxy", direct.status);
    alike.then(|| Match::likely(failure.chain.clone()).also(proxy))
}

/// Whether a store's error code means this failure.
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

fn blamed<'a>(analysis: &Analysis<'a>) -> Option<&'a Failure> {
    analysis.evidence.storage.outcome.failure().filter(|_| analysis.storage_is_culprit())
}
