//! What a proxy demands of a request, in the query of our own endpoint: `?mfa=required`, `?role=admin`, `?limit=api`.
//!
//! A demand that is not understood is refused and never skipped: a typo in a proxy's configuration must not open what it
//! was meant to close. Tokens in the query are refused before anything else, because queries end up in logs.

use crate::bounds::{REQUIRED_LIMITS, REQUIRED_ROLE_BYTES, REQUIRED_ROLES};
use crate::problem::{Problem, ProblemCode};
use crate::urlencoded::{decode, pairs};

/// Query names under which clients have been seen to send tokens.
const TOKEN_NAMES: [&str; 4] = ["token", "session", "sid", "access_token"];

/// The demands of one call. Borrowed: nothing is allocated unless a role is percent-encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requirements<'a> {
    mfa: bool,
    query: &'a str,
}

/// Why a query is refused; each is a 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequirementsError {
    /// A token, or what looks like one, is in the URL.
    TokenInUrl,
    /// `mfa` has a value other than `required`.
    InvalidMfa,
    /// A role is empty, too long, not UTF-8, or there are too many.
    InvalidRole,
    /// A limit has no name, or there are too many.
    InvalidLimit,
    /// A parameter that is none of `mfa`, `role` and `limit`.
    UnknownParameter,
}

impl From<RequirementsError> for Problem {
    fn from(error: RequirementsError) -> Self {
        let invalid = |detail| Self::new(ProblemCode::InvalidQuery).with_detail(detail);
        match error {
            RequirementsError::TokenInUrl => Self::new(ProblemCode::TokenInUrl),
            RequirementsError::InvalidMfa => invalid("mfa can only be \"required\"").with_field("mfa"),
            RequirementsError::InvalidRole => invalid("role must name one or more roles").with_field("role"),
            RequirementsError::InvalidLimit => {
                invalid("limit must name one limit rule, and at most 8 are asked for").with_field("limit")
            }
            RequirementsError::UnknownParameter => invalid("only mfa, role and limit are understood here"),
        }
    }
}

impl<'a> Requirements<'a> {
    /// Reads the query of our own endpoint; an absent or empty one demands nothing.
    ///
    /// # Errors
    /// [`RequirementsError`]; a token in the URL goes before every other reason.
    pub fn parse(query: Option<&'a str>) -> Result<Self, RequirementsError> {
        let query = query.unwrap_or_default();
        if query.is_empty() {
            return Ok(Self::default());
        }
        if has_token(query) {
            return Err(RequirementsError::TokenInUrl);
        }
        let mut mfa = false;
        let (mut roles, mut limits) = (0, 0);
        for (name, value) in pairs(query) {
            match (name, value) {
                ("mfa", "required") => mfa = true,
                ("mfa", _) => return Err(RequirementsError::InvalidMfa),
                ("role", list) => roles += count_roles(list)?,
                ("limit", "") => return Err(RequirementsError::InvalidLimit),
                ("limit", _) => limits += 1,
                _ => return Err(RequirementsError::UnknownParameter),
            }
        }
        if roles > REQUIRED_ROLES {
            return Err(RequirementsError::InvalidRole);
        }
        if limits > REQUIRED_LIMITS {
            return Err(RequirementsError::InvalidLimit);
        }
        Ok(Self { mfa, query })
    }

    /// Whether the session must have passed a second factor.
    #[must_use]
    pub fn mfa(&self) -> bool {
        self.mfa
    }

    /// The limit rules that bound the request, in order. Their names need no encoding.
    pub fn limits(&self) -> impl Iterator<Item = &'a str> {
        pairs(self.query).filter(|(name, _)| *name == "limit").map(|(_, rule)| rule)
    }

    /// Whether the roles of a session satisfy every `role` parameter. Of a comma-separated list one role is enough;
    /// several parameters must all be satisfied: `role=staff&role=admin,owner` is staff and either admin or owner.
    #[must_use]
    pub fn roles_satisfied_by<'r>(&self, held: impl Iterator<Item = &'r str> + Clone) -> bool {
        let is_held = |role: &str| held.clone().any(|candidate| candidate == role);
        pairs(self.query)
            .filter(|(name, _)| *name == "role")
            .all(|(_, list)| decode(list).is_some_and(|list| list.split(',').any(is_held)))
    }
}

