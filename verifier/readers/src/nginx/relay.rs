//! Whether a hand-off can make nginx contact any server: the same hand-off is evaluated again with
//! another host in place of the store's.

use sendfile_evidence::fact::{Fact, FactKind};

use super::{
    Case,
    route::{End, Route},
    target::Target,
    upstream::Upstream,
    variables::{Env, names},
};
use crate::query::Query;

/// A host name that never exists (RFC 6761, section 6.4).
const NOBODY: &str = "nobody.invalid";

/// Where nginx contacts any host that a hand-off names.
pub(super) fn relays(target: &Target<'_, '_>, env: &Env<'_>, asked: &Upstream<'_>) -> Option<Fact> {
    let (host, written) = (asked.host.as_str(), asked.directive.arg(0));
    let authority = written.split_once("://").map_or(written, |(_, rest)| rest);
    names(authority.split('/').next()?).next()?;
    if asked.named || host.is_empty() {
        return None;
    }
    let question = target.case.question;
    let other = |text: &String| text.replace(host, NOBODY);
    let headers = question.answer.iter().map(|(name, value)| (name.clone(), other(value)));
    let value = question.value.as_ref().map(other);
    let question = Query { answer: headers.collect(), value, ..question.clone() };
    let case = Case { question: &question, ..*target.case };
    let env = env.asking(&question);
    let target = Target { case: &case, asking: None, value: question.value.as_deref()? };
    let asks_nobody = |env: &Env<'_>| {
        let route = target.route(case.walk, env).filter(|it| it.unsure.is_none());
        route.is_some_and(|it| asks(&it, NOBODY))
    };
    let at = asked.directive.place();
    let fix = format!(
        "In {}, write {host} instead of the variable, or reject other hosts with an `if` before it",
        at.line()
    );
    let (says, who) = match (asks_nobody(&env.by_visitor()), asks_nobody(&env)) {
        (true, _) => (FactKind::RelaysForAnybody, "any client"),
        (false, true) => (FactKind::Relays, "the app"),
        (false, false) => return None,
    };
    let detail =
        format!("{who} chooses the upstream host: {NOBODY} is accepted in place of {host}");
    Some(Fact::at(says, at, detail).mended_by(fix))
}

fn asks(route: &Route<'_>, host: &str) -> bool {
    match &route.end {
        End::Asks(pass) => {
            Upstream::of(pass, &route.scope, &route.env).is_ok_and(|it| it.host.contains(host))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::query::Query;
    use crate::{hops, in_memory_disk::InMemoryDisk, proxy_config::ProxyConfig};
    use sendfile_evidence::{
        Server,
        fact::{Fact, FactKind},
        request::Request,
    };

    fn facts(http: &str, location: &str, value: &str) -> Vec<Fact> {
        let asks = "location / { proxy_pass http://127.0.0.1:8000; }";
        let config = format!("http {{ {http} server {{ listen 80; {location} {asks} }} }}");
        let mut disk = InMemoryDisk::default().with("/n.conf", &config);
        let config = ProxyConfig::read(Server::Nginx, "/n.conf", &mut disk);
        let get = |url| Request::get(url).expect("a URL");
        let link = "http://s3.test:9000/b/a.bin?sig=1".to_owned();
        let question = Query {
            site: get("http://h.test/download/1"),
            app: Some(get("http://127.0.0.1:8000/download/1")),
            header: Some("X-Accel-Redirect".to_owned()),
            value: Some(value.to_owned()),
            meant: Some(value.to_owned()),
            answer: vec![("x-storage-url".to_owned(), link)],
            ..Query::default()
        };
        hops::facts(&[config], &question, &disk)
    }

    fn says(http: &str, location: &str, value: &str) -> Option<FactKind> {
        let relays = |it: &FactKind| matches!(it, FactKind::Relays | FactKind::RelaysForAnybody);
        facts(http, location, value).into_iter().map(|it| it.kind).find(relays)
    }

    #[test]
    fn a_host_of_the_apps_choice() {
        let by_header =
            "location /p/ { internal; set $l $upstream_http_x_storage_url; IF proxy_pass $l; }";
        let check = |http, list: &str| says(http, &by_header.replace("IF", list), "/p/a.bin");
        assert_eq!(check("", ""), Some(FactKind::Relays));
        assert_eq!(check("", "if ($l !~ \"^http://\") { return 502; }"), Some(FactKind::Relays));
        assert_eq!(check("", "if ($l !~ \"^http://s3.test:9000/\") { return 502; }"), None);
        let map = "map $upstream_http_x_storage_url $ok { default 0; \"~^http://s3.test\" 1; }";
        assert_eq!(check(map, "if ($ok = 0) { return 502; }"), None);
        assert_eq!(check(map, ""), Some(FactKind::Relays), "an unused map");
    }

    #[test]
    fn a_host_in_the_path() {
        let by_path = "location ~ ^/p/(.+)$ { set $to $1; proxy_pass http://$to$is_args$args; }";
        let value = "/p/s3.test:9000/b/a.bin?sig=1";
        assert_eq!(says("", by_path, value), Some(FactKind::RelaysForAnybody));
        let internal = by_path.replace("set", "internal; set");
        assert_eq!(says("", &internal, value), Some(FactKind::Relays));
        let fixed =
            "location ~ ^/p/s3.test:9000/(.+)$ { internal; proxy_pass http://s3.test:9000/$1; }";
        assert_eq!(says("", fixed, value), None);
        let group = "location ~ ^/p/[^/]+/(.+)$ { set $s store; proxy_pass http://$s/$1; }";
        assert_eq!(says("upstream store { server s3.test:9000; }", group, value), None);
    }

    /// nginx resolves a name at startup if another location contains it without a variable.
    #[test]
    fn a_name_that_is_known_needs_no_resolver() {
        let fixed = "location ~ ^/p/[^/]+/(.+)$ { internal; proxy_pass http://s3.test:9000/$1; }";
        let other = "location /direct/ { proxy_pass http://s3.test:9000/b/; }";
        let another = other.replace(":9000", "");
        let asks = |others: &str| {
            let facts = facts("", &format!("{others} {fixed}"), "/p/s3.test:9000/b/a.bin?sig=1");
            facts.iter().any(|it| it.kind == FactKind::NoResolver)
        };
        assert!(asks(""));
        assert!(asks(&another));
        assert!(!asks(other));
    }
}
