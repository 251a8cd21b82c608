//! The proxy built into the fixture.

use super::traits::{ActsOn, EmptyError, Traits, ValueEncoding};

pub(super) const TRAITS: Traits = Traits {
    id: "built-in",
    name: "the built-in proxy",
    server_headers: &["sendfile-fixture"],
    error_pages: &["sendfile-fixture proxy"],
    empty_error: EmptyError::Unknown,
    acts_on: ActsOn::Configured,
    value: ValueEncoding::Decoded,
    mangles: &[],
    local_flags: None,
    remote_hint: None,
};
