//! The internal location that was surely intended, if none matches the hand-off URI.

use sendfile_evidence::fact::SourceLine;

use super::{location::Form, tree::Directive};

/// The intended location, and why it does not match the URI.
pub(super) struct ClosestLocation {
    /// The position of the location.
    pub(super) at: SourceLine,
    /// Why it does not match.
    pub(super) because: &'static str,
    /// How to write it.
    pub(super) suggestion: String,
}

/// The rank of a location (lower is better), and why it does not match.
type Difference = (usize, &'static str);

/// The internal location of a server that is most similar to a URI.
pub(super) fn closest_location(
    server: &Directive,
    uri: &str,
    prefix: &str,
) -> Option<ClosestLocation> {
    let mut closest: Option<(Difference, &Directive)> = None;
    for location in server.inside() {
        let Some(form) = Form::of(location) else { continue };
        if location.child("internal").is_none() && !matches!(form, Form::Named(_)) {
            continue;
        }
        let Some(difference) = difference(form, uri) else { continue };
        if closest.is_none_or(|((rank, _), _)| difference.0 < rank) {
            closest = Some((difference, location));
        }
    }
    let ((_, because), location) = closest?;
    let at = location.place();
    let suggestion = format!("In {}, replace `{}` with `location ^~ {prefix}`", at.line(), at.text);
    Some(ClosestLocation { at, because, suggestion })
}

/// How a location differs from a URI; `None` if they have nothing in common.
fn difference(form: Form<'_>, uri: &str) -> Option<Difference> {
    let segment = first_segment(uri);
    let bare_segment = segment.trim_matches('/').to_lowercase();
    let name = match form {
        Form::Named(name) => {
            let is_segment = name.trim_start_matches('@').to_lowercase() == bare_segment;
            return if is_segment { Some((3, "a named location matches no URI")) } else { None };
        }
        Form::Pattern(pattern, _) if pattern.contains(segment) => {
            return Some((2, "its pattern differs"));
        }
        Form::Pattern(..) => return Some((8, "it is different")),
        Form::Exact(name) if uri.starts_with(name) => {
            return Some((0, "`=` matches a single URI only"));
        }
        Form::Exact(name) | Form::Prefix(name) | Form::PrefixOnly(name) => name.to_lowercase(),
    };
    let uri = uri.to_lowercase();
    if uri.starts_with(&name) {
        return Some((0, "upper and lower case differ"));
    }
    if uri.starts_with(name.trim_end_matches('/')) {
        return Some((1, "the trailing slash differs"));
    }
    let in_the_middle = name.contains(&format!("/{bare_segment}/"));
    if in_the_middle || name.ends_with(&format!("/{bare_segment}")) {
        return Some((1, "the location has an additional path before the name"));
    }
    let last = name.trim_matches('/').rsplit('/').next().unwrap_or_default();
    if uri.contains(&format!("/{last}/")) {
        return Some((2, "the location lacks the path before the name"));
    }
    Some((4 + distance(&name, &bare_segment), "the name differs"))
}

/// The first segment of a URI, with its leading slash.
fn first_segment(uri: &str) -> &str {
    let Some(rest) = uri.get(1..) else { return uri };
    match rest.find('/') {
        Some(end) => &uri[..=end],
        None => uri,
    }
}

/// The edit distance. Limited to short names, because the cost is the product of the lengths.
fn distance(name: &str, segment: &str) -> usize {
    if name.len() > 256 || segment.len() > 256 {
        return 256;
    }
    strsim::levenshtein(name.trim_matches('/'), segment)
}
