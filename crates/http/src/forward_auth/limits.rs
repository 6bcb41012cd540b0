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
use vestibule_core::limit::{Ask, AskError, Checked, Level, Limiter, Requester};
use vestibule_core::session::model::cut;

use super::judge::{Identity, Question};
use super::{Endpoint, Shared};
use crate::bearer_layer;
use crate::credential::{Credential, client};
use crate::problem::{Problem, ProblemCode};
use crate::rate_limit::{ChosenFields, Held, challenge, put, refusal};

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
    ) -> (Result<Identity, Problem>, Option<Held>) {
        let read = Question::read(endpoint, request);
        let (question, asks) = match read.and_then(|question| Ok((question, self.asks(request, question)?))) {
            Ok(read) => read,
            Err(problem) => return (Err(problem), None),
        };
        let Some(limits) = self.config.limits.as_ref().filter(|_| !asks.is_empty()) else {
            return (self.judge(request, question, request_id).await, None);
        };
        let ip = client(&self.config.trusted, request.headers(), request.extensions()).ip;
        // Whoever leaves has not passed.
        let left = |checked: &mut Checked| checked.turn_away(true);
        let check = pin!(Held::check(&limits.limiter, asks, request.headers(), ip, left));
        let judge = pin!(self.judge(request, question, request_id));
        // The check is looked at first: where it is answered without a question, the session is not asked for either. Else both leave
        // before either is answered.
        let (verdict, held) = match select(check, judge).await {
            Either::Left((held, _)) if stands_in_the_way(&held) => (Err(ProblemCode::RateLimited.into()), held),
            Either::Left((held, judge)) => (judge.await, held),
            Either::Right((verdict, check)) => (verdict, check.await),
        };
        let Ok(held) = held else { return (Err(unknown()), None) };
        let Some(problem) = refusal(held.checked.outcome) else { return (verdict, Some(held)) };
        self.note(limits, &held.checked, request, request_id);
        (Err(problem), Some(held))
    }

    /// All rules of a request. The usual one has none and costs two looks.
    fn asks(&self, request: &Request<()>, Question { original, demands }: Question<'_>) -> Result<Vec<Ask>, Problem> {
        let rules = self.config.limits.as_ref().map(|limits| limits.limiter.rules());
        let here = rules.iter().flat_map(|rules| rules.guarding(request.uri().path()));
        if here.clone().next().is_none() && demands.limits().next().is_none() {
            return Ok(Vec::new());
        }
        // A demand that is not understood must not be skipped.
        let (Some(limits), Some(rules)) = (&self.config.limits, &rules) else { return Err(unknown()) };
        let demanded = demands.limits().map(|name| rules.get(name).ok_or_else(unknown)).collect::<Result<Vec<_>, _>>()?;
        let credential = Credential::read(&self.config.cookie, request.headers());
        let user = credential.and_then(|credential| self.user_in(credential));
        let requester = Requester {
            ip: client(&self.config.trusted, request.headers(), request.extensions()).ip,
            user,
            endpoint: original.uri.split('?').next(),
            ..Requester::default()
        };
        let asks = here.chain(demanded).filter_map(|ruled| limits.limiter.ask_for(ruled, &requester));
        let may_pass = user.is_some() || credential.is_some_and(|credential| self.sessions.may_be_legacy(credential.token));
        Ok(if may_pass { asks.collect() } else { asks.filter(is_of_address).collect() })
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
    pub(super) async fn settle(&self, mut held: Held, passed: bool, response: &mut Response) {
        let Some(limits) = &self.config.limits else { return };
        let failed = response.status().is_client_error();
        held.settle(|checked| if passed { checked.settle(failed) } else { checked.turn_away(failed) }).await;
        put(limits.fields.get(), &held.checked, response.headers_mut());
        challenge::put_challenge(&limits.limiter, &held.checked, response.headers_mut());
    }
}

fn stands_in_the_way(held: &Result<Held, AskError>) -> bool {
    held.as_ref().is_ok_and(|held| !held.checked.outcome.allowed())
}

/// What is asked of those who bring nothing that may pass: they would hold what others need until that is said.
fn is_of_address(ask: &Ask) -> bool {
    ask.rule().options().level == Level::Ip || ask.listed().is_some()
}

fn unknown() -> Problem {
    Problem::new(ProblemCode::InvalidQuery).with_detail("limit must name limit rules that exist").with_field("limit")
}
