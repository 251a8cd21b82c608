//! A storage as the operator writes it: a directory, a bucket, or the URL of an HTTP server with its
//! credentials. Sends no request.

use http::HeaderValue;
use sendfile_stores::WEBDAV;

use super::{
    bucket::{Credentials, bucket_at, check_options},
    error::ConfigError,
    target::StorageAt,
    values::not_a_header,
};
use crate::url::{shown, split_scheme};

/// Parses `file:///srv/media/x` (a path that is not percent-decoded), a bucket, or an http(s) URL.
///
/// # Errors
///
/// [`ConfigError::Storage`] if the URL or an option is not supported, [`ConfigError::Url`] if an HTTP
/// URL is invalid, [`ConfigError::Header`] if the credentials cannot be part of a header.
pub fn storage_at(text: &str, credentials: Credentials<'_>) -> Result<StorageAt, ConfigError> {
    let Some((scheme, rest)) = split_scheme(text) else {
        let hint = "for a local path write e.g. `file:///srv/media`";
        return Err(invalid(text, "missing URL scheme", hint));
    };
    if let Some(bucket) = bucket_at(text, credentials) {
        return Ok(StorageAt::Bucket(bucket?));
    }
    match scheme {
        "file" => directory_at(text, rest, credentials),
        "http" | "https" => server_at(text, credentials),
        _ => {
            let hint = "use `file:///PATH`, `s3://BUCKET/KEY`, `az://CONTAINER/KEY`, \
                        `gs://BUCKET/KEY` or `https://…`";
            Err(invalid(text, &format!("unsupported URL scheme `{scheme}`"), hint))
        }
    }
}

fn directory_at(
    text: &str,
    path: &str,
    credentials: Credentials<'_>,
) -> Result<StorageAt, ConfigError> {
    if !credentials.options.is_empty() {
        return Err(invalid(text, "a directory has no options", "remove --storage-option"));
    }
    if !path.starts_with('/') {
        let hint = "use three slashes, e.g. `file:///srv/media`";
        return Err(invalid(text, "the path is not absolute", hint));
    }
    Ok(StorageAt::File(path.to_owned()))
}

fn server_at(text: &str, credentials: Credentials<'_>) -> Result<StorageAt, ConfigError> {
    let Some(value) = authorization(text, credentials.options)? else {
        return Ok(StorageAt::Http(text.parse()?, None));
    };
    match HeaderValue::try_from(value) {
        Ok(value) => Ok(StorageAt::Http(text.parse()?, Some(value))),
        Err(error) => Err(not_a_header("Authorization", &error)),
    }
}

fn invalid(text: &str, problem: &str, hint: &str) -> ConfigError {
    ConfigError::Storage { url: shown(text), problem: problem.to_owned(), hint: hint.to_owned() }
}

/// The Authorization header for a WebDAV server or another HTTP server.
fn authorization(text: &str, options: &[(String, String)]) -> Result<Option<String>, ConfigError> {
    check_options(text, options, WEBDAV)?;
    if let Some(name) = last_value(options, "username") {
        let password = last_value(options, "password").unwrap_or_default();
        let credentials = base64(format!("{name}:{password}").as_bytes());
        return Ok(Some(format!("Basic {credentials}")));
    }
    match last_value(options, "bearer_token") {
        Some(token) => Ok(Some(format!("Bearer {token}"))),
        None => Ok(None),
    }
}

/// The value of an option; later ones override earlier ones.
fn last_value<'a>(options: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = options.iter().rfind(|(option, _)| option == name)?;
    Some(value)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes(padded);
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
