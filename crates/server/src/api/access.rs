//! Who may ask: management keys, and the scope that each route needs.

use super::{RequestId, Server, Shared, answer::unavailable};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::{marker::PhantomData, net::IpAddr, ops::Deref, sync::Arc};
use vestibule::{
    bounds::USER_AGENT_BYTES,
    event::Origin,
    http::{
        problem::{Problem, ProblemCode},
        token_header::{BearerRead, read_bearer},
    },
    key::Verified,
    session::model::cut,
};

/// Who asks, and in which request: put into each management request once its key was verified.
#[derive(Clone)]
pub(crate) struct Caller {
    key: Verified,
    request_id: Box<str>,
}

impl Caller {
    /// The verified key.
    pub(super) fn key(&self) -> &Verified {
        &self.key
    }

    /// The request's id.
    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// What events say of this request.
    pub(super) fn origin(&self) -> Origin {
        Origin { actor: Some(self.key.actor.clone()), request_id: Some(self.request_id.clone()), ..Origin::default() }
    }

    /// As [`Self::origin`], on behalf of a client whose address and agent the backend tells.
    pub(super) fn origin_at(&self, ip: Option<IpAddr>, user_agent: Option<&str>) -> Origin {
        let user_agent = user_agent.map(|agent| cut(agent, USER_AGENT_BYTES).into());
        Origin { ip, user_agent, ..self.origin() }
    }
}

/// A scope by its name.
pub(super) trait Permission {
    const SCOPE: &'static str;
}

macro_rules! permissions {
    ($($name:ident $scope:literal)+) => {
        $(
            #[doc = concat!("`", $scope, "`")]
            pub(super) struct $name;

            impl Permission for $name {
                const SCOPE: &'static str = $scope;
            }
        )+
    };
}

permissions! {
    SessionsRead "sessions:read"
    SessionsWrite "sessions:write"
    SessionsValidate "sessions:validate"
    UsersRead "users:read"
    UsersWrite "users:write"
    DevicesRead "devices:read"
    DevicesWrite "devices:write"
    KeysRead "keys:read"
    KeysWrite "keys:write"
    EventsRead "events:read"
    EventsWrite "events:write"
    LimitsRead "limits:read"
    LimitsWrite "limits:write"
    StatsRead "stats:read"
    ImportWrite "import:write"
    TokensIntrospect "tokens:introspect"
    TokensRead "tokens:read"
    TokensRevoke "tokens:revoke"
    TokensWrite "tokens:write"
    PasswordsRead "passwords:read"
    PasswordsWrite "passwords:write"
}

/// A caller whose key has the scope. Comes first among a handler's arguments, so that nothing is read for others.
pub(super) struct By<P>(Caller, PhantomData<P>);

impl<P> Deref for By<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<P: Permission> FromRequestParts<Arc<Server>> for By<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Server>) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().ok_or_else(|| Problem::new(ProblemCode::KeyInvalid))?;
        if !caller.key.scopes.permits(P::SCOPE) {
            return Err(Problem::new(ProblemCode::ScopeMissing));
        }
        Ok(Self(caller.clone(), PhantomData))
    }
}

/// Verifies the key of a management request.
pub(super) async fn authenticate(State(server): Shared, mut request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().map_or_else(|| "".into(), |id| id.0.clone());
    let BearerRead::One(text) = read_bearer(request.headers()) else {
        return Problem::new(ProblemCode::KeyInvalid).into_response();
    };
    let origin = Origin { request_id: Some(request_id.clone()), ..Origin::default() };
    match server.keys.verify(text, &origin).await {
        Ok(Some(key)) => {
            request.extensions_mut().insert(Caller { key, request_id });
            next.run(request).await
        }
        Ok(None) => Problem::new(ProblemCode::KeyInvalid).into_response(),
        Err(fault) => unavailable(fault).into_response(),
    }
}
