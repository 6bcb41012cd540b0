//! Passwords over HTTP: for backends that keep their users' hashes themselves, and the import of accounts that have some.

use super::{
    Server, Shared,
    access::{By, PasswordsRead, PasswordsWrite, UsersWrite},
    answer::{ok, unavailable},
};
use axum::{Router, extract::State, response::Response, routing::post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use vestibule::{
    account::import::{AccountImport, ForeignAccount},
    bounds::ACCOUNT_IMPORT_BATCH,
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    password::{ContextWords, Password, PasswordHash, PasswordProfile, PoolOutcome, bounds::CONTEXT_WORDS},
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/passwords/hash", post(hash))
        .route("/passwords/verify", post(verify))
        .route("/passwords/check", post(check))
        .route("/users/import", post(import))
}

/// What the pool did; 503 where it is full.
fn done<T>(outcome: PoolOutcome<T>) -> Result<T, Problem> {
    match outcome {
        PoolOutcome::Done(done) => Ok(done),
        PoolOutcome::Overloaded => Err(Problem::new(ProblemCode::Overloaded)),
    }
}

/// A hash of whichever format, refused before any work is done for it.
fn read_hash(field: &'static str, text: &str) -> Result<PasswordHash, Problem> {
    PasswordHash::parse(text).map_err(|error| Problem::invalid_field(field, error.to_string()).with_reasons([error.as_str()]))
}

/// One of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HashBody {
    password: Option<Password>,
    legacy_hash: Option<Box<str>>,
}

async fn hash(
    _: By<PasswordsWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<HashBody>,
) -> Result<Response, Problem> {
    let pool = &server.vestibule.password_pool;
    let hash = match (body.password, body.legacy_hash) {
        (Some(password), None) if password.is_empty() => {
            return Err(Problem::invalid_field("password", "expected a password that is not empty"));
        }
        (Some(password), None) => pool.hash(&password).await,
        (None, Some(legacy)) => pool.wrap(&read_hash("legacy_hash", &legacy)?).await,
        (None, None) => return Err(Problem::invalid_field("password", "either a password or a legacy_hash is needed")),
        (Some(_), Some(_)) => return Err(Problem::invalid_field("legacy_hash", "not together with a password")),
    };
    Ok(ok(json!({"hash": done(hash)?.as_str()})).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    password: Password,
    hash: Box<str>,
}

async fn verify(
    _: By<PasswordsRead>,
    State(server): Shared,
    StrictJson(body): StrictJson<VerifyBody>,
) -> Result<Response, Problem> {
    let pool = &server.vestibule.password_pool;
    let hash = read_hash("hash", &body.hash)?;
    let verified = done(pool.verify(&body.password, &hash).await)?;
    let new_hash = match verified.needs_rehash {
        // What was found out stands, whether or not there is time for a better hash.
        true => match pool.hash(&body.password).await {
            PoolOutcome::Done(hash) => Some(hash),
            PoolOutcome::Overloaded => None,
        },
        false => None,
    };
    let new_hash = new_hash.as_ref().map(PasswordHash::as_str);
    Ok(ok(json!({"valid": verified.valid, "needs_rehash": verified.needs_rehash, "new_hash": new_hash})).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckBody {
    password: Password,
    /// Whether a second factor stands beside it. Default: as configured.
    mfa: Option<bool>,
    #[serde(default)]
    context: Vec<Box<str>>,
}

async fn check(
    _: By<PasswordsRead>,
    State(server): Shared,
    StrictJson(body): StrictJson<CheckBody>,
) -> Result<Response, Problem> {
    if body.context.len() > CONTEXT_WORDS {
        return Err(Problem::invalid_field("context", "expected at most 32 texts"));
    }
    let policy = match body.mfa {
        None => server.vestibule.password_policy,
        Some(false) => server.vestibule.password_policy.of(PasswordProfile::SingleFactor),
        Some(true) => server.vestibule.password_policy.of(PasswordProfile::Mfa),
    };
    let context = ContextWords::new(body.context.iter().map(|text| &**text));
    let check = done(server.vestibule.password_pool.check(policy, &body.password, context).await)?;
    let reasons: Vec<_> = check.reasons.iter().map(|reason| reason.as_str()).collect();
    Ok(ok(json!({"accepted": check.accepted, "score": check.score, "reasons": reasons})).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportBody {
    users: Vec<AccountBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountBody {
    email: Box<str>,
    password_hash: Box<str>,
    name: Option<Box<str>>,
    user_id: Option<Box<str>>,
}

impl From<AccountBody> for ForeignAccount {
    fn from(body: AccountBody) -> Self {
        let AccountBody { email, password_hash, name, user_id } = body;
        Self { email, password_hash, name, user_id }
    }
}

async fn import(
    by: By<UsersWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<ImportBody>,
) -> Result<Response, Problem> {
    let accounts = server.vestibule.accounts.clone().ok_or_else(|| Problem::new(ProblemCode::RecordRequired))?;
    if !(1..=ACCOUNT_IMPORT_BATCH).contains(&body.users.len()) {
        return Err(Problem::invalid_field("users", "expected 1 to 200 users"));
    }
    let users = body.users.into_iter().map(ForeignAccount::from).collect();
    let outcomes = accounts.import(users, by.origin()).await.map_err(unavailable)?;
    Ok(ok(told(&outcomes)).into())
}

/// Counts, the ids of those who were taken over, and who was left behind, by their place in the request.
fn told(outcomes: &[AccountImport]) -> Value {
    let known = outcomes.iter().filter(|outcome| matches!(outcome, AccountImport::Known)).count();
    let places = || outcomes.iter().enumerate();
    let users = places().filter_map(|(index, outcome)| match outcome {
        AccountImport::Imported(id) => Some(json!({"index": index, "id": id})),
        _ => None,
    });
    let skipped = places().filter_map(|(index, outcome)| match outcome {
        AccountImport::Imported(_) | AccountImport::Known => None,
        AccountImport::Overloaded => Some(json!({"index": index, "reason": "overloaded"})),
        AccountImport::Invalid(invalid) => {
            Some(json!({"index": index, "reason": "invalid_field", "field": invalid.field, "detail": invalid.reason}))
        }
    });
    let (users, skipped): (Vec<_>, Vec<_>) = (users.collect(), skipped.collect());
    json!({"imported": users.len(), "known": known, "skipped": skipped, "users": users})
}
