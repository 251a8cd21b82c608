//! How each proxy interprets a hand-off header: which name it acts on, how it reads the value, what
//! its own error pages look like.
//!
//! Only reads hand-offs. The fixture writes them with code of its own, so that an error in one
//! program is not repeated in the other.

mod encoding;
mod etag;
mod header;
mod link;
mod store;
mod value;

pub use encoding::decoded;
pub use etag::{FileSeen, file_seen};
pub use header::{
    HEADERS, Header, ValueKind, handoff_of, header_meant, header_named, shares_word, spelling,
};
pub use link::{link_of, signed_link};
pub use store::{link_not_allowed, store_error, store_refusal, store_status};
pub use value::{ValueFault, compare_values};
