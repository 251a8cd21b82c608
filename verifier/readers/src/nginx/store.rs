//! The request to a store after a hand-off: name, Host, Authorization, path and query; and the
//! caches and filters applied to what is served.

use sendfile_evidence::{
    fact::{Fact, FactKind, SourceLine},
    request::{Address, Request},
};

use super::{
    location::Form,
    route::Route,
    upstream::{Sent, Upstream},
    variables::names,
};
use crate::{query::Query, uri::decoded};

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

/// Directives of caches.
const CACHES: [&str; 2] = ["open_file_cache", "proxy_cache"];

/// Facts about the request that a hand-off makes to a store.
pub(super) fn facts(query: &Query, upstream: &Upstream<'_>, route: &Route<'_>) -> Vec<Fact> {
    let at = upstream.directive.place();
    let detail =
        format!("the hand-off is passed to {} with path {}", upstream.shown(), upstream.path);
    let mut facts = vec![Fact::at(FactKind::TargetAsksStore, at, detail)];
    facts.extend(missing_resolver(upstream, route));
    facts.extend(wrong_host(query, upstream, route));
    facts.extend(forwarded_authorization(query, upstream, route));
    facts.extend(dropped_query(query, upstream));
    facts.extend(wrong_path(query, upstream, route));
    facts
}

/// The fact that a variable contains a host name, although no resolver is configured.
pub(super) fn missing_resolver(upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    let address = upstream.address()?;
    let is_looked_up = upstream.variables && !upstream.resolved && !address.is_number();
    if !is_looked_up || route.scope.last("resolver").is_some() {
        return None;
    }
    let at = upstream.directive.place();
    let detail = format!(
        "contains variables, so nginx resolves {} at run time, but no `resolver` is set",
        address.host
    );
    let block = match route.scope.server() {
        Some(server) => server.place().line(),
        None => at.line(),
    };
    let suggestion = format!(
        "In the server block at {block}, add `resolver ADDRESS;` (the host's own is in \
         /etc/resolv.conf)"
    );
    Some(Fact::at(FactKind::NoResolver, at, detail).mended_by(suggestion))
}

/// The fact that the Host differs from the direct location's for the same path of the same server:
/// the server may have the file under one name only.
pub(super) fn unlike_direct<'a>(
    redirected: (&Route<'a>, &Upstream<'a>),
    direct: (&Route<'a>, &Upstream<'a>),
) -> Option<Fact> {
    let (route, upstream) = redirected;
    let (direct_route, direct_upstream) = direct;
    let (sent, at) = sent_host(upstream, route)?;
    let (expected, _) = sent_host(direct_upstream, direct_route)?;
    let is_same_file = upstream.addresses == direct_upstream.addresses
        && upstream.path == direct_upstream.path
        && upstream.https == direct_upstream.https;
    if !is_same_file || sent.eq_ignore_ascii_case(&expected) {
        return None;
    }
    let detail = format!("sends `Host: {sent}`; the direct location sends `Host: {expected}`");
    let suggestion = format!("In {}, write `proxy_set_header Host {expected};`", at.line());
    Some(Fact::at(FactKind::HostWrong, at, detail).mended_by(suggestion))
}

/// Caches, filters and headers that apply to what the hand-off serves.
pub(super) fn around(route: &Route<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    for name in FILTERS {
        let Some(filter) = route.scope.is_on(name) else { continue };
        let at = filter.place();
        let suggestion = format!("In {}, remove `{};` for handed-off files", at.line(), at.text);
        let detail = "changes the content served after the hand-off";
        facts.push(Fact::at(FactKind::BytesChanged, at, detail).mended_by(suggestion));
    }
    for name in CACHES {
        let Some(cache) = route.scope.is_on(name) else { continue };
        facts.push(Fact::at(FactKind::Cached, cache.place(), "may return cached content"));
    }
    if let Some(expires) = route.scope.is_on("expires") {
        let at = expires.place();
        let detail = "overrides the app's Cache-Control and Expires headers";
        let suggestion = format!("In {}, remove `{};`", at.line(), at.text);
        facts.push(Fact::at(FactKind::HeadersDropped, at, detail).mended_by(suggestion));
    }
    facts
}

