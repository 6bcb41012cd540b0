//! Batches: one transaction, in order, each change in the file.

use crate::scene::{
    IDLE, LIFETIME, START, Scene, create, created, end_all, end_one, register, request, session, tag, touch, user_id,
};
use std::time::Duration;
use vestibule_core::{
    account::{
        Email,
        command::{ChangePassword, ChangePasswordOutcome, RegisterOutcome, ReplaceHash, ReplaceHashOutcome},
    },
    bounds::KEYS,
    deployment::{DeploymentRecord, DeploymentStore},
    event::{Event, EventQuery, EventStore, EventType, Origin},
    id::{SessionId, UserTag, random},
    key::{InsertKeyOutcome, KeyRecord, KeyStore, Scopes},
    record::{Record, Request},
    session::{
        EndReason, SessionKind, TokenDigest,
        command::{AmendOutcome, Cap, ExpireOutcome},
        command::{
            AmendSession, CreateOutcome, EndOutcome, ExpireUser, HandoffOutcome, OpenHandoff, RedeemHandoff, RedeemOutcome,
            RotateOutcome, RotateSession, SetData, SetDataOutcome, ShareOutcome, ShareSession,
        },
    },
    time::Timestamp,
    user::command::{DeleteOutcome, DeleteUser, DisableOutcome, DisableUser, EnableOutcome, EnableUser, Outcome},
};
use vestibule_sql::SqliteOptions;

fn digest() -> TokenDigest {
    TokenDigest::from_bytes(random())
}

fn rotate(id: SessionId, expected: Option<u32>) -> RotateSession {
    RotateSession { id, expected, nonce: random(), digest: digest(), overlap_ms: 5_000, step_up: None }
}

/// Every command of a session's life, each in a transaction of its own, and the same again from the file.
#[tokio::test]
async fn every_session_command_reaches_the_file() {
    let mut scene = Scene::new();
    let ada = tag(1);
    let login = created(scene.decide(vec![create(START, ada)]).await.remove(0));
    let id = login.id();
    let at = START.plus_ms(1_000);
    let data = SetData { id, expected: 1, data: vec![9; 500].into() };
    assert!(matches!(scene.outcome(at, data).await, Outcome::SetData(SetDataOutcome::Written(_))));
    let amend =
        AmendSession { id, expected: None, roles: Some(vec!["admin".into()]), profile: None, limits: None, extends: true };
    assert!(matches!(scene.outcome(at, amend).await, Outcome::AmendSession(AmendOutcome::Amended(_))));
    assert!(matches!(scene.outcome(at, rotate(id, Some(3))).await, Outcome::RotateSession(RotateOutcome::Rotated(_))));
    let share = ShareSession {
        parent: id,
        serial: random(),
        digest: digest(),
        scope: vec!["read".into()],
        label: Some("printer".into()),
        expires_at: at.plus_ms(60_000),
    };
    assert!(matches!(scene.outcome(at, share).await, Outcome::ShareSession(ShareOutcome::Shared(_))));
    let code = digest();
    let open = OpenHandoff { id, digest: code, expires_at: at.plus_ms(60_000) };
    assert_eq!(scene.outcome(at, open).await, Outcome::OpenHandoff(HandoffOutcome::Opened));
    let before = scene.load(ada).await;
    scene.reopen();
    assert_eq!(scene.load(ada).await, before);
    let cap = Cap { limit: 10, policy: vestibule_core::session::CapPolicy::EvictOldest };
    let redeem = RedeemHandoff {
        tag: ada,
        code,
        serial: random(),
        digest: digest(),
        ip: None,
        user_agent: None,
        cap,
        reuse_revokes: true,
    };
    assert!(matches!(scene.outcome(at, redeem.clone()).await, Outcome::RedeemHandoff(RedeemOutcome::Redeemed(_))));
    scene.reopen();
    assert_eq!(scene.outcome(at, redeem).await, Outcome::RedeemHandoff(RedeemOutcome::Reused));
    assert_eq!(scene.outcome(at, end_one(id)).await, Outcome::EndSessions(EndOutcome { revoked: 2 }));
    scene.reopen();
    let user = scene.load(ada).await.user;
    assert_eq!((user.live.len(), user.created_total, user.ended_total), (0, 3, 3));
    assert_eq!(user.user_id, Some(user_id(ada)));
    let ends: Vec<_> =
        scene.history(ada).await.iter().map(|session| (session.kind(), session.ended().expect("ended").reason)).collect();
    assert!(ends.contains(&(SessionKind::Share, EndReason::ParentEnded)), "{ends:?}");
    assert!(ends.contains(&(SessionKind::Login, EndReason::HandoffReused)), "{ends:?}");
    assert_eq!(ends.len(), 3);
}

