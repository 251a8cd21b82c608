//! The internal location that was surely intended, if none matches the hand-off URI.

use sendfile_evidence::fact::SourceLine;

use super::{super::pattern::Matcher, location::Form, tree::Directive};

/// The intended location, and why it does not match the URI.
pub(super) struct Meant {
    /// Its position.
    pub(super) at: SourceLine,
    /// Why it does not match.
    pub(super) because: &'static str,
    /// How to write it.
    pub(super) fix: String,
}

/// The internal location of a server that is most similar to a URI.
pub(super) fn nearest(server: &Directive, uri: &str, prefix: &str) -> Option<Meant> {
    let locations = server.inside().iter().filter_map(|it| Some((it, Form::of(it)?)));
    let internal = locations
        .filter(|(it, form)| it.child("internal").is_some() || matches!(form, Form::Named(_)));
    let ranked = internal.filter_map(|(it, form)| Some((rank(form, uri)?, it)));
    let ((_, because), location) = ranked.min_by_key(|((rank, _), _)| *rank)?;
    let at = location.place();
    let fix = format!("In {}, replace `{}` with `location ^~ {prefix}`", at.line(), at.text);
    Some(Meant { at, because, fix })
}

/// How similar a location is (lower is better), and why it does not match.
fn rank(form: Form<'_>, uri: &str) -> Option<(usize, &'static str)> {
    let name = match form {
        Form::Named(name) => name.trim_start_matches('@'),
        Form::Pattern(pattern, _) => {
            let near = pattern.contains(first(uri));
            return Some(if near { (2, "its pattern differs") } else { (8, "it is different") });
        }
        Form::Exact(name) if uri.starts_with(name) => {
            return Some((0, "`=` matches a single URI only"));
        }
        form => form.prefix()?,
    };
    let (folded, wanted) = (name.to_lowercase(), uri.to_lowercase());
    let segment = first(uri).trim_matches('/').to_lowercase();
    Some(match form {
        Form::Named(_) if folded == segment => (3, "a named location matches no URI"),
        Form::Named(_) => return None,
        _ if wanted.starts_with(&folded) => (0, "upper and lower case differ"),
        _ if wanted.starts_with(folded.trim_end_matches('/')) => (1, "the trailing slash differs"),
        _ if folded.contains(&format!("/{segment}/"))
            || folded.ends_with(&format!("/{segment}")) =>
        {
            (1, "it has an additional path before the name")
        }
        _ if folded
            .trim_matches('/')
            .split('/')
            .next_back()
            .is_some_and(|it| wanted.contains(&format!("/{it}/"))) =>
        {
            (2, "it lacks the path before the name")
        }
        _ => (4 + distance(&folded, &segment), "the name differs"),
    })
}

/// The first segment of a URI, with its slash.
fn first(uri: &str) -> &str {
    let end = uri.get(1..).and_then(|it| it.find('/')).map_or(uri.len(), |it| it + 1);
    uri.get(..end).unwrap_or(uri)
}

/// Limited to short names: the cost is the product of the lengths.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 256 || b.len() > 256 {
        return 256;
    }
    strsim::levenshtein(a.trim_matches('/'), b)
}

/// A location that is internal and matches a URI, although another one has precedence.
pub(super) fn losing<'a>(
    ways: &'a [Vec<&'a Directive>],
    uri: &str,
    taken: Option<&Directive>,
    matcher: &Matcher,
) -> Option<&'a Directive> {
    ways.iter().filter_map(|way| way.last().copied()).find(|it| {
        let form = Form::of(it);
        it.child("internal").is_some()
            && !taken.is_some_and(|taken| std::ptr::eq(*it, taken))
            && form.is_some_and(|form| form.matches(uri, matcher))
    })
}
