//! [`DeploymentStore`] in process: a deployment of its own for each start.

use crate::MemoryStore;
use vestibule_core::{
    Answer,
    deployment::{DeploymentRecord, DeploymentStore},
};

impl DeploymentStore for MemoryStore {
    fn init(&self, fresh: DeploymentRecord) -> Answer<'_, DeploymentRecord> {
        Box::pin(async move { Ok(self.deployment.lock().get_or_insert(fresh).clone()) })
    }

    fn replace_fingerprint(&self, from: [u8; 16], to: [u8; 16]) -> Answer<'_, bool> {
        Box::pin(async move {
            let mut kept = self.deployment.lock();
            let Some(record) = kept.as_mut().filter(|record| record.fingerprint == from) else {
                return Ok(false);
            };
            record.fingerprint = to;
            Ok(true)
        })
    }
}
