//! nginx and its forks. Error pages measured with nginx 1.22.1; values are decoded since 1.5.9.

use super::traits::{ActsOn, EmptyError, Traits, ValueEncoding};

pub(super) const TRAITS: Traits = Traits {
    id: "nginx",
    name: "nginx",
    server_headers: &["nginx", "openresty", "angie", "freenginx"],
    error_pages: &["<center>nginx", "<center>openresty", "<hr><center>"],
    empty_error: EmptyError::Unknown,
    acts_on: ActsOn::Headers(&["X-Accel-Redirect"]),
    value: ValueEncoding::Decoded,
    mangles: &[],
    local_flags: Some("on the nginx host --proxy-config nginx:FILE and --error-log FILE"),
    remote_hint: Some("remotely the headers of `echo.conf` next to the snippet"),
};
