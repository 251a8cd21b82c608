//! The request to a store after a hand-off: name, Host, Authorization, path and query; and the
//! caches and filters applied to what is served.

use sendfile_evidence::{
    fact::{Fact, FactKind},
    request::{Address, Request},
};

use super::{
    super::uri::decoded,
    location::Form,
    route::Route,
    tree::Directive,
    upstream::{Sent, Upstream},
    variables::names,
};
use crate::query::Query;

/// Facts about the request that a hand-off makes to a store.
pub(super) fn facts(question: &Query, upstream: &Upstream<'_>, route: &Route<'_>) -> Vec<Fact> {
    let at = upstream.directive.place();
    let detail =
        format!("the hand-off is passed to {} with path {}", upstream.shown(), upstream.path);
    let mut facts = vec![Fact::at(FactKind::TargetAsksStore, at, detail)];
    facts.extend(resolver(upstream, route));
    facts.extend(host(question, upstream, route));
    facts.extend(authorization(question, upstream, route));
    facts.extend(query(question, upstream));
    facts.extend(path(question, upstream, route));
    facts
}

/// A host name in a variable, without a resolver.
pub(super) fn resolver(upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    let address = upstream.address()?;
    let looked_up = upstream.variables && !upstream.resolved && !address.is_number();
    if !looked_up || route.scope.last("resolver").is_some() {
        return None;
    }
    let at = upstream.directive.place();
    let detail = format!(
        "contains variables, so nginx resolves {} at run time, but no `resolver` is set",
        address.host
    );
    let block = route.scope.server().map_or_else(|| at.line(), |it| it.place().line());
    let fix = format!(
        "In the server block at {block}, add `resolver ADDRESS;` (the host's own is in \
         /etc/resolv.conf)"
    );
    Some(Fact::at(FactKind::NoResolver, at, detail).mended_by(fix))
}

fn host(question: &Query, upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    let store = question.store.as_ref()?;
    let (value, at) = match upstream.header("Host", &route.scope, &route.env) {
        Sent::Value(value, by) => (value, by.place()),
        Sent::AsItCame => (upstream.host.clone(), upstream.directive.place()),
        Sent::Unknown => return None,
    };
    let port = if upstream.https { 443 } else { 80 };
    let sent = Address::of(&value, port);
    // A store may have several names, and an app may sign for the one that is contacted.
    let as_asked = sent == Address::of(&upstream.host, port) && !upstream.named;
    let other = as_asked && !upstream.addresses.iter().any(|it| it.is(&store.address));
    if sent == store.address || value.is_empty() || other || in_bucket(store, &sent) {
        return None;
    }
    let to_store = upstream.addresses.iter().any(|it| it.is(&store.address));
    let wanted = if to_store && !upstream.named { "$proxy_host".to_owned() } else { store.host() };
    let detail = format!("sends `Host: {value}` to the store; expected {}", store.host());
    let fix = format!("In {}, write `proxy_set_header Host {wanted};`", at.line());
    Some(Fact::at(FactKind::HostWrong, at, detail).mended_by(fix))
}

/// Whether a name is the bucket's own: the bucket is in the path, or before the store's name.
fn in_bucket(store: &Request, name: &Address) -> bool {
    let bucket = store.path.split('/').nth(1).unwrap_or_default();
    let rest = name.host.strip_prefix(bucket).and_then(|it| it.strip_prefix('.'));
    rest.is_some_and(|it| it == store.address.host) && !bucket.is_empty()
}

/// A Host that differs from the direct location's, for the same path of the same server: the server
/// may have the file under one name only.
pub(super) fn unlike_direct<'a>(
    route: &Route<'a>,
    upstream: &Upstream<'a>,
    direct: (&Route<'a>, &Upstream<'a>),
) -> Option<Fact> {
    let host = |upstream: &Upstream<'a>, route: &Route<'a>| match upstream.header(
        "Host",
        &route.scope,
        &route.env,
    ) {
        Sent::Value(value, by) => Some((value, by.place())),
        Sent::AsItCame => Some((upstream.host.clone(), upstream.directive.place())),
        Sent::Unknown => None,
    };
    let ((sent, at), (right, _)) = (host(upstream, route)?, host(direct.1, direct.0)?);
    let same = upstream.addresses == direct.1.addresses && upstream.path == direct.1.path;
    if !same || upstream.https != direct.1.https || sent.eq_ignore_ascii_case(&right) {
        return None;
    }
    let detail = format!("sends `Host: {sent}`; the direct location sends `Host: {right}`");
    let fix = format!("In {}, write `proxy_set_header Host {right};`", at.line());
    Some(Fact::at(FactKind::HostWrong, at, detail).mended_by(fix))
}

