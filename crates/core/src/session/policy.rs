//! Policies: how long sessions live, how many a user may have, what they are bound to.

use super::command::Cap;
use crate::{bounds, time::Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// What happens to one session too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapPolicy {
    /// The oldest by creation ends.
    EvictOldest,
    /// The new one is refused.
    Deny,
}

/// What a change of address or agent does to a request. The session is never ended by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingMode {
    /// Nothing is compared.
    Off,
    /// An event is written.
    Log,
    /// The request is refused until the user proves themselves again.
    StepUp,
    /// The request is refused.
    Strict,
}

/// A named policy. Deployments have a default one and may add others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Longest rest. Default 30 min.
    pub idle_timeout: Duration,
    /// Longest life. Default 12 h.
    pub lifetime: Duration,
    /// Longest rest of a session whose user asked to stay logged in. Default 14 d.
    pub remember_idle_timeout: Duration,
    /// Longest life of such a session. Default 30 d.
    pub remember_lifetime: Duration,
    /// A use is recorded at most this often. Default 60 s.
    pub touch_throttle: Duration,
    /// Sessions of one user at most. Default 10.
    pub cap: usize,
    /// What happens to one too many. Default: the oldest ends.
    pub cap_policy: CapPolicy,
    /// How long the token before a rotation still works. Default 5 s.
    pub rotation_overlap: Duration,
    /// How old a proof of identity may be for sensitive self-service. Default 15 min.
    pub step_up_max_age: Duration,
    /// What a change of address does. Default: an event.
    pub ip_binding: BindingMode,
    /// What a change of agent does. Default: nothing.
    pub user_agent_binding: BindingMode,
    /// Bits of an IPv4 address that are compared. Default 24.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that are compared. Default 64.
    pub ipv6_prefix: u8,
    /// Whether a second redemption of a hand-off code ends the session from the first. Default no.
    pub handoff_reuse_revokes: bool,
}

impl Default for Profile {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        Self {
            idle_timeout: Duration::from_secs(30 * MINUTE),
            lifetime: Duration::from_secs(12 * HOUR),
            remember_idle_timeout: Duration::from_secs(14 * DAY),
            remember_lifetime: Duration::from_secs(30 * DAY),
            touch_throttle: Duration::from_secs(MINUTE),
            cap: 10,
            cap_policy: CapPolicy::EvictOldest,
            rotation_overlap: Duration::from_secs(5),
            step_up_max_age: Duration::from_secs(15 * MINUTE),
            ip_binding: BindingMode::Log,
            user_agent_binding: BindingMode::Off,
            ipv4_prefix: 24,
            ipv6_prefix: 64,
            handoff_reuse_revokes: false,
        }
    }
}

impl Profile {
    /// The cap as a command carries it.
    #[must_use]
    pub fn cap(&self) -> Cap {
        Cap { limit: self.cap.min(bounds::LIVE_SESSIONS), policy: self.cap_policy }
    }

    /// How often a use is recorded for a session with this idle timeout: the throttle, but at least ten times within a rest,
    /// so that a session in use never looks idle.
    #[must_use]
    pub fn throttle_ms(&self, idle_timeout_ms: u64) -> u64 {
        crate::time::millis(self.touch_throttle).min(idle_timeout_ms / 10)
    }
}

/// A lifetime rule: where its conditions hold, its limits replace the profile's. Absent conditions hold always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifetimeRule {
    /// The session has this role.
    pub role: Option<Box<str>>,
    /// The session has a second factor, or has none.
    pub mfa: Option<bool>,
    /// Its user asked to stay logged in, or did not.
    pub remember: Option<bool>,
    /// It was used at least this often, counted once per touch throttle.
    pub min_touches: Option<u32>,
    /// Longest rest.
    pub idle_timeout: Option<Duration>,
    /// Longest life.
    pub lifetime: Option<Duration>,
}

/// What lifetime rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Traits<'a> {
    /// Roles of the session.
    pub roles: &'a [Box<str>],
    /// Whether a second factor was done.
    pub mfa: bool,
    /// Whether its user asked to stay logged in.
    pub remember: bool,
    /// How often it was used.
    pub touches: u32,
}

impl LifetimeRule {
    fn applies(&self, traits: &Traits<'_>) -> bool {
        self.role.as_ref().is_none_or(|role| traits.roles.contains(role))
            && self.mfa.is_none_or(|mfa| mfa == traits.mfa)
            && self.remember.is_none_or(|remember| remember == traits.remember)
            && self.min_touches.is_none_or(|least| traits.touches >= least)
    }
}

/// The longest a session may rest and live under policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Longest rest, in milliseconds; never more than the life.
    pub idle_timeout_ms: u64,
    /// Longest life, in milliseconds.
    pub lifetime_ms: u64,
}

