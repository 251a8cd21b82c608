//! Which location matches a URI: nginx's own algorithm (ngx_http_core_find_location).
//!
//! Knows the names of locations and which directives pass a request to an upstream, but nothing
//! about what else a location does.

use super::tree::Directive;
use crate::pattern::{Captured, Case, Matcher, NotUnderstood};

/// The directives that pass a request to an upstream.
const PASSES: [&str; 5] = ["proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass"];

/// The forms of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// `location = /x`.
    Exact(&'a str),
    /// `location /x`.
    Prefix(&'a str),
    /// `location ^~ /x`: nginx tries no regular expression after this location.
    PrefixOnly(&'a str),
    /// `location ~ x` or `~* x`.
    Pattern(&'a str, Case),
    /// `location @x`.
    Named(&'a str),
}

/// The location that matches a URI. Empty if none matches.
#[derive(Clone, Debug, Default)]
pub(super) struct Found<'a> {
    /// The location after its parent locations, the outermost first.
    pub(super) locations: Vec<&'a Directive>,
    /// The captures of the regular expressions, the last one's at the end.
    pub(super) captured: Vec<Captured>,
    /// Whether the URI only lacks the trailing slash of the location, so that nginx redirects.
    pub(super) adds_slash: bool,
}

/// Whether the search is finished.
enum Search {
    Over,
    GoesOn,
}

impl<'a> Form<'a> {
    /// The form of a location; `None` if it is not a location.
    pub(super) fn of(directive: &'a Directive) -> Option<Self> {
        if directive.name != "location" {
            return None;
        }
        let (modifier, name) = match directive.args.as_slice() {
            [modifier, name] => (modifier.as_str(), name.as_str()),
            [glued] => split_modifier(glued),
            _ => return None,
        };
        Some(match modifier {
            "=" => Self::Exact(name),
            "^~" => Self::PrefixOnly(name),
            "~" => Self::Pattern(name, Case::Matters),
            "~*" => Self::Pattern(name, Case::Ignored),
            _ if name.starts_with('@') => Self::Named(name),
            _ => Self::Prefix(name),
        })
    }

    /// The prefix, if the location is not a pattern.
    pub(super) fn prefix(self) -> Option<&'a str> {
        match self {
            Self::Exact(name) | Self::Prefix(name) | Self::PrefixOnly(name) => Some(name),
            Self::Pattern(..) | Self::Named(_) => None,
        }
    }

    /// Whether the location would match a URI if there were no other location.
    pub(super) fn matches(self, uri: &str, matcher: &Matcher) -> bool {
        match self {
            Self::Exact(name) => name == uri,
            Self::Prefix(name) | Self::PrefixOnly(name) => uri.starts_with(name),
            Self::Pattern(pattern, case) => matcher.matches(pattern, case, uri) == Ok(true),
            Self::Named(_) => false,
        }
    }
}

/// Finds the location for a decoded URI in a server block.
///
/// # Errors
///
/// A regular expression that has to be tried is not supported.
pub(super) fn find<'a>(
    server: &'a Directive,
    uri: &str,
    matcher: &Matcher,
) -> Result<Found<'a>, NotUnderstood> {
    let mut found = Found::default();
    search(server, uri, matcher, &mut found)?;
    Ok(found)
}

/// Whether a directive passes a request to an upstream.
pub(super) fn is_pass(directive: &Directive) -> bool {
    PASSES.contains(&directive.name.as_str())
}

/// Whether a location itself passes requests to an upstream.
pub(super) fn passes_requests(location: &Directive) -> bool {
    location.inside().iter().any(is_pass)
}

/// All locations below a block, each with its ancestors.
pub(super) fn all_below(block: &Directive) -> Vec<Vec<&Directive>> {
    let mut all = Vec::new();
    collect_below(block, &mut Vec::new(), &mut all);
    all
}

/// The modifier and the name, if no space separates them.
fn split_modifier(glued: &str) -> (&str, &str) {
    for modifier in ["=", "^~", "~*", "~"] {
        if let Some(name) = glued.strip_prefix(modifier) {
            return (modifier, name);
        }
    }
    ("", glued)
}

fn collect_below<'a>(
    block: &'a Directive,
    ancestors: &mut Vec<&'a Directive>,
    all: &mut Vec<Vec<&'a Directive>>,
) {
    for location in block.inside() {
        if location.name == "location" {
            ancestors.push(location);
            all.push(ancestors.clone());
            collect_below(location, ancestors, all);
            ancestors.pop();
        }
    }
}

fn search<'a>(
    block: &'a Directive,
    uri: &str,
    matcher: &Matcher,
    found: &mut Found<'a>,
) -> Result<Search, NotUnderstood> {
    let outer = found.locations.len();
    let locations = locations_in(block);
    for (location, form) in &locations {
        if *form == Form::Exact(uri) {
            found.locations.push(location);
            return Ok(Search::Over);
        }
    }
    let longest = longest_prefix(&locations, uri);
    let is_whole = longest.is_some_and(|(_, form)| form.prefix() == Some(uri));
    if !is_whole && let Some(location) = with_trailing_slash(&locations, uri) {
        found.locations.push(location);
        found.adds_slash = true;
        return Ok(Search::Over);
    }
    if let Some((location, form)) = longest {
        found.locations.push(location);
        if matches!(search(location, uri, matcher, found)?, Search::Over) {
            return Ok(Search::Over);
        }
        if matches!(form, Form::PrefixOnly(_)) {
            return Ok(Search::GoesOn);
        }
    }
    for (location, form) in locations {
        let Form::Pattern(pattern, case) = form else { continue };
        let Some(captured) = matcher.captures(pattern, case, uri)? else { continue };
        // These locations are the parents of the longest prefix, which has lower precedence.
        found.locations.truncate(outer);
        found.locations.push(location);
        found.captured.push(captured);
        search(location, uri, matcher, found)?;
        return Ok(Search::Over);
    }
    Ok(Search::GoesOn)
}

fn locations_in(block: &Directive) -> Vec<(&Directive, Form<'_>)> {
    let mut locations = Vec::new();
    for directive in block.inside() {
        if let Some(form) = Form::of(directive) {
            locations.push((directive, form));
        }
    }
    locations
}

/// The location with the longest prefix of the URI; of several equal ones, the last.
fn longest_prefix<'a>(
    locations: &[(&'a Directive, Form<'a>)],
    uri: &str,
) -> Option<(&'a Directive, Form<'a>)> {
    let mut longest = None;
    let mut length = 0;
    for (location, form) in locations {
        let (Form::Prefix(prefix) | Form::PrefixOnly(prefix)) = form else { continue };
        if uri.starts_with(prefix) && prefix.len() >= length {
            longest = Some((*location, *form));
            length = prefix.len();
        }
    }
    longest
}

/// A location that passes requests to an upstream and whose name is the URI with a trailing slash:
/// nginx redirects to it.
fn with_trailing_slash<'a>(
    locations: &[(&'a Directive, Form<'a>)],
    uri: &str,
) -> Option<&'a Directive> {
    for (location, form) in locations {
        let Some(prefix) = form.prefix() else { continue };
        if prefix.strip_suffix('/') == Some(uri) && passes_requests(location) {
            return Some(location);
        }
    }
    None
}
