//! Converts Caddy's JSON into the tree that a Caddyfile would produce: routes and handlers become
//! directives.

use std::rc::Rc;

use serde_json::Value;

use super::super::directive::Directive;

/// The sites of a JSON configuration: one for each server, with its routes in order.
pub(super) fn sites(path: &str, json: &Value) -> Vec<Directive> {
    let servers = json.pointer("/apps/http/servers").and_then(Value::as_object);
    let site = |(name, server): (&String, &Value)| {
        let at = At { file: path, pointer: format!("apps.http.servers.{name}") };
        let listen = texts(server.get("listen")).into_iter().map(|it| format!("http://{it}"));
        let routes = routes(&at, server.get("routes"));
        let inside = vec![at.directive("route", Vec::new(), Some(routes))];
        at.directive(&listen.collect::<Vec<_>>().join(","), Vec::new(), Some(inside))
    };
    servers.into_iter().flatten().map(site).collect()
}

/// A position in the JSON.
struct At<'a> {
    file: &'a str,
    pointer: String,
}

impl At<'_> {
    fn below(&self, key: &str) -> Self {
        Self { file: self.file, pointer: format!("{}.{key}", self.pointer) }
    }

    fn directive(&self, name: &str, args: Vec<String>, block: Option<Vec<Directive>>) -> Directive {
        let file: Rc<str> = Rc::from(format!("{} at {}", self.file, self.pointer));
        Directive { name: name.to_owned(), spelled: name.to_owned(), args, file, line: 0, block }
    }
}

fn routes(at: &At<'_>, routes: Option<&Value>) -> Vec<Directive> {
    let all = routes.and_then(Value::as_array).into_iter().flatten();
    all.enumerate()
        .map(|(n, route)| {
            let at = at.below(&format!("routes.{n}"));
            let sets = route.get("match").and_then(Value::as_array).cloned().unwrap_or_default();
            let mut inside: Vec<Directive> = route
                .get("handle")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .enumerate()
                .flat_map(|(n, it)| handler(&at.below(&format!("handle.{n}")), it))
                .collect();
            if route.get("terminal").and_then(Value::as_bool) == Some(true) {
                inside.push(at.directive("terminal", Vec::new(), None));
            }
            let grouped = route.get("group").and_then(Value::as_str).is_some();
            let name = if grouped { "handle" } else { "route" };
            let mut block = vec![at.directive("keep-order", Vec::new(), None)];
            block.extend(inside);
            let matcher = (!sets.is_empty()).then(|| {
                let any =
                    sets.iter().map(|it| at.directive("any", Vec::new(), Some(matchers(&at, it))));
                at.directive("@match", Vec::new(), Some(any.collect()))
            });
            let args = if matcher.is_some() { vec!["@match".to_owned()] } else { Vec::new() };
            block.splice(1..1, matcher);
            at.directive(name, args, Some(block))
        })
        .collect()
}

/// A set of matchers, all of which must match.
fn matchers(at: &At<'_>, set: &Value) -> Vec<Directive> {
    let entries = set.as_object().into_iter().flatten();
    entries
        .flat_map(|(name, value)| match name.as_str() {
            "header" => value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(header, values)| {
                    let values = texts(Some(values)).into_iter().next().unwrap_or("*".to_owned());
                    at.directive("header", vec![header.clone(), values], None)
                })
                .collect(),
            "path_regexp" => {
                let pattern = texts(value.get("pattern"));
                vec![at.directive("path_regexp", pattern, None)]
            }
            "not" => {
                let sets = value.as_array().into_iter().flatten();
                sets.map(|it| at.directive("not", Vec::new(), Some(matchers(at, it)))).collect()
            }
            name => vec![at.directive(name, texts(Some(value)), None)],
        })
        .collect()
}

