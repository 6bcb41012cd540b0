//! Which rules bound a request, by which key and at what cost.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::MatchedPath;
use http::Method;
use http::request::Parts;
use vestibule_core::id::{UserId, UserTag};
use vestibule_core::limit::{Ask, Level, Limiter, Requester, Ruled, Rules, is_at};
use vestibule_core::session::Sessions;

use crate::cookie::SessionCookie;
use crate::credential::Credential;
use crate::problem::{Problem, ProblemCode};
use crate::{bearer_layer, session_layer};

/// Finds the key of a request; `None` where the rule does not apply to it.
pub(super) type KeyOf = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;
/// Finds what a request costs; 0 is free.
pub(super) type CostOf = Arc<dyn Fn(&Parts) -> u64 + Send + Sync>;

/// A rule that somebody put in front of an application.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) rule: Box<str>,
    /// The path that it guards; without one all of them.
    pub(super) path: Option<Box<str>>,
    /// Finds the key; without it the level of the rule says what is counted.
    pub(super) key_of: Option<KeyOf>,
}

/// All rules in front of an application.
#[derive(Clone, Default)]
pub(super) struct Guards {
    pub(super) named: Vec<Guard>,
    /// Whether rules that say themselves what they guard do.
    pub(super) configured: bool,
    pub(super) cost_of: Option<CostOf>,
    /// Who reads tokens that no layer around this one has read, and from which cookie.
    pub(super) readers: Option<(Arc<Sessions>, SessionCookie)>,
}

impl Guards {
    /// What a request is asked for. A browser's question whether it may ask is no request.
    ///
    /// # Errors
    /// 500 for a rule that does not exist: a guard that is not understood must not stand open.
    pub(super) fn asks(&self, limiter: &Limiter, parts: &Parts, ip: Option<IpAddr>) -> Result<Vec<Ask>, Problem> {
        let cost = self.cost_of.as_ref().map_or(1, |cost_of| cost_of(parts));
        if cost == 0 || parts.method == Method::OPTIONS {
            return Ok(Vec::new());
        }
        let path = parts.uri.path();
        // One count for all that one route serves, whatever stands in its parameters.
        let endpoint = parts.extensions.get::<MatchedPath>().map_or(path, MatchedPath::as_str);
        let requester = Requester { ip, user: self.user(parts), endpoint: Some(endpoint), key: None, cost };
        let rules = limiter.rules();
        let mut asks = Vec::new();
        if self.configured {
            asks.extend(rules.guarding(path).filter_map(|ruled| limiter.ask_for(ruled, &requester)));
        }
        for guard in self.named.iter().filter(|guard| guard.path.as_deref().is_none_or(|guarded| is_at(path, guarded))) {
            let ruled = find(&rules, &guard.rule)?;
            asks.extend(guard.ask(limiter, ruled, parts, requester));
        }
        Ok(asks)
    }

    /// Who it is, as a layer around this one has found out, or as the token says itself.
    fn user(&self, parts: &Parts) -> Option<UserTag> {
        let found = session_layer::tag_in(&parts.extensions).or_else(|| bearer_layer::tag_in(&parts.extensions));
        found.or_else(|| {
            let (sessions, cookie) = self.readers.as_ref()?;
            sessions.tag_in(Credential::read(cookie, &parts.headers)?.token)
        })
    }
}

impl Guard {
    fn ask(&self, limiter: &Limiter, ruled: &Arc<Ruled>, parts: &Parts, requester: Requester<'_>) -> Option<Ask> {
        let Some(key_of) = &self.key_of else { return limiter.ask_for(ruled, &requester) };
        let key = key_of(parts)?;
        let user = || UserId::new(key.as_str()).ok().map(|user| limiter.tag_of(&user));
        let requester = match ruled.rule.options().level {
            Level::Ip => Requester { ip: key.parse().ok(), ..requester },
            Level::User => Requester { user: user(), ..requester },
            Level::Endpoint => Requester { endpoint: Some(&key), ..requester },
            Level::Global | Level::Key | Level::Custom => Requester { key: Some(&key), ..requester },
        };
        limiter.ask_for(ruled, &requester)
    }
}

fn find<'a>(rules: &'a Rules, name: &str) -> Result<&'a Arc<Ruled>, Problem> {
    rules.get(name).ok_or_else(|| {
        tracing::error!(rule = name, "a RateLimitLayer names a limit rule that does not exist");
        Problem::new(ProblemCode::Internal)
    })
}
