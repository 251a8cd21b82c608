//! Whether a hand-off can make nginx contact any server: the same hand-off is evaluated again with
//! another host in place of the store's.

use sendfile_evidence::fact::{Fact, FactKind};

use super::{
    context::EvalContext,
    internal_redirect::InternalRedirect,
    route::RouteOutcome,
    upstream::Upstream,
    variables::{Env, has_variables},
};
use crate::query::Query;

/// A host name that never exists (RFC 6761, section 6.4).
const OTHER_HOST: &str = "nobody.invalid";

/// The fact that a hand-off can make nginx contact any host, with the position.
pub(super) fn open_proxy(
    redirect: &InternalRedirect<'_, '_>,
    env: &Env<'_>,
    upstream: &Upstream<'_>,
) -> Option<Fact> {
    let host = upstream.host.as_str();
    if !has_variables(authority(upstream.directive.arg(0))) || upstream.named || host.is_empty() {
        return None;
    }
    let query = with_other_host(redirect.context.query, host);
    let context = EvalContext { query: &query, ..*redirect.context };
    let env = env.for_query(&query);
    let value = query.value.as_deref()?;
    let redirect = InternalRedirect { context: &context, app: None, value };
    let by_client = contacts_other_host(&redirect, &env.by_client());
    let by_app = contacts_other_host(&redirect, &env);
    let (kind, who) = if by_client {
        (FactKind::RelaysForAnybody, "any client")
    } else if by_app {
        (FactKind::Relays, "the app")
    } else {
        return None;
    };
    let at = upstream.directive.place();
    let detail =
        format!("{who} chooses the upstream host: {OTHER_HOST} is accepted in place of {host}");
    let suggestion = format!(
        "In {}, write {host} instead of the variable, or reject other hosts with an `if` before it",
        at.line()
    );
    Some(Fact::at(kind, at, detail).mended_by(suggestion))
}

/// The host and port of a `proxy_pass`, as written.
fn authority(written: &str) -> &str {
    let rest = match written.split_once("://") {
        Some((_, rest)) => rest,
        None => written,
    };
    rest.split('/').next().unwrap_or_default()
}

/// The same query as if the app had named a host that does not exist.
fn with_other_host(query: &Query, host: &str) -> Query {
    let mut query = query.clone();
    for (_, value) in &mut query.response_headers {
        *value = value.replace(host, OTHER_HOST);
    }
    if let Some(value) = &mut query.value {
        *value = value.replace(host, OTHER_HOST);
    }
    query
}

/// Whether a hand-off surely leads to the host that does not exist.
fn contacts_other_host<'a>(redirect: &InternalRedirect<'_, 'a>, env: &Env<'a>) -> bool {
    let Some(route) = redirect.route(redirect.context.evaluator, env) else { return false };
    let RouteOutcome::Passes(pass) = route.outcome else { return false };
    if route.unsure.is_some() {
        return false;
    }
    match Upstream::of(pass, &route.scope, &route.env) {
        Ok(upstream) => upstream.host.contains(OTHER_HOST),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use sendfile_evidence::{Server, request::Request};

    use super::*;
    use crate::{hops, in_memory_disk::InMemoryDisk, proxy_config::ProxyConfig};

    fn facts(http: &str, location: &str, value: &str) -> Vec<Fact> {
        let forwards = "location / { proxy_pass http://127.0.0.1:8000; }";
        let config = format!("http {{ {http} server {{ listen 80; {location} {forwards} }} }}");
        let mut disk = InMemoryDisk::default().with("/n.conf", &config);
        let config = ProxyConfig::read(Server::Nginx, "/n.conf", &mut disk);
        let get = |url| Request::get(url).expect("a URL");
        let link = "http://s3.test:9000/b/a.bin?sig=1".to_owned();
        let query = Query {
            site: get("http://h.test/download/1"),
            app: Some(get("http://127.0.0.1:8000/download/1")),
            header: Some("X-Accel-Redirect".to_owned()),
            value: Some(value.to_owned()),
            intended: Some(value.to_owned()),
            response_headers: vec![("x-storage-url".to_owned(), link)],
            ..Query::default()
        };
        hops::facts(&[config], &query, &disk)
    }

    fn kind(http: &str, location: &str, value: &str) -> Option<FactKind> {
        let relays =
            |kind: &FactKind| matches!(kind, FactKind::Relays | FactKind::RelaysForAnybody);
        facts(http, location, value).into_iter().map(|fact| fact.kind).find(relays)
    }

    #[test]
    fn a_host_chosen_by_the_app() {
        let by_header =
            "location /p/ { internal; set $l $upstream_http_x_storage_url; IF proxy_pass $l; }";
        let check = |http, list: &str| kind(http, &by_header.replace("IF", list), "/p/a.bin");
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
        assert_eq!(kind("", by_path, value), Some(FactKind::RelaysForAnybody));
        let internal = by_path.replace("set", "internal; set");
        assert_eq!(kind("", &internal, value), Some(FactKind::Relays));
        let fixed =
            "location ~ ^/p/s3.test:9000/(.+)$ { internal; proxy_pass http://s3.test:9000/$1; }";
        assert_eq!(kind("", fixed, value), None);
        let group = "location ~ ^/p/[^/]+/(.+)$ { set $s store; proxy_pass http://$s/$1; }";
        assert_eq!(kind("upstream store { server s3.test:9000; }", group, value), None);
    }

    /// nginx resolves a name at startup if another location contains it without a variable.
    #[test]
    fn a_name_resolved_at_startup_needs_no_resolver() {
        let fixed = "location ~ ^/p/[^/]+/(.+)$ { internal; proxy_pass http://s3.test:9000/$1; }";
        let other = "location /direct/ { proxy_pass http://s3.test:9000/b/; }";
        let another = other.replace(":9000", "");
        let forwards = |others: &str| {
            let facts = facts("", &format!("{others} {fixed}"), "/p/s3.test:9000/b/a.bin?sig=1");
            facts.iter().any(|fact| fact.kind == FactKind::NoResolver)
        };
        assert!(forwards(""));
        assert!(forwards(&another));
        assert!(!forwards(other));
    }
}