/// Users and accounts likewise.
#[tokio::test]
async fn every_user_and_account_command_reaches_the_file() {
    let mut scene = Scene::new();
    let ada = tag(1);
    assert_eq!(scene.outcome(START, register(ada, "ada@example.com")).await, Outcome::Register(RegisterOutcome::Registered));
    let sessions = scene.logins(ada, 3).await;
    let at = START.plus_ms(10);
    let change = ChangePassword {
        tag: ada,
        expected_hash: "$argon2id$test".into(),
        new_hash: "$argon2id$new".into(),
        current: Some(rotate(sessions[0].id(), None)),
        revoke_others: true,
    };
    let changed = scene.outcome(at, change.clone()).await;
    assert!(matches!(changed, Outcome::ChangePassword(ChangePasswordOutcome::Changed { revoked: 2, session: Some(_) })));
    assert_eq!(scene.outcome(at, change).await, Outcome::ChangePassword(ChangePasswordOutcome::Raced));
    scene.reopen();
    assert_eq!(scene.load(ada).await.user.live.len(), 1);
    let account = scene.record().account_by_tag(ada).await.expect("reads").expect("an account");
    assert_eq!((&*account.password_hash, account.password_changed_at), ("$argon2id$new", at));
    let email = Email::new("ADA@example.com").expect("valid");
    assert_eq!(scene.record().account_by_email(email.clone()).await.expect("reads"), Some(account));
    let replace = ReplaceHash { tag: ada, expected_hash: "$argon2id$new".into(), new_hash: "$argon2id$newer".into() };
    assert_eq!(scene.outcome(at, replace).await, Outcome::ReplaceHash(ReplaceHashOutcome::Replaced));
    let disable = DisableUser { tag: ada, user_id: user_id(ada) };
    assert_eq!(scene.outcome(at, disable).await, Outcome::DisableUser(DisableOutcome { revoked: 1 }));
    scene.reopen();
    assert!(scene.load(ada).await.user.disabled);
    let refused = scene.decide(vec![create(at, ada)]).await.remove(0).outcome;
    assert_eq!(refused, Outcome::CreateSession(CreateOutcome::UserDisabled));
    assert_eq!(scene.outcome(at, EnableUser { tag: ada }).await, Outcome::EnableUser(EnableOutcome { was_disabled: true }));
    let revision = scene.load(ada).await.user.revision;
    let deleted = scene.outcome(at, DeleteUser { tag: ada }).await;
    assert_eq!(deleted, Outcome::DeleteUser(DeleteOutcome { revoked: 0, had_account: true }));
    scene.reopen();
    assert_eq!(scene.record().account_by_email(email).await.expect("reads"), None);
    assert!(scene.history(ada).await.is_empty());
    let user = scene.load(ada).await.user;
    assert_eq!((user.revision, user.user_id, user.created_total), (revision + 1, None, 0));
}

/// What a batch changes twice is written once, as it was last; what begins and ends within it is history.
#[tokio::test]
async fn a_batch_writes_what_was_last() {
    let scene = Scene::new();
    let ada = tag(1);
    let (kept, ended) = (session(START, ada), session(START, ada));
    let create = |session| {
        let cap = Cap { limit: 10, policy: vestibule_core::session::CapPolicy::Deny };
        request(
            START,
            vestibule_core::session::command::CreateSession { session, cap, login: false, device: None, is_new_browser: false },
        )
    };
    let decided = scene
        .decide(vec![
            create(kept.clone()),
            create(ended.clone()),
            request(START, SetData { id: kept.id, expected: 1, data: vec![1].into() }),
            request(START, SetData { id: kept.id, expected: 2, data: vec![2].into() }),
            request(START, end_one(ended.id)),
        ])
        .await;
    let revisions: Vec<_> = decided.iter().filter_map(|one| Some(one.snapshot.as_ref()?.user.revision)).collect();
    assert_eq!(revisions, [1, 2, 3, 4, 5]);
    let user = scene.load(ada).await.user;
    assert_eq!(user.live.iter().map(|session| session.data()).collect::<Vec<_>>(), [vec![2].into_boxed_slice()]);
    assert_eq!(scene.history(ada).await.iter().map(|session| session.id()).collect::<Vec<_>>(), [ended.id]);
    assert_eq!(scene.count("SELECT count(*) FROM sessions"), 2);
    assert_eq!(scene.count("SELECT count(*) FROM change_log"), 5);
}

