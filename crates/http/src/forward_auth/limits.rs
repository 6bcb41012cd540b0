//! Limits in front of the endpoints: those that the configuration applies to them, and those that a proxy asks for (`?limit=RULE`).
//!
//! They are asked at the same time as the session, so where both are on one Redis they travel together. What is known to be denied is
//! answered before either leaves.

use std::pin::pin;
use std::sync::Arc;

use axum::response::Response;
use futures_util::future::{Either, select};
use http::Request;
use vestibule_core::bounds::USER_AGENT_BYTES;
use vestibule_core::event::Origin;
use vestibule_core::id::UserTag;
use vestibule_core::limit::{Ask, AskError, Checked, Limiter, Requester};
use vestibule_core::session::model::cut;

use super::judge::{Identity, read};
use super::{Endpoint, Shared};
use crate::bearer_layer;
use crate::credential::{Credential, client};
use crate::problem::{Problem, ProblemCode};
use crate::rate_limit::{ChosenFields, challenge, put, refusal};

/// What bounds the requests that proxies ask about: rules that guard one of our paths by themselves, and those that are asked for.
#[derive(Debug, Clone)]
pub struct ProxyLimits {
    /// Decides.
    pub limiter: Arc<Limiter>,
    /// What clients are told.
    pub fields: ChosenFields,
}

impl Shared {
    /// Who sent the original request, or why it may not pass, and what its limits say.
    pub(super) async fn bounded(
        &self,
        endpoint: Endpoint,
        request: &Request<()>,
        request_id: &str,
    ) -> (Result<Identity, Problem>, Option<Checked>) {
        let asks = match self.asks(endpoint, request) {
            Ok(asks) => asks,
            Err(problem) => return (Err(problem), None),
        };
        let Some(limits) = self.config.limits.as_ref().filter(|_| !asks.is_empty()) else {
            return (self.judge(endpoint, request, request_id).await, None);
        };
        let ip = client(&self.config.trusted, request.headers(), request.extensions()).ip;
        let check = pin!(challenge::check(&limits.limiter, asks, request.headers(), ip));
        let judge = pin!(self.judge(endpoint, request, request_id));
        // The check is looked at first: where it is answered without a question, the session is not asked for either. Else both leave
        // before either is answered.
        let (verdict, checked) = match select(check, judge).await {
            Either::Left((checked, _)) if is_refused(&checked) => (Err(ProblemCode::RateLimited.into()), checked),
            Either::Left((checked, judge)) => (judge.await, checked),
            Either::Right((verdict, check)) => (verdict, check.await),
        };
        let Ok(checked) = checked else { return (Err(unknown()), None) };
        let Some(problem) = refusal(checked.outcome) else { return (verdict, Some(checked)) };
        self.note(limits, &checked, request, request_id);
        (Err(problem), Some(checked))
    }

    /// All rules of a request. The usual one has none and costs two looks.
    fn asks(&self, endpoint: Endpoint, request: &Request<()>) -> Result<Vec<Ask>, Problem> {
        let rules = self.config.limits.as_ref().map(|limits| limits.limiter.rules());
        let here = rules.iter().flat_map(|rules| rules.guarding(request.uri().path()));
        if here.clone().next().is_none() && !request.uri().query().is_some_and(|query| query.contains("limit=")) {
            return Ok(Vec::new());
        }
        let (original, demands) = read(endpoint, request)?;
        let (Some(limits), Some(rules)) = (&self.config.limits, &rules) else {
            return if demands.limits().next().is_none() { Ok(Vec::new()) } else { Err(unknown()) };
        };
        let credential = Credential::read(&self.config.cookie, request.headers());
        let requester = Requester {
            ip: client(&self.config.trusted, request.headers(), request.extensions()).ip,
            user: credential.and_then(|credential| self.user_in(credential)),
            endpoint: original.uri.split('?').next(),
            ..Requester::default()
        };
        let mut asks: Vec<Ask> = here.filter_map(|ruled| limits.limiter.ask_for(ruled, &requester)).collect();
        for name in demands.limits() {
            // A demand that is not understood must not be skipped.
            let ruled = rules.get(name).ok_or_else(unknown)?;
            asks.extend(limits.limiter.ask_for(ruled, &requester));
        }
        Ok(asks)
    }

    /// Whose credential it is, as it says itself: no round trip. A token of a system that ours replaces does not say.
    fn user_in(&self, credential: Credential<'_>) -> Option<UserTag> {
        match self.config.tokens.as_ref().filter(|_| credential.is_access_token()) {
            Some(tokens) => bearer_layer::judge(tokens, credential.token, None).ok().map(|claims| claims.id.tag()),
            None => self.sessions.tag_in(credential.token),
        }
    }

    fn note(&self, limits: &ProxyLimits, checked: &Checked, request: &Request<()>, request_id: &str) {
        let client = client(&self.config.trusted, request.headers(), request.extensions());
        let user_agent = client.user_agent.map(|agent| cut(agent, USER_AGENT_BYTES).into());
        let origin = Origin { ip: client.ip, user_agent, request_id: Some(request_id.into()), ..Origin::default() };
        limits.limiter.note_denial(checked, &origin);
    }

    /// Gives back what does not count after all, and tells the client where it stands.
    pub(super) async fn settle(&self, mut checked: Checked, passed: bool, response: &mut Response) {
        let Some(limits) = &self.config.limits else { return };
        let failed = response.status().is_client_error();
        let taken = if passed { checked.settle(failed) } else { checked.turn_away(failed) };
        put(limits.fields.get(), &checked, response.headers_mut());
        challenge::put_challenge(&limits.limiter, &checked, response.headers_mut());
        limits.limiter.give_back(taken).await;
    }
}

fn is_refused(checked: &Result<Checked, AskError>) -> bool {
    checked.as_ref().is_ok_and(|checked| !checked.outcome.allowed())
}

fn unknown() -> Problem {
    Problem::new(ProblemCode::InvalidQuery).with_detail("limit must name limit rules that exist").with_field("limit")
}
