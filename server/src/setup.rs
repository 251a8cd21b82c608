//! The data from which responses are built before anything is placed: the hand-offs of all dummies
//! and probes.

use std::collections::HashMap;

use crate::{
    catalog::{DummyId, Item},
    dummy::Instance,
    handoff::{Handoff, HandoffError, Links, Value},
    probe::{self, Probe, ProbeContext},
    storage::Storage,
};

/// The data that does not change while the fixture runs, except for signed links.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) instance: Instance,
    pub(crate) base: String,
    /// The URL of the storage.
    pub(crate) storage: String,
    pub(crate) handoff: Handoff,
    pub(crate) views: HashMap<DummyId, View>,
    pub(crate) probes: Vec<Probe>,
}

/// The header values of one dummy.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) handoff: Value,
    pub(crate) disposition: Value,
}

impl Setup {
    /// Writes every hand-off.
    pub(crate) fn new(
        base: &str,
        storage: &Storage,
        handoff: Handoff,
        items: &[Item],
        instance: Instance,
    ) -> Result<Self, HandoffError> {
        let mut views = HashMap::new();
        for item in items {
            let disposition = Value::new(item.disposition())?;
            views.insert(item.id, View { handoff: handoff.value(&item.key)?, disposition });
        }
        let storage_name = storage.directory_name();
        let context = ProbeContext { handoff: &handoff, base, instance, items, storage_name };
        let probes = probe::probes(context)?;
        let (base, storage) = (base.into(), storage.url().into());
        Ok(Self { instance, base, storage, handoff, views, probes })
    }

    /// Writes every hand-off again, with these links.
    pub(crate) fn signed(
        &self,
        storage: &Storage,
        items: &[Item],
        links: Links,
    ) -> Result<Self, HandoffError> {
        let handoff = self.handoff.clone().signed(links);
        Self::new(&self.base, storage, handoff, items, self.instance)
    }
}