fn authorization(question: &Query, upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    question.site.header("authorization")?;
    let off = route.scope.last("proxy_pass_request_headers").is_some_and(|it| it.arg(0) == "off");
    let sent = upstream.header("Authorization", &route.scope, &route.env);
    if off || !matches!(sent, Sent::AsItCame) {
        return None;
    }
    let at = upstream.directive.place();
    let detail = "forwards the client's Authorization header to the store";
    let fix = format!("After {}, add `proxy_set_header Authorization \"\";`", at.line());
    Some(Fact::at(FactKind::AuthorizationForwarded, at, detail).mended_by(fix))
}

fn query(question: &Query, upstream: &Upstream<'_>) -> Option<Fact> {
    let asked = question.value.as_deref().is_some_and(|it| it.contains('?'));
    let written = upstream.directive.arg(0);
    let by_variable = names(written).any(|it| matches!(it, "uri" | "document_uri"));
    let slash = written.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    let has_path = slash || by_variable;
    let keeps = names(written).any(|it| matches!(it, "args" | "query_string" | "request_uri"));
    if !asked || !upstream.variables || !has_path || keeps {
        return None;
    }
    let at = upstream.directive.place();
    let detail = "contains variables but not $is_args$args, so the query of the hand-off is lost";
    let fix = format!("In {}, write `proxy_pass {written}$is_args$args;`", at.line());
    Some(Fact::at(FactKind::QueryDropped, at, detail).mended_by(fix))
}

/// The decoded path in a `proxy_pass` with variables, or a path other than the file's.
fn path(question: &Query, upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    let at = upstream.directive.place();
    let written = upstream.directive.arg(0);
    let has_path = written.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '$']));
    let escaped = question.value.as_deref()?.split('?').next()?.contains('%');
    let raw = upstream.path.contains(|c: char| !c.is_ascii_graphic() || "%?#\"<>".contains(c));
    if upstream.variables && has_path && escaped && raw {
        let detail = format!("sends the decoded path {} to the store", upstream.path);
        let fix = format!(
            "In {}, use a `proxy_pass` without variables, so that nginx encodes the path again",
            at.line()
        );
        return Some(Fact::at(FactKind::PathDecoded, at, detail).mended_by(fix));
    }
    let store = question.store.as_ref()?;
    let path = decoded(&store.path);
    let sent = decoded(&upstream.path);
    let by_name = in_bucket(store, &Address::of(&upstream.host, 80));
    let in_host = by_name && path.strip_suffix(&sent).is_some_and(|it| it.rfind('/') == Some(0));
    if sent == path || in_host {
        return None;
    }
    let detail = format!("requests {} from the store; the file is {}", upstream.path, store.path);
    let fact = Fact::at(other_key(upstream, route, &path), at.clone(), detail);
    let bare = written.trim_end_matches('/');
    let pass = match fact.kind {
        FactKind::StorePrefixKept if !has_path => kept_prefix(route, &sent, &path),
        FactKind::StoreKeyWrong => lost_folders(upstream, store),
        _ => None,
    };
    Some(match pass {
        Some(path) => fact.mended_by(format!(
            "In {}, replace `{};` with `proxy_pass {bare}{path};`",
            at.line(),
            at.text
        )),
        None => fact,
    })
}

