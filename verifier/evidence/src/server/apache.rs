//! Apache httpd with mod_xsendfile. Error pages measured with 2.4.71, older versions send HTML 2.0; values
//! and mangled names measured with mod_xsendfile 0.12 and 1.0.

use super::traits::{ActsOn, EmptyError, Traits, ValueEncoding};
use crate::odd_name::OddName;

pub(super) const TRAITS: Traits = Traits {
    id: "apache",
    name: "Apache",
    server_headers: &["apache"],
    error_pages: &[
        "-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\"",
        "-//IETF//DTD HTML 2.0//EN",
    ],
    empty_error: EmptyError::Unknown,
    acts_on: ActsOn::Headers(&["X-Sendfile", "X-Sendfile-Temporary"]),
    value: ValueEncoding::Verbatim,
    mangles: &[OddName::Percent, OddName::Escape],
    local_flags: Some("on the Apache host --proxy-config apache:FILE and --error-log FILE"),
    remote_hint: None,
};
