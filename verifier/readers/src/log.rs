//! The lines that proxies write to their error logs when a download fails.
//!
//! The texts are those of nginx 1.22.1 and 1.31, Apache 2.4 with mod_xsendfile 0.12, and lighttpd
//! 1.4.69, all provoked.

use sendfile_evidence::{
    fact::{Fact, FactKind},
    log::{LogEntry, LogEvent, LogSubject},
};

use self::What::{Begins, Behind, Between, WordBefore};
use crate::{query::Query, uri::decoded};

/// A text to search for in a line, its meaning, and the position of the path or name.
struct Mark {
    text: &'static str,
    event: LogEvent,
    what: What,
}

/// The position of a path or a name in a line.
enum What {
    /// The line contains no path or name.
    None,
    /// Between these texts.
    Between(&'static str, &'static str),
    /// After this text, to the end.
    Behind(&'static str),
    /// The last word before this text.
    WordBefore(&'static str),
    /// From the beginning of the message to this text.
    Begins(&'static str),
}

const fn mark(text: &'static str, event: LogEvent, what: What) -> Mark {
    Mark { text, event, what }
}

const OPENED: What = Between("\"", "\" ");
const UPSTREAM: What = Between("upstream: \"", "\"");

/// The known texts; the first one in a line applies.
const MARKS: [Mark; 29] = [
    mark("upstream SSL certificate verify error", LogEvent::NotTrusted, UPSTREAM),
    mark("upstream SSL certificate does not match", LogEvent::NotTrusted, UPSTREAM),
    mark("SSL_do_handshake() failed", LogEvent::Closes, UPSTREAM),
    mark("upstream timed out", LogEvent::TimedOut, UPSTREAM),
    // A missing or inaccessible socket is not a file that was opened.
    mark(" while connecting to upstream", LogEvent::NotConnected, UPSTREAM),
    mark("failed (2: No such file or directory)", LogEvent::Missing, OPENED),
    mark("failed (20: Not a directory)", LogEvent::Missing, OPENED),
    mark("failed (13: Permission denied), client", LogEvent::Closed, OPENED),
    mark("failed (40: Too many levels of symbolic links)", LogEvent::Link, OPENED),
    mark("directory index of", LogEvent::Directory, OPENED),
    mark("is not a directory", LogEvent::Missing, OPENED),
    mark("access forbidden by rule", LogEvent::Refused, What::None),
    mark("unsafe URI", LogEvent::Unsafe, Between("unsafe URI \"", "\"")),
    mark("no resolver defined to resolve", LogEvent::NoResolver, Between("to resolve ", ",")),
    mark("could not be resolved", LogEvent::NotResolved, WordBefore(" could not be resolved")),
    mark("rewrite or internal redirection cycle", LogEvent::Cycle, What::None),
    mark("upstream sent too big header", LogEvent::HeaderTooBig, What::None),
    mark("upstream prematurely closed connection", LogEvent::Closes, UPSTREAM),
    mark("upstream sent no valid HTTP/1.0 header", LogEvent::Closes, UPSTREAM),
    mark("upstream sent unsupported FastCGI", LogEvent::Closes, UPSTREAM),
    mark("above the root path", LogEvent::NotAllowed, Behind("unable to find file: ")),
    mark("(13)Permission denied", LogEvent::Closed, Behind("cannot open file: ")),
    mark("(2)No such file or directory", LogEvent::Missing, Behind("cannot open file: ")),
    mark("AH00035", LogEvent::Closed, Between("filesystem path '", "'")),
    mark("AH00132", LogEvent::Closed, Behind("server access: ")),
    mark("AH01630", LogEvent::Refused, Behind("server configuration: ")),
    mark("not allowed here", LogEvent::OverrideForbidden, Begins(": ")),
    mark(
        "not under configured x-sendfile-docroot",
        LogEvent::NotAllowed,
        Between("X-Sendfile (", ")"),
    ),
    mark("not a regular file", LogEvent::Missing, Behind(" -> ")),
];

/// Maximum number of lines.
const MOST: usize = 16;

/// The facts of the lines that belong to a download, without repetitions.
pub fn facts(lines: &[String], query: &Query) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    for line in lines {
        let Some(entry) = entry(line, query) else { continue };
        let kind = FactKind::Logged(entry);
        let is_known = facts.iter().any(|fact| fact.kind == kind);
        if !is_known && facts.len() < MOST {
            facts.push(Fact::of(kind, format!("Error log: {line}")));
        }
    }
    facts
}

/// The meaning of a line of an error log, if it is a known one.
pub fn entry(line: &str, query: &Query) -> Option<LogEntry> {
    let mark = MARKS.iter().find(|mark| line.contains(mark.text))?;
    let subject = match owner(line, query) {
        Some(subject) => subject,
        // The line names the file with the forbidden directive, not the request.
        None if mark.event == LogEvent::OverrideForbidden => LogSubject::Unknown,
        None => return None,
    };
    Some(LogEntry { event: mark.event, of: subject, what: what(line, &mark.what) })
}

/// The request that a line belongs to; `None` for requests of others.
fn owner(line: &str, query: &Query) -> Option<LogSubject> {
    if let Some(request) = between(line, "request: \"", "\"") {
        let target = request.split(' ').nth(1)?;
        return owner_of(without_query(target), query);
    }
    let mut names: Vec<&str> = vec![&query.site.path];
    let decoded_value;
    if let Some(value) = &query.value {
        let value = without_query(value);
        decoded_value = decoded(value);
        names.extend([value, &decoded_value]);
    }
    if let Some(file) = &query.file {
        names.push(file);
        names.extend(file.rsplit('/').next());
    }
    for name in names {
        if name.len() > 3 && line.contains(name) {
            return Some(LogSubject::Unknown);
        }
    }
    None
}

/// The request with this path.
fn owner_of(path: &str, query: &Query) -> Option<LogSubject> {
    if path == query.site.path {
        return Some(LogSubject::Download);
    }
    match &query.direct {
        Some(direct) if direct.path == path => Some(LogSubject::Direct),
        _ => None,
    }
}

fn without_query(target: &str) -> &str {
    match target.split_once('?') {
        Some((path, _)) => path,
        None => target,
    }
}

/// The path or name in a line.
fn what(line: &str, position: &What) -> Option<String> {
    let found = match position {
        What::None => return None,
        Between(before, behind) => return between(line, before, behind),
        Behind(before) => line.split_once(before)?.1.split(", referer:").next()?.trim_end(),
        WordBefore(behind) => line.split_once(behind)?.0.rsplit(' ').next()?,
        Begins(behind) => line.rsplit_once("] ")?.1.split_once(behind)?.0,
    };
    Some(found.to_owned())
}

fn between(line: &str, before: &str, behind: &str) -> Option<String> {
    let (found, _) = line.split_once(before)?.1.split_once(behind)?;
    Some(found.to_owned())
}

#[cfg(test)]
mod tests {
    use sendfile_evidence::request::Request;

    use super::*;

    fn query() -> Query {
        Query {
            site: Request::get("http://h/download/1?x=1").expect("a URL"),
            direct: Request::get("http://h/_direct/a.bin"),
            value: Some("/p/a%20b.bin".to_owned()),
            file: Some("/srv/files/a b.bin".to_owned()),
            ..Query::default()
        }
    }

    fn check(line: &str) -> Option<(LogEvent, LogSubject, Option<String>)> {
        let entry = entry(line, &query())?;
        Some((entry.event, entry.of, entry.what))
    }

    #[test]
    fn lines_of_nginx() {
        let line = |said: &str, request: &str| {
            format!(
                "2026/11/23 06:10:00 [error] 7#7: *1 {said}, client: 127.0.0.1, server: , \
                 request: \"GET {request} HTTP/1.1\", upstream: \"http://127.0.0.1:1/x\""
            )
        };
        let open = "open() \"/srv/filesa b.bin\" failed (2: No such file or directory)";
        let missing =
            (LogEvent::Missing, LogSubject::Download, Some("/srv/filesa b.bin".to_owned()));
        assert_eq!(check(&line(open, "/download/1?x=1")), Some(missing));
        assert_eq!(check(&line(open, "/other")), None, "another client's request");
        let resolver = line("no resolver defined to resolve s3.test", "/_direct/a.bin");
        let unknown = line("s3.test could not be resolved (3: Host not found)", "/_direct/a.bin");
        let name = Some("s3.test".to_owned());
        assert_eq!(
            check(&resolver),
            Some((LogEvent::NoResolver, LogSubject::Direct, name.clone()))
        );
        assert_eq!(check(&unknown), Some((LogEvent::NotResolved, LogSubject::Direct, name)));
        let socket = "connect() to unix:/run/a.sock failed (2: No such file or directory) while \
                      connecting to upstream";
        let upstream = Some("http://127.0.0.1:1/x".to_owned());
        assert_eq!(
            check(&line(socket, "/download/1")),
            Some((LogEvent::NotConnected, LogSubject::Download, upstream)),
            "a socket is no file"
        );
        let name = "upstream SSL certificate does not match \"s3.test\" while SSL handshaking to \
                    upstream";
        let upstream = Some("http://127.0.0.1:1/x".to_owned());
        assert_eq!(
            check(&line(name, "/_direct/a.bin")),
            Some((LogEvent::NotTrusted, LogSubject::Direct, upstream))
        );
        let long = "upstream sent too big header while reading response header from upstream";
        assert_eq!(
            check(&line(long, "/download/1")),
            Some((LogEvent::HeaderTooBig, LogSubject::Download, None))
        );
    }

    #[test]
    fn lines_of_apache_and_lighttpd() {
        let file = Some("/srv/files/a b.bin".to_owned());
        let line = "[Mon Nov 23 06:10:00.1 2026] [xsendfile:error] [pid 1:tid 2] (13)Permission \
                    denied: [client 127.0.0.1:5] xsendfile: cannot open file: /srv/files/a b.bin";
        assert_eq!(check(line), Some((LogEvent::Closed, LogSubject::Unknown, file.clone())));
        let line = "[Mon Nov 23 06:10:00.1 2026] [core:alert] [pid 1:tid 2] [client 127.0.0.1:5] \
                    /web/.htaccess: XSendFile not allowed here";
        let htaccess = Some("/web/.htaccess".to_owned());
        assert_eq!(check(line), Some((LogEvent::OverrideForbidden, LogSubject::Unknown, htaccess)));
        let line = "2026-11-23 06:10:00: (http-header-glue.c.1211) X-Sendfile (/srv/files/a b.bin) \
                    not under configured x-sendfile-docroot(s)";
        assert_eq!(check(line), Some((LogEvent::NotAllowed, LogSubject::Unknown, file)));
    }
}
