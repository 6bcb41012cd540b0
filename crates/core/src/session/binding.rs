//! Comparison of the address and agent of a request with those a session was made with.

use super::{BindingMode, Profile, packed::Binding};
use std::net::IpAddr;

/// What a request shows of its client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client<'a> {
    /// Its address.
    pub ip: Option<IpAddr>,
    /// Its agent.
    pub user_agent: Option<&'a str>,
}

/// The strictest consequence of what differs; `None` where nothing does, or nothing is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// What policy wants done.
    pub mode: BindingMode,
    /// `ip` or `user_agent`, whichever is stricter.
    pub what: &'static str,
}

/// Compares. A session without address or agent is not bound, nor is a request that shows none.
#[must_use]
pub fn compare(profile: &Profile, session: &Binding<'_>, client: Client<'_>) -> Option<Mismatch> {
    let ip = match (session.ip, client.ip) {
        (Some(bound), Some(seen)) if profile.ip_binding != BindingMode::Off => {
            (!same_network(profile, bound, seen)).then_some(Mismatch { mode: profile.ip_binding, what: "ip" })
        }
        _ => None,
    };
    let agent = match client.user_agent {
        Some(seen) if profile.user_agent_binding != BindingMode::Off && !session.user_agent.is_empty() => {
            let differs = session.user_agent != crate::session::model::cut(seen, crate::bounds::USER_AGENT_BYTES);
            differs.then_some(Mismatch { mode: profile.user_agent_binding, what: "user_agent" })
        }
        _ => None,
    };
    [ip, agent].into_iter().flatten().max_by_key(|mismatch| severity(mismatch.mode))
}

const fn severity(mode: BindingMode) -> u8 {
    match mode {
        BindingMode::Off => 0,
        BindingMode::Log => 1,
        BindingMode::StepUp => 2,
        BindingMode::Strict => 3,
    }
}

/// IPv4-mapped IPv6 addresses are IPv4 addresses.
#[must_use]
pub fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn same_network(profile: &Profile, a: IpAddr, b: IpAddr) -> bool {
    match (canonical(a), canonical(b)) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let shift = 32_u32.saturating_sub(profile.ipv4_prefix.into());
            u32::from(a).checked_shr(shift) == u32::from(b).checked_shr(shift)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let shift = 128_u32.saturating_sub(profile.ipv6_prefix.into());
            u128::from(a).checked_shr(shift) == u128::from(b).checked_shr(shift)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(mode: BindingMode, bound: &str, seen: &str) -> Option<Mismatch> {
        let profile = Profile { ip_binding: mode, ..Profile::default() };
        let session = Binding { profile: "", ip: bound.parse().ok(), user_agent: "" };
        compare(&profile, &session, Client { ip: seen.parse().ok(), user_agent: None })
    }

    // S42: a change inside the prefix is no change.
    #[test]
    fn addresses_are_compared_by_prefix() {
        for (bound, seen, differs) in [
            ("192.0.2.1", "192.0.2.200", false),
            ("192.0.2.1", "192.0.3.1", true),
            ("192.0.2.1", "::ffff:192.0.2.9", false),
            ("2001:db8::1", "2001:db8::ffff:1", false),
            ("2001:db8::1", "2001:db8:0:1::1", true),
            ("192.0.2.1", "2001:db8::1", true),
        ] {
            assert_eq!(verdict(BindingMode::Strict, bound, seen).is_some(), differs, "{bound} {seen}");
        }
        assert_eq!(verdict(BindingMode::Off, "192.0.2.1", "198.51.100.1"), None);
    }

    #[test]
    fn the_stricter_consequence_wins_and_what_is_unknown_is_not_bound() {
        let profile = Profile { user_agent_binding: BindingMode::Strict, ..Profile::default() };
        let session = Binding { profile: "", ip: "127.0.0.1".parse().ok(), user_agent: "curl/8" };
        let client = Client { ip: "198.51.100.1".parse().ok(), user_agent: Some("other/1") };
        assert_eq!(compare(&profile, &session, client), Some(Mismatch { mode: BindingMode::Strict, what: "user_agent" }));
        assert_eq!(compare(&profile, &session, Client::default()), None);
        let unbound = Binding { ip: None, user_agent: "", ..session };
        assert_eq!(compare(&profile, &unbound, client), None);
    }
}