fn wrong_host(query: &Query, upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    let store = query.store.as_ref()?;
    let (value, at) = sent_host(upstream, route)?;
    let port = if upstream.https { 443 } else { 80 };
    let sent = Address::of(&value, port);
    if value.is_empty() || sent == store.address || in_bucket(store, &sent) {
        return None;
    }
    // A store may have several names, and an app may sign for the one that is contacted.
    let contacts_store = upstream.is_at(&store.address);
    let is_contacted = sent == Address::of(&upstream.host, port) && !upstream.named;
    if is_contacted && !contacts_store {
        return None;
    }
    let host = store.host();
    let detail = format!("sends `Host: {value}` to the store; expected {host}");
    let expected = if contacts_store && !upstream.named { "$proxy_host" } else { &host };
    let suggestion = format!("In {}, write `proxy_set_header Host {expected};`", at.line());
    Some(Fact::at(FactKind::HostWrong, at, detail).mended_by(suggestion))
}

/// The Host header that is sent, and the directive that sets it; `None` if it is known only at run
/// time.
fn sent_host(upstream: &Upstream<'_>, route: &Route<'_>) -> Option<(String, SourceLine)> {
    match upstream.header("Host", &route.scope, &route.env) {
        Sent::Value(value, by) => Some((value, by.place())),
        Sent::Unchanged => Some((upstream.host.clone(), upstream.directive.place())),
        Sent::Unknown => None,
    }
}

/// Whether a name is the bucket's own: the bucket is in the path, or before the store's name.
fn in_bucket(store: &Request, name: &Address) -> bool {
    let bucket = store.path.split('/').nth(1).unwrap_or_default();
    if bucket.is_empty() {
        return false;
    }
    let rest = name.host.strip_prefix(bucket);
    rest.is_some_and(|rest| rest.strip_prefix('.') == Some(store.address.host.as_str()))
}

fn forwarded_authorization(
    query: &Query,
    upstream: &Upstream<'_>,
    route: &Route<'_>,
) -> Option<Fact> {
    query.site.header("authorization")?;
    let passing = route.scope.last("proxy_pass_request_headers");
    let is_off = passing.is_some_and(|directive| directive.arg(0) == "off");
    let sent = upstream.header("Authorization", &route.scope, &route.env);
    if is_off || !matches!(sent, Sent::Unchanged) {
        return None;
    }
    let at = upstream.directive.place();
    let detail = "forwards the client's Authorization header to the store";
    let suggestion = format!("After {}, add `proxy_set_header Authorization \"\";`", at.line());
    Some(Fact::at(FactKind::AuthorizationForwarded, at, detail).mended_by(suggestion))
}

fn dropped_query(query: &Query, upstream: &Upstream<'_>) -> Option<Fact> {
    let has_query = query.value.as_deref()?.contains('?');
    let written = upstream.directive.arg(0);
    let names = names(written);
    let has_path = after_scheme(written).is_some_and(|rest| rest.contains('/'))
        || names.contains(&"uri")
        || names.contains(&"document_uri");
    let keeps_query =
        names.iter().any(|name| matches!(*name, "args" | "query_string" | "request_uri"));
    if !has_query || !upstream.variables || !has_path || keeps_query {
        return None;
    }
    let at = upstream.directive.place();
    let detail = "contains variables but not $is_args$args, so the query of the hand-off is lost";
    let suggestion = format!("In {}, write `proxy_pass {written}$is_args$args;`", at.line());
    Some(Fact::at(FactKind::QueryDropped, at, detail).mended_by(suggestion))
}

