//! Rules whose culprit is the storage: no client can read the file there, or the file is not the
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
              nothing to send. The storage's own response shows this, and the proxy does not find \
              the file either.",
    remedy: Remedy::any(
        "Restore the file, or point the app and the proxy to its current location. After a \
         migration, check whether it was moved",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        if let Some(direct) = not_found_by_proxy(analysis) {
            let got = analysis.describe(direct);
            return Some(Match::possible(format!(
                "Requested without the app, the direct location returns {got}. The storage was not \
                 checked"
            )));
        }
        let failure = culprit_by(analysis, FailureKind::NotFound)?;
        // The site may serve the file from another storage than the one given to this program.
        if served_elsewhere(analysis) && !analysis.by_contract() {
            return None;
        }
        Some(Match::sure(format!("Storage error: {}", failure.chain)))
    },
};

pub(crate) static BUCKET_MISSING: Rule = Rule {
    id: "storage.bucket-missing",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The bucket or container does not exist",
    meaning: "The store responds, but has no bucket or container of that name. Either all of its \
              files are missing, not only this one, or the requests go to a different store from \
              the one that has them.",
    remedy: Remedy::any(
        "Create the bucket, or correct its name and the store's endpoint, in both the app and the \
         proxy",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = culprit_by(analysis, FailureKind::BucketMissing)?;
        let because = failure.chain.clone();
        let responses = [analysis.direct(), analysis.evidence.full.response()];
        for response in responses.into_iter().flatten() {
            if let Some(code) = store_error(&response.body)
                && matches!(&*code, "NoSuchBucket" | "ContainerNotFound")
            {
                return Some(Match::sure(because));
            }
        }
        // Perhaps only this program was given the wrong name.
        Some(Match::likely(because))
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
        let failure = culprit_by(analysis, FailureKind::NameNotResolved)?;
        Some(Match::likely(failure.chain.clone()))
    },
};

pub(crate) static TLS_REFUSED: Rule = Rule {
    id: "storage.tls-refused",
    culprit: Culprit::Storage,
    severity: Severity::Broken,
    check: None,
    summary: "The TLS connection to the storage fails",
    meaning: "The storage server responds, but TLS fails. The port does not speak TLS, or the \
              certificate is not trusted or not valid for that name.",
    remedy: Remedy::any(
        "Check whether the storage's URL should begin with http://, renew the certificate, or \
         trust its issuer: in this program with --cacert, in the proxy with its own setting",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = culprit_by(analysis, FailureKind::Tls)?;
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
        "Start the storage server or correct its address, then check the network between the proxy \
         and the storage server",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        use FailureKind::{Closed, Lengths, NotHttp, Refused, TimedOut};
        let failure = culprit(analysis)?;
        if !matches!(failure.kind, Refused | TimedOut | Closed | NotHttp | Lengths) {
            return None;
        }
        Some(Match::sure(format!("The storage does not respond: {}", failure.chain)))
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
        let failure = culprit_by(analysis, FailureKind::Other)?;
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
              in the storage has a different SHA-256. Typical causes: the file was overwritten or \
              truncated, or this is not the storage that the fixture uses.",
    remedy: Remedy::any(
        "Check that --storage is the storage that the fixture uses; otherwise find out which \
         program writes to the directory of dummies",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let body = analysis.evidence.storage.response()?;
        let served = analysis.delivered && analysis.direct_right();
        if analysis.evidence.is_dummy(body) || served {
            return None;
        }
        let stored = as_response(body);
        let because = format!("The storage has {}", content(analysis.evidence, &stored));
        if let BodyClass::OtherInstance(_) = body_class(analysis.evidence, &stored) {
            return Some(Match::likely(because).also(
                "A different fixture wrote this file: two fixtures use this storage, or --fixture \
                 belongs to a different storage",
            ));
        }
        Some(Match::sure(because))
    },
};

pub(crate) static WRONG_RANGE: Rule = Rule {
    id: "storage.wrong-range",
    culprit: Culprit::Storage,
    severity: Severity::Degraded,
    check: Some(Check::Ranges),
    summary: "The store itself responds incorrectly to range requests",
    meaning: "A range request for the download returns a wrong response, and so does the same \
              request sent directly to the store. The response contains different bytes from those \
              that Content-Range declares, or a part of the file with status 200 as if it were the \
              whole file, or it is an error. Resumed downloads fail or are corrupt.",
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
        let same = "The same request sent directly to the store returns the same response";
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
              the client. HTTP permits the former. The latter affects only clients that have the \
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
              by --storage contains a different file, or none. This is a mistake in the setup of \
              the check, not in the product.",
    remedy: Remedy::any("Point --storage to the storage that the fixture uses, or omit it"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        if !serves_placed_file(analysis) || !analysis.storage_failed() {
            return None;
        }
        match &analysis.evidence.storage.outcome {
            Outcome::Response(body) => {
                let stored = content(analysis.evidence, &as_response(body));
                Some(Match::sure(format!("--storage has {stored}")))
            }
            Outcome::Failed(failure) => match failure.kind {
                FailureKind::NotFound | FailureKind::BucketMissing => {
                    Some(Match::sure(failure.chain.clone()))
                }
                _ => None,
            },
            Outcome::Skipped(_) => None,
        }
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
        "Run the check as a user who can read the storage, or omit --storage, so that the fixture \
         reads the file back",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = analysis.evidence.storage.outcome.failure()?;
        if !serves_placed_file(analysis) || !failure.kind.is_of_the_key() {
            return None;
        }
        Some(Match::sure(failure.chain.clone()))
    },
};

/// The storage's failure, if the storage is the culprit.
fn culprit<'a>(analysis: &Analysis<'a>) -> Option<&'a Failure> {
    let failure = analysis.evidence.storage.outcome.failure()?;
    if analysis.storage_is_culprit() { Some(failure) } else { None }
}

