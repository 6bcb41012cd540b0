//! Accounts: register, log in, log out, who am I, change the password.

use super::{Visit, body_of, forgetting, page, private, with_cookie, with_known_device};
use crate::api::{Server, Shared, account::accounts, unavailable_to_browser};
use axum::{
    extract::{FromRequest as _, Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use vestibule::{
    account::{
        Account, Email, KnownDeviceToken,
        service::{Credentials, Login, NewAccount, PasswordChange, PasswordChanged, Registration},
    },
    http::{
        form::Form,
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    id::UserId,
    password::{Password, PasswordReason},
    session::{
        EndReason,
        service::{Issued, create::NewSession},
    },
    time::Timestamp,
};

/// A user as they see themselves.
#[derive(Serialize)]
struct UserBody {
    id: UserId,
    email: Option<Box<str>>,
    name: Option<Box<str>>,
    created_at: Option<Timestamp>,
}

impl From<Account> for UserBody {
    fn from(account: Account) -> Self {
        Self {
            id: account.user_id,
            email: Some(account.email.as_str().into()),
            name: account.name,
            created_at: Some(account.created_at),
        }
    }
}

pub(super) fn weak(field: &'static str, reasons: &[PasswordReason]) -> Problem {
    let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
    Problem::new(ProblemCode::WeakPassword).with_field(field).with_reasons(reasons)
}

fn invalid(invalid: vestibule::session::service::Invalid) -> Problem {
    Problem::invalid_field(invalid.field, invalid.reason)
}

/// `POST /auth/register`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterBody {
    email: String,
    password: Password,
    name: Option<Box<str>>,
}

pub(super) async fn register(
    State(server): Shared,
    visit: Visit,
    StrictJson(body): StrictJson<RegisterBody>,
) -> Result<Response, Problem> {
    let accounts = accounts(&server)?;
    let email = Email::new(&body.email).map_err(|error| Problem::invalid_field("email", error.to_string()))?;
    let new = NewAccount { email, password: body.password, name: body.name };
    match accounts.register(new, visit.origin(None)).await.map_err(|fault| unavailable_to_browser(&fault))? {
        Registration::Registered(account) => Ok(private(StatusCode::CREATED, json!({"user": UserBody::from(account)}))),
        Registration::AddressTaken => Err(Problem::new(ProblemCode::EmailTaken)),
        Registration::Weak(reasons) => Err(weak("password", &reasons)),
        Registration::Invalid(refused) => Err(invalid(refused)),
        Registration::Overloaded => Err(Problem::new(ProblemCode::Overloaded)),
    }
}

/// `POST /auth/login`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginBody {
    pub(super) email: String,
    pub(super) password: Password,
    #[serde(default)]
    pub(super) remember: bool,
}

/// What a login hands out.
pub(super) struct LoggedIn {
    account: Account,
    pub(super) issued: Box<Issued>,
    pub(super) known_device: KnownDeviceToken,
}

impl LoggedIn {
    /// Gives the answer its cookies.
    pub(super) fn hand_out(&self, response: Response, server: &Server) -> Result<Response, Problem> {
        with_known_device(with_cookie(response, &self.issued, server)?, &self.known_device, server)
    }
}

/// Logs in by JSON; a form is the page's.
pub(super) async fn login(State(server): Shared, visit: Visit, request: Request) -> Result<Response, Problem> {
    if Form::is_sent_with(request.headers()) {
        return page::log_in(&server, &visit, request).await;
    }
    let StrictJson(body) = StrictJson::<LoginBody>::from_request(request, &server).await?;
    let logged_in = log_in(&server, &visit, body).await?;
    let session = body_of(&server, logged_in.issued.info.session.clone())?;
    let user = UserBody::from(logged_in.account.clone());
    let body = json!({"user": user, "session": session, "csrf_token": logged_in.issued.csrf_token});
    logged_in.hand_out(private(StatusCode::OK, body), &server)
}

/// Logs in, however address and password came.
pub(super) async fn log_in(server: &Server, visit: &Visit, body: LoginBody) -> Result<LoggedIn, Problem> {
    let known_device = visit.known_device.clone();
    let credentials = Credentials { email: Email::new(&body.email).ok(), password: body.password, known_device };
    let new = NewSession {
        remember: body.remember,
        ip: visit.ip,
        user_agent: visit.user_agent.clone(),
        replace_token: visit.token.clone(),
        device_token: visit.device_token.clone(),
        ..NewSession::default()
    };
    let login = accounts(server)?.login(credentials, new, visit.origin(None)).await;
    match login.map_err(|fault| unavailable_to_browser(&fault))? {
        Login::LoggedIn { account, issued, known_device } => Ok(LoggedIn { account, issued, known_device }),
        Login::Throttled { retry_after } => Err(throttled(retry_after)),
        Login::Refused => Err(Problem::new(ProblemCode::InvalidCredentials)),
        Login::LimitReached { .. } => Err(Problem::new(ProblemCode::SessionLimit)),
        Login::Invalid(refused) => Err(invalid(refused)),
        Login::Overloaded => Err(Problem::new(ProblemCode::Overloaded)),
    }
}

/// Too many wrong passwords; whole seconds, of which the last must be over.
pub(super) fn throttled(retry_after: Duration) -> Problem {
    Problem::rate_limited(retry_after.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX))
}