/// Whether a query carries a token under one of the names `token`, `session`, `sid` and `access_token`, in any case and
/// percent-encoded or not.
#[must_use]
pub fn has_token(query: &str) -> bool {
    let is_token_name = |name: &str| TOKEN_NAMES.iter().any(|token| name.eq_ignore_ascii_case(token));
    pairs(query).any(|(name, _)| match decode(name) {
        Some(name) => is_token_name(&name),
        None => false,
    })
}

fn count_roles(list: &str) -> Result<usize, RequirementsError> {
    let list = decode(list).ok_or(RequirementsError::InvalidRole)?;
    let is_role = |role: &str| (1..=REQUIRED_ROLE_BYTES).contains(&role.len());
    if !list.split(',').all(is_role) {
        return Err(RequirementsError::InvalidRole);
    }
    Ok(list.split(',').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Requirements<'_>, RequirementsError> {
        Requirements::parse(Some(query))
    }

    fn admits(query: &str, roles: &[&str]) -> bool {
        parse(query).expect("a valid query").roles_satisfied_by(roles.iter().copied())
    }

    #[test]
    fn no_query_demands_nothing() {
        for query in [None, Some(""), Some("&")] {
            let requirements = Requirements::parse(query).expect("nothing to refuse");
            assert!(!requirements.mfa() && requirements.roles_satisfied_by([].into_iter()), "{query:?}");
        }
    }

    #[test]
    fn mfa_has_one_value() {
        assert!(parse("mfa=required").expect("a valid query").mfa());
        for query in ["mfa", "mfa=", "mfa=true", "mfa=Required", "mfa=required&mfa=no"] {
            assert_eq!(parse(query), Err(RequirementsError::InvalidMfa), "{query}");
        }
    }

    #[test]
    fn one_of_a_list_and_all_of_the_parameters() {
        assert!(admits("role=admin", &["staff", "admin"]));
        assert!(!admits("role=admin", &["staff"]));
        assert!(!admits("role=admin", &[]));
        assert!(admits("role=admin,owner", &["owner"]));
        assert!(!admits("role=staff&role=admin,owner", &["owner"]));
        assert!(admits("role=staff&role=admin,owner&mfa=required", &["owner", "staff"]));
        assert!(admits("role=night%20shift", &["night shift"]) && admits("role=a%2cb", &["b"]));
        assert!(!admits("role=admin", &["Admin", "administrator"]));
    }

    #[test]
    fn demands_that_are_not_understood_are_refused() {
        for query in ["role", "role=", "role=a,,b", "role=%", "role=%zz", "role=%ff", "role=%f"] {
            assert_eq!(parse(query), Err(RequirementsError::InvalidRole), "{query}");
        }
        for query in ["roles=admin", "Role=admin", "x=1", "MFA=required"] {
            assert_eq!(parse(query), Err(RequirementsError::UnknownParameter), "{query}");
        }
        let many = format!("role={}", vec!["a"; REQUIRED_ROLES + 1].join(","));
        assert_eq!(parse(&many), Err(RequirementsError::InvalidRole));
        assert_eq!(parse(&format!("role={}", "a".repeat(257))), Err(RequirementsError::InvalidRole));
    }

    #[test]
    fn limits_are_named() {
        let both = parse("limit=api&role=admin&limit=search").expect("a valid query");
        assert_eq!(both.limits().collect::<Vec<_>>(), ["api", "search"]);
        for query in ["limit", "limit=", &["limit=a"; 9].join("&")] {
            assert_eq!(parse(query), Err(RequirementsError::InvalidLimit), "{query}");
        }
    }

    // S23
    #[test]
    fn tokens_in_the_url_are_refused_first() {
        for name in ["token", "session", "sid", "access_token", "Token", "%74oken", "access%5Ftoken"] {
            for query in [format!("{name}=vs_x"), name.to_owned(), format!("mfa=bad&{name}=")] {
                assert_eq!(parse(&query), Err(RequirementsError::TokenInUrl), "{query}");
            }
        }
        assert!(!has_token("tokens=1&role=token"));
    }
}