/// Two registrations of one address, and of one user, in one transaction.
#[tokio::test]
async fn an_address_is_claimed_once_within_a_batch() {
    let scene = Scene::new();
    let outcomes = |decided: Vec<vestibule_core::record::Decided>| -> Vec<bool> {
        decided.iter().map(|one| one.outcome == Outcome::Register(RegisterOutcome::Registered)).collect()
    };
    let batch = [(1, "ada@example.com"), (2, "ada@example.com"), (1, "other@example.com"), (3, "bob@example.com")];
    let requests = |batch: &[(u8, &str)]| -> Vec<Request> {
        batch.iter().map(|(user, email)| request(START, register(tag(*user), email))).collect()
    };
    assert_eq!(outcomes(scene.decide(requests(&batch)).await), [true, false, false, true]);
    assert_eq!(outcomes(scene.decide(requests(&[(4, "bob@example.com")])).await), [false]);
    // Deleted and claimed again in one batch: the address moves.
    let moved = scene
        .decide(vec![request(START, DeleteUser { tag: tag(3) }), request(START, register(tag(4), "bob@example.com"))])
        .await;
    assert_eq!(moved[1].outcome, Outcome::Register(RegisterOutcome::Registered));
    let email = Email::new("bob@example.com").expect("valid");
    let account = scene.record().account_by_email(email).await.expect("reads").expect("an account");
    assert_eq!(account.user_id, user_id(tag(4)));
    assert_eq!(scene.count("SELECT count(*) FROM accounts"), 2);
}

/// Uses are applied before the command that brings them, and in batches; what ended stays ended.
#[tokio::test]
async fn uses_move_deadlines_and_revive_nothing() {
    let scene = Scene::new();
    let (ada, bob) = (tag(1), tag(2));
    let (mine, theirs) = (scene.logins(ada, 2).await, scene.logins(bob, 1).await);
    let later = START.plus_ms(IDLE - 1_000);
    let revision = scene.load(ada).await.user.revision;
    scene.outcome(START.plus_ms(5), end_one(mine[1].id())).await;
    let uses = vec![touch(mine[0].id(), later), touch(mine[1].id(), later), touch(SessionId::generate(tag(9)), later)];
    scene.record().touch(uses).await.expect("touch answers");
    let user = scene.load(ada).await.user;
    assert_eq!(user.revision, revision + 1, "uses raise no revision");
    assert_eq!(user.live.iter().map(|session| session.last_seen_at()).collect::<Vec<_>>(), [later]);
    // Bob's session would have rested for too long by now, but for the use that comes along.
    let now = START.plus_ms(IDLE + 60_000);
    assert_eq!(scene.record().due(now, 10).await.expect("due answers"), [bob]);
    let mut expire = request(now, ExpireUser { tag: bob });
    expire.touches = vec![touch(theirs[0].id(), later)];
    assert_eq!(scene.decide(vec![expire]).await[0].outcome, Outcome::ExpireUser(ExpireOutcome { expired: 0 }));
    assert!(scene.record().due(now, 10).await.expect("due answers").is_empty());
    let now = later.plus_ms(IDLE);
    let mut due = scene.record().due(now, 10).await.expect("due answers");
    due.sort_unstable();
    assert_eq!(due, [ada, bob]);
    assert_eq!(scene.outcome(now, ExpireUser { tag: ada }).await, Outcome::ExpireUser(ExpireOutcome { expired: 1 }));
    assert_eq!(scene.record().due(now, 10).await.expect("due answers"), [bob]);
}

/// Where uses may be on their way, idleness is judged later, and nobody is reported as due before that.
#[tokio::test]
async fn idle_slack_delays_the_end_and_its_report() {
    let slack = Duration::from_secs(120);
    let scene = Scene::with(SqliteOptions { idle_slack: slack, ..SqliteOptions::default() });
    let ada = tag(1);
    scene.logins(ada, 1).await;
    for (late_ms, expired) in [(0, 0), (119_999, 0), (120_000, 1)] {
        let now = START.plus_ms(IDLE + late_ms);
        assert_eq!(scene.record().due(now, 10).await.expect("due answers").len() as u64, expired);
        assert_eq!(scene.outcome(now, ExpireUser { tag: ada }).await, Outcome::ExpireUser(ExpireOutcome { expired }));
    }
}

/// The change log tells every change, once, in order; figures follow.
#[tokio::test]
async fn the_change_log_tells_every_change() {
    let mut scene = Scene::new();
    let ada = tag(1);
    let sessions = scene.logins(ada, 3).await;
    scene.outcome(START, end_one(sessions[1].id())).await;
    scene.outcome(START, end_one(sessions[1].id())).await;
    scene.outcome(START, end_all(ada, &[])).await;
    scene.reopen();
    let changes = scene.record().changes_since(0, 100).await.expect("reads");
    assert_eq!(
        changes.iter().map(|change| (change.sequence, change.revision)).collect::<Vec<_>>(),
        [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]
    );
    assert_eq!(changes[3].ended, [sessions[1].id()]);
    assert!(!changes[3].ended_all && changes[4].ended_all && changes[4].ended.is_empty());
    assert!(changes.iter().all(|change| change.tag == ada && change.home == ada.home()));
    assert_eq!(scene.record().changes_since(3, 1).await.expect("reads"), changes[3..4]);
    let stats = scene.record().stats().await.expect("reads");
    assert_eq!((stats.sessions, stats.users, stats.created_total, stats.revoked_total), (0, 0, 3, 3));
    // Forgotten entries do not give their numbers away.
    let gone = scene.record().forget_ended(START.plus_ms(1_000), 100).await.expect("forgets");
    assert_eq!(gone, 3 + 5);
    scene.reopen();
    scene.logins(ada, 1).await;
    assert_eq!(scene.record().changes_since(0, 100).await.expect("reads")[0].sequence, 6);
}

