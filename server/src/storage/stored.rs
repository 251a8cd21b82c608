//! The types that all kinds of storage share: what is stored under a key, and how a file is written.

use bytes::Bytes;

/// The start of the file that is stored under a key.
#[derive(Debug)]
pub(crate) enum Stored {
    Nothing,
    /// A file of `size` bytes, of which `bytes` are the first.
    File {
        bytes: Bytes,
        size: u64,
    },
    /// A directory, a symbolic link or a pipe, which the fixture cannot have created.
    Special,
}

/// Whether a write may replace an existing file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WriteMode {
    Create,
    Replace,
}

/// How a dummy is sent to a storage.
#[derive(Clone, Debug)]
pub(crate) enum UploadMode {
    /// In one request.
    Single,
    /// In parts, which the store keeps under this upload id until the last one has arrived.
    Multipart(String),
}
