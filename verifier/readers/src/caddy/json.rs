//! Converts Caddy's JSON into the tree that a Caddyfile would produce: routes and handlers become
//! directives.
//!
//! `keep-order`, `any`, `status` and `terminal` are directives that only this conversion produces.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::directive::Directive;

/// The sites of a JSON configuration: one for each server, with its routes in order.
pub(super) fn sites(path: &str, json: &Value) -> Vec<Directive> {
    let mut sites = Vec::new();
    for (name, server) in object_at(json, "/apps/http/servers") {
        let at = Position { file: path, pointer: format!("apps.http.servers.{name}") };
        let mut addresses = Vec::new();
        for address in texts(server.get("listen")) {
            addresses.push(format!("http://{address}"));
        }
        let route = at.block("route", Vec::new(), routes(&at, server));
        sites.push(at.block(&addresses.join(","), Vec::new(), vec![route]));
    }
    sites
}

/// A position in the JSON.
struct Position<'a> {
    file: &'a str,
    pointer: String,
}

impl Position<'_> {
    /// The n-th element of a list.
    fn below(&self, list: &str, n: usize) -> Self {
        Self { file: self.file, pointer: format!("{}.{list}.{n}", self.pointer) }
    }

    /// A directive without a block.
    fn line(&self, name: &str, args: &[&str]) -> Directive {
        let mut words = Vec::new();
        for arg in args {
            words.push((*arg).to_owned());
        }
        self.directive(name, words, None)
    }

    /// A directive with a block.
    fn block(&self, name: &str, args: Vec<String>, block: Vec<Directive>) -> Directive {
        self.directive(name, args, Some(block))
    }

    fn directive(&self, name: &str, args: Vec<String>, block: Option<Vec<Directive>>) -> Directive {
        let file: Rc<str> = Rc::from(format!("{} at {}", self.file, self.pointer));
        Directive { name: name.to_owned(), spelled: name.to_owned(), args, file, line: 0, block }
    }
}

/// The routes of a server, a subroute or a `handle_response`.
fn routes(at: &Position<'_>, parent: &Value) -> Vec<Directive> {
    let mut all = Vec::new();
    for (n, route) in list_at(parent, "/routes").iter().enumerate() {
        all.push(route_of(&at.below("routes", n), route));
    }
    all
}

fn route_of(at: &Position<'_>, route: &Value) -> Directive {
    let mut args = Vec::new();
    let mut block = vec![at.line("keep-order", &[])];
    let sets = list_at(route, "/match");
    if !sets.is_empty() {
        let mut any = Vec::new();
        for set in sets {
            any.push(at.block("any", Vec::new(), conditions(at, set)));
        }
        block.push(at.block("@match", Vec::new(), any));
        args.push("@match".to_owned());
    }
    for (n, handler) in list_at(route, "/handle").iter().enumerate() {
        block.extend(handler_of(&at.below("handle", n), handler));
    }
    if route.get("terminal") == Some(&Value::Bool(true)) {
        block.push(at.line("terminal", &[]));
    }
    // Of the routes of a group, only the first that matches is applied.
    let is_grouped = text_at(route, "group").is_some();
    at.block(if is_grouped { "handle" } else { "route" }, args, block)
}

/// A set of matchers, all of which must match.
fn conditions(at: &Position<'_>, set: &Value) -> Vec<Directive> {
    let mut all = Vec::new();
    for (name, value) in object_at(set, "") {
        match name.as_str() {
            "header" => all.extend(headers(at, value)),
            "path_regexp" => {
                all.push(at.directive("path_regexp", texts(value.get("pattern")), None));
            }
            "not" => {
                for set in list_at(value, "") {
                    all.push(at.block("not", Vec::new(), conditions(at, set)));
                }
            }
            name => all.push(at.directive(name, texts(Some(value)), None)),
        }
    }
    all
}

/// The headers that a matcher requires, each with the first of its values.
fn headers(at: &Position<'_>, required: &Value) -> Vec<Directive> {
    let mut all = Vec::new();
    for (name, values) in object_at(required, "") {
        let value = match first_text(values) {
            Some(value) => value,
            None => "*".to_owned(),
        };
        all.push(at.line("header", &[name, &value]));
    }
    all
}

fn handler_of(at: &Position<'_>, handler: &Value) -> Vec<Directive> {
    let Some(kind) = text_at(handler, "handler") else { return Vec::new() };
    match kind {
        "subroute" => {
            let mut block = vec![at.line("keep-order", &[])];
            block.extend(routes(at, handler));
            vec![at.block("route", Vec::new(), block)]
        }
        "rewrite" => rewrite(at, handler),
        "vars" => root(at, handler),
        "file_server" => {
            let mut all = root(at, handler);
            all.push(at.line("file_server", &[]));
            all
        }
        "static_response" => vec![static_response(at, handler)],
        "authentication" => vec![at.block("basic_auth", Vec::new(), Vec::new())],
        "reverse_proxy" => vec![reverse_proxy(at, handler)],
        "copy_response_headers" => vec![copy_response_headers(at, handler)],
        _ => Vec::new(),
    }
}

