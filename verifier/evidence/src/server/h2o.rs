//! H2O.

use super::traits::{ActsOn, EmptyError, Traits, ValueEncoding};

pub(super) const TRAITS: Traits = Traits {
    id: "h2o",
    name: "h2o",
    server_headers: &["h2o"],
    error_pages: &[],
    empty_error: EmptyError::Unknown,
    acts_on: ActsOn::Headers(&["X-Reproxy-URL"]),
    value: ValueEncoding::Decoded,
    mangles: &[],
    local_flags: None,
    remote_hint: None,
};
