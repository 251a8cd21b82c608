//! The symptoms that must have been measured for a fact to explain them.

use sendfile_evidence::{
    ProbeId, Response, Server,
    dialect::{link_of, signed_link, store_error, store_refusal, store_status},
    fact::{Fact, FactKind, FileState},
    log::{LogEntry, LogEvent, LogSubject},
};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, alike, body_class},
    config_evidence::by_handoff,
    reached::Reached,
};

/// After the hand-off, the proxy responds that the file does not exist, denies access, or sends the
/// response configured for that case; not the app, which was requested only once.
pub(crate) fn inside(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_after_app().filter(|_| analysis.handoff().is_some())?;
    let masked = analysis.evidence.local.iter().any(|it| it.kind == FactKind::ErrorsMasked);
    let says_so = matches!(full.status, 301 | 302 | 403 | 404 | 500);
    let once =
        analysis.own_page(full).is_some() || !matches!(analysis.reached, Reached::AppTwice(_));
    (masked && full.status < 500 || says_so && once).then(|| analysis.client_gets())
}

/// The same, or a store responds that the file does not exist, or that the link does not cover the
/// request.
pub(crate) fn inside_or_at_store(analysis: &Analysis<'_>) -> Option<String> {
    let asks = analysis.evidence.local.iter().any(|it| it.kind == FactKind::TargetAsksStore);
    inside(analysis).or_else(|| refused_by_store(analysis, &[]).filter(|_| asks))
}

/// The hand-off results in a missing file, but the direct location returns it.
pub(crate) fn inside_unlike_direct(analysis: &Analysis<'_>) -> Option<String> {
    inside(analysis).filter(|_| analysis.direct_right())
}

/// The same, or another file is returned, and one exists at the path that is opened.
pub(crate) fn misled(analysis: &Analysis<'_>) -> Option<String> {
    let there = |it: &Fact| match &it.kind {
        FactKind::TargetOpens { state, .. } => {
            matches!(state, FileState::Readable | FileState::There)
        }
        _ => false,
    };
    let other = || {
        let full = analysis.failed_after_app().filter(|it| it.status == 200 && it.body.size > 0)?;
        let opened = analysis.handoff().is_some() && analysis.evidence.local.iter().any(there);
        (opened && analysis.own_page(full).is_none()).then(|| analysis.client_gets())
    };
    inside_or_at_store(analysis).or_else(other)
}

/// An error from neither the proxy nor the app, while requests to the app are routed correctly.
pub(crate) fn kept_error(analysis: &Analysis<'_>) -> Option<String> {
    let caches = |it: &Fact| it.kind == FactKind::CachesErrors;
    let led = |it: &Fact| {
        matches!(it.kind, FactKind::PathRewritten | FactKind::AppElsewhere | FactKind::Guarded)
    };
    let local = &analysis.evidence.local;
    let full = analysis
        .failed_before_app()
        .filter(|it| it.status >= 400 && analysis.own_page(it).is_none())?;
    let known = local.iter().any(caches) && !local.iter().any(led);
    (known && !matches!(body_class(analysis.evidence, full), BodyClass::AppPage))
        .then(|| analysis.client_gets())
}

/// Something other than the file is returned, and it is not a gateway error.
pub(crate) fn astray(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_after_app().filter(|_| analysis.handoff().is_some())?;
    (!matches!(full.status, 502..=504)).then(|| analysis.client_gets())
}

pub(crate) fn refused(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_after_app().filter(|it| matches!(it.status, 401 | 403))?;
    analysis.own_page(full).map(|_| analysis.client_gets())
}

pub(crate) fn own_500(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.unexplained_failure().filter(|it| it.status == 500)?;
    analysis.own_page(full).map(|it| format!("{} itself returns 500", it.name()))
}

/// The direct location was not requested, and the proxy denies access after the hand-off. Or the
/// log says that the file cannot be read, whatever an error_page makes of that.
pub(crate) fn shut_out(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.unread()?;
    if analysis.evidence.local.iter().any(|it| logged_closed(analysis, it)) {
        return Some(analysis.client_gets());
    }
    let refused = matches!(full.status, 403 | 404) && analysis.direct().is_none();
    analysis.failed_after_app().filter(|_| refused)?;
    analysis.own_page(full).map(|_| analysis.client_gets())
}

