//! Sessions of another system, taken over in process.

use serde_json::json;
use std::time::Duration;
use vestibule::{
    Options, Vestibule,
    event::Origin,
    id::UserId,
    secret::KeyRing,
    session::{
        EndReason, LegacyToken,
        service::{
            change::{Amendment, Changed},
            create::{Creation, NewSession},
            import::{ForeignSession, Import},
            validate::{Presented, Refusal, Validation},
        },
    },
    time::{Clock, ManualClock, Timestamp},
};

const TOKEN: &str = "6f1c0b0e-7a33-4a8e-9d3b-0f6f7f0f1a11";
const HOUR: Duration = Duration::from_secs(3_600);

/// In memory; the window is open for ten days.
async fn open() -> (Vestibule, ManualClock) {
    let start = Timestamp::parse("2026-11-01T00:00:00Z").expect("a time");
    let (clock, hand) = Clock::manual(start);
    let mut options = Options::new(KeyRing::ephemeral());
    options.legacy_until = Some(start.plus_ms(240 * 3_600_000));
    options.clock = clock;
    (Vestibule::open(options).await.expect("it opens in memory"), hand)
}

/// A session that began three days ago, was last used yesterday, and lives on for two days: longer than policy allows.
fn foreign(vestibule: &Vestibule, token: &str) -> ForeignSession {
    let now = vestibule.sessions.clock().now();
    ForeignSession {
        digest: LegacyToken::parse(token).expect("a token").digest(),
        user_id: Some(UserId::new("ada").expect("an id")),
        roles: vec!["staff".into()],
        data: json!({"cart": [1, 2]}).as_object().cloned().expect("an object"),
        device: Default::default(),
        ip: None,
        user_agent: None,
        mfa: false,
        created_at: Some(now.minus_ms(72 * 3_600_000)),
        last_seen_at: Some(now.minus_ms(24 * 3_600_000)),
        expires_at: now.plus_ms(48 * 3_600_000),
    }
}

async fn import(vestibule: &Vestibule, sessions: Vec<ForeignSession>) -> Vec<Import> {
    vestibule.sessions.import(sessions, Origin::system()).await.expect("the store answers")
}

async fn validate(vestibule: &Vestibule, token: &str) -> Validation {
    let presented = Presented { token, ..Presented::default() };
    vestibule.sessions.validate(presented).await.expect("the store answers")
}

async fn is_valid(vestibule: &Vestibule, token: &str) -> bool {
    matches!(validate(vestibule, token).await, Validation::Valid(_))
}

#[tokio::test]
async fn an_imported_session_lives_as_long_as_it_would_have() {
    let (vestibule, clock) = open().await;
    assert_eq!(import(&vestibule, vec![foreign(&vestibule, TOKEN)]).await, [Import::Imported]);
    let Validation::Valid(valid) = validate(&vestibule, TOKEN).await else { panic!("it is valid") };
    let info = vestibule.sessions.info(&valid).expect("it opens");
    assert_eq!(info.session.user_id.as_ref().map(UserId::as_str), Some("ada"));
    assert_eq!((&*info.session.roles[0], &info.data["cart"]), ("staff", &json!([1, 2])));
    assert!(is_valid(&vestibule, &format!("s:{TOKEN}.signature")).await);
    clock.advance(47 * HOUR);
    assert!(is_valid(&vestibule, TOKEN).await, "neither the idle timeout nor the lifetime of policy ends it");
    clock.advance(HOUR);
    assert!(matches!(validate(&vestibule, TOKEN).await, Validation::Refused(Refusal::ExpiredIdle | Refusal::ExpiredAbsolute)));
}

#[tokio::test]
async fn a_closed_window_knows_no_foreign_tokens() {
    let (vestibule, clock) = open().await;
    let mut long = foreign(&vestibule, TOKEN);
    long.expires_at = long.expires_at.plus_ms(1_000 * 3_600_000);
    import(&vestibule, vec![long]).await;
    assert!(is_valid(&vestibule, TOKEN).await);
    clock.advance(240 * HOUR);
    assert_eq!(validate(&vestibule, TOKEN).await, Validation::Refused(Refusal::Missing));
}

