//! Detects a configuration that contradicts the measurements: the server does not run with it.

use sendfile_evidence::{
    Response,
    fact::{Fact, FactKind},
    log::{LogEntry, LogEvent, LogSubject},
};

use crate::{
    analysis::Analysis,
    config_evidence::{by_handoff, has},
    hops::swallower,
    reached::Reached,
};

/// How the configuration contradicts the measurements, if it does.
pub(crate) fn contradiction(analysis: &Analysis<'_>) -> Option<Vec<String>> {
    let full = analysis.unexplained_failure()?;
    if has(analysis, &[FactKind::Unsure, FactKind::Unread]) {
        return None;
    }
    let mut lines = contradicted(analysis, full)?;
    let edited = analysis.evidence.local.iter().find(|fact| fact.kind == FactKind::Edited);
    lines.extend(edited.map(Fact::line));
    Some(lines)
}

fn contradicted(analysis: &Analysis<'_>, full: &Response) -> Option<Vec<String>> {
    let paths = opened_paths(analysis);
    if let Some(paths) = &paths
        && paths.differ()
        && has(analysis, &[FactKind::DownloadAsksApp])
    {
        return Some(vec![paths.configured.0.line(), paths.logged.0.line()]);
    }
    // If the port is mapped, this may be another server's configuration.
    if has(analysis, &[FactKind::ListensElsewhere]) {
        return None;
    }
    // A request that an access rule rejects receives the server's own page, whatever the other
    // rules say.
    if !has(analysis, &[FactKind::Guarded])
        && let Some(lines) = other_route(analysis, full)
    {
        return Some(lines);
    }
    // If the log names the configured path, the server runs with this file, even if something else
    // prevents it from reading the path.
    if paths.is_some_and(|paths| !paths.differ()) {
        return None;
    }
    should_work(analysis, full)
}

/// According to the configuration, the client gets the file, but the proxy itself fails.
fn should_work(analysis: &Analysis<'_>, full: &Response) -> Option<Vec<String>> {
    let fine = analysis.evidence.local.iter().find(|fact| fact.kind == FactKind::Fine)?;
    // If an inner proxy was requested and drops the header, the others follow their configuration.
    if analysis.failed_after_app().is_none() || swallower(analysis).is_some() {
        return None;
    }
    let own = analysis.own_page(full).is_some() && matches!(full.status, 403 | 404 | 500);
    let again = matches!(analysis.reached, Reached::AppTwice(_));
    if own || again || analysis.passed_on() {
        return Some(vec![fine.line(), analysis.client_gets()]);
    }
    None
}

/// The path that the hand-off opens according to the configuration, and the path that it opened
/// according to the log; each with its fact.
struct OpenedPaths<'a> {
    configured: (&'a Fact, &'a str),
    logged: (&'a Fact, &'a str),
}

impl OpenedPaths<'_> {
    fn differ(&self) -> bool {
        tidy(self.configured.1) != tidy(self.logged.1)
    }
}

fn tidy(path: &str) -> String {
    path.replace("//", "/").trim_end_matches('/').to_owned()
}

fn opened_paths<'a>(analysis: &Analysis<'a>) -> Option<OpenedPaths<'a>> {
    let (mut configured, mut logged) = (None, None);
    for fact in &analysis.evidence.local {
        match &fact.kind {
            FactKind::TargetOpens { path, .. } if configured.is_none() => {
                configured = Some((fact, path.as_str()));
            }
            FactKind::Logged(LogEntry {
                event: LogEvent::Missing | LogEvent::Closed | LogEvent::Directory,
                of: LogSubject::Download,
                what: Some(path),
            }) if logged.is_none() && by_handoff(analysis, path) => {
                logged = Some((fact, path.as_str()));
            }
            _ => {}
        }
    }
    Some(OpenedPaths { configured: configured?, logged: logged? })
}

/// The configuration routes the download to a different place than the measurements show.
fn other_route(analysis: &Analysis<'_>, full: &Response) -> Option<Vec<String>> {
    let (how, wanted): (_, &[FactKind]) = match &analysis.reached {
        Reached::NotReached(how) => {
            // The server's own 5xx errors occur before the app is contacted, whatever the rules say.
            let page = analysis.own_page(full);
            if full.status >= 500 || page.is_none() || page != analysis.server {
                return None;
            }
            (how, &[FactKind::DownloadAsksApp])
        }
        Reached::App(how) | Reached::AppTwice(how) | Reached::Misrouted(how) => {
            (how, &[FactKind::DownloadShadowed, FactKind::DownloadNotRouted])
        }
        Reached::Unknown => return None,
    };
    let fact = analysis.evidence.local.iter().find(|fact| wanted.contains(&fact.kind))?;
    Some(vec![fact.line(), format!("Measured: {how}")])
}