/// Why another key is requested from the store: if the literal part before the variables is
/// correct, the variables are the cause.
fn other_key(upstream: &Upstream<'_>, route: &Route<'_>, path: &str) -> FactKind {
    let written = upstream.directive.arg(0);
    let rest = written.split_once("://").map_or(written, |(_, rest)| rest);
    let built = rest.find(['/', '$']).map_or("", |at| &rest[at..]);
    let of_path = |name: &&str| !matches!(*name, "is_args" | "args" | "query_string");
    let mut names = names(built).filter(of_path).peekable();
    let plain = names.peek().is_none();
    let begins = built.split('$').next().is_some_and(|it| path.starts_with(it));
    match () {
        () if !plain && !begins => FactKind::StoreKeyWrong,
        () if !plain && names.all(|it| route.scope.captures(it)) => FactKind::StoreKeyCaptured,
        () if !plain => FactKind::StoreKeyOfVariable,
        () if kept_prefix(route, &decoded(&upstream.path), path).is_some() => {
            FactKind::StorePrefixKept
        }
        () => FactKind::StoreKeyWrong,
    }
}

/// The end that `proxy_pass` needs if the location's prefix stays in the path.
fn kept_prefix(route: &Route<'_>, sent: &str, path: &str) -> Option<String> {
    let prefix = Form::of(route.scope.location()?)?.prefix()?;
    let kept = sent.strip_suffix(path)?;
    let end = if prefix.ends_with('/') { "/" } else { "" };
    (!kept.is_empty() && prefix.trim_end_matches('/') == kept).then(|| end.to_owned())
}

/// The parent directories that are missing from the path requested from the store.
fn lost_folders(upstream: &Upstream<'_>, store: &Request) -> Option<String> {
    let end = upstream.path.trim_start_matches('/');
    let missing = store.path.strip_suffix(end).filter(|it| it.ends_with('/') && it.len() > 1);
    missing.filter(|_| !upstream.variables).map(str::to_owned)
}

/// Directives of filters that change content.
const FILTERS: [&str; 9] = [
    "sub_filter",
    "ssi",
    "addition_types",
    "add_before_body",
    "add_after_body",
    "charset_map",
    "gzip_static",
    "image_filter",
    "xslt_stylesheet",
];

