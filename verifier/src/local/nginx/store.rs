//! What a store is asked after a hand-off: its name, Host, Authorization, path and query; and the
//! caches and filters around what is served.

use super::{
    super::{Address, Fact, Question, Request, Says, uri::decoded},
    route::Route,
    tree::Directive,
    upstream::{Sent, Upstream},
    variables::names,
};

/// Facts about the request that a hand-off makes at a store.
pub(super) fn facts(question: &Question, upstream: &Upstream<'_>, route: &Route<'_>) -> Vec<Fact> {
    let at = upstream.directive.place();
    let detail = format!("the hand-off asks {} for {}", upstream.shown(), upstream.path);
    let mut facts = vec![Fact::at(Says::TargetAsksStore, at, detail)];
    facts.extend(resolver(upstream, route));
    facts.extend(host(question, upstream, route));
    facts.extend(authorization(question, upstream, route));
    facts.extend(query(question, upstream));
    facts.extend(path(question, upstream));
    facts
}

/// A name in a variable, and nobody to look it up.
pub(super) fn resolver(upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    let address = upstream.address()?;
    let looked_up = upstream.variables && !upstream.resolved && !address.is_number();
    if !looked_up || route.scope.last("resolver").is_some() {
        return None;
    }
    let at = upstream.directive.place();
    let detail = format!(
        "has variables, so nginx looks up {} while it runs, and has no resolver",
        address.host
    );
    let block = route.scope.server().map_or_else(|| at.line(), |it| it.place().line());
    let fix = format!(
        "in the server block at {block}, add `resolver ADDRESS;` (the machine's own is in \
         /etc/resolv.conf)"
    );
    Some(Fact::at(Says::NoResolver, at, detail).mended_by(fix))
}

fn host(question: &Question, upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    let store = question.store.as_ref()?;
    let (value, at) = match upstream.header("Host", &route.scope, &route.env) {
        Sent::Value(value, by) => (value, by.place()),
        Sent::AsItCame => (upstream.host.clone(), upstream.directive.place()),
        Sent::Unknown => return None,
    };
    let port = if upstream.https { 443 } else { 80 };
    let sent = Address::of(&value, port);
    // One store has several names, and an app may sign for the one that is asked.
    let as_asked = sent == Address::of(&upstream.host, port) && !upstream.named;
    let other = as_asked && !upstream.addresses.iter().any(|it| it.is(&store.address));
    if sent == store.address || value.is_empty() || other || in_bucket(store, &sent) {
        return None;
    }
    let to_store = upstream.addresses.iter().any(|it| it.is(&store.address));
    let wanted = if to_store && !upstream.named { "$proxy_host".to_owned() } else { store.host() };
    let detail = format!("sends the store `Host: {value}`; it is {}", store.host());
    let fix = format!("in {}, write `proxy_set_header Host {wanted};`", at.line());
    Some(Fact::at(Says::HostWrong, at, detail).mended_by(fix))
}

/// Whether a name is the bucket's own: stores have the bucket in the path or before their name.
fn in_bucket(store: &Request, name: &Address) -> bool {
    let bucket = store.path.split('/').nth(1).unwrap_or_default();
    let rest = name.host.strip_prefix(bucket).and_then(|it| it.strip_prefix('.'));
    rest.is_some_and(|it| it == store.address.host) && !bucket.is_empty()
}

fn authorization(question: &Question, upstream: &Upstream<'_>, route: &Route<'_>) -> Option<Fact> {
    question.site.header("authorization")?;
    let off = route.scope.last("proxy_pass_request_headers").is_some_and(|it| it.arg(0) == "off");
    let sent = upstream.header("Authorization", &route.scope, &route.env);
    if off || !matches!(sent, Sent::AsItCame) {
        return None;
    }
    let at = upstream.directive.place();
    let detail = "passes the visitor's Authorization header on to the store";
    let fix = format!("beside {}, add `proxy_set_header Authorization \"\";`", at.line());
    Some(Fact::at(Says::AuthorizationForwarded, at, detail).mended_by(fix))
}

fn query(question: &Question, upstream: &Upstream<'_>) -> Option<Fact> {
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
    let detail = "has variables and no $is_args$args, so the query of the hand-off is lost";
    let fix = format!("in {}, write `proxy_pass {written}$is_args$args;`", at.line());
    Some(Fact::at(Says::QueryDropped, at, detail).mended_by(fix))
}

/// The decoded path in a `proxy_pass` with variables, or another path than the file's.
fn path(question: &Question, upstream: &Upstream<'_>) -> Option<Fact> {
    let at = upstream.directive.place();
    let written = upstream.directive.arg(0);
    let has_path = written.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '$']));
    let escaped = question.value.as_deref()?.split('?').next()?.contains('%');
    let raw = upstream.path.contains(|c: char| !c.is_ascii_graphic() || "%?#\"<>".contains(c));
    if upstream.variables && has_path && escaped && raw {
        let detail = format!("sends the store the decoded path {}", upstream.path);
        let fix = format!(
            "in {}, write a proxy_pass without variables: nginx then encodes the path again",
            at.line()
        );
        return Some(Fact::at(Says::PathDecoded, at, detail).mended_by(fix));
    }
    let store = question.store.as_ref()?;
    let path = decoded(&store.path);
    let sent = decoded(&upstream.path);
    let by_name = in_bucket(store, &Address::of(&upstream.host, 80));
    let in_host = by_name && path.strip_suffix(&sent).is_some_and(|it| it.rfind('/') == Some(0));
    let other = sent != path && !in_host;
    let detail = format!("asks the store for {}; the file is {}", upstream.path, store.path);
    let end = upstream.path.trim_start_matches('/');
    let missing = store.path.strip_suffix(end).filter(|it| it.ends_with('/') && it.len() > 1);
    let bare = written.trim_end_matches('/');
    let fact = other.then(|| Fact::at(Says::StoreKeyWrong, at.clone(), detail))?;
    Some(match missing.filter(|_| !upstream.variables) {
        Some(missing) => fact.mended_by(format!(
            "in {}, write `proxy_pass {bare}{missing};` instead of `{};`",
            at.line(),
            at.text
        )),
        None => fact,
    })
}

/// Filters that change bytes, by their directives.
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

/// Caches, filters and headers around what the hand-off serves.
pub(super) fn around(route: &Route<'_>) -> Vec<Fact> {
    let on = |name: &str| route.scope.is_on(name);
    let filters = FILTERS.iter().filter_map(|it| on(it)).map(|it| {
        let at = it.place();
        let fix = format!("in {}, remove `{};` for what is handed off", at.line(), at.text);
        Fact::at(Says::BytesChanged, at, "changes what is served after the hand-off").mended_by(fix)
    });
    let caches = ["open_file_cache", "proxy_cache"]
        .into_iter()
        .filter_map(on)
        .map(|it| Fact::at(Says::Cached, it.place(), "keeps what it once saw for a while"));
    let dropped = on("expires").map(|it: &Directive| {
        let detail = "puts its own Cache-Control and Expires in the place of the app's";
        let fix = format!("in {}, remove `{};`", it.place().line(), it.place().text);
        Fact::at(Says::HeadersDropped, it.place(), detail).mended_by(fix)
    });
    filters.chain(caches).chain(dropped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
