//! Detects a configuration that contradicts the measurements: it is not the one in force.

use super::{
    super::{Reached, Reading, handoff::swallower},
    by_handoff, has,
};
use sendfile_evidence::{
    Response,
    fact::{Fact, Says},
    log::{Entry, Event, Of},
};

/// How the configuration contradicts the measurements, if it does.
pub(in super::super) fn contradiction(r: &Reading<'_>) -> Option<Vec<String>> {
    let full = r.left_over()?;
    let local = &r.evidence.local;
    let says = |wanted: &Says| local.iter().find(|it| it.says == *wanted);
    if has(r, &[Says::Unsure, Says::Unread]) {
        return None;
    }
    // If the port is mapped, this may be another server's configuration.
    let ours = !has(r, &[Says::ListensElsewhere]);
    // A request that an access rule rejects receives the server's own page, whatever the later
    // rules say.
    let guarded = has(r, &[Says::Guarded]);
    let by_rule = || other_rule(r, full).filter(|_| ours && !guarded);
    let found = other_path(r).or_else(by_rule).or_else(|| {
        // If an inner proxy was requested and drops the header, the others follow their
        // configuration.
        let asked = r.lost_after_app().is_some() && swallower(r).is_none();
        let fine = says(&Says::Fine).filter(|_| ours && asked)?;
        let own = r.own_page(full).is_some() && matches!(full.status, 403 | 404 | 500);
        let again = matches!(r.reached, Reached::AppTwice(_));
        let other = own || again || r.passed_on();
        (other && !same_path(r)).then(|| vec![fine.line(), r.visitor_gets()])
    })?;
    let edited = says(&Says::Edited).map(Fact::line);
    Some(found.into_iter().chain(edited).collect())
}

/// The log names another path than the configuration.
fn other_path(r: &Reading<'_>) -> Option<Vec<String>> {
    let local = &r.evidence.local;
    let asks = local.iter().any(|it| it.says == Says::DownloadAsksApp);
    let ((config, written), (log, logged)) = paths(r)?;
    (asks && tidy(written) != tidy(logged)).then(|| vec![config.line(), log.line()])
}

/// Whether the log names the same path as the configuration: then it is in force, whatever else
/// prevents the file from being read.
fn same_path(r: &Reading<'_>) -> bool {
    paths(r).is_some_and(|((_, written), (_, logged))| tidy(written) == tidy(logged))
}

fn tidy(path: &str) -> String {
    path.replace("//", "/").trim_end_matches('/').to_owned()
}

/// A fact, and the path that it names.
type Told<'a> = (&'a Fact, &'a str);

/// What the hand-off opens according to the configuration, and what it opened according to the log.
fn paths<'a>(r: &Reading<'a>) -> Option<(Told<'a>, Told<'a>)> {
    let local = &r.evidence.local;
    let written = local.iter().find_map(|it| match &it.says {
        Says::TargetOpens { path, .. } => Some((it, path.as_str())),
        _ => None,
    });
    let logged = local.iter().find_map(|it| match &it.says {
        Says::Logged(Entry { event, of: Of::Download, what: Some(path) }) => {
            let opened = matches!(event, Event::Missing | Event::Closed | Event::Folder);
            (opened && by_handoff(r, path)).then_some((it, path.as_str()))
        }
        _ => None,
    });
    written.zip(logged)
}

/// The configuration routes the download to another place than the measured one.
fn other_rule(r: &Reading<'_>, full: &Response) -> Option<Vec<String>> {
    let local = &r.evidence.local;
    let find = |wanted: &[Says]| local.iter().find(|it| wanted.contains(&it.says));
    let fact = match &r.reached {
        // The server's own 5xx errors occur before the app is contacted, whatever the rules say.
        Reached::Not(_) => find(&[Says::DownloadAsksApp]).filter(|_| {
            full.status < 500 && r.own_page(full).is_some() && r.own_page(full) == r.server
        })?,
        Reached::App(_) | Reached::AppTwice(_) | Reached::Otherwise(_) => {
            find(&[Says::DownloadShadowed, Says::DownloadNotRouted])?
        }
        Reached::Unknown => return None,
    };
    let how = match &r.reached {
        Reached::App(how)
        | Reached::AppTwice(how)
        | Reached::Otherwise(how)
        | Reached::Not(how) => (*how).to_owned(),
        Reached::Unknown => String::new(),
    };
    Some(vec![fact.line(), format!("Measured: {how}")])
}
