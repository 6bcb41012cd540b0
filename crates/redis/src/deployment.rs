//! [`DeploymentStore`] on Redis: 48 bytes without TTL.

use crate::{
    RedisStore,
    fault::{Call, odd},
    key::{FIRST_HOME, Key},
    link::{bytes, integer},
};
use vestibule_core::{
    Answer,
    deployment::{DeploymentRecord, DeploymentStore},
    fault::Fault,
};

fn unpack(bytes: &[u8]) -> Result<DeploymentRecord, Fault> {
    let bytes: &[u8; 48] = bytes.try_into().map_err(|_| odd("the stored deployment cannot be read"))?;
    let (mut salt, mut fingerprint) = ([0; 32], [0; 16]);
    salt.copy_from_slice(&bytes[..32]);
    fingerprint.copy_from_slice(&bytes[32..]);
    Ok(DeploymentRecord { salt, fingerprint })
}

impl DeploymentStore for RedisStore {
    fn init(&self, fresh: DeploymentRecord) -> Answer<'_, DeploymentRecord> {
        Box::pin(async move {
            let mut found = redis::cmd("SET");
            let value = [&fresh.salt[..], &fresh.fingerprint[..]].concat();
            found.arg(Key::deployment()).arg(value).arg("NX").arg("GET");
            let kept = bytes(self.link.at(FIRST_HOME, self.link.send(&found, Call::Write)).await?)?;
            kept.map_or(Ok(fresh), |kept| unpack(&kept))
        })
    }

    fn replace_fingerprint(&self, from: [u8; 16], to: [u8; 16]) -> Answer<'_, bool> {
        Box::pin(async move {
            let (keys, arguments) = ([Key::deployment()], [from.to_vec(), to.to_vec()]);
            let answer = self.link.at(FIRST_HOME, self.link.run(&self.scripts.replace_fingerprint, &keys, &arguments)).await?;
            Ok(integer(&answer)? == 1)
        })
    }
}
