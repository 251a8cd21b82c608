//! Settings of object stores, as both programs accept them: the URL of a bucket, options by name,
//! environment variables and credentials, and the client of `object_store` that results from them.
//!
//! Sends no request and judges nothing. The transport and the wording of errors are the caller's.

mod bucket;
mod scheme;
mod settings;

pub use self::{
    bucket::{BucketAt, RemoteStore},
    scheme::Scheme,
    settings::{
        Access, MetadataService, SettingsError, StoreSettings, UnknownOption, WEBDAV, check_names,
    },
};