impl Lifetime {
    /// What is granted of what was asked: never more than policy.
    #[must_use]
    pub fn clamp(self, idle_timeout: Option<Duration>, lifetime: Option<Duration>) -> Self {
        let lifetime_ms = lifetime.map_or(self.lifetime_ms, |asked| crate::time::millis(asked).min(self.lifetime_ms));
        let idle = idle_timeout.map_or(self.idle_timeout_ms, |asked| crate::time::millis(asked).min(self.idle_timeout_ms));
        Self { idle_timeout_ms: idle.min(lifetime_ms), lifetime_ms }
    }

    /// The absolute end of a session that began at `created_at`.
    #[must_use]
    pub fn ends_at(self, created_at: Timestamp) -> Timestamp {
        created_at.plus_ms(self.lifetime_ms)
    }
}

/// All policies of a deployment.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// For sessions that name no profile.
    pub default: Profile,
    /// The named ones.
    pub profiles: BTreeMap<Box<str>, Profile>,
    /// Lifetime rules, in order; of those that apply, the shortest limit of each kind wins.
    pub rules: Vec<LifetimeRule>,
    /// Longest JSON payload in bytes. Default [`bounds::DATA_BYTES`].
    pub data_bytes: Option<usize>,
}

impl Policies {
    /// A profile by name; the empty name is the default one. `None` where there is no such profile.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        if name.is_empty() || name == "default" { Some(&self.default) } else { self.profiles.get(name) }
    }

    /// A profile by name, or the default one where it was removed from the configuration since the session began.
    #[must_use]
    pub fn profile_or_default(&self, name: &str) -> &Profile {
        self.profile(name).unwrap_or(&self.default)
    }

    /// The limits that policy sets for a session. Without a rule that applies: the profile's.
    #[must_use]
    pub fn lifetime(&self, profile: &Profile, traits: &Traits<'_>) -> Lifetime {
        let (mut idle, mut life) = match traits.remember {
            true => (profile.remember_idle_timeout, profile.remember_lifetime),
            false => (profile.idle_timeout, profile.lifetime),
        };
        let matching = || self.rules.iter().filter(|rule| rule.applies(traits));
        if let Some(shortest) = matching().filter_map(|rule| rule.idle_timeout).min() {
            idle = shortest;
        }
        if let Some(shortest) = matching().filter_map(|rule| rule.lifetime).min() {
            life = shortest;
        }
        let lifetime_ms = crate::time::millis(life);
        Lifetime { idle_timeout_ms: crate::time::millis(idle).min(lifetime_ms), lifetime_ms }
    }

    /// Whether any rule looks at how often a session was used.
    #[must_use]
    pub fn watches_activity(&self) -> bool {
        self.rules.iter().any(|rule| rule.min_touches.is_some())
    }

    /// Longest JSON payload in bytes.
    #[must_use]
    pub fn data_bound(&self) -> usize {
        self.data_bytes.unwrap_or(bounds::DATA_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Traits<'_> = Traits { roles: &[], mfa: false, remember: false, touches: 0 };

    // S9: asking beyond policy gives policy.
    #[test]
    fn more_than_policy_is_never_granted() {
        let policies = Policies::default();
        let policy = policies.lifetime(&policies.default, &PLAIN);
        let granted = policy.clamp(Some(Duration::from_secs(999_999_999)), Some(Duration::from_secs(999_999_999)));
        assert_eq!(granted, Lifetime { idle_timeout_ms: 1_800_000, lifetime_ms: 43_200_000 });
        let less = policy.clamp(None, Some(Duration::from_secs(60)));
        assert_eq!(less, Lifetime { idle_timeout_ms: 60_000, lifetime_ms: 60_000 });
    }

    #[test]
    fn the_shortest_rule_that_applies_wins() {
        let rule = |role: Option<&str>, min_touches, idle| LifetimeRule {
            role: role.map(Into::into),
            min_touches,
            idle_timeout: Some(Duration::from_secs(idle)),
            ..LifetimeRule::default()
        };
        let rules = vec![rule(Some("admin"), None, 300), rule(None, Some(5), 3_600), rule(Some("auditor"), None, 60)];
        let policies = Policies { rules, ..Policies::default() };
        let idle = |roles: &[Box<str>], touches| {
            policies.lifetime(&policies.default, &Traits { roles, touches, ..PLAIN }).idle_timeout_ms
        };
        assert_eq!(idle(&[], 0), 1_800_000);
        assert_eq!(idle(&[], 5), 3_600_000, "activity may lengthen the rest");
        assert_eq!(idle(&["admin".into()], 5), 300_000);
        assert_eq!(idle(&["admin".into(), "auditor".into()], 0), 60_000);
    }

    #[test]
    fn remembered_sessions_have_limits_of_their_own() {
        let policies = Policies::default();
        let remembered = policies.lifetime(&policies.default, &Traits { remember: true, ..PLAIN });
        assert_eq!(remembered, Lifetime { idle_timeout_ms: 14 * 86_400_000, lifetime_ms: 30 * 86_400_000 });
    }
}
