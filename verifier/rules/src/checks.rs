//! The result of each check. A check fails if one of its rules matches, and passes only if all its
//! requests received a response.

use sendfile_evidence::{Check, End, Evidence, Made, Outcome, ProbeId, Response, Same};

use crate::{
    analysis::Analysis,
    body_class::rotated,
    diagnosis::{CheckResult, Finding},
};

/// The results, in the order of the checks.
pub(crate) fn results(
    evidence: &Evidence,
    findings: &[Finding],
    warnings: &[Finding],
) -> Vec<(Check, CheckResult)> {
    let mut results = Vec::new();
    for checked in &evidence.checks {
        let rules = of_check(findings, checked.check);
        let warned = of_check(warnings, checked.check);
        let result = if !rules.is_empty() {
            CheckResult::Fail([rules, warned].concat().join(", "))
        } else if !warned.is_empty() {
            CheckResult::Warning(warned.join(", "))
        } else {
            unfailed(evidence, &checked.made)
        };
        results.push((checked.check, result));
    }
    results
}

/// The rules of a check that matched.
fn of_check(findings: &[Finding], check: Check) -> Vec<&'static str> {
    let mut ids = Vec::new();
    for finding in findings {
        if finding.rule.check == Some(check) {
            ids.push(finding.rule.id);
        }
    }
    ids
}

/// The result of a check if none of its rules matched.
fn unfailed(evidence: &Evidence, made: &Made) -> CheckResult {
    let probes = match made {
        Made::Skipped(reason) => return CheckResult::Skipped(reason.clone()),
        Made::By(probes) => probes,
    };
    if let Some(reason) = probes.iter().find_map(|id| skipped(evidence, *id)) {
        return CheckResult::Skipped(reason);
    }
    match probes.iter().find_map(|id| inconclusive(evidence, *id)) {
        Some(reason) => CheckResult::Unknown(reason),
        None => CheckResult::Pass,
    }
}

impl<'a> Analysis<'a> {
    /// The response to a repeated download that belongs to a check; none if the site allows the
    /// download only once or limits the rate.
    pub(crate) fn repeated(&self, id: ProbeId) -> Option<&'a Response> {
        if !self.delivered || inconclusive(self.evidence, id).is_some() {
            return None;
        }
        self.probe(id)
    }
}

/// Why a probe was skipped, if it was.
fn skipped(evidence: &Evidence, id: ProbeId) -> Option<String> {
    match &evidence.probed(id)?.outcome {
        Outcome::Skipped(reason) => Some(reason.clone()),
        Outcome::Response(_) | Outcome::Failed(_) => None,
    }
}

/// Why the response to a probe is not conclusive, if it is not.
pub(crate) fn inconclusive(evidence: &Evidence, id: ProbeId) -> Option<String> {
    let probed = evidence.probed(id)?;
    match &probed.outcome {
        Outcome::Failed(failure) => Some(failure.chain.clone()),
        Outcome::Skipped(_) => None,
        Outcome::Response(_) if !id.at_site() || !evidence.delivered() => None,
        Outcome::Response(response) if matches!(response.status, 429 | 503) => {
            Some(format!("the site returns {} to repeated requests", response.status))
        }
        Outcome::Response(_) if rotated(evidence) => {
            Some("the fixture changed its files during the check".to_owned())
        }
        Outcome::Response(response) if id.repeats_download() => {
            once_only(evidence).or_else(|| generated_anew(evidence, response))
        }
        Outcome::Response(_) => None,
    }
}

/// Whether the site may generate the content anew for each request. This is possible only if the
/// reference copy is the site's own response.
fn generated_anew(evidence: &Evidence, repeated: &Response) -> Option<String> {
    let full = evidence.full.response()?;
    let content = matches!(repeated.status, 200 | 206);
    if evidence.has_reference() || !content || repeated.is_of_same_file(full) {
        return None;
    }
    Some("the site does not indicate that the content is unchanged".to_owned())
}

/// The response to the repeated request, if it was no longer the download.
fn once_only(evidence: &Evidence) -> Option<String> {
    let again = evidence.probed(ProbeId::Again)?.response()?;
    let body = &again.body;
    let begins = body.end == End::TooLong && matches!(body.same, Some(Same::AtLeast(_)));
    match again.status {
        200 if begins || evidence.is_dummy(body) => None,
        200 => Some("a repeated download returns different content".to_owned()),
        status => Some(format!("a repeated download returns {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sendfile_evidence::{
        Body, Checked, Dummy, ExtraProbe, Failure, FailureKind, Probe, RequestRecord, Source,
    };

    fn answer(status: u16) -> Outcome<Response> {
        let body = Body::empty(End::Whole);
        Outcome::Response(Response { status, headers: Vec::new(), body })
    }

    fn check(probes: Vec<(ProbeId, Outcome<Response>)>, expected: &CheckResult) {
        let probed = |seen| Probe { outcome: seen, ..Probe::skipped("") };
        let further =
            |(id, seen)| ExtraProbe { id, probed: probed(seen), wants: None, request_log: None };
        let made = Made::By(vec![ProbeId::Range]);
        let request = RequestRecord { method: "GET".to_owned(), ..RequestRecord::default() };
        let evidence = Evidence {
            target: String::new(),
            intent: sendfile_evidence::Intent::default(),
            dummy: Some(Dummy::of(&Body::empty(End::Whole), Source::Storage)),
            storage: Probe::skipped(""),
            app: Probe::skipped(""),
            direct: Probe::skipped(""),
            full: Probe { request, ..probed(answer(200)) },
            probes: probes.into_iter().map(further).collect(),
            checks: vec![Checked { check: Check::Ranges, made }],
            request_log: None,
            local: Vec::new(),
            spoofed: None,
            certificate: None,
        };
        let found = results(&evidence, &[], &[]);
        assert_eq!(found, [(Check::Ranges, expected.clone())]);
    }

    #[test]
    fn only_what_was_answered_passes() {
        let unknown = |reason: &str| CheckResult::Unknown(reason.to_owned());
        check(vec![(ProbeId::Range, answer(206))], &CheckResult::Pass);
        let late = Failure { kind: FailureKind::TimedOut, chain: "no answer".to_owned() };
        check(vec![(ProbeId::Range, Outcome::Failed(late))], &unknown("no answer"));
        let skipped = Outcome::Skipped("why".to_owned());
        check(vec![(ProbeId::Range, skipped)], &CheckResult::Skipped("why".to_owned()));
        let once = vec![(ProbeId::Range, answer(410)), (ProbeId::Again, answer(410))];
        check(once, &unknown("a repeated download returns 410"));
        let often = vec![(ProbeId::Range, answer(503)), (ProbeId::Again, answer(200))];
        check(often, &unknown("the site returns 503 to repeated requests"));
    }
}
