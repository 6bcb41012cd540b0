//! [`DeviceStore`] in process.

use crate::MemoryStore;
use vestibule_core::{
    Answer,
    device::{DeviceStore, TrustedDevice, command::*, transition},
    id::UserTag,
    time::Timestamp,
    user::Context,
};

impl DeviceStore for MemoryStore {
    fn devices(&self, tag: UserTag, now: Timestamp) -> Answer<'_, Vec<TrustedDevice>> {
        Box::pin(async move {
            let home = self.home(tag).read();
            Ok(home.users.get(tag).map(|held| transition::list(&held.user, now)).unwrap_or_default())
        })
    }

    fn trust(&self, cx: Context, command: TrustDevice) -> Answer<'_, TrustOutcome> {
        Box::pin(async move { self.run_growing(&cx, command) })
    }

    fn check(&self, cx: Context, command: CheckDevice) -> Answer<'_, CheckOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }

    fn rename(&self, cx: Context, command: RenameDevice) -> Answer<'_, RenameOutcome> {
        Box::pin(async move { self.run_growing(&cx, command) })
    }

    fn revoke_trust(&self, cx: Context, command: RevokeTrust) -> Answer<'_, RevokeTrustOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }
}