fn handler(at: &At<'_>, handler: &Value) -> Vec<Directive> {
    let text = |key: &str| handler.get(key).and_then(Value::as_str).map(str::to_owned);
    let star = |it: String| vec!["*".to_owned(), it];
    match handler.get("handler").and_then(Value::as_str).unwrap_or_default() {
        "subroute" => {
            let mut inside = vec![at.directive("keep-order", Vec::new(), None)];
            inside.extend(routes(at, handler.get("routes")));
            vec![at.directive("route", Vec::new(), Some(inside))]
        }
        "rewrite" => {
            let uri = text("uri").map(|it| at.directive("rewrite", star(it), None));
            let prefix = text("strip_path_prefix")
                .map(|it| at.directive("uri", vec!["strip_prefix".to_owned(), it], None));
            uri.into_iter().chain(prefix).collect()
        }
        "vars" => text("root").map(|it| at.directive("root", star(it), None)).into_iter().collect(),
        "file_server" => {
            let root = text("root").map(|it| at.directive("root", star(it), None));
            root.into_iter().chain([at.directive("file_server", Vec::new(), None)]).collect()
        }
        "static_response" => {
            let location = handler.pointer("/headers/Location/0").and_then(Value::as_str);
            let status = handler.get("status_code").map(|it| it.to_string().replace('"', ""));
            match location {
                Some(to) => vec![at.directive("redir", star(to.to_owned()), None)],
                None => {
                    vec![at.directive("respond", star(status.unwrap_or("200".to_owned())), None)]
                }
            }
        }
        "authentication" => vec![at.directive("basic_auth", Vec::new(), Some(Vec::new()))],
        "reverse_proxy" => vec![reverse_proxy(at, handler)],
        "copy_response_headers" => {
            let list = |key: &str| {
                let names = texts(handler.get(key));
                (!names.is_empty()).then(|| at.directive(key, names, None))
            };
            let lists = [list("include"), list("exclude")].into_iter().flatten().collect();
            vec![at.directive("copy_response_headers", Vec::new(), Some(lists))]
        }
        _ => Vec::new(),
    }
}

fn reverse_proxy(at: &At<'_>, handler: &Value) -> Directive {
    let upstreams = handler.get("upstreams").and_then(Value::as_array).into_iter().flatten();
    let tls = handler.pointer("/transport/tls").is_some();
    let fastcgi = handler.pointer("/transport/protocol").and_then(Value::as_str) == Some("fastcgi");
    let dials = upstreams.filter_map(|it| it.get("dial")?.as_str());
    let dials = dials.map(|it| if tls { format!("https://{it}") } else { it.to_owned() }).collect();
    let mut inside = Vec::new();
    let set = handler.pointer("/headers/request/set").and_then(Value::as_object);
    for (name, values) in set.into_iter().flatten() {
        let value = texts(Some(values)).into_iter().next().unwrap_or_default();
        inside.push(at.directive("header_up", vec![name.clone(), value], None));
    }
    let delete = handler.pointer("/headers/request/delete");
    inside.extend(
        texts(delete).into_iter().map(|it| at.directive("header_up", vec![format!("-{it}")], None)),
    );
    let responses = handler.get("handle_response").and_then(Value::as_array).into_iter().flatten();
    for (n, response) in responses.enumerate() {
        let at = at.below(&format!("handle_response.{n}"));
        let name = format!("@r{n}");
        let headers = response.pointer("/match/headers").and_then(Value::as_object);
        let headers = headers.into_iter().flatten().map(|(header, values)| {
            let value = texts(Some(values)).into_iter().next().unwrap_or("*".to_owned());
            at.directive("header", vec![header.clone(), value], None)
        });
        let statuses = texts(response.pointer("/match/status_code"));
        let statuses = (!statuses.is_empty()).then(|| at.directive("status", statuses, None));
        let conditions: Vec<Directive> = headers.chain(statuses).collect();
        let args = if conditions.is_empty() { Vec::new() } else { vec![name.clone()] };
        if !conditions.is_empty() {
            inside.push(at.directive(&name, Vec::new(), Some(conditions)));
        }
        let mut block = vec![at.directive("keep-order", Vec::new(), None)];
        block.extend(routes(&at, response.get("routes")));
        inside.push(at.directive("handle_response", args, Some(block)));
    }
    at.directive(if fastcgi { "php_fastcgi" } else { "reverse_proxy" }, dials, Some(inside))
}

/// A text, a number, or a list of them.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Number(number)) => vec![number.to_string()],
        Some(Value::Array(all)) => all.iter().flat_map(|it| texts(Some(it))).collect(),
        _ => Vec::new(),
    }
}
