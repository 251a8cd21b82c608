//! The plan for any app, from the URLs given for each layer. Pure.

use super::layers::{LayerPlan, Plan, StoragePlan, app_request, client_request, full_request};
use crate::config::{GivenUrls, Target};

/// The plan for any app, from the URLs given for each layer.
pub fn plan_of_urls(target: &Target, nonce: String, urls: &GivenUrls) -> Plan {
    let expectations = &target.expectations;
    let storage = match &urls.storage {
        Some(storage) => StoragePlan::Read(storage.clone()),
        None => StoragePlan::Skip("no --storage was given"),
    };
    let app = match &urls.app {
        Some(url) => LayerPlan::Request(app_request(expectations, url.clone())),
        None => LayerPlan::Skip("no --app was given"),
    };
    let direct = match &urls.direct {
        Some(url) => LayerPlan::Request(client_request(expectations, url.clone())),
        None => LayerPlan::Skip("no --direct was given"),
    };
    Plan {
        target: target.name.clone(),
        nonce,
        expectations: expectations.clone(),
        dummy: None,
        storage,
        app,
        direct,
        full: full_request(expectations, urls.full.clone()),
        fixture: None,
        fixture_probes: Vec::new(),
        check_probes: Vec::new(),
    }
}
