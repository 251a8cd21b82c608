//! How nginx handles the app's hand-off header, and which request headers it sends to the app.

use sendfile_evidence::fact::{Fact, FactKind};

use super::{
    super::{
        opened::same,
        pattern::{Case as Letters, Matcher},
        uri::decoded,
    },
    Case,
    download::Asking,
    tree::Directive,
    upstream::{Sent, family},
};
use crate::reader::{HeaderFate, RouteAnalysis};

const HEADER: &str = "X-Accel-Redirect";

/// Records how the header is handled, and which headers enable the app's hand-off.
pub(super) fn treat(case: &Case<'_>, asking: &Asking<'_>, treatment: &mut RouteAnalysis) {
    let (route, family) = (&asking.route, family(asking.pass));
    if case.question.hands_over_by(HEADER) && family != "grpc" {
        let ignored = listed(asking, &format!("{family}_ignore_headers"));
        let passed = listed(asking, &format!("{family}_pass_header"));
        let (fate, fact) = match (ignored, passed) {
            (None, _) => {
                let detail = format!("acts on {HEADER} in responses from this upstream");
                (HeaderFate::Obeyed, Fact::at(FactKind::HeaderObeyed, asking.pass.place(), detail))
            }
            (Some(by), passed) => {
                let at = by.place();
                let fix = format!("In {}, remove {HEADER} from `{}`", at.line(), at.text);
                let fate = if passed.is_some() { HeaderFate::Passed } else { HeaderFate::Dropped };
                let detail = format!("{HEADER} is ignored");
                (fate, Fact::at(FactKind::FeatureOff, at, detail).mended_by(fix))
            }
        };
        treatment.fate = fate;
        treatment.header.push(fact);
    }
    if let Some(upstream) = &asking.upstream {
        let sent = |name: &str| upstream.header(name, &route.scope, &route.env);
        treatment.header.extend(announced(case, asking, &sent));
        treatment.header.extend(mapping(case, &sent));
    }
}

/// The directive of the innermost list of this name that contains the header.
fn listed<'a>(asking: &Asking<'a>, name: &str) -> Option<&'a Directive> {
    let has = |it: &&&'a Directive| it.args.iter().any(|it| it.eq_ignore_ascii_case(HEADER));
    let blocks = asking.route.scope.0.iter().rev();
    let lists =
        blocks.map(|it| it.inside().iter().filter(|it| it.name == name).collect::<Vec<_>>());
    lists.into_iter().find(|it| !it.is_empty())?.iter().find(has).copied()
}

/// Headers that enable the app's hand-off, with which the app was requested directly, but which
/// nginx does not send.
fn announced<'a>(
    case: &Case<'_>,
    asking: &Asking<'a>,
    sent: &dyn Fn(&str) -> Sent<'a>,
) -> Vec<Fact> {
    let Some(app) = &case.question.app else { return Vec::new() };
    let asked = app.headers.iter().filter(|(name, _)| super::super::query::is_switch(name));
    let missing = asked.filter_map(|(name, value)| {
        let name = super::super::query::spelled(name);
        let directive = match family(asking.pass) {
            "proxy" => format!("proxy_set_header {name} {};", quoted(value)),
            other => {
                let name = name.to_ascii_uppercase().replace('-', "_");
                format!("{other}_param HTTP_{name} {};", quoted(value))
            }
        };
        match sent(name) {
            Sent::Value(it, _) if !it.is_empty() => None,
            Sent::Unknown => None,
            Sent::Value(_, by) => {
                let fix = format!("In {}, write `{directive}`", by.place().line());
                let detail = format!("{name} is not sent to the app");
                Some(Fact::at(FactKind::NotAnnounced, by.place(), detail).mended_by(fix))
            }
            Sent::AsItCame => {
                let lost = lost(asking, name);
                let at = asking.pass.place();
                let fix = format!("After {}, add `{directive}`", at.line());
                let detail = format!("{name} is not sent to the app{lost}");
                Some(Fact::at(FactKind::NotAnnounced, at, detail).mended_by(fix))
            }
        }
    });
    missing.collect()
}