/// The fact that a `proxy_pass` with variables contains the decoded path, or that the path is not
/// the file's.
fn wrong_path(query: &Query, upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    let at = upstream.directive.place();
    let written = upstream.directive.arg(0);
    let has_path = after_scheme(written).is_some_and(|rest| rest.contains(['/', '$']));
    let is_encoded = query.value.as_deref()?.split('?').next()?.contains('%');
    if upstream.variables && has_path && is_encoded && upstream.path.contains(needs_encoding) {
        let detail = format!("sends the decoded path {} to the store", upstream.path);
        let suggestion = format!(
            "In {}, use a `proxy_pass` without variables, so that nginx encodes the path again",
            at.line()
        );
        return Some(Fact::at(FactKind::PathDecoded, at, detail).mended_by(suggestion));
    }
    let store = query.store.as_ref()?;
    let expected = decoded(&store.path);
    let sent = decoded(&upstream.path);
    if sent == expected || is_below_bucket(store, upstream, &sent) {
        return None;
    }
    let detail = format!("requests {} from the store; the file is {}", upstream.path, store.path);
    let fact = Fact::at(other_key(upstream, route, &expected), at.clone(), detail);
    let end = match fact.kind {
        FactKind::StorePrefixKept if !has_path => kept_prefix(route, &sent, &expected),
        FactKind::StoreKeyWrong => missing_directories(upstream, store),
        _ => None,
    };
    let Some(end) = end else { return Some(fact) };
    let pass = format!("proxy_pass {}{end}", written.trim_end_matches('/'));
    Some(fact.mended_by(format!("In {}, replace `{};` with `{pass};`", at.line(), at.text)))
}

/// The part of a `proxy_pass` after `http://`.
fn after_scheme(written: &str) -> Option<&str> {
    let (_, rest) = written.split_once("://")?;
    Some(rest)
}

/// Whether a character must be encoded in a path.
fn needs_encoding(letter: char) -> bool {
    !letter.is_ascii_graphic() || "%?#\"<>".contains(letter)
}

/// Whether the bucket is in the name that is contacted, and the rest of the path is the file's.
fn is_below_bucket(store: &Request, upstream: &Upstream<'_>, sent: &str) -> bool {
    if !in_bucket(store, &Address::of(&upstream.host, 80)) {
        return false;
    }
    let path = decoded(&store.path);
    path.strip_suffix(sent).is_some_and(|bucket| bucket.rfind('/') == Some(0))
}

/// The reason why another key is requested from the store. If the literal part before the variables
/// is correct, the variables are the cause.
fn other_key(upstream: &Upstream<'_>, route: &Route<'_>, path: &str) -> FactKind {
    let written = upstream.directive.arg(0);
    let rest = after_scheme(written).unwrap_or(written);
    let built = match rest.find(['/', '$']) {
        Some(at) => &rest[at..],
        None => "",
    };
    let mut variables = names(built);
    variables.retain(|name| !matches!(*name, "is_args" | "args" | "query_string"));
    if variables.is_empty() {
        let is_kept = kept_prefix(route, &decoded(&upstream.path), path).is_some();
        return if is_kept { FactKind::StorePrefixKept } else { FactKind::StoreKeyWrong };
    }
    let literal = built.split('$').next().unwrap_or_default();
    if !path.starts_with(literal) {
        FactKind::StoreKeyWrong
    } else if variables.iter().all(|name| route.scope.captures(name)) {
        FactKind::StoreKeyCaptured
    } else {
        FactKind::StoreKeyOfVariable
    }
}

/// The end that `proxy_pass` needs if the location's prefix stays in the path.
fn kept_prefix(route: &Route<'_>, sent: &str, path: &str) -> Option<String> {
    let prefix = Form::of(route.scope.location()?)?.prefix()?;
    let kept = sent.strip_suffix(path)?;
    if kept.is_empty() || prefix.trim_end_matches('/') != kept {
        return None;
    }
    Some(if prefix.ends_with('/') { "/" } else { "" }.to_owned())
}

