//! A plain session and a plain token family, for tests that need one and do not care which.

use vestibule_core::{
    id::{SessionId, UserId, UserTag, random},
    session::{Device, Session, SessionKind, TokenDigest},
    time::Timestamp,
    token::{Family, command::Refresh},
};

/// How long it may rest, in milliseconds: 30 minutes.
pub const IDLE: u64 = 30 * 60_000;
/// How long it lives, in milliseconds: 12 hours.
pub const LIFETIME: u64 = 12 * 3_600_000;

/// How long a refresh token is given the same successor, in milliseconds.
pub const GRACE: u64 = 10_000;
/// How long an access token lives, in milliseconds.
pub const ACCESS: u64 = 10 * 60_000;

/// A token family that begins at `now`: a day of rest, thirty of life.
#[must_use]
pub fn family(now: Timestamp, session: Option<SessionId>) -> Family {
    const DAY: u64 = 24 * 3_600_000;
    Family {
        serial: random(),
        session,
        client_id: Some("app".into()),
        device_id: Some("phone".into()),
        audience: vec!["orders".into(), "billing".into()],
        scope: vec!["read".into(), "write".into()],
        roles: vec!["clerk".into()],
        permissions: vec!["orders.close".into()],
        created_at: now,
        expires_at: now.plus_ms(30 * DAY),
        idle_timeout_ms: DAY,
        last_used_at: now,
        generation: 0,
        key_id: 1,
        advanced_at: now,
        access_until: now.plus_ms(ACCESS),
    }
}

/// A refresh with the good token of a user's family.
#[must_use]
pub fn refresh(tag: UserTag, family: &Family) -> Refresh {
    Refresh {
        tag,
        serial: family.serial,
        generation: family.generation,
        expires_at: family.expires_at,
        key_id: 1,
        grace_ms: GRACE,
        access_ttl_ms: ACCESS,
        client_id: None,
        device_id: None,
        scope: None,
        audience: None,
    }
}

/// A login at `now`, of a user whose id follows from the tag, with everything that is usual and nothing that is not. Say what
/// is different by `Session { ..session(now, tag) }`.
///
/// # Panics
/// Never.
#[must_use]
pub fn session(now: Timestamp, tag: UserTag) -> Session {
    let user: String = tag.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Session {
        id: SessionId::generate(tag),
        user_id: Some(UserId::new(format!("user-{user}")).expect("hexadecimal digits are an id")),
        kind: SessionKind::Login,
        revision: 1,
        rotation: 0,
        digest: TokenDigest::from_bytes(random()),
        created_at: now,
        last_seen_at: now,
        touches: 0,
        idle_timeout_ms: IDLE,
        expires_at: now.plus_ms(LIFETIME),
        auth_time: now,
        mfa: false,
        mfa_at: Timestamp::ZERO,
        remember: false,
        roles: vec!["member".into()],
        amr: vec!["pwd".into()],
        scope: Vec::new(),
        profile: "".into(),
        ip: Some([192, 0, 2, 1].into()),
        user_agent: Some("test/1".into()),
        device: Device::default(),
        parent: None,
        label: None,
        actor: None,
        previous: None,
        rotated: None,
        trail: Vec::new(),
        data: vec![7; 32].into(),
        ended: None,
    }
}
