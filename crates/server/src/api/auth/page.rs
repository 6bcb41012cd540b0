//! The login page: a form that works without a script, and what it sends.
//!
//! The form has no target, so a browser sends it to the page's own address: where to go afterwards stays in that address, and
//! nothing of it is ever written into the page.

use super::{
    Visit,
    account::{LoginBody, log_in as log_in_with},
};
use crate::{
    api::{Server, Shared, account::accounts, page},
    config,
};
use askama::Template;
use axum::{
    extract::{FromRequest as _, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use vestibule::{
    http::{
        form::Form,
        headers::NO_STORE,
        problem::{Problem, ProblemCode},
        return_to::ReturnTo,
    },
    password::Password,
};

/// The page as the operator wants it.
pub(crate) struct LoginPage {
    title: String,
    logo_url: Option<String>,
    style: Bytes,
    return_to: ReturnTo,
    policy: HeaderValue,
}

impl LoginPage {
    /// Joins our style sheet and the operator's, if there is one, which comes later and so decides.
    pub(crate) fn new(config: &config::LoginPage, own_style: &str) -> Self {
        let images = config.logo.as_ref().map_or("'none'", |logo| logo.source.as_str());
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src {images}; form-action 'self'; object-src 'none'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        Self {
            title: config.title.clone(),
            logo_url: config.logo.as_ref().map(|logo| logo.url.clone()),
            style: format!("{}{own_style}", include_str!("../../../templates/login.css")).into(),
            return_to: config.return_to.clone(),
            policy: HeaderValue::try_from(policy).expect("an origin is visible ASCII"),
        }
    }

    fn show(&self, status: StatusCode, error: Option<&str>) -> Result<Response, Problem> {
        let page = Page { title: &self.title, logo_url: self.logo_url.as_deref(), error };
        let html = page.render().map_err(|error| {
            tracing::error!(%error, "the login page cannot be rendered");
            Problem::new(ProblemCode::Internal)
        })?;
        let mut response = page::page(html);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        // With no-referrer a browser would send its own form with `Origin: null`, as a foreign one (Fetch standard, 3.2).
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(header::CACHE_CONTROL, NO_STORE.clone());
        Ok(response)
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct Page<'a> {
    title: &'a str,
    logo_url: Option<&'a str>,
    error: Option<&'a str>,
}

/// `GET /auth/login`
pub(super) async fn show(State(server): Shared) -> Result<Response, Problem> {
    accounts(&server)?;
    server.browser.login_page.show(StatusCode::OK, None)
}

/// `GET /auth/login/style.css`
pub(super) async fn style(State(server): Shared) -> Response {
    page::style(server.browser.login_page.style.clone())
}

/// `POST /auth/login` by a form. Whoever is refused sees the page again, with a sentence.
pub(super) async fn log_in(server: &Server, visit: &Visit, request: Request) -> Result<Response, Problem> {
    accounts(server)?;
    let login_page = &server.browser.login_page;
    let asked = request.uri().query().and_then(ReturnTo::from_query);
    let form = Form::from_request(request, server).await?;
    let logged_in = match credentials(&form) {
        Some(body) => log_in_with(server, visit, body).await,
        None => Err(Problem::new(ProblemCode::InvalidCredentials)),
    };
    match logged_in {
        Ok(logged_in) => {
            let target = asked.or_else(|| ReturnTo::new(form.field("return_to")?));
            let target = target.as_ref().unwrap_or(&login_page.return_to);
            let headers = [(header::LOCATION, target.location()), (header::CACHE_CONTROL, NO_STORE.clone())];
            logged_in.hand_out((StatusCode::SEE_OTHER, headers).into_response(), server)
        }
        Err(problem) => refused(login_page, &problem),
    }
}

/// `None` for what cannot be anybody's address and password.
fn credentials(form: &Form) -> Option<LoginBody> {
    let password = Password::new(form.field("password")?).ok()?;
    Some(LoginBody { email: form.field("email")?.trim().to_owned(), password, remember: form.field("remember").is_some() })
}

/// Status and headers of the problem, and a sentence that tells no more than it.
fn refused(page: &LoginPage, problem: &Problem) -> Result<Response, Problem> {
    let sentence = match problem.code() {
        ProblemCode::InvalidCredentials => "The address or the password is wrong.",
        ProblemCode::RateLimited => "There were too many attempts. Wait a while, then try again.",
        ProblemCode::SessionLimit => "You are logged in on as many devices as allowed. Log out on one of them first.",
        _ => "You cannot be logged in at the moment. Please try again.",
    };
    let mut response = page.show(problem.status(), Some(sentence))?;
    let of_problem = problem.clone().into_response();
    for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        if let Some(value) = of_problem.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}