/// The parent directories that are missing from the path requested from the store.
fn missing_directories(upstream: &Upstream<'_>, store: &Request) -> Option<String> {
    let end = upstream.path.trim_start_matches('/');
    let missing = store.path.strip_suffix(end)?;
    if upstream.variables || missing.len() <= 1 || !missing.ends_with('/') {
        return None;
    }
    Some(missing.to_owned())
}

#[cfg(test)]
mod tests {
    use sendfile_evidence::Server;

    use super::*;
    use crate::{hops, in_memory_disk::InMemoryDisk, proxy_config::ProxyConfig};

    /// The facts about a hand-off to `/p/a/b.bin`, whose file is in the store as `/bucket/a/b.bin`.
    fn facts_of(target: &str, storage: Option<&str>) -> Vec<Fact> {
        let get = |url| Request::get(url).expect("a URL");
        let query = Query {
            site: get("http://h.test/download/1"),
            app: Some(get("http://127.0.0.1:8000/download/1")),
            direct: Some(get("http://h.test/direct/a/b.bin")),
            header: Some("X-Accel-Redirect".to_owned()),
            value: Some("/p/a/b.bin".to_owned()),
            intended: Some("/p/a/b.bin".to_owned()),
            store: storage.map(get),
            ..Query::default()
        };
        let rest = "location /direct/ { proxy_set_header Host media.test; proxy_pass \
                    http://127.0.0.1:9000/bucket/; }\n\
                    location / { proxy_pass http://127.0.0.1:8000; }";
        let config = format!("http {{ server {{ listen 80;\n{target}\n{rest} }} }}");
        let mut disk = InMemoryDisk::default().with("/n.conf", &config);
        let config = ProxyConfig::read(Server::Nginx, "/n.conf", &mut disk);
        hops::facts(&[config], &query, &disk)
    }

    #[test]
    fn why_another_key_is_requested_from_a_store() {
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
        for (target, kind, fix) in cases {
            let facts = facts_of(target, Some("http://127.0.0.1:9000/bucket/a/b.bin"));
            let found = facts.iter().find(|fact| fact.kind == kind);
            let found = found.unwrap_or_else(|| panic!("{target}: {kind:?} is none of {facts:#?}"));
            assert_eq!(found.fix.as_deref().unwrap_or_default(), fix, "{target}");
        }
    }

    #[test]
    fn a_prefix_stays_in_the_path() {
        let target = "location /p/ { internal; proxy_pass http://127.0.0.1:9000; }";
        let facts = facts_of(target, Some("http://127.0.0.1:9000/a/b.bin"));
        let found =
            facts.iter().find(|fact| fact.kind == FactKind::StorePrefixKept).expect("a fact");
        let fix = "In /n.conf:2, replace `proxy_pass http://127.0.0.1:9000;` with `proxy_pass \
                   http://127.0.0.1:9000/;`";
        assert_eq!(found.fix.as_deref(), Some(fix));
    }

    #[test]
    fn a_host_is_compared_with_the_direct_locations() {
        let of = |location: &str| {
            let facts = facts_of(location, None);
            facts.iter().find(|fact| fact.kind == FactKind::HostWrong).map(|fact| fact.fix.clone())
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
    fn a_bucket_may_be_part_of_the_host_name() {
        let store = Request::get("https://s3.example.com/files/a.bin").expect("a URL");
        let own = |host| in_bucket(&store, &Address::of(host, 443));
        assert!(own("files.s3.example.com"));
        assert!(!own("s3.example.com"), "its own only");
        assert!(!own("other.s3.example.com"));
        let root = Request::get("https://s3.example.com/").expect("a URL");
        assert!(!in_bucket(&root, &Address::of(".s3.example.com", 443)), "no bucket, no name");
    }
}
