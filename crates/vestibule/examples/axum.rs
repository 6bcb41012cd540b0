//! Sessions in an axum application: `cargo run -p vestibule --example axum`.

// axum:begin
use axum::{
    Json, Router,
    routing::{get, post},
};
use vestibule::{
    Vestibule,
    http::{cookie::SessionCookie, problem::Problem, session_layer::*},
};
use vestibule::{id::UserId, session::service::create::NewSession};

async fn log_in(login: Login, Json(user): Json<UserId>) -> Result<String, Problem> {
    // Here stands your own check of who it is.
    Ok(login.start(NewSession { user_id: Some(user), ..NewSession::default() }).await?.csrf_token)
}

async fn hello(user: CurrentUser) -> String {
    format!("Hello, {}", user.id)
}

async fn log_out(session: Session) -> Result<(), Problem> {
    session.log_out().await
}

pub(crate) fn app(vestibule: &Vestibule, cookie: SessionCookie) -> Router {
    let routes = Router::new().route("/login", post(log_in)).route("/hello", get(hello)).route("/logout", post(log_out));
    routes.layer(SessionLayer::new(vestibule.sessions.clone(), cookie))
}
// axum:end

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = vestibule::secret::Secret::new(std::env::var("VESTIBULE_SECRET")?)?;
    let mut options = vestibule::Options::new(vestibule::secret::KeyRing::new(&[secret], None)?);
    options.data_dir = Some("vestibule-data".into());
    let app = app(&Vestibule::open(options).await?, SessionCookie::development());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}
