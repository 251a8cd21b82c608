//! Which location matches a URI: nginx's own algorithm (ngx_http_core_find_location).

use super::{
    super::pattern::{Captured, Case, Matcher, NotUnderstood},
    route::PASSES,
    tree::Directive,
};

/// The forms of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// `location = /x`.
    Exact(&'a str),
    /// `location /x`.
    Prefix(&'a str),
    /// `location ^~ /x`: no regular expression is tried after it.
    PrefixOnly(&'a str),
    /// `location ~ x` or `~* x`.
    Pattern(&'a str, Case),
    /// `location @x`.
    Named(&'a str),
}

impl<'a> Form<'a> {
    /// The form of a location; `None` if it is not a location.
    pub(super) fn of(directive: &'a Directive) -> Option<Self> {
        if directive.name != "location" {
            return None;
        }
        let (sign, name) = match directive.args.as_slice() {
            [sign, name] => (sign.as_str(), name.as_str()),
            [glued] => split(glued),
            _ => return None,
        };
        Some(match sign {
            "=" => Self::Exact(name),
            "^~" => Self::PrefixOnly(name),
            "~" => Self::Pattern(name, Case::Matters),
            "~*" => Self::Pattern(name, Case::Ignored),
            _ if name.starts_with('@') => Self::Named(name),
            _ => Self::Prefix(name),
        })
    }

    /// Its prefix, if it is not a pattern.
    pub(super) fn prefix(self) -> Option<&'a str> {
        match self {
            Self::Exact(name) | Self::Prefix(name) | Self::PrefixOnly(name) => Some(name),
            Self::Pattern(..) | Self::Named(_) => None,
        }
    }

    /// Whether it would match a URI if there were no other location.
    pub(super) fn matches(self, uri: &str, matcher: &Matcher) -> bool {
        match self {
            Self::Exact(name) => name == uri,
            Self::Prefix(name) | Self::PrefixOnly(name) => uri.starts_with(name),
            Self::Pattern(pattern, case) => matcher.matches(pattern, case, uri).is_ok_and(|it| it),
            Self::Named(_) => false,
        }
    }
}

/// The modifier and the name, if no space separates them.
fn split(glued: &str) -> (&str, &str) {
    ["=", "^~", "~*", "~"]
        .into_iter()
        .find_map(|sign| Some((sign, glued.strip_prefix(sign)?)))
        .unwrap_or(("", glued))
}

/// The location that matches a URI and its parent locations, the outermost first, and the captures
/// of the last regular expression. Empty if none matches.
#[derive(Clone, Debug, Default)]
pub(super) struct Found<'a> {
    pub(super) way: Vec<&'a Directive>,
    pub(super) captured: Vec<Captured>,
    /// Whether the URI only lacks the trailing slash of the location, so that nginx redirects.
    pub(super) adds_slash: bool,
}

/// Finds the location for a decoded URI in a server block.
pub(super) fn find<'a>(
    server: &'a Directive,
    uri: &str,
    matcher: &Matcher,
) -> Result<Found<'a>, NotUnderstood> {
    let mut found = Found::default();
    search(server, uri, matcher, &mut found)?;
    Ok(found)
}

/// Whether a location passes requests on; its name without the trailing slash is then redirected.
fn passes(location: &Directive) -> bool {
    location.inside().iter().any(|it| PASSES.contains(&it.name.as_str()))
}

/// Whether the search is finished.
enum Search {
    Over,
    GoesOn,
}

fn search<'a>(
    around: &'a Directive,
    uri: &str,
    matcher: &Matcher,
    found: &mut Found<'a>,
) -> Result<Search, NotUnderstood> {
    let base = found.way.len();
    let locations = || around.inside().iter().filter_map(|it| Some((it, Form::of(it)?)));
    if let Some((exact, _)) = locations().find(|(_, form)| *form == Form::Exact(uri)) {
        found.way.push(exact);
        return Ok(Search::Over);
    }
    let longest = locations()
        .filter(|(_, form)| matches!(form, Form::Prefix(_) | Form::PrefixOnly(_)))
        .filter(|(_, form)| form.matches(uri, matcher))
        .max_by_key(|(_, form)| form.prefix().map_or(0, str::len));
    let whole = longest.is_some_and(|(_, form)| form.prefix() == Some(uri));
    let with_slash = locations().find(|(it, form)| {
        form.prefix().and_then(|it| it.strip_suffix('/')) == Some(uri) && passes(it)
    });
    if let (Some((location, _)), false) = (with_slash, whole) {
        found.way.push(location);
        found.adds_slash = true;
        return Ok(Search::Over);
    }
    let mut only_prefix = false;
    if let Some((location, form)) = longest {
        found.way.push(location);
        only_prefix = matches!(form, Form::PrefixOnly(_));
        if matches!(search(location, uri, matcher, found)?, Search::Over) {
            return Ok(Search::Over);
        }
    }
    if only_prefix {
        return Ok(Search::GoesOn);
    }
    for (location, form) in locations() {
        let Form::Pattern(pattern, case) = form else { continue };
        let Some(captured) = matcher.captures(pattern, case, uri)? else { continue };
        // These are the parents of the longest prefix, which has lower precedence.
        found.way.truncate(base);
        found.way.push(location);
        found.captured.push(captured);
        search(location, uri, matcher, found)?;
        return Ok(Search::Over);
    }
    Ok(Search::GoesOn)
}
