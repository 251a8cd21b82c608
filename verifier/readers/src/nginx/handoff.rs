//! How nginx handles the app's hand-off header, and which request headers it sends to the app.

use sendfile_evidence::fact::{Fact, FactKind};

use super::{
    context::EvalContext,
    download::PassedRoute,
    tree::Directive,
    upstream::{Sent, Upstream, family, header_parameter},
};
use crate::{
    opened::same,
    pattern::{Case, Matcher},
    query::{is_switch, spelled},
    reader::{HeaderFate, RouteAnalysis},
    uri::decoded,
};

const HEADER: &str = "X-Accel-Redirect";

/// Records how the header is handled, and which headers enable the app's hand-off.
pub(super) fn record(
    context: &EvalContext<'_>,
    passed: &PassedRoute<'_>,
    analysis: &mut RouteAnalysis,
) {
    if context.query.hands_over_by(HEADER) && family(passed.pass) != "grpc" {
        let (fate, fact) = header_fate(passed);
        analysis.fate = fate;
        analysis.header.push(fact);
    }
    if let Some(upstream) = &passed.upstream {
        analysis.header.extend(not_sent(context, passed, upstream));
        analysis.header.extend(wrong_mapping(context, passed, upstream));
    }
}

/// Whether nginx acts on the header.
fn header_fate(passed: &PassedRoute<'_>) -> (HeaderFate, Fact) {
    let family = family(passed.pass);
    let Some(ignoring) = naming_header(passed, &format!("{family}_ignore_headers")) else {
        let detail = format!("acts on {HEADER} in responses from this upstream");
        let fact = Fact::at(FactKind::HeaderObeyed, passed.pass.place(), detail);
        return (HeaderFate::Obeyed, fact);
    };
    let at = ignoring.place();
    let suggestion = format!("In {}, remove {HEADER} from `{}`", at.line(), at.text);
    let fact =
        Fact::at(FactKind::FeatureOff, at, format!("{HEADER} is ignored")).mended_by(suggestion);
    let passing = naming_header(passed, &format!("{family}_pass_header"));
    let fate = if passing.is_some() { HeaderFate::Passed } else { HeaderFate::Dropped };
    (fate, fact)
}

/// The directive of the innermost list of this name that contains the header.
fn naming_header<'a>(passed: &PassedRoute<'a>, name: &str) -> Option<&'a Directive> {
    let directives = passed.route.scope.list(name);
    directives.into_iter().find(|directive| names_header(directive))
}

fn names_header(directive: &Directive) -> bool {
    directive.args.iter().any(|argument| argument.eq_ignore_ascii_case(HEADER))
}

/// The facts about headers that enable the app's hand-off: nginx does not send them, although the
/// app was requested directly with them.
fn not_sent(
    context: &EvalContext<'_>,
    passed: &PassedRoute<'_>,
    upstream: &Upstream<'_>,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    let Some(app) = &context.query.app else { return facts };
    for (name, value) in &app.headers {
        if !is_switch(name) {
            continue;
        }
        let name = spelled(name);
        let directive = match family(passed.pass) {
            "proxy" => format!("proxy_set_header {name} {};", quoted(value)),
            other => format!("{other}_param {} {};", header_parameter(name), quoted(value)),
        };
        match upstream.header(name, &passed.route.scope, &passed.route.env) {
            Sent::Value(value, by) if value.is_empty() => {
                let suggestion = format!("In {}, write `{directive}`", by.place().line());
                let detail = format!("{name} is not sent to the app");
                let fact = Fact::at(FactKind::NotAnnounced, by.place(), detail);
                facts.push(fact.mended_by(suggestion));
            }
            Sent::Value(..) | Sent::Unknown => {}
            Sent::Unchanged => {
                let not_inherited = not_inherited(passed, name);
                let at = passed.pass.place();
                let suggestion = format!("After {}, add `{directive}`", at.line());
                let detail = format!("{name} is not sent to the app{not_inherited}");
                facts.push(Fact::at(FactKind::NotAnnounced, at, detail).mended_by(suggestion));
            }
        }
    }
    facts
}

/// The fact that a header set in an outer block is lost, because an inner block sets other headers.
fn not_inherited(passed: &PassedRoute<'_>, header: &str) -> String {
    let name = format!("{}_set_header", family(passed.pass));
    for block in &passed.route.scope.blocks {
        for directive in block.inside() {
            if directive.name == name && directive.arg(0).eq_ignore_ascii_case(header) {
                let at = directive.place();
                return format!(
                    "; `{}` ({}) is not inherited, because this block has its own {name} lines",
                    at.text,
                    at.line()
                );
            }
        }
    }
    String::new()
}

