//! Caddy. Values and mangled names measured with 2.6.2 and 2.11.7; its own errors have no body.

use super::traits::{ActsOn, EmptyError, Traits, ValueEncoding};
use crate::odd_name::OddName;

pub(super) const TRAITS: Traits = Traits {
    id: "caddy",
    name: "Caddy",
    server_headers: &["caddy"],
    error_pages: &[],
    empty_error: EmptyError::Own,
    acts_on: ActsOn::Configured,
    value: ValueEncoding::Verbatim,
    mangles: &[OddName::Percent, OddName::Escape, OddName::Question, OddName::Hash],
    local_flags: Some("on the Caddy host --proxy-config caddy:FILE"),
    remote_hint: None,
};
