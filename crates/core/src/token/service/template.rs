//! Claims that configuration adds: texts with placeholders.

use crate::token::claims::RESERVED;
use serde_json::{Map, Value};

/// Longest template in bytes.
const TEMPLATE_BYTES: usize = 256;

/// Why a claim cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Tokens give the name a meaning of their own.
    #[error("this claim has a meaning of its own and cannot be set")]
    Reserved,
    /// No name for a claim.
    #[error("the name of a claim is 1 to 64 letters, digits or _ - . : /")]
    Name,
    /// A brace without its other one, or a placeholder that there is not.
    #[error("knows the placeholders {{user_id}} {{session_id}} {{client_id}} {{device_id}} {{profile}} and no other")]
    Placeholder,
    /// Too long.
    #[error("has more than 256 bytes")]
    TooLong,
}

/// What placeholders stand for; empty is nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts<'a> {
    pub(super) user_id: &'a str,
    pub(super) session_id: &'a str,
    pub(super) client_id: &'a str,
    pub(super) device_id: &'a str,
    pub(super) profile: &'a str,
}

/// A claim that is added to every access token: `tenant = "shop-{client_id}"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimTemplate {
    name: Box<str>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    UserId,
    SessionId,
    ClientId,
    DeviceId,
    Profile,
}

impl ClaimTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(name: &str, template: &str) -> Result<Self, TemplateError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(TemplateError::Name);
        }
        if RESERVED.contains(&name) {
            return Err(TemplateError::Reserved);
        }
        if template.len() > TEMPLATE_BYTES {
            return Err(TemplateError::TooLong);
        }
        Ok(Self { name: name.into(), parts: parts(template)? })
    }

    /// Adds the claim. One that comes out empty is left out.
    pub(super) fn add(&self, claims: &mut Map<String, Value>, facts: Facts<'_>) {
        let text: String = self.parts.iter().map(|part| part.fill(facts)).collect();
        if !text.is_empty() {
            claims.insert(self.name.to_string(), text.into());
        }
    }
}

impl Part {
    fn fill<'a>(&'a self, facts: Facts<'a>) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::UserId => facts.user_id,
            Self::SessionId => facts.session_id,
            Self::ClientId => facts.client_id,
            Self::DeviceId => facts.device_id,
            Self::Profile => facts.profile,
        }
    }
}

fn parts(mut template: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    while let Some(open) = template.find(['{', '}']) {
        let (text, rest) = template.split_at(open);
        let (name, rest) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or(TemplateError::Placeholder)?;
        parts.push(Part::Text(text.into()));
        parts.push(match name {
            "user_id" => Part::UserId,
            "session_id" => Part::SessionId,
            "client_id" => Part::ClientId,
            "device_id" => Part::DeviceId,
            "profile" => Part::Profile,
            _ => return Err(TemplateError::Placeholder),
        });
        template = rest;
    }
    parts.push(Part::Text(template.into()));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_and_an_empty_claim_left_out() {
        let fill = |template: &str| {
            let mut claims = Map::new();
            let facts = Facts { user_id: "ada", client_id: "app", ..Facts::default() };
            ClaimTemplate::parse("tenant", template).expect("a template").add(&mut claims, facts);
            claims.remove("tenant")
        };
        assert_eq!(fill("shop-{client_id}/{user_id}!"), Some("shop-app/ada!".into()));
        assert_eq!(fill("{session_id}{profile}{device_id}"), None);
        assert_eq!(fill("plain"), Some("plain".into()));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for bad in ["{", "}", "{}", "{user}", "a{user_id", "{{user_id}}", "{user_id}}"] {
            assert_eq!(ClaimTemplate::parse("tenant", bad), Err(TemplateError::Placeholder), "{bad}");
        }
        assert_eq!(ClaimTemplate::parse("sub", "{user_id}"), Err(TemplateError::Reserved));
        assert_eq!(ClaimTemplate::parse("a b", "x"), Err(TemplateError::Name));
        assert_eq!(ClaimTemplate::parse("a", &"x".repeat(300)), Err(TemplateError::TooLong));
    }
}