/// The fact that the mapping that nginx sends does not map the file's path to the intended URI.
fn wrong_mapping(
    context: &EvalContext<'_>,
    passed: &PassedRoute<'_>,
    upstream: &Upstream<'_>,
) -> Option<Fact> {
    let (scope, env) = (&passed.route.scope, &passed.route.env);
    let Sent::Value(mapping, by) = upstream.header("X-Accel-Mapping", scope, env) else {
        return None;
    };
    let query = context.query;
    let (disk, matcher) = (context.evaluator.disk, context.evaluator.matcher);
    let (file, value) = (query.file.as_deref()?, query.intended.as_deref()?);
    if mapping.is_empty() || !value.starts_with('/') {
        return None;
    }
    let uri = decoded(value.split('?').next().unwrap_or(value));
    let real = disk.real(file);
    let mut paths = vec![file];
    paths.extend(real.as_deref());
    let path =
        paths.into_iter().find(|path| map_path(&mapping, path, matcher).as_ref() != Some(&uri))?;
    // The mapping with which the app was requested directly is the correct one.
    let declared = match &query.app {
        Some(app) => app.header("X-Accel-Mapping"),
        None => None,
    };
    if declared == Some(mapping.as_str()) {
        return None;
    }
    let correct = match declared {
        Some(declared) => declared.to_owned(),
        None => mapping_between(path, &uri)?,
    };
    let detail = match map_path(&mapping, path, matcher) {
        Some(other) => format!("maps {path} to {other}; expected {uri}"),
        None if same(path, file, disk) && path != file => {
            format!("does not match {path}, to which {file} resolves")
        }
        None => format!("does not match the file's path {path}"),
    };
    let at = by.place();
    let suggestion = format!(
        "In {}, replace `{};` with `proxy_set_header X-Accel-Mapping {};`",
        at.line(),
        at.text,
        quoted(&correct)
    );
    Some(Fact::at(FactKind::MappingWrong, at, detail).mended_by(suggestion))
}

/// The mapping from the directory of a path to the prefix of a URI.
fn mapping_between(path: &str, uri: &str) -> Option<String> {
    let end = common_end(path, uri);
    let directory = path.strip_suffix(end)?;
    let prefix = uri.strip_suffix(end)?;
    Some(format!("{directory}={prefix}"))
}

/// Maps a path as Rack and Symfony do: by the first pair whose left side is a prefix of the path,
/// literally or as a regular expression.
fn map_path(mapping: &str, path: &str, matcher: &Matcher) -> Option<String> {
    for pair in mapping.split(',') {
        let Some((directory, prefix)) = pair.trim().split_once('=') else { continue };
        if let Some(rest) = path.strip_prefix(directory) {
            return Some(format!("{prefix}{rest}"));
        }
        let pattern = format!("^(?:{directory})");
        let Ok(Some(found)) = matcher.captures(&pattern, Case::Ignored, path) else { continue };
        if let Some(beginning) = found.groups.first()
            && let Some(rest) = path.strip_prefix(beginning.as_str())
        {
            return Some(format!("{prefix}{rest}"));
        }
    }
    None
}

/// The common end of two paths, without the slash before it.
fn common_end<'a>(path: &'a str, other: &str) -> &'a str {
    let mut start = path.len() + 1;
    let mut others = other.rsplit('/');
    for segment in path.rsplit('/') {
        if others.next() != Some(segment) {
            break;
        }
        start -= segment.len() + 1;
    }
    path.get(start..).unwrap_or_default()
}

/// A word, quoted if nginx requires it.
fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains(is_special) {
        return format!("\"{word}\"");
    }
    word.to_owned()
}

fn is_special(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, ';' | '{' | '}' | '"' | '\'' | '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_frameworks() {
        let matcher = Matcher::default();
        let of = |mapping, path| map_path(mapping, path, &matcher);
        assert_eq!(of("/srv/=/p/", "/srv/a b").as_deref(), Some("/p/a b"));
        assert_eq!(of("/x/=/p/, /srv/=/q/", "/srv/a").as_deref(), Some("/q/a"));
        assert_eq!(of("/srv/[0-9]{4}/=/p/", "/srv/2026/a").as_deref(), Some("/p/a"));
        assert_eq!(of("/srv/current/=/p/", "/srv/2026/a"), None);
        assert_eq!(common_end("/srv/a/b.bin", "/p/a/b.bin"), "a/b.bin");
        assert_eq!(common_end("/a", "/b"), "");
    }
}
