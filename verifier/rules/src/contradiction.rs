//! Detects a configuration that contradicts the measurements: it is not the one in force.

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
    let local = &analysis.evidence.local;
    let says = |wanted: &FactKind| local.iter().find(|it| it.kind == *wanted);
    if has(analysis, &[FactKind::Unsure, FactKind::Unread]) {
        return None;
    }
    // If the port is mapped, this may be another server's configuration.
    let ours = !has(analysis, &[FactKind::ListensElsewhere]);
    // A request that an access rule rejects receives the server's own page, whatever the later
    // rules say.
    let guarded = has(analysis, &[FactKind::Guarded]);
    let by_rule = || other_rule(analysis, full).filter(|_| ours && !guarded);
    let found = other_path(analysis).or_else(by_rule).or_else(|| {
        // If an inner proxy was requested and drops the header, the others follow their
        // configuration.
        let asked = analysis.failed_after_app().is_some() && swallower(analysis).is_none();
        let fine = says(&FactKind::Fine).filter(|_| ours && asked)?;
        let own = analysis.own_page(full).is_some() && matches!(full.status, 403 | 404 | 500);
        let again = matches!(analysis.reached, Reached::AppTwice(_));
        let other = own || again || analysis.passed_on();
        (other && !same_path(analysis)).then(|| vec![fine.line(), analysis.client_gets()])
    })?;
    let edited = says(&FactKind::Edited).map(Fact::line);
    Some(found.into_iter().chain(edited).collect())
}

/// The log names another path than the configuration.
fn other_path(analysis: &Analysis<'_>) -> Option<Vec<String>> {
    let local = &analysis.evidence.local;
    let asks = local.iter().any(|it| it.kind == FactKind::DownloadAsksApp);
    let ((config, written), (log, logged)) = paths(analysis)?;
    (asks && tidy(written) != tidy(logged)).then(|| vec![config.line(), log.line()])
}

/// Whether the log names the same path as the configuration: then it is in force, whatever else
/// prevents the file from being read.
fn same_path(analysis: &Analysis<'_>) -> bool {
    paths(analysis).is_some_and(|((_, written), (_, logged))| tidy(written) == tidy(logged))
}

fn tidy(path: &str) -> String {
    path.replace("//", "/").trim_end_matches('/').to_owned()
}

/// A fact, and the path that it names.
type Told<'a> = (&'a Fact, &'a str);

/// What the hand-off opens according to the configuration, and what it opened according to the log.
fn paths<'a>(analysis: &Analysis<'a>) -> Option<(Told<'a>, Told<'a>)> {
    let local = &analysis.evidence.local;
    let written = local.iter().find_map(|it| match &it.kind {
        FactKind::TargetOpens { path, .. } => Some((it, path.as_str())),
        _ => None,
    });
    let logged = local.iter().find_map(|it| match &it.kind {
        FactKind::Logged(LogEntry { event, of: LogSubject::Download, what: Some(path) }) => {
            let opened = matches!(event, LogEvent::Missing | LogEvent::Closed | LogEvent::Folder);
            (opened && by_handoff(analysis, path)).then_some((it, path.as_str()))
        }
        _ => None,
    });
    written.zip(logged)
}

/// The configuration routes the download to another place than the measured one.
fn other_rule(analysis: &Analysis<'_>, full: &Response) -> Option<Vec<String>> {
    let local = &analysis.evidence.local;
    let find = |wanted: &[FactKind]| local.iter().find(|it| wanted.contains(&it.kind));
    let fact = match &analysis.reached {
        // The server's own 5xx errors occur before the app is contacted, whatever the rules say.
        Reached::NotReached(_) => find(&[FactKind::DownloadAsksApp]).filter(|_| {
            full.status < 500
                && analysis.own_page(full).is_some()
                && analysis.own_page(full) == analysis.server
        })?,
        Reached::App(_) | Reached::AppTwice(_) | Reached::Misrouted(_) => {
            find(&[FactKind::DownloadShadowed, FactKind::DownloadNotRouted])?
        }
        Reached::Unknown => return None,
    };
    let how = match &analysis.reached {
        Reached::App(how)
        | Reached::AppTwice(how)
        | Reached::Misrouted(how)
        | Reached::NotReached(how) => (*how).to_owned(),
        Reached::Unknown => String::new(),
    };
    Some(vec![fact.line(), format!("Measured: {how}")])
}
