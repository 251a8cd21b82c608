//! The kinds of object store, and the table of their options. A new store, option or environment
//! variable is a new row in this file.
//!
//! This module knows names only; `settings` knows which values are acceptable.

use self::OptionKind::{Credential, Other, Url, WriteOnly};

/// The kinds of object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// S3 and compatible stores.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage.
    Google,
}

/// The properties of a kind of store.
pub(crate) struct Store {
    /// The scheme of its URLs.
    pub(crate) name: &'static str,
    /// The beginning of the names of its environment variables.
    pub(crate) prefix: &'static str,
    /// The environment variables to suggest if there are no credentials.
    pub(crate) suggested_variables: &'static str,
    pub(crate) options: &'static [StoreOption],
}

/// An option of a kind of store.
pub(crate) struct StoreOption {
    /// The name, which is also a name in `object_store`.
    pub(crate) name: &'static str,
    pub(crate) kind: OptionKind,
    /// The environment variables that set it. Of several, the last one that is set is used.
    pub(crate) variables: &'static [&'static str],
}

/// The role of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionKind {
    /// The value is the URL of a server.
    Url,
    /// The option provides credentials; one such option suffices.
    Credential,
    /// The option has an effect only on what is written.
    WriteOnly,
    /// The option has any other purpose.
    Other,
}