fn logged_closed(analysis: &Analysis<'_>, it: &Fact) -> bool {
    match &it.kind {
        FactKind::Logged(LogEntry {
            event: LogEvent::Closed,
            of: LogSubject::Download | LogSubject::Direct,
            what,
        }) => what.as_deref().is_some_and(|path| by_handoff(analysis, path)),
        _ => false,
    }
}

pub(crate) fn bad_gateway(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.unexplained_failure().filter(|it| matches!(it.status, 502..=504))?;
    (full.body.size == 0 || analysis.own_page(full).is_some()).then(|| analysis.client_gets())
}

/// The same, or the direct location receives no response from the store either.
pub(crate) fn no_store(analysis: &Analysis<'_>) -> Option<String> {
    let direct = || {
        store_fails(analysis)
            .map(|it| format!("The direct location returns {}", analysis.describe(it)))
    };
    bad_gateway(analysis).or_else(direct)
}

/// A gateway error of the proxy, or a response that comes from neither the app nor the proxy.
pub(crate) fn asked_elsewhere(analysis: &Analysis<'_>) -> Option<String> {
    let other = |it: &&Response| analysis.own_page(it).is_none() && it.status < 500;
    // Without the snippet, the site's own app responds, which is right.
    let snippet = !analysis.by_contract() || analysis.direct_right();
    let stranger = || {
        analysis
            .failed_before_app()
            .filter(|it| snippet && other(it))
            .map(|_| analysis.client_gets())
    };
    bad_gateway(analysis).or_else(stranger)
}

/// An error from a store other than these, or a response like one.
pub(crate) fn refused_by_store(analysis: &Analysis<'_>, not: &[&str]) -> Option<String> {
    let status = |it: &Response| store_status(it).unwrap_or(it.status);
    let full = analysis.failed_after_app().filter(|it| (400..500).contains(&status(it)))?;
    let code = store_error(&full.body);
    let fits = match &code {
        Some(code) => !not.contains(&code.as_str()),
        None => analysis.own_page(full).is_none(),
    };
    fits.then(|| analysis.client_gets())
}

pub(crate) fn passed_on(analysis: &Analysis<'_>) -> Option<String> {
    let (full, (name, _)) = analysis.unexplained_failure().zip(analysis.handoff())?;
    let empty = full.body.size == 0 && (200..300).contains(&full.status);
    (full.header(name).is_some() || empty).then(|| analysis.client_gets())
}

/// A page from the app, or of unknown origin.
pub(crate) fn app_page(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis
        .unexplained_failure()
        .filter(|it| it.body.size > 0 && analysis.own_page(it).is_none())?;
    (!(500..600).contains(&full.status)).then(|| analysis.client_gets())
}

pub(crate) fn before_app(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_before_app()?;
    let by_app = analysis.probe(ProbeId::AppTarget).is_some_and(|it| alike(it, full));
    (!by_app && !matches!(full.status, 502..=504)).then(|| analysis.client_gets())
}

pub(crate) fn comes_by_handoff(analysis: &Analysis<'_>) -> Option<String> {
    let by_handoff =
        analysis.delivered && analysis.handoff().is_some() && !analysis.evidence.streamed();
    by_handoff.then(|| "The download is served through this hand-off".to_owned())
}

pub(crate) fn open_target(analysis: &Analysis<'_>) -> Option<String> {
    let because = || "Anyone can download the file at the hand-off's own URI".to_owned();
    analysis.returns_dummy(ProbeId::TargetOutside).then(because)
}

/// A gateway error of the proxy where the storage is a server.
pub(crate) fn store_fails<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    // Files that a fixture reads back may be on a disk, unless the app signs links to them.
    let linked = analysis.handoff().is_some_and(|(_, value)| signed_link(value).is_some());
    let linked = linked || analysis.app().is_some_and(|it| link_of(it).is_some());
    let server =
        analysis.stored_at().is_none() && (linked || analysis.evidence.request_log.is_none());
    cannot_read(analysis).filter(|it| {
        server
            && store_refusal(it).is_none()
            && matches!(it.status, 500 | 502..=504)
            && (it.body.size == 0 || Server::by_error_page(it).is_some())
    })
}

/// The direct location's response, if it is wrong, the download fails, and storage and app are
/// right.
pub(crate) fn cannot_read<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let alone = !analysis.delivered
        && !analysis.storage_is_culprit()
        && analysis.app_right()
        && !analysis.direct_unknown();
    analysis.direct_wrong().filter(|_| alone)
}
