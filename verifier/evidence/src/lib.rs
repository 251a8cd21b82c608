//! What was observed: facts only, no judgement and no I/O.
//!
//! It contains everything that a rule may use, so that a saved report can be judged again without
//! the servers: serde's derives on these types are the saved form. It never contains secrets: the
//! probes redact them when evidence is made (see `secret`).

mod as_text;
mod body;
mod certificate;
mod check;
mod checked;
pub mod debug_headers;
pub mod dialect;
mod digest;
mod dummy;
pub mod dummy_line;
mod evidence;
pub mod fact;
mod failure;
mod intent;
pub mod log;
mod odd_name;
mod outcome;
mod part;
pub mod partial;
pub mod path;
mod private;
mod probe;
mod probe_id;
mod record;
pub mod request;
mod response;
pub mod secret;
mod server;
mod spelling;

pub use body::{Body, End, Gunzipped, HEAD_BYTES, Same};
pub use certificate::Certificate;
pub use check::Check;
pub use checked::{Checked, Made};
pub use digest::Sha256;
pub use dummy::{Dummy, Source};
pub use evidence::Evidence;
pub use failure::{Failure, FailureKind, cause_chain};
pub use intent::{Access, CERT_DAYS, Intent};
pub use odd_name::OddName;
pub use outcome::Outcome;
pub use part::Part;
pub use probe::{ExtraProbe, Probe};
pub use probe_id::ProbeId;
pub use record::{LoggedRequest, RequestRecord};
pub use response::{Response, media_type};
pub use server::Server;
pub use spelling::Spelling;