fn rewrite(at: &Position<'_>, handler: &Value) -> Vec<Directive> {
    let mut all = Vec::new();
    if let Some(uri) = text_at(handler, "uri") {
        all.push(at.line("rewrite", &["*", uri]));
    }
    if let Some(prefix) = text_at(handler, "strip_path_prefix") {
        all.push(at.line("uri", &["strip_prefix", prefix]));
    }
    all
}

fn root(at: &Position<'_>, handler: &Value) -> Vec<Directive> {
    match text_at(handler, "root") {
        Some(root) => vec![at.line("root", &["*", root])],
        None => Vec::new(),
    }
}

fn static_response(at: &Position<'_>, handler: &Value) -> Directive {
    if let Some(Value::String(to)) = handler.pointer("/headers/Location/0") {
        return at.line("redir", &["*", to]);
    }
    match handler.get("status_code") {
        Some(status) => at.line("respond", &["*", &status.to_string().replace('"', "")]),
        None => at.line("respond", &["*", "200"]),
    }
}

fn copy_response_headers(at: &Position<'_>, handler: &Value) -> Directive {
    let mut lists = Vec::new();
    for list in ["include", "exclude"] {
        let names = texts(handler.get(list));
        if !names.is_empty() {
            lists.push(at.directive(list, names, None));
        }
    }
    at.block("copy_response_headers", Vec::new(), lists)
}

fn reverse_proxy(at: &Position<'_>, handler: &Value) -> Directive {
    let mut block = request_headers(at, handler);
    for (n, response) in list_at(handler, "/handle_response").iter().enumerate() {
        block.extend(handle_response(&at.below("handle_response", n), n, response));
    }
    let protocol = handler.pointer("/transport/protocol");
    let is_fastcgi = protocol == Some(&Value::String("fastcgi".to_owned()));
    let name = if is_fastcgi { "php_fastcgi" } else { "reverse_proxy" };
    at.block(name, upstreams(handler), block)
}

fn upstreams(handler: &Value) -> Vec<String> {
    let is_tls = handler.pointer("/transport/tls").is_some();
    let mut addresses = Vec::new();
    for upstream in list_at(handler, "/upstreams") {
        if let Some(dial) = text_at(upstream, "dial") {
            addresses.push(if is_tls { format!("https://{dial}") } else { dial.to_owned() });
        }
    }
    addresses
}

/// The request headers that a proxy sets and removes.
fn request_headers(at: &Position<'_>, handler: &Value) -> Vec<Directive> {
    let mut all = Vec::new();
    for (name, values) in object_at(handler, "/headers/request/set") {
        let value = first_text(values).unwrap_or_default();
        all.push(at.line("header_up", &[name, &value]));
    }
    for name in texts(handler.pointer("/headers/request/delete")) {
        all.push(at.line("header_up", &[&format!("-{name}")]));
    }
    all
}

/// A `handle_response`, after the definition of its matcher if it has one.
fn handle_response(at: &Position<'_>, n: usize, response: &Value) -> Vec<Directive> {
    let mut conditions = Vec::new();
    if let Some(required) = response.pointer("/match/headers") {
        conditions.extend(headers(at, required));
    }
    let statuses = texts(response.pointer("/match/status_code"));
    if !statuses.is_empty() {
        conditions.push(at.directive("status", statuses, None));
    }
    let mut all = Vec::new();
    let mut args = Vec::new();
    if !conditions.is_empty() {
        let name = format!("@r{n}");
        all.push(at.block(&name, Vec::new(), conditions));
        args.push(name);
    }
    let mut block = vec![at.line("keep-order", &[])];
    block.extend(routes(at, response));
    all.push(at.block("handle_response", args, block));
    all
}

/// The object at a pointer; empty if there is none.
fn object_at<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let object = value.pointer(pointer).and_then(Value::as_object);
    object.into_iter().flat_map(Map::iter)
}

/// The list at a pointer; empty if there is none.
fn list_at<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    match value.pointer(pointer) {
        Some(Value::Array(list)) => list,
        _ => &[],
    }
}

fn text_at<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn first_text(value: &Value) -> Option<String> {
    texts(Some(value)).into_iter().next()
}

/// A text, a number, or a list of them.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Number(number)) => vec![number.to_string()],
        Some(Value::Array(list)) => {
            let mut all = Vec::new();
            for value in list {
                all.extend(texts(Some(value)));
            }
            all
        }
        _ => Vec::new(),
    }
}
