//! Plans the probes: first the requests to the four layers, then what to request next, given the
//! responses so far. Pure; `prober` sends the requests.

mod causes;
mod checks;
mod contract;
mod exposure;
mod fixture;
mod follow_ups;
mod given;
mod layers;
mod next;
mod progress;
mod request;
mod store;
mod target;

pub(crate) use self::exposure::{SPOOFED, spoofing_nonce};
pub use self::{
    contract::{Contract, ContractDummy, ContractError, ContractProbe, DummyId},
    fixture::{plan_of_contract, plan_without_contract},
    given::plan_of_urls,
    layers::{FixtureProbe, LayerPlan, Plan, StoragePlan},
    next::{checks, next},
    progress::{Handoffs, Progress},
    request::{Destination, ExtraRequest, ProbeRequest, Wants},
};
pub(crate) use crate::url::encoded;