/// Caches, filters and headers that apply to what the hand-off serves.
pub(super) fn around(route: &Route<'_>) -> Vec<Fact> {
    let on = |name: &str| route.scope.is_on(name);
    let filters = FILTERS.iter().filter_map(|it| on(it)).map(|it| {
        let at = it.place();
        let fix = format!("In {}, remove `{};` for handed-off files", at.line(), at.text);
        Fact::at(FactKind::BytesChanged, at, "changes the content served after the hand-off")
            .mended_by(fix)
    });
    let caches = ["open_file_cache", "proxy_cache"]
        .into_iter()
        .filter_map(on)
        .map(|it| Fact::at(FactKind::Cached, it.place(), "may return cached content"));
    let dropped = on("expires").map(|it: &Directive| {
        let detail = "overrides the app's Cache-Control and Expires headers";
        let fix = format!("In {}, remove `{};`", it.place().line(), it.place().text);
        Fact::at(FactKind::HeadersDropped, it.place(), detail).mended_by(fix)
    });
    filters.chain(caches).chain(dropped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hops, in_memory_disk::InMemoryDisk, proxy_config::ProxyConfig};
    use sendfile_evidence::Server;

    /// The facts about a hand-off to `/p/a/b.bin`, whose file is in the store as `/bucket/a/b.bin`.
    fn told(target: &str, storage: Option<&str>) -> Vec<Fact> {
        let get = |url| Request::get(url).expect("a URL");
        let question = Query {
            site: get("http://h.test/download/1"),
            app: Some(get("http://127.0.0.1:8000/download/1")),
            direct: Some(get("http://h.test/direct/a/b.bin")),
            header: Some("X-Accel-Redirect".to_owned()),
            value: Some("/p/a/b.bin".to_owned()),
            meant: Some("/p/a/b.bin".to_owned()),
            store: storage.map(get),
            ..Query::default()
        };
        let rest = "location /direct/ { proxy_set_header Host media.test; proxy_pass \
                    http://127.0.0.1:9000/bucket/; }\n\
                    location / { proxy_pass http://127.0.0.1:8000; }";
        let config = format!("http {{ server {{ listen 80;\n{target}\n{rest} }} }}");
        let mut disk = InMemoryDisk::default().with("/n.conf", &config);
        let config = ProxyConfig::read(Server::Nginx, "/n.conf", &mut disk);
        hops::facts(&[config], &question, &disk)
    }

    #[test]
    fn why_a_store_is_asked_for_another_key() {
        let cases = [
            (
                "location ~ ^/p/(.*)/(.*)$ { internal; proxy_pass http://127.0.0.1:9000/bucket/$2; }",
                FactKind::StoreKeyCaptured,
                "",
            ),
            (
                "location ~ ^/p/.*/(?<key>.*)$ { internal; proxy_pass http://127.0.0.1:9000/bucket/$key; }",
                FactKind::StoreKeyCaptured,
                "",
            ),
            (
                "location /p/ { internal; proxy_pass http://127.0.0.1:9000$request_uri; }",
                FactKind::StoreKeyOfVariable,
                "",
            ),
            (
                "location ~ ^/p/(.*)$ { internal; proxy_pass http://127.0.0.1:9000/other/$1; }",
                FactKind::StoreKeyWrong,
                "",
            ),
            (
                "location /p/ { internal; proxy_pass http://127.0.0.1:9000/other/; }",
                FactKind::StoreKeyWrong,
                "",
            ),
            (
                "location /p/ { internal; proxy_pass http://127.0.0.1:9000/; }",
                FactKind::StoreKeyWrong,
                "In /n.conf:2, replace `proxy_pass http://127.0.0.1:9000/;` with `proxy_pass \
                 http://127.0.0.1:9000/bucket/;`",
            ),
        ];
        for (target, says, fix) in cases {
            let facts = told(target, Some("http://127.0.0.1:9000/bucket/a/b.bin"));
            let found = facts.iter().find(|it| it.kind == says);
            let found = found.unwrap_or_else(|| panic!("{target}: {says:?} is none of {facts:#?}"));
            assert_eq!(found.fix.as_deref().unwrap_or_default(), fix, "{target}");
        }
    }

    #[test]
    fn a_prefix_stays_in_the_path() {
        let target = "location /p/ { internal; proxy_pass http://127.0.0.1:9000; }";
        let facts = told(target, Some("http://127.0.0.1:9000/a/b.bin"));
        let found =
            facts.iter().find(|it| it.kind == FactKind::StorePrefixKept).expect("it is told");
        let fix = "In /n.conf:2, replace `proxy_pass http://127.0.0.1:9000;` with `proxy_pass \
                   http://127.0.0.1:9000/;`";
        assert_eq!(found.fix.as_deref(), Some(fix));
    }

    #[test]
    fn a_host_is_held_against_the_direct_locations() {
        let of = |location: &str| {
            let facts = told(location, None);
            facts.iter().find(|it| it.kind == FactKind::HostWrong).map(|it| it.fix.clone())
        };
        let wrong = "location /p/ { internal;\nproxy_set_header Host $host; proxy_pass \
                     http://127.0.0.1:9000/bucket/; }";
        let fix = "In /n.conf:3, write `proxy_set_header Host media.test;`";
        assert_eq!(of(wrong), Some(Some(fix.to_owned())));
        assert_eq!(of(&wrong.replace("$host", "media.test")), None);
        assert_eq!(of(&wrong.replace("/bucket/", "/other/")), None, "another path is requested");
        assert_eq!(of(&wrong.replace(":9000", ":9001")), None, "another server is contacted");
    }

    #[test]
    fn a_bucket_has_a_name_of_its_own() {
        let store = Request::get("https://s3.example.com/files/a.bin").expect("a URL");
        let own = |host| in_bucket(&store, &Address::of(host, 443));
        assert!(own("files.s3.example.com"));
        assert!(!own("s3.example.com"), "its own only");
        assert!(!own("other.s3.example.com"));
        let root = Request::get("https://s3.example.com/").expect("a URL");
        assert!(!in_bucket(&root, &Address::of(".s3.example.com", 443)), "no bucket, no name");
    }
}
