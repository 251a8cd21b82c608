//! A storage as the operator writes it: a directory, a bucket, or the URL of an HTTP server with its
//! credentials.

use http::HeaderValue;
use sendfile_stores::WEBDAV;

use super::{
    bucket::{Credentials, bucket_at, check_options},
    error::ConfigError,
    target::StorageAt,
    values::not_a_header,
};

/// Parses `file:///srv/media/x` (a path that is not percent-decoded), a bucket, or an http(s) URL.
pub fn storage_at(text: &str, means: Credentials<'_>) -> Result<StorageAt, ConfigError> {
    let wrong = |problem: &str, hint: &str| ConfigError::Storage {
        url: crate::url::shown(text),
        problem: problem.to_owned(),
        hint: hint.to_owned(),
    };
    if let Some(bucket) = bucket_at(text, means) {
        return bucket.map(StorageAt::Bucket);
    }
    match text.split_once("://") {
        Some(("file", _)) if !means.options.is_empty() => {
            Err(wrong("a directory has no options", "remove --storage-option"))
        }
        Some(("file", path)) if path.starts_with('/') => Ok(StorageAt::File(path.to_owned())),
        Some(("file", _)) => {
            Err(wrong("the path is not absolute", "use three slashes, e.g. `file:///srv/media`"))
        }
        Some(("http" | "https", _)) => {
            let header = authorization(text, means.options)?.map(HeaderValue::try_from);
            let header =
                header.transpose().map_err(|error| not_a_header("Authorization", &error))?;
            Ok(StorageAt::Http(text.parse()?, header))
        }
        Some((scheme, _)) => {
            let problem = format!("unsupported URL scheme `{scheme}`");
            Err(wrong(
                &problem,
                "use `file:///PATH`, `s3://BUCKET/KEY`, `az://CONTAINER/KEY`, `gs://BUCKET/KEY` or `https://…`",
            ))
        }
        None => Err(wrong("missing URL scheme", "for a local path write e.g. `file:///srv/media`")),
    }
}

/// The Authorization header for a WebDAV server or another HTTP server.
pub(super) fn authorization(
    text: &str,
    options: &[(String, String)],
) -> Result<Option<String>, ConfigError> {
    check_options(text, options, WEBDAV)?;
    let named = |name: &str| options.iter().rev().find(|it| it.0 == name).map(|it| it.1.as_str());
    let basic = named("username").map(|name| {
        let both = format!("{name}:{}", named("password").unwrap_or_default());
        format!("Basic {}", base64(both.as_bytes()))
    });
    Ok(basic.or_else(|| named("bearer_token").map(|it| format!("Bearer {it}"))))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |i: usize| three.get(i).map_or(0, |&byte| u32::from(byte));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= three.len() { DIGITS[value].into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn password_is_encoded_as_in_rfc_7617() {
        let options = owned(&[("username", "Aladdin"), ("password", "open sesame")]);
        let header = authorization("http://h/", &options).expect("options of WebDAV");
        assert_eq!(header.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b""), "");
    }
}
