//! Signed links: they give access to a file for a limited time, without the app.

use super::header::header_named;
use crate::response::Response;

/// The parameters that carry a signature: of S3, Google, Azure, CloudFront and legacy S3.
const SIGNATURES: [&str; 4] = ["x-amz-signature", "x-goog-signature", "sig", "signature"];

/// The header in which an app sends its proxy a complete link beside the hand-off, and the link.
pub fn link_of(response: &Response) -> Option<(&str, &str)> {
    for (name, value) in &response.headers {
        let is_url = value.starts_with("http://") || value.starts_with("https://");
        let is_beside = !name.eq_ignore_ascii_case("location") && header_named(name).is_none();
        if is_url && is_beside && signed_link(value).is_some() {
            return Some((name, value));
        }
    }
    None
}

/// A signed link, or the part of one that a hand-off contains: everything before the query.
pub fn signed_link(value: &str) -> Option<&str> {
    let (place, query) = value.split_once('?')?;
    for parameter in query.split('&') {
        if let Some((name, _)) = parameter.split_once('=')
            && SIGNATURES.iter().any(|signature| name.eq_ignore_ascii_case(signature))
        {
            return Some(place);
        }
    }
    None
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