/// The storage's failure, if the storage is the culprit and the failure is of this kind.
fn culprit_by<'a>(analysis: &Analysis<'a>, kind: FailureKind) -> Option<&'a Failure> {
    let failure = culprit(analysis)?;
    if failure.kind == kind { Some(failure) } else { None }
}

/// The proxy's own 404, both for the file itself and for the client's download, if the storage was
/// not checked.
fn not_found_by_proxy<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let direct = analysis.direct_wrong()?;
    let full = analysis.wrong_full()?;
    let conclusive = analysis.app_right() && !analysis.direct_unknown();
    if !analysis.storage_checked()
        && conclusive
        && is_own_404(analysis, direct)
        && is_own_404(analysis, full)
    {
        return Some(direct);
    }
    None
}

fn is_own_404(analysis: &Analysis<'_>, response: &Response) -> bool {
    response.status == 404 && analysis.own_page(response).is_some()
}

/// Whether the direct location and the client's download return the same content.
fn served_elsewhere(analysis: &Analysis<'_>) -> bool {
    let Some(direct) = analysis.direct() else { return false };
    let Some(full) = analysis.evidence.full.response() else { return false };
    direct.status == 200 && direct.body.sha256 == full.body.sha256
}

/// Whether the fixture's own file arrives, with and without the app.
fn serves_placed_file(analysis: &Analysis<'_>) -> bool {
    analysis.delivered && analysis.direct_right() && analysis.by_contract()
}

fn as_response(body: &Body) -> Response {
    Response { status: 200, headers: Vec::new(), body: body.clone() }
}

/// A match if the store rejects this program's key and also, for the same reason, the proxy and the
/// client. Otherwise only the check has the problem.
fn refused_alike(analysis: &Analysis<'_>, kind: FailureKind) -> Option<Match> {
    let failure = analysis.evidence.storage.outcome.failure()?;
    let direct = analysis.direct_wrong()?;
    let code = store_error(&direct.body)?;
    let full = analysis.wrong_full()?;
    if failure.kind != kind || !means(&code, kind) {
        return None;
    }
    let client_alike = match store_error(&full.body) {
        Some(code) => means(&code, kind),
        // A proxy may replace the error with its own page. In any case, a private bucket denies
        // access to a location that does not sign its requests.
        None => kind != FailureKind::Denied,
    };
    if !client_alike {
        return None;
    }
    let proxy = format!("The store returns {} {code} to the proxy", direct.status);
    Some(Match::likely(failure.chain.clone()).also(proxy))
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
