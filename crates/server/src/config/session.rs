//! `[sessions]`, its profiles and its lifetime rules.
//!
//! Where two settings must agree and only one of them was given, the default of the other yields; where both were given and
//! disagree, the start is refused.

use super::{bounds, layers::Source, reader::Reader, value::Value};
use std::{collections::BTreeMap, time::Duration};
use vestibule::{
    bounds as core_bounds,
    session::{Policies, Profile, policy::LifetimeRule},
};

/// What a second redemption of a hand-off code does.
enum HandoffReuse {
    Deny,
    Revoke,
}

super::value::words!(HandoffReuse, "deny or revoke", "deny" => Deny, "revoke" => Revoke);

/// Reads the whole section.
pub(super) fn read(reader: &mut Reader) -> Policies {
    reader.section("sessions");
    let default = read_profile(reader, "sessions", &Profile::default());
    let data_bytes = reader.bytes("sessions.max_data_bytes", core_bounds::DATA_BYTES as u64, bounds::DATA_BYTES);
    let mut profiles = BTreeMap::new();
    for name in reader.names("sessions.profiles") {
        let path = format!("sessions.profiles.{name}");
        reader.section(&path);
        if name == "default" || name.len() > core_bounds::NAME_BYTES {
            reader.problem(
                &path,
                format!("a profile has another name than `default`, of at most {} bytes", core_bounds::NAME_BYTES),
            );
        }
        let profile = read_profile(reader, &path, &default);
        profiles.insert(name.into(), profile);
    }
    let rules = reader.elements("sessions.rules").iter().map(|path| read_rule(reader, path)).collect();
    Policies { default, profiles, rules, data_bytes: usize::try_from(data_bytes).ok() }
}

fn read_profile(reader: &mut Reader, prefix: &str, base: &Profile) -> Profile {
    let key = |name: &str| format!("{prefix}.{name}");
    let prefix_bits = |bits: u64| u8::try_from(bits).unwrap_or(u8::MAX);
    let reuse = if base.handoff_reuse_revokes { HandoffReuse::Revoke } else { HandoffReuse::Deny };
    let mut profile = Profile {
        idle_timeout: reader.value(&key("idle_timeout"), base.idle_timeout),
        lifetime: reader.value(&key("lifetime"), base.lifetime),
        remember_idle_timeout: reader.value(&key("remember_idle_timeout"), base.remember_idle_timeout),
        remember_lifetime: reader.value(&key("remember_lifetime"), base.remember_lifetime),
        touch_throttle: reader.value(&key("touch_throttle"), base.touch_throttle),
        cap: read_cap(reader, &key("cap"), base.cap),
        cap_policy: reader.value(&key("cap_policy"), base.cap_policy),
        rotation_overlap: reader.value(&key("rotation_overlap"), base.rotation_overlap),
        step_up_max_age: reader.value(&key("step_up_max_age"), base.step_up_max_age),
        ip_binding: reader.value(&key("ip_binding"), base.ip_binding),
        user_agent_binding: reader.value(&key("user_agent_binding"), base.user_agent_binding),
        ipv4_prefix: prefix_bits(reader.number(&key("ipv4_prefix"), base.ipv4_prefix.into(), bounds::IPV4_PREFIX)),
        ipv6_prefix: prefix_bits(reader.number(&key("ipv6_prefix"), base.ipv6_prefix.into(), bounds::IPV6_PREFIX)),
        handoff_reuse_revokes: matches!(reader.value(&key("handoff_reuse"), reuse), HandoffReuse::Revoke),
    };
    settle(reader, &key, &mut profile);
    profile
}

fn read_cap(reader: &mut Reader, path: &str, base: usize) -> usize {
    let cap = reader.number(path, base as u64, 1..=core_bounds::LIVE_SESSIONS as u64);
    usize::try_from(cap).unwrap_or(core_bounds::LIVE_SESSIONS)
}

/// Makes the pairs of one profile agree.
fn settle(reader: &mut Reader, key: &dyn Fn(&str) -> String, profile: &mut Profile) {
    let Profile { idle_timeout, lifetime, remember_idle_timeout, remember_lifetime, rotation_overlap, .. } = profile;
    at_most(reader, &key("idle_timeout"), idle_timeout, &key("lifetime"), *lifetime);
    at_most(reader, &key("remember_idle_timeout"), remember_idle_timeout, &key("remember_lifetime"), *remember_lifetime);
    if rotation_overlap < idle_timeout {
        return;
    }
    let (path, idle_path) = (key("rotation_overlap"), key("idle_timeout"));
    if reader.is_given(&path) {
        reader.problem(&path, format!("is not shorter than {idle_path} ({})", idle_timeout.show()));
    } else {
        *rotation_overlap = (*idle_timeout / 2).max(Duration::from_millis(1));
        reader.adapt(&path, rotation_overlap, &idle_path);
    }
}

fn at_most(reader: &mut Reader, path: &str, value: &mut Duration, limit_path: &str, limit: Duration) {
    if *value <= limit {
        return;
    }
    if reader.is_given(path) {
        reader.problem(path, format!("{} is longer than {limit_path} ({})", value.show(), limit.show()));
    } else {
        *value = limit;
        reader.adapt(path, value, limit_path);
    }
}

fn read_rule(reader: &mut Reader, path: &str) -> LifetimeRule {
    let key = |name: &str| format!("{path}.{name}");
    let rule = LifetimeRule {
        role: reader.optional::<String>(&key("role")).map(Into::into),
        mfa: reader.optional(&key("mfa")),
        remember: reader.optional(&key("remember")),
        min_touches: reader
            .optional_number(&key("min_touches"), bounds::TOUCHES)
            .and_then(|touches| u32::try_from(touches).ok()),
        idle_timeout: reader.optional(&key("idle_timeout")),
        lifetime: reader.optional(&key("lifetime")),
    };
    match (rule.idle_timeout, rule.lifetime) {
        (None, None) => reader.problem(path, "sets neither idle_timeout nor lifetime"),
        (Some(idle), Some(life)) if idle > life => {
            reader.problem(&key("idle_timeout"), format!("{} is longer than lifetime ({})", idle.show(), life.show()));
        }
        _ => {}
    }
    rule
}

/// What a foreign name for the idle timeout asks of the lifetimes: to be at least as long.
pub(super) fn raise_lifetimes(layers: &mut super::layers::Layers, idle_timeout: Duration, source: &Source) {
    let base = Profile::default();
    for (path, default) in [
        ("sessions.lifetime", base.lifetime),
        ("sessions.remember_idle_timeout", base.remember_idle_timeout),
        ("sessions.remember_lifetime", base.remember_lifetime),
    ] {
        let current = layers.get(path).map_or(Some(default), |entry| Duration::from_raw(&entry.raw));
        if current.is_some_and(|current| current < idle_timeout) {
            layers.set(path, super::layers::Raw::Word(idle_timeout.show()), source.clone());
        }
    }
}
