//! The response headers of the snippet's `echo.conf`, in which nginx reports the file it looked for
//! and the responses of the upstreams. Nothing is sent without the operator's token.

use crate::{
    evidence::Evidence,
    fact::{Fact, FactKind},
    log::{LogEntry, LogEvent, LogSubject},
    response::Response,
};

/// The file that nginx looked for.
const FILE: &str = "x-sendfile-echo-file";

/// The statuses of all contacted upstreams, and the hand-off of the last.
const UPSTREAM: &str = "x-sendfile-echo-upstream";

/// The fact that these headers reveal about a download that failed after its hand-off.
pub fn facts(evidence: &Evidence) -> Vec<Fact> {
    match evidence.full.response() {
        Some(full) if !evidence.delivered() => fact(full).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn fact(full: &Response) -> Option<Fact> {
    let event = match full.status {
        403 => LogEvent::Closed,
        404 => LogEvent::Missing,
        _ => return None,
    };
    let path = full.header(FILE)?;
    // A second group of upstreams is a store after the hand-off, or the app again. In neither case
    // did nginx open a file.
    let [status_of_app] = upstreams(full)?[..] else { return None };
    if path.is_empty() {
        return None;
    }
    let entry = LogEntry { event, of: LogSubject::Download, what: Some(path.to_owned()) };
    let detail =
        format!("{FILE}: after the app's {status_of_app} response, nginx looked for {path}");
    Some(Fact::of(FactKind::Logged(entry), detail))
}

/// The responses of each group of upstreams that nginx contacted for a download, in order, if
/// reported; empty if it contacted none. The entry of a group contains the responses of all servers
/// that were tried.
pub fn upstreams(full: &Response) -> Option<Vec<&str>> {
    let (statuses, _) = full.header(UPSTREAM)?.split_once('|')?;
    Some(statuses.split(" : ").filter(|group| !group.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{Body, End};

    fn full(status: u16, upstream: &str) -> Response {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let body = Body::empty(End::Whole);
        let headers = vec![header(FILE, "/srv/x"), header(UPSTREAM, upstream)];
        Response { status, headers, body }
    }

    #[test]
    fn a_group_of_upstreams_and_a_file_are_a_fact() {
        let is_fact = |upstream| fact(&full(404, upstream)).is_some();
        assert!(is_fact("200|/p/a.bin"));
        assert!(is_fact("200|"), "after the hand-off nginx has forgotten the header");
        assert!(is_fact("502, 200|"), "a second server of the same group");
        assert!(!is_fact("200 : 404|"), "the app again, or a store");
        assert!(!is_fact("|"), "the app was not contacted");
        assert!(!is_fact("x"));
        assert!(fact(&full(500, "200|")).is_none());
        assert_eq!(upstreams(&full(404, "200 : 404|")), Some(vec!["200", "404"]));
    }
}
