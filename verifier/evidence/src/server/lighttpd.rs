//! lighttpd. Error pages and values measured with 1.4.69.

use super::traits::{ActsOn, EmptyError, Traits, ValueEncoding};

pub(super) const TRAITS: Traits = Traits {
    id: "lighttpd",
    name: "lighttpd",
    server_headers: &["lighttpd"],
    error_pages: &["<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>"],
    empty_error: EmptyError::Unknown,
    acts_on: ActsOn::Headers(&["X-Sendfile", "X-Sendfile2", "X-LIGHTTPD-send-file"]),
    value: ValueEncoding::Decoded,
    mangles: &[],
    local_flags: Some("on the lighttpd host --proxy-config lighttpd:FILE and --error-log FILE"),
    remote_hint: None,
};
