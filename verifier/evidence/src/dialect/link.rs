//! Signed links: they give access to a file for a limited time, without the app.

use super::header_named;
use crate::Response;

/// The parameters that carry a signature: of S3, Google, Azure, CloudFront and legacy S3.
const SIGNATURES: [&str; 4] = ["x-amz-signature", "x-goog-signature", "sig", "signature"];

/// The header in which an app sends its proxy a complete link beside the hand-off, and the link.
pub fn link_of(response: &Response) -> Option<(&str, &str)> {
    let beside =
        |name: &str| !name.eq_ignore_ascii_case("location") && header_named(name).is_none();
    let links = response.headers.iter().filter(|(name, value)| {
        let whole = value.starts_with("http://") || value.starts_with("https://");
        whole && beside(name) && signed_link(value).is_some()
    });
    links.map(|(name, value)| (name.as_str(), value.as_str())).next()
}

/// A signed link, or the part of one that a hand-off contains: everything before the query.
pub fn signed_link(value: &str) -> Option<&str> {
    let (place, query) = value.split_once('?')?;
    let names = query.split('&').filter_map(|it| it.split_once('=')).map(|(name, _)| name);
    let mut proofs = names.filter(|it| SIGNATURES.iter().any(|name| it.eq_ignore_ascii_case(name)));
    proofs.next().map(|_| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_links() {
        assert_eq!(
            signed_link("https://s/b/k?X-Amz-Date=1&X-Amz-Signature=2"),
            Some("https://s/b/k")
        );
        assert_eq!(signed_link("/p/k?sv=2020&sig=a%2Bb"), Some("/p/k"));
        assert_eq!(signed_link("/p/k?significant=1"), None);
        assert_eq!(signed_link("/p/k"), None);
    }
}
