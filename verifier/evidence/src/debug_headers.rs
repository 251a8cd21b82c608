//! The response headers of the snippet's `echo.conf`, in which nginx reports the file it looked for
//! and the responses of the upstreams. Nothing is sent without the operator's token.

use crate::{Evidence, Response};
use crate::{
    fact::{Fact, FactKind},
    log::{LogEntry, LogEvent, LogSubject},
};

/// The file that nginx looked for.
const FILE: &str = "x-sendfile-echo-file";

/// The statuses of all contacted upstreams, and the hand-off of the last.
const UPSTREAM: &str = "x-sendfile-echo-upstream";

/// The fact that these headers reveal about a download that failed after its hand-off.
pub fn facts(evidence: &Evidence) -> Vec<Fact> {
    let full = evidence.full.response().filter(|_| !evidence.delivered());
    full.and_then(fact).into_iter().collect()
}

fn fact(full: &Response) -> Option<Fact> {
    let event = match full.status {
        403 => LogEvent::Closed,
        404 => LogEvent::Missing,
        _ => return None,
    };
    let path = full.header(FILE).filter(|it| !it.is_empty())?;
    // A second group is a store after the hand-off, or the app again: neither is a file.
    let asked = upstreams(full).filter(|it| it.len() == 1)?;
    let entry = LogEntry { event, of: LogSubject::Download, what: Some(path.to_owned()) };
    let detail =
        format!("{FILE}: after the app's {} response, nginx looked for {path}", asked.first()?);
    Some(Fact::of(FactKind::Logged(entry), detail))
}

/// The responses of each group of upstreams that nginx contacted for a download, in order, if
/// reported; empty if it contacted none. A group of several servers lists all that were tried.
pub fn upstreams(full: &Response) -> Option<Vec<&str>> {
    let (statuses, _) = full.header(UPSTREAM)?.split_once('|')?;
    Some(statuses.split(" : ").filter(|it| !it.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, End, HEAD_BYTES, Sha256};

    fn full(status: u16, upstream: &str) -> Response {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let body = Body {
            size: 0,
            sha256: Sha256([0; 32]),
            head: Vec::with_capacity(HEAD_BYTES),
            end: End::Whole,
            gunzipped: None,
            beyond: 0,
            same: None,
        };
        let headers = vec![header(FILE, "/srv/x"), header(UPSTREAM, upstream)];
        Response { status, headers, body }
    }

    #[test]
    fn what_nginx_says() {
        let asked = |upstream| fact(&full(404, upstream)).is_some();
        assert!(asked("200|/p/a.bin"));
        assert!(asked("200|"), "after the hand-off nginx has forgotten the header");
        assert!(asked("502, 200|"), "a second server of the same group");
        assert!(!asked("200 : 404|"), "the app again, or a store");
        assert!(!asked("|"), "the app was not contacted");
        assert!(!asked("x"));
        assert!(fact(&full(500, "200|")).is_none());
        assert_eq!(upstreams(&full(404, "200 : 404|")), Some(vec!["200", "404"]));
    }
}
