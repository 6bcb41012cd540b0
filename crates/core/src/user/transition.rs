//! The rules for users as a whole: disable, enable, delete.

use super::{Step, command::*};
use crate::{device::TrustEnd, event::EventType, id::UserTag, session::EndReason};

impl UserCommand for DisableUser {
    type Outcome = DisableOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> DisableOutcome {
        if step.user.disabled {
            return DisableOutcome { revoked: 0 };
        }
        step.user.user_id.get_or_insert(self.user_id);
        step.user.disabled = true;
        step.fx.changed = true;
        let revoked = step.end_all(&[], EndReason::UserDisabled);
        step.raise_token_epoch();
        step.end_trusts(TrustEnd::UserDisabled, |_| true);
        step.note(EventType::UserDisabled).count = Some(revoked);
        DisableOutcome { revoked }
    }
}

impl UserCommand for EnableUser {
    type Outcome = EnableOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> EnableOutcome {
        let was_disabled = std::mem::take(&mut step.user.disabled);
        if was_disabled {
            step.fx.changed = true;
            step.note(EventType::AdminUserEnabled);
        }
        EnableOutcome { was_disabled }
    }
}

impl UserCommand for DeleteUser {
    type Outcome = DeleteOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn needs_account(&self) -> bool {
        true
    }

    fn apply(self, step: &mut Step<'_>) -> DeleteOutcome {
        let known = step.user.revision > 0;
        let revoked = step.end_all(&[], EndReason::UserDeleted);
        step.raise_token_epoch();
        let had_account = step.user.account.take().is_some();
        step.fx.account_changed = had_account;
        step.fx.erase_history = known;
        if known {
            step.note(EventType::AdminUserDeleted).count = Some(revoked);
            step.fx.changed = true;
        }
        // The tag and its revision stay, so that nothing from before can ever be taken for newer than what comes after.
        step.user.user_id = None;
        step.user.disabled = false;
        step.user.handoffs = None;
        step.user.forget_extras();
        step.user.created_total = 0;
        step.user.ended_total = 0;
        step.user.last_login_at = crate::time::Timestamp::ZERO;
        DeleteOutcome { revoked, had_account }
    }
}