/// What nobody can ask for any more leaves no row; what could come back keeps its revision.
#[tokio::test]
async fn forgotten_strangers_leave_no_row_and_known_users_do() {
    let scene = Scene::new();
    let (stranger, ada) = (UserTag::anonymous(), tag(1));
    let anonymous =
        vestibule_core::session::Session { user_id: None, kind: SessionKind::Anonymous, ..session(START, stranger) };
    let cap = Cap { limit: 10, policy: vestibule_core::session::CapPolicy::Deny };
    scene
        .outcome(
            START,
            vestibule_core::session::command::CreateSession {
                session: anonymous,
                cap,
                login: false,
                device: None,
                is_new_browser: false,
            },
        )
        .await;
    scene.logins(ada, 1).await;
    let now = START.plus_ms(LIFETIME);
    for user in [stranger, ada] {
        scene.outcome(now, ExpireUser { tag: user }).await;
    }
    let later = now.plus_ms(1);
    let forget = async || scene.record().forget_ended(later, 100).await.expect("forgets");
    assert_eq!(forget().await, 2 + 4);
    assert_eq!(scene.count("SELECT count(*) FROM users"), 2, "its events are still there");
    assert_eq!(EventStore::forget(&*scene.record(), later, 100).await.expect("forgets"), 4);
    // The walk over users goes round: one call finds its end, the next begins anew.
    forget().await;
    forget().await;
    assert_eq!(scene.count("SELECT count(*) FROM users"), 1);
    assert_eq!(scene.load(stranger).await.user.revision, 0);
    assert_eq!(scene.load(ada).await.user.revision, 2);
}

fn key(number: usize) -> KeyRecord {
    KeyRecord {
        id: format!("key_{number}").into(),
        name: "backend".into(),
        scopes: Scopes::new(vec!["sessions:read".parse().expect("known"), "users:write".parse().expect("known")]),
        created_at: START.plus_ms(number as u64),
        expires_at: number.is_multiple_of(2).then(|| START.plus_ms(1_000_000)),
        digest: [number as u8; 32],
    }
}

/// Keys, observations and the deployment survive a restart.
#[tokio::test]
async fn keys_observations_and_the_deployment_reach_the_file() {
    let mut scene = Scene::new();
    let happened = |at: Timestamp| Event::new(EventType::KeyCreated, at, &Origin::system());
    let record = scene.record();
    for number in 0..3 {
        assert_eq!(record.insert(key(number), happened(START)).await, Ok(InsertKeyOutcome::Inserted));
    }
    assert_eq!(record.delete("key_1".into(), happened(START)).await, Ok(true));
    assert_eq!(record.delete("key_1".into(), happened(START)).await, Ok(false));
    let seen = Event::new(EventType::LoginFailed, START.plus_ms(5), &Origin { ip: Some([9; 16].into()), ..Origin::default() })
        .of(tag(7), Some(&user_id(tag(7))))
        .session(SessionId::generate(tag(7)))
        .because("wrong_password")
        .counting(3);
    record.append(vec![seen.clone()]).await.expect("appends");
    let fresh = |byte| DeploymentRecord { salt: [byte; 32], fingerprint: [byte; 16] };
    assert_eq!(record.init(fresh(1)).await, Ok(fresh(1)));
    drop(record);
    scene.reopen();
    let record = scene.record();
    assert_eq!(record.list().await.expect("reads"), [key(0), key(2)]);
    let query = EventQuery { tag: Some(tag(7)), limit: 10, ..EventQuery::default() };
    assert_eq!(record.query(query).await.expect("reads"), [seen]);
    assert_eq!(record.query(EventQuery { limit: 10, ..EventQuery::default() }).await.expect("reads").len(), 5);
    assert_eq!(record.init(fresh(2)).await, Ok(fresh(1)));
    for number in 3..=KEYS {
        assert_eq!(record.insert(key(number), happened(START)).await, Ok(InsertKeyOutcome::Inserted), "{number}");
    }
    assert_eq!(record.insert(key(KEYS + 1), happened(START)).await, Ok(InsertKeyOutcome::Full));
}