/// Nothing begins twice, and what has ended since stays ended.
#[tokio::test]
async fn an_import_can_be_repeated() {
    let (vestibule, _) = open().await;
    let twice = vec![foreign(&vestibule, TOKEN), foreign(&vestibule, &format!("s:{TOKEN}.signature"))];
    import(&vestibule, twice).await;
    let ada = UserId::new("ada").expect("an id");
    let figures = vestibule.sessions.analytics(&ada).await.expect("the store answers");
    let began = vestibule.sessions.clock().now().minus_ms(72 * 3_600_000);
    assert_eq!((figures.total, figures.last_login_at), (1, Some(began)), "they did not log in today");
    let listed = vestibule.sessions.list(&ada).await.expect("the store answers");
    assert_eq!(listed.len(), 1);
    vestibule.sessions.end(listed[0].session.id, EndReason::Logout, Origin::system()).await.expect("the store answers");
    assert!(!is_valid(&vestibule, TOKEN).await);
    assert_eq!(import(&vestibule, vec![foreign(&vestibule, TOKEN)]).await, [Import::Known]);
    assert!(!is_valid(&vestibule, TOKEN).await);
}

#[tokio::test]
async fn an_import_logs_nobody_out() {
    let (vestibule, _) = open().await;
    let tokens: Vec<String> = (0..40).map(|number| format!("{TOKEN}-{number}")).collect();
    let sessions = tokens.iter().map(|token| foreign(&vestibule, token)).collect();
    assert!(import(&vestibule, sessions).await.iter().all(|outcome| *outcome == Import::Imported));
    for token in &tokens {
        assert!(is_valid(&vestibule, token).await, "four times as many as the cap allows");
    }
}

/// The old token works on for the overlap, as any token does.
#[tokio::test]
async fn a_rotation_gives_a_token_of_ours() {
    let (vestibule, clock) = open().await;
    import(&vestibule, vec![foreign(&vestibule, TOKEN)]).await;
    let Validation::Valid(valid) = validate(&vestibule, TOKEN).await else { panic!("it is valid") };
    let rotated = vestibule.sessions.rotate(valid.id(), None, Origin::system()).await.expect("the store answers");
    let Changed::Done(issued) = rotated else { panic!("it is rotated: {rotated:?}") };
    assert!(is_valid(&vestibule, &issued.token.expose()).await && is_valid(&vestibule, TOKEN).await);
    clock.advance(Duration::from_secs(6));
    assert!(is_valid(&vestibule, &issued.token.expose()).await);
    assert_eq!(validate(&vestibule, TOKEN).await, Validation::Refused(Refusal::Revoked));
}

#[tokio::test]
async fn a_login_takes_its_place() {
    let (vestibule, _) = open().await;
    import(&vestibule, vec![foreign(&vestibule, TOKEN)]).await;
    let new = NewSession { replace_token: Some(TOKEN.to_owned()), ..NewSession::default() };
    let created = vestibule.sessions.create(new, Origin::system()).await.expect("the store answers");
    assert!(matches!(created, Creation::Created(_)));
    assert_eq!(validate(&vestibule, TOKEN).await, Validation::Refused(Refusal::Revoked));
}

/// Policy would have ended it two days ago.
#[tokio::test]
async fn new_rights_leave_its_limits_alone() {
    let (vestibule, clock) = open().await;
    import(&vestibule, vec![foreign(&vestibule, TOKEN)]).await;
    let Validation::Valid(valid) = validate(&vestibule, TOKEN).await else { panic!("it is valid") };
    let rights = Amendment { roles: Some(vec!["admin".into()]), profile: None };
    let amended = vestibule.sessions.amend(valid.id(), rights, None, Origin::system()).await.expect("the store answers");
    assert!(matches!(amended, Changed::Done(_)), "{amended:?}");
    clock.advance(47 * HOUR);
    assert!(is_valid(&vestibule, TOKEN).await);
}

#[tokio::test]
async fn what_cannot_be_taken_over_says_why() {
    let (vestibule, _) = open().await;
    let expired = ForeignSession { expires_at: vestibule.sessions.clock().now(), ..foreign(&vestibule, TOKEN) };
    let nameless = ForeignSession { roles: vec!["".into()], ..foreign(&vestibule, "another-foreign-token") };
    let anonymous = ForeignSession { user_id: None, ..foreign(&vestibule, "a-third-foreign-token") };
    let outcomes = import(&vestibule, vec![expired, nameless, anonymous]).await;
    assert!(matches!(&outcomes[..], [Import::Expired, Import::Invalid(_), Import::Imported]), "{outcomes:?}");
    let Validation::Valid(valid) = validate(&vestibule, "a-third-foreign-token").await else { panic!("it is valid") };
    assert_eq!(valid.user_id(), None);
}