const S3: Store = Store {
    name: "s3",
    prefix: "AWS_",
    suggested_variables: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    options: &[
        option("endpoint", Url, &["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]),
        option("region", Other, &["AWS_DEFAULT_REGION", "AWS_REGION"]),
        option("access_key_id", Credential, &["AWS_ACCESS_KEY_ID"]),
        option("secret_access_key", Credential, &["AWS_SECRET_ACCESS_KEY"]),
        option("session_token", Other, &["AWS_TOKEN", "AWS_SESSION_TOKEN"]),
        option("virtual_hosted_style_request", Other, &["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"]),
        option("skip_signature", Credential, &["AWS_SKIP_SIGNATURE"]),
        option("request_payer", Other, &["AWS_REQUEST_PAYER"]),
        option("role_arn", Other, &["AWS_ROLE_ARN"]),
        option("role_session_name", Other, &["AWS_ROLE_SESSION_NAME"]),
        option("web_identity_token_file", Credential, &["AWS_WEB_IDENTITY_TOKEN_FILE"]),
        option("endpoint_url_sts", Url, &["AWS_ENDPOINT_URL_STS"]),
        option(
            "container_credentials_relative_uri",
            Credential,
            &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
        ),
        option(
            "container_credentials_full_uri",
            Credential,
            &["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        ),
        option(
            "container_authorization_token_file",
            Other,
            &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
        ),
        option("metadata_endpoint", Url, &["AWS_METADATA_ENDPOINT"]),
        option("imdsv1_fallback", Other, &["AWS_IMDSV1_FALLBACK"]),
        option("sse_customer_key_base64", Other, &["AWS_SSE_CUSTOMER_KEY_BASE64"]),
        option("allow_http", Other, &["AWS_ALLOW_HTTP"]),
        option("unsigned_payload", WriteOnly, &["AWS_UNSIGNED_PAYLOAD"]),
        option("checksum_algorithm", WriteOnly, &["AWS_CHECKSUM_ALGORITHM"]),
        option("server_side_encryption", WriteOnly, &["AWS_SERVER_SIDE_ENCRYPTION"]),
        option("sse_kms_key_id", WriteOnly, &["AWS_SSE_KMS_KEY_ID"]),
        option("sse_bucket_key_enabled", WriteOnly, &["AWS_SSE_BUCKET_KEY_ENABLED"]),
    ],
};

const AZURE: Store = Store {
    name: "az",
    prefix: "AZURE_",
    suggested_variables: "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    options: &[
        option("endpoint", Url, &["AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"]),
        option("account_name", Other, &["AZURE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_NAME"]),
        option(
            "account_key",
            Credential,
            &[
                "AZURE_ACCOUNT_KEY",
                "AZURE_STORAGE_MASTER_KEY",
                "AZURE_STORAGE_ACCESS_KEY",
                "AZURE_STORAGE_ACCOUNT_KEY",
            ],
        ),
        option(
            "sas_token",
            Credential,
            &["AZURE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN"],
        ),
        option("bearer_token", Credential, &["AZURE_BEARER_TOKEN", "AZURE_STORAGE_TOKEN"]),
        option("client_id", Other, &["AZURE_CLIENT_ID", "AZURE_STORAGE_CLIENT_ID"]),
        option(
            "client_secret",
            Credential,
            &["AZURE_CLIENT_SECRET", "AZURE_STORAGE_CLIENT_SECRET"],
        ),
        option(
            "tenant_id",
            Other,
            &[
                "AZURE_AUTHORITY_ID",
                "AZURE_TENANT_ID",
                "AZURE_STORAGE_AUTHORITY_ID",
                "AZURE_STORAGE_TENANT_ID",
            ],
        ),
        option("authority_host", Url, &["AZURE_AUTHORITY_HOST", "AZURE_STORAGE_AUTHORITY_HOST"]),
        option("federated_token_file", Credential, &["AZURE_FEDERATED_TOKEN_FILE"]),
        option("msi_endpoint", Url, &["AZURE_IDENTITY_ENDPOINT", "AZURE_MSI_ENDPOINT"]),
        option("object_id", Other, &["AZURE_OBJECT_ID"]),
        option("msi_resource_id", Other, &["AZURE_MSI_RESOURCE_ID"]),
        option("skip_signature", Credential, &["AZURE_SKIP_SIGNATURE"]),
        option("use_emulator", Credential, &["AZURE_USE_EMULATOR", "AZURE_STORAGE_USE_EMULATOR"]),
        option("encryption_key", Other, &["AZURE_ENCRYPTION_KEY", "AZURE_STORAGE_ENCRYPTION_KEY"]),
        option("allow_http", Other, &["AZURE_ALLOW_HTTP"]),
    ],
};

const GOOGLE: Store = Store {
    name: "gs",
    prefix: "GOOGLE_",
    suggested_variables: "GOOGLE_APPLICATION_CREDENTIALS",
    options: &[
        option("base_url", Url, &["GOOGLE_BASE_URL"]),
        option(
            "service_account",
            Credential,
            &["GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT"],
        ),
        option("service_account_key", Credential, &["GOOGLE_SERVICE_ACCOUNT_KEY"]),
        option("application_credentials", Credential, &["GOOGLE_APPLICATION_CREDENTIALS"]),
        option("bearer_token", Credential, &["GOOGLE_BEARER_TOKEN"]),
        option("skip_signature", Credential, &["GOOGLE_SKIP_SIGNATURE"]),
        option("allow_http", Other, &["GOOGLE_ALLOW_HTTP"]),
    ],
};

const fn option(
    name: &'static str,
    kind: OptionKind,
    variables: &'static [&'static str],
) -> StoreOption {
    StoreOption { name, kind, variables }
}

impl Scheme {
    /// All kinds of object store.
    pub const ALL: [Self; 3] = [Self::S3, Self::Azure, Self::Google];

    /// Returns the kind of store whose URLs have this scheme, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }

    /// Returns the scheme of the store's URLs.
    pub fn name(self) -> &'static str {
        self.store().name
    }

    pub(crate) fn store(self) -> &'static Store {
        match self {
            Self::S3 => &S3,
            Self::Azure => &AZURE,
            Self::Google => &GOOGLE,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use object_store::{aws::AmazonS3ConfigKey, azure::AzureConfigKey, gcp::GoogleConfigKey};

    use super::*;

    /// A name that `object_store` does not know would be rejected like a misspelt one. A variable
    /// that `object_store` knows must set the same option.
    fn check<K: FromStr + AsRef<str>>(store: &Store) {
        for StoreOption { name, variables, .. } in store.options {
            let key: K = name.parse().ok().unwrap_or_else(|| panic!("{name}"));
            for variable in *variables {
                assert!(variable.starts_with(store.prefix), "{variable}");
                if let Ok(other) = variable.to_ascii_lowercase().parse::<K>() {
                    // `object_store` treats these as options of their own with the same meaning.
                    let canonical = match other.as_ref() {
                        "aws_default_region" => "aws_region",
                        "aws_endpoint_url_s3" => "aws_endpoint",
                        canonical => canonical,
                    };
                    assert_eq!(canonical, key.as_ref(), "{variable}");
                }
            }
        }
    }

    #[test]
    fn object_store_knows_all_names() {
        check::<AmazonS3ConfigKey>(&S3);
        check::<AzureConfigKey>(&AZURE);
        check::<GoogleConfigKey>(&GOOGLE);
    }

    #[test]
    fn names_of_schemes_are_distinct() {
        for scheme in Scheme::ALL {
            assert_eq!(Scheme::from_name(scheme.name()), Some(scheme));
        }
        assert_eq!(Scheme::from_name("file"), None);
    }
}