pub(super) async fn logout(State(server): Shared, visit: Visit) -> Result<Response, Problem> {
    let forgotten = || forgetting(StatusCode::NO_CONTENT.into_response(), &server);
    let valid = match visit.session_to_end(&server).await {
        Ok(valid) => valid,
        // Nobody is logged in any more: the browser may forget all the same.
        Err(problem) if problem.code() == ProblemCode::Unauthenticated => return Ok(forgotten()),
        Err(problem) => return Err(problem),
    };
    let origin = visit.origin(Some(&valid.session()));
    let ended = server.vestibule.sessions.end(valid.id(), EndReason::Logout, origin).await;
    ended.map_err(|fault| unavailable_to_browser(&fault))?;
    Ok(forgotten())
}

pub(super) async fn me(State(server): Shared, visit: Visit) -> Result<Response, Problem> {
    let valid = visit.session(&server).await?;
    let session = valid.session();
    let csrf_token = match session.parent {
        // A share cannot do anything unsafe, so it gets no token for it.
        Some(_) => None,
        None => Some(server.vestibule.sessions.csrf_token(&session)),
    };
    let account = match &server.vestibule.accounts {
        Some(accounts) => accounts.of(session.id.tag()).await.map_err(|fault| unavailable_to_browser(&fault))?,
        None => None,
    };
    let user = match (account, &session.user_id) {
        (Some(account), _) => Some(UserBody::from(account)),
        (None, Some(id)) => Some(UserBody { id: id.clone(), email: None, name: None, created_at: None }),
        (None, None) => None,
    };
    let session = body_of(&server, session)?;
    Ok(private(StatusCode::OK, json!({"user": user, "session": session, "csrf_token": csrf_token})))
}

/// `POST /auth/password`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordBody {
    current_password: Option<Password>,
    new_password: Password,
}

pub(super) async fn change_password(
    State(server): Shared,
    visit: Visit,
    StrictJson(body): StrictJson<PasswordBody>,
) -> Result<Response, Problem> {
    let accounts = accounts(&server)?;
    let session = visit.own_session(&server).await?;
    let Some(current) = body.current_password else { return Err(Problem::new(ProblemCode::WrongPassword)) };
    let change = PasswordChange { current, new: body.new_password, revoke_others: true };
    let origin = visit.origin(Some(&session));
    match accounts.change_password(&session, change, origin).await.map_err(|fault| unavailable_to_browser(&fault))? {
        PasswordChanged::Done { issued: Some(issued), known_device, revoked } => {
            let body = json!({"csrf_token": issued.csrf_token, "revoked": revoked});
            let response = with_cookie(private(StatusCode::OK, body), &issued, &server)?;
            with_known_device(response, &known_device, &server)
        }
        PasswordChanged::Done { issued: None, revoked, .. } => {
            Ok(forgetting(private(StatusCode::OK, json!({"csrf_token": null, "revoked": revoked})), &server))
        }
        PasswordChanged::Throttled { retry_after } => Err(throttled(retry_after)),
        PasswordChanged::WrongPassword => Err(Problem::new(ProblemCode::WrongPassword)),
        PasswordChanged::Weak(reasons) => Err(weak("new_password", &reasons)),
        PasswordChanged::NoAccount => Err(Problem::new(ProblemCode::UserMissing)),
        PasswordChanged::Overloaded => Err(Problem::new(ProblemCode::Overloaded)),
    }
}
