//! A plain session, for tests that need one and do not care which.

use vestibule_core::{
    id::{SessionId, UserId, UserTag, random},
    session::{Device, Session, SessionKind, TokenDigest},
    time::Timestamp,
};

/// How long it may rest, in milliseconds: 30 minutes.
pub const IDLE: u64 = 30 * 60_000;
/// How long it lives, in milliseconds: 12 hours.
pub const LIFETIME: u64 = 12 * 3_600_000;

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
