//! Caddy.

use sendfile_evidence::Server;
use sendfile_fixture::{Dialect, Header};

use super::{DemoProxy, HandoffPrefix, InstalledProgram, Program, words};

pub(super) const PROXY: DemoProxy = DemoProxy {
    description: "Caddy",
    dialect: || Dialect::Caddy(Header::accel()),
    header: "X-Accel-Redirect",
    prefix: HandoffPrefix::InternalLocation,
    program: Program::Installed(InstalledProgram {
        name: "Caddy",
        server: Server::Caddy,
        commands: &["/usr/bin/caddy", "caddy"],
        arguments,
        log: "output.log",
        site_file: "verifier/src/demo/Caddyfile",
        site: include_str!("../Caddyfile"),
    }),
};

fn arguments(run: &str) -> Vec<String> {
    words(["run", "--config", &format!("{run}/site.conf"), "--adapter", "caddyfile"])
}
