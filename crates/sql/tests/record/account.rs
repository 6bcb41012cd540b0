//! Accounts, on any record.

use crate::scene::{START, Scene, register, request, tag};
use vestibule_core::{
    account::{
        Email, Reset,
        command::{OpenReset, OpenResetOutcome, ResetPassword, ResetPasswordOutcome},
    },
    id::UserTag,
    record::Record,
    session::TokenDigest,
    time::Timestamp,
    user::command::{Command, Outcome},
};

const TTL_MS: u64 = 600_000;

async fn outcome(record: &dyn Record, at: Timestamp, command: impl Into<Command>) -> Outcome {
    let mut decided = record.decide(vec![request(at, command)]).await.expect("the record decides");
    decided.remove(0).outcome
}

fn open(tag: UserTag, digest: u8) -> OpenReset {
    let digest = TokenDigest::from_bytes([digest; 32]);
    OpenReset { tag, reset: Reset { digest, expires_at: START.plus_ms(TTL_MS) } }
}

fn reset(tag: UserTag, token: u8) -> ResetPassword {
    ResetPassword { tag, token: TokenDigest::from_bytes([token; 32]), new_hash: format!("$argon2id${token}").into() }
}

const INVALID: Outcome = Outcome::ResetPassword(ResetPasswordOutcome::Invalid);
const DONE: Outcome = Outcome::ResetPassword(ResetPasswordOutcome::Done { revoked: 0 });
const OPENED: Outcome = Outcome::OpenReset(OpenResetOutcome::Opened);

/// A token replaces the password once and in time; a newer one voids it. Two in one batch are one after the other.
// S87
pub(crate) async fn a_reset_token_is_taken_once_and_in_time(record: &dyn Record) {
    let (ada, bob) = (tag(1), tag(2));
    assert_eq!(outcome(record, START, open(ada, 1)).await, Outcome::OpenReset(OpenResetOutcome::NoAccount));
    for (tag, email) in [(ada, "ada@example.com"), (bob, "bob@example.com")] {
        let _ = outcome(record, START, register(tag, email)).await;
    }
    assert_eq!(outcome(record, START, reset(ada, 1)).await, INVALID, "none was given out");
    assert_eq!(outcome(record, START, open(ada, 1)).await, OPENED);
    assert_eq!(outcome(record, START, open(ada, 2)).await, OPENED);
    assert_eq!(outcome(record, START, reset(ada, 1)).await, INVALID, "a newer one voids it");
    assert_eq!(outcome(record, START, reset(bob, 2)).await, INVALID, "it is another user's");
    assert_eq!(outcome(record, START.plus_ms(TTL_MS), reset(ada, 2)).await, INVALID, "its time is over");
    let stored = record.account_by_tag(ada).await.expect("reads").expect("an account");
    assert_eq!((&*stored.password_hash, stored.reset), ("$argon2id$test", Some(open(ada, 2).reset)));

    let last = START.plus_ms(TTL_MS - 1);
    let race = vec![request(last, reset(ada, 2)), request(last, reset(ada, 2))];
    let decided = record.decide(race).await.expect("the record decides");
    assert_eq!(decided.into_iter().map(|one| one.outcome).collect::<Vec<_>>(), [DONE, INVALID]);
    let email = Email::new("ada@example.com").expect("valid");
    let stored = record.account_by_email(email).await.expect("reads").expect("an account");
    assert_eq!((&*stored.password_hash, stored.password_changed_at, stored.reset), ("$argon2id$2", last, None));
    let untouched = record.account_by_tag(bob).await.expect("reads").expect("an account");
    assert_eq!(&*untouched.password_hash, "$argon2id$test");
}

#[tokio::test]
async fn a_reset_token_in_the_file() {
    let scene = Scene::new();
    a_reset_token_is_taken_once_and_in_time(&*scene.record()).await;
}
