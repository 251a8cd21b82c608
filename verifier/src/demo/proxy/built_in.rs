//! The proxy that is built into the fixture.

use sendfile_fixture::Dialect;

use super::{DemoProxy, HandoffPrefix, Program};

pub(super) const PROXY: DemoProxy = DemoProxy {
    description: "Proxy built into the fixture",
    dialect: Dialect::nginx,
    header: "X-Accel-Redirect",
    prefix: HandoffPrefix::InternalLocation,
    program: Program::BuiltIn,
};
