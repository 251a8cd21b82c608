//! The symptoms that must have been measured for a fact to explain them.

use super::{
    super::{
        Reached, Reading,
        instead::{Instead, alike, instead},
        proxy::store::store_fails,
    },
    by_handoff,
};
use sendfile_evidence::{
    ProbeId, Response,
    dialect::{store_error, store_status},
    fact::{Fact, Says, State},
    log::{Entry, Event, Of},
};

/// After the hand-off, the proxy responds that the file does not exist, denies access, or sends the
/// response configured for that case; not the app, which was requested only once.
pub(super) fn inside(r: &Reading<'_>) -> Option<String> {
    let full = r.lost_after_app().filter(|_| r.handoff().is_some())?;
    let masked = r.evidence.local.iter().any(|it| it.says == Says::ErrorsMasked);
    let says_so = matches!(full.status, 301 | 302 | 403 | 404 | 500);
    let once = r.own_page(full).is_some() || !matches!(r.reached, Reached::AppTwice(_));
    (masked && full.status < 500 || says_so && once).then(|| r.visitor_gets())
}

/// The same, or a store responds that the file does not exist, or that the link does not cover the
/// request.
fn inside_or_at_store(r: &Reading<'_>) -> Option<String> {
    let asks = r.evidence.local.iter().any(|it| it.says == Says::TargetAsksStore);
    inside(r).or_else(|| refused_by_store(r, &[]).filter(|_| asks))
}

/// The hand-off results in a missing file, but the direct location returns it.
pub(super) fn inside_unlike_direct(r: &Reading<'_>) -> Option<String> {
    inside(r).filter(|_| r.direct_right())
}

/// The same, or another file is returned, and one exists at the path that is opened.
pub(super) fn misled(r: &Reading<'_>) -> Option<String> {
    let there = |it: &Fact| match &it.says {
        Says::TargetOpens { state, .. } => matches!(state, State::Readable | State::There),
        _ => false,
    };
    let other = || {
        let full = r.lost_after_app().filter(|it| it.status == 200 && it.body.size > 0)?;
        let opened = r.handoff().is_some() && r.evidence.local.iter().any(there);
        (opened && r.own_page(full).is_none()).then(|| r.visitor_gets())
    };
    inside_or_at_store(r).or_else(other)
}

/// An error from neither the proxy nor the app, while requests to the app are routed correctly.
pub(super) fn kept_error(r: &Reading<'_>) -> Option<String> {
    let caches = |it: &Fact| it.says == Says::CachesErrors;
    let led =
        |it: &Fact| matches!(it.says, Says::PathRewritten | Says::AppElsewhere | Says::Guarded);
    let local = &r.evidence.local;
    let full = r.lost_before_app().filter(|it| it.status >= 400 && r.own_page(it).is_none())?;
    let known = local.iter().any(caches) && !local.iter().any(led);
    (known && !matches!(instead(r.evidence, full), Instead::AppPage)).then(|| r.visitor_gets())
}

/// Something other than the file is returned, and it is not a gateway error.
pub(super) fn astray(r: &Reading<'_>) -> Option<String> {
    let full = r.lost_after_app().filter(|_| r.handoff().is_some())?;
    (!matches!(full.status, 502..=504)).then(|| r.visitor_gets())
}

pub(super) fn refused(r: &Reading<'_>) -> Option<String> {
    let full = r.lost_after_app().filter(|it| matches!(it.status, 401 | 403))?;
    r.own_page(full).map(|_| r.visitor_gets())
}

pub(super) fn own_500(r: &Reading<'_>) -> Option<String> {
    let full = r.left_over().filter(|it| it.status == 500)?;
    r.own_page(full).map(|it| format!("{} itself returns 500", it.name()))
}

/// The direct location was not requested, and the proxy denies access after the hand-off. Or the
/// log says that the file cannot be read, whatever an error_page makes of that.
pub(super) fn shut_out(r: &Reading<'_>) -> Option<String> {
    let full = r.unread()?;
    if r.evidence.local.iter().any(|it| logged_closed(r, it)) {
        return Some(r.visitor_gets());
    }
    let refused = matches!(full.status, 403 | 404) && r.direct().is_none();
    r.lost_after_app().filter(|_| refused)?;
    r.own_page(full).map(|_| r.visitor_gets())
}

fn logged_closed(r: &Reading<'_>, it: &Fact) -> bool {
    match &it.says {
        Says::Logged(Entry { event: Event::Closed, of: Of::Download | Of::Direct, what }) => {
            what.as_deref().is_some_and(|path| by_handoff(r, path))
        }
        _ => false,
    }
}

pub(super) fn bad_gateway(r: &Reading<'_>) -> Option<String> {
    let full = r.left_over().filter(|it| matches!(it.status, 502..=504))?;
    (full.body.size == 0 || r.own_page(full).is_some()).then(|| r.visitor_gets())
}

/// The same, or the direct location receives no response from the store either.
pub(super) fn no_store(r: &Reading<'_>) -> Option<String> {
    let direct =
        || store_fails(r).map(|it| format!("The direct location returns {}", r.describe(it)));
    bad_gateway(r).or_else(direct)
}

/// A gateway error of the proxy, or a response that comes from neither the app nor the proxy.
pub(super) fn asked_elsewhere(r: &Reading<'_>) -> Option<String> {
    let other = |it: &&Response| r.own_page(it).is_none() && it.status < 500;
    // Without the snippet, the site's own app responds, which is right.
    let snippet = !r.by_contract() || r.direct_right();
    let stranger =
        || r.lost_before_app().filter(|it| snippet && other(it)).map(|_| r.visitor_gets());
    bad_gateway(r).or_else(stranger)
}

/// An error from a store other than these, or a response like one.
pub(super) fn refused_by_store(r: &Reading<'_>, not: &[&str]) -> Option<String> {
    let status = |it: &Response| store_status(it).unwrap_or(it.status);
    let full = r.lost_after_app().filter(|it| (400..500).contains(&status(it)))?;
    let code = store_error(&full.body);
    let fits = match &code {
        Some(code) => !not.contains(&code.as_str()),
        None => r.own_page(full).is_none(),
    };
    fits.then(|| r.visitor_gets())
}

pub(super) fn passed_on(r: &Reading<'_>) -> Option<String> {
    let (full, (name, _)) = r.left_over().zip(r.handoff())?;
    let empty = full.body.size == 0 && (200..300).contains(&full.status);
    (full.header(name).is_some() || empty).then(|| r.visitor_gets())
}

/// A page from the app, or of unknown origin.
pub(super) fn app_page(r: &Reading<'_>) -> Option<String> {
    let full = r.left_over().filter(|it| it.body.size > 0 && r.own_page(it).is_none())?;
    (!(500..600).contains(&full.status)).then(|| r.visitor_gets())
}

pub(super) fn before_app(r: &Reading<'_>) -> Option<String> {
    let full = r.lost_before_app()?;
    let by_app = r.probe(ProbeId::AppTarget).is_some_and(|it| alike(it, full));
    (!by_app && !matches!(full.status, 502..=504)).then(|| r.visitor_gets())
}

pub(super) fn comes_by_handoff(r: &Reading<'_>) -> Option<String> {
    let by_handoff = r.delivered && r.handoff().is_some() && !r.evidence.streamed();
    by_handoff.then(|| "The download is served through this hand-off".to_owned())
}

pub(super) fn open_target(r: &Reading<'_>) -> Option<String> {
    let because = || "Anyone can download the file at the hand-off's own URI".to_owned();
    r.gives_dummy(ProbeId::TargetOutside).then(because)
}
