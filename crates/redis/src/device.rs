//! [`DeviceStore`] on Redis.

use crate::RedisStore;
use vestibule_core::{
    Answer,
    device::{DeviceStore, TrustedDevice, command::*, transition},
    id::UserTag,
    time::Timestamp,
    user::Context,
};

impl DeviceStore for RedisStore {
    fn devices(&self, tag: UserTag, now: Timestamp) -> Answer<'_, Vec<TrustedDevice>> {
        Box::pin(async move {
            let user = self.link.at(tag.home(), self.whole(tag)).await?;
            Ok(user.map(|user| transition::list(&user, now)).unwrap_or_default())
        })
    }

    fn trust(&self, cx: Context, command: TrustDevice) -> Answer<'_, TrustOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn check(&self, cx: Context, command: CheckDevice) -> Answer<'_, CheckOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn rename(&self, cx: Context, command: RenameDevice) -> Answer<'_, RenameOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn revoke_trust(&self, cx: Context, command: RevokeTrust) -> Answer<'_, RevokeTrustOutcome> {
        Box::pin(self.run_ending(cx, command))
    }
}
