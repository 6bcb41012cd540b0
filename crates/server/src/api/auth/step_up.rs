//! Saying the password again, for what needs a recent proof of identity.

use super::{Visit, account::throttled, body_of, private, with_cookie};
use crate::api::{Shared, account::accounts, unavailable_to_browser};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::json;
use vestibule::{
    account::step_up::SteppedUp,
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    password::Password,
};

/// `POST /auth/step-up`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepUpBody {
    password: Option<Password>,
}

pub(super) async fn step_up(
    State(server): Shared,
    visit: Visit,
    StrictJson(body): StrictJson<StepUpBody>,
) -> Result<Response, Problem> {
    let accounts = accounts(&server)?;
    let session = visit.own_session(&server).await?;
    let Some(password) = body.password else { return Err(Problem::new(ProblemCode::WrongPassword)) };
    let stepped_up = accounts.step_up(&session, &password, visit.origin(Some(&session))).await;
    match stepped_up.map_err(|fault| unavailable_to_browser(&fault))? {
        SteppedUp::Done(issued) => {
            let session = body_of(&server, issued.info.session.clone())?;
            let body = json!({"csrf_token": issued.csrf_token, "session": session});
            with_cookie(private(StatusCode::OK, body), &issued, &server)
        }
        SteppedUp::WrongPassword => Err(Problem::new(ProblemCode::WrongPassword)),
        SteppedUp::Throttled { retry_after } => Err(throttled(retry_after)),
        SteppedUp::NoAccount => Err(Problem::new(ProblemCode::UserMissing)),
        SteppedUp::Gone => Err(Problem::new(ProblemCode::Unauthenticated)),
        SteppedUp::Overloaded => Err(Problem::new(ProblemCode::Overloaded)),
    }
}