/// A header set in an outer block is lost if an inner block sets any header.
fn lost(asking: &Asking<'_>, name: &str) -> String {
    let directive = format!("{}_set_header", family(asking.pass));
    let outer = asking.route.scope.0.iter().find_map(|it| {
        it.inside().iter().find(|it| it.name == directive && it.arg(0).eq_ignore_ascii_case(name))
    });
    outer.map_or(String::new(), |it| {
        format!(
            "; `{}` ({}) is not inherited, because this block has its own {directive} lines",
            it.place().text,
            it.place().line()
        )
    })
}

/// Whether the mapping that is sent maps the file's path to the intended URI.
fn mapping<'a>(case: &Case<'_>, sent: &dyn Fn(&str) -> Sent<'a>) -> Option<Fact> {
    let Sent::Value(mapping, by) = sent("X-Accel-Mapping") else { return None };
    let (file, value) = (case.question.file.as_deref()?, case.question.meant.as_deref()?);
    if mapping.is_empty() || !value.starts_with('/') {
        return None;
    }
    let at = by.place();
    let wanted = decoded(value.split('?').next().unwrap_or(value));
    let real = case.walk.disk.real(file);
    let known = [Some(file), real.as_deref()];
    let seen: Vec<&str> = known.into_iter().flatten().collect();
    let wrong = seen
        .iter()
        .find(|path| mapped(&mapping, path, case.walk.matcher).is_none_or(|it| it != wanted))?;
    // The mapping with which the app was requested directly is the one that works.
    let declared = case.question.app.as_ref().and_then(|it| it.header("X-Accel-Mapping"));
    if declared == Some(mapping.as_str()) {
        return None;
    }
    let right = match declared {
        Some(declared) => declared.to_owned(),
        None => {
            let folder = wrong.strip_suffix(common_end(wrong, &wanted))?;
            format!("{folder}={}", wanted.strip_suffix(common_end(wrong, &wanted))?)
        }
    };
    let detail = match mapped(&mapping, wrong, case.walk.matcher) {
        Some(other) => format!("maps {wrong} to {other}; expected {wanted}"),
        None if same(wrong, file, case.walk.disk) && *wrong != file => {
            format!("does not match {wrong}, to which {file} resolves")
        }
        None => format!("does not match the file's path {wrong}"),
    };
    let fix = format!(
        "In {0}, replace `{2};` with `proxy_set_header X-Accel-Mapping {1};`",
        at.line(),
        quoted(&right),
        at.text
    );
    Some(Fact::at(FactKind::MappingWrong, at, detail).mended_by(fix))
}

/// Maps a path as Rack and Symfony do: by the first pair whose left side is a prefix of the path,
/// literally or as a regular expression.
pub(super) fn mapped(mapping: &str, path: &str, matcher: &Matcher) -> Option<String> {
    mapping.split(',').filter_map(|pair| pair.trim().split_once('=')).find_map(
        |(folder, prefix)| {
            if let Some(rest) = path.strip_prefix(folder) {
                return Some(format!("{prefix}{rest}"));
            }
            let found =
                matcher.captures(&format!("^(?:{folder})"), Letters::Ignored, path).ok()??;
            let rest = path.strip_prefix(found.groups.first()?.as_str())?;
            Some(format!("{prefix}{rest}"))
        },
    )
}

/// The common end of two paths, without the slash before it.
fn common_end<'a>(path: &'a str, other: &str) -> &'a str {
    let alike =
        path.split('/').rev().zip(other.split('/').rev()).take_while(|(a, b)| a == b).count();
    let from = path.rsplit('/').take(alike).map(|it| it.len() + 1).sum::<usize>();
    path.get((path.len() + 1).saturating_sub(from)..).unwrap_or_default()
}

/// A word, quoted if nginx requires it.
fn quoted(word: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, ';' | '{' | '}' | '"' | '\'' | '#');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("\"{word}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_frameworks() {
        let matcher = Matcher::default();
        let of = |mapping, path| mapped(mapping, path, &matcher);
        assert_eq!(of("/srv/=/p/", "/srv/a b").as_deref(), Some("/p/a b"));
        assert_eq!(of("/x/=/p/, /srv/=/q/", "/srv/a").as_deref(), Some("/q/a"));
        assert_eq!(of("/srv/[0-9]{4}/=/p/", "/srv/2026/a").as_deref(), Some("/p/a"));
        assert_eq!(of("/srv/current/=/p/", "/srv/2026/a"), None);
        assert_eq!(common_end("/srv/a/b.bin", "/p/a/b.bin"), "a/b.bin");
        assert_eq!(common_end("/a", "/b"), "");
    }
}
