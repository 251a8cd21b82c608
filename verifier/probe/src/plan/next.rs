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

/// The requests of the next round, which may be sent concurrently; none if no further request is
/// needed.
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

/// The download over HTTP/2, if the site uses TLS. This request also reveals the site's
/// certificate.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sendfile_evidence::{
        Body, End, Evidence, ExtraProbe, Intent, Outcome, Probe, RequestRecord, Response,
    };

    use super::*;
    use crate::{
        config::{Depth, Expectations, GivenUrls, LayerUrls, Target},
        plan::{Handoffs, Plan, plan_of_urls},
    };

    fn plan() -> Plan {
        let url = |text: &str| text.parse().expect("a URL");
        let urls = GivenUrls {
            storage: None,
            app: Some(url("http://app/a.bin")),
            direct: None,
            full: url("http://site/a.bin"),
        };
        let target = Target {
            name: "download".to_owned(),
            layers: LayerUrls::Given(urls.clone()),
            expectations: Expectations::default(),
        };
        plan_of_urls(&target, "0123456789abcdef".to_owned(), &urls)
    }

    fn response(status: u16) -> Probe<Response> {
        let body = Body::empty(End::Whole);
        Probe {
            request: RequestRecord { method: "GET".to_owned(), ..RequestRecord::default() },
            outcome: Outcome::Response(Response { status, headers: Vec::new(), body }),
            took: Duration::ZERO,
        }
    }

    fn evidence(status: u16) -> Evidence {
        Evidence {
            target: "download".to_owned(),
            intent: Intent::default(),
            dummy: None,
            storage: Probe::skipped("no --storage was given"),
            app: response(200),
            direct: Probe::skipped("no --direct was given"),
            full: response(status),
            probes: Vec::new(),
            checks: Vec::new(),
            request_log: None,
            local: Vec::new(),
            spoofed: None,
            certificate: None,
        }
    }

    /// Compares the probes that are requested after this many rounds.
    fn check(evidence: &Evidence, rounds: usize, expected: &[ProbeId]) {
        let all: Vec<Check> = Check::all().collect();
        let requests = next(&Progress {
            plan: &plan(),
            evidence,
            rounds,
            handoffs: &Handoffs::default(),
            part: &|_| None,
            depth: Depth::AsNeeded,
            checks: &all,
        });
        let ids: Vec<ProbeId> = requests.iter().map(|request| request.id).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn failed_download_is_narrowed_down_in_one_round() {
        let first = [
            ProbeId::Neighbour,
            ProbeId::Elsewhere,
            ProbeId::AppNeighbour,
            ProbeId::AppElsewhere,
            ProbeId::FreshQuery,
            ProbeId::Again,
            ProbeId::OtherHost,
            ProbeId::AppEngaged,
        ];
        check(&evidence(404), 0, &first);
        check(&evidence(404), 1, &[]);
    }

    #[test]
    fn failed_check_is_followed_up() {
        let mut evidence = evidence(200);
        let probed = response(405);
        let head = ExtraProbe { id: ProbeId::Head, probed, wants: None, request_log: None };
        evidence.probes.push(head);
        check(&evidence, 1, &[ProbeId::Again, ProbeId::AppHead]);
        check(&evidence, 2, &[]);
        check(&evidence, 3, &[]);
    }
}
