//! Devices over a record: the record decides, the state is read.

use super::Durable;
use crate::{
    Answer,
    device::{DeviceStore, TrustedDevice, command::*, transition},
    id::UserTag,
    time::Timestamp,
    user::Context,
};

impl DeviceStore for Durable {
    fn devices(&self, tag: UserTag, now: Timestamp) -> Answer<'_, Vec<TrustedDevice>> {
        self.read(async move { Ok(transition::list(&self.0.user(tag).await?, now)) })
    }

    fn trust(&self, cx: Context, command: TrustDevice) -> Answer<'_, TrustOutcome> {
        self.run(cx, command)
    }

    fn check(&self, cx: Context, command: CheckDevice) -> Answer<'_, CheckOutcome> {
        self.run(cx, command)
    }

    fn rename(&self, cx: Context, command: RenameDevice) -> Answer<'_, RenameOutcome> {
        self.run(cx, command)
    }

    fn revoke_trust(&self, cx: Context, command: RevokeTrust) -> Answer<'_, RevokeTrustOutcome> {
        self.run(cx, command)
    }
}
