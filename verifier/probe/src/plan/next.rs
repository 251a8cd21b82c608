//! Says what to request next, given what is known. Pure: the prober sends the requests, adds the
//! responses to the evidence, and calls [`next`] again until it returns nothing.
//!
//! Knows the order of the rounds; the modules that it calls know the requests.

use sendfile_evidence::{Check, Checked, ProbeId};

use super::{
    causes::causes,
    checks::{plan_checks, remove_unselected},
    exposure::exposure,
    follow_ups::follow_ups,
    progress::Progress,
    request::{Destination, ExtraRequest},
    store::{as_app_for_head, failed_ranges},
};

/// The requests of the next round, which may be sent at the same time; none if all is known.
pub fn next(progress: &Progress<'_>) -> Vec<ExtraRequest> {
    match progress.rounds {
        0 => after_layers(progress).0,
        1 => after_checks(progress),
        2 => as_app_for_head(progress),
        _ => Vec::new(),
    }
}

/// Which checks the first round makes, and why it does not make the others.
pub fn checks(progress: &Progress<'_>) -> Vec<Checked> {
    after_layers(progress).1
}

/// The first round: the probes for exposure, those that narrow down the possible causes, and those
/// that the checks need.
fn after_layers(progress: &Progress<'_>) -> (Vec<ExtraRequest>, Vec<Checked>) {
    let mut requests = exposure(progress);
    requests.extend(causes(progress));
    remove_unselected(progress, &mut requests);
    let checked = plan_checks(progress, &mut requests);
    requests.extend(over_http2(progress));
    (requests, checked)
}

/// The download over HTTP/2, if the site uses TLS. Shows its certificate, too.
fn over_http2(progress: &Progress<'_>) -> Option<ExtraRequest> {
    let full = &progress.plan.full;
    let selected = progress.selected(Check::Tls) || progress.selected(Check::Protocol);
    if !full.url.is_https() || !selected {
        return None;
    }
    Some(ExtraRequest {
        id: ProbeId::Http2,
        destination: Destination::Http2(full.clone()),
        expected: None,
        max_bytes: None,
    })
}

/// The second round, which narrows down the causes of a failed check.
fn after_checks(progress: &Progress<'_>) -> Vec<ExtraRequest> {
    let mut requests = follow_ups(progress);
    requests.extend(failed_ranges(progress));
    requests
}
