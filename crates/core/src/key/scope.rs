//! What a management key may do.

/// One permission: a noun and `read` or `write`, or one of a few verbs of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `*`: everything.
    All,
    /// A named permission.
    Named(&'static str),
}

/// There is no scope of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope of this name")]
pub struct UnknownScope;

/// Nouns with `:read` and `:write`.
const NAMED: &[&str] = &[
    "cache:read",
    "cache:write",
    "devices:read",
    "devices:write",
    "events:read",
    "events:write",
    "import:write",
    "jobs:read",
    "jobs:write",
    "keys:read",
    "keys:write",
    "limits:read",
    "limits:write",
    "live:read",
    "live:write",
    "passwords:read",
    "passwords:write",
    "sessions:read",
    "sessions:validate",
    "sessions:write",
    "stats:read",
    "stats:write",
    "tokens:introspect",
    "tokens:read",
    "tokens:revoke",
    "tokens:write",
    "users:read",
    "users:write",
];

impl Scope {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "*",
            Self::Named(name) => name,
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        if text == "*" {
            return Ok(Self::All);
        }
        NAMED.iter().copied().find(|name| *name == text).map(Self::Named).ok_or(UnknownScope)
    }
}

/// The permissions of a key, sorted and without repetition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Collects permissions.
    #[must_use]
    pub fn new(mut scopes: Vec<Scope>) -> Self {
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes)
    }

    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![Scope::All])
    }

    /// Whether this permits `scope`. `sessions:write` permits to validate, `tokens:write` to introspect and revoke, and
    /// `tokens:read` to introspect.
    #[must_use]
    pub fn permits(&self, scope: &str) -> bool {
        let implied_by: &[&str] = match scope {
            "sessions:validate" => &["sessions:write"],
            "tokens:introspect" => &["tokens:read", "tokens:write"],
            "tokens:revoke" => &["tokens:write"],
            _ => &[],
        };
        self.0.iter().any(|has| *has == Scope::All || has.as_str() == scope || implied_by.contains(&has.as_str()))
    }

    /// Whether this permits all that `other` does: nobody may give more than they have.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| match scope {
            Scope::All => self.0.contains(&Scope::All),
            Scope::Named(name) => self.permits(name),
        })
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|scope| scope.as_str())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl serde::Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(names: &[&str]) -> Scopes {
        Scopes::new(names.iter().map(|name| name.parse().expect("a known scope")).collect())
    }

    // S99: a key that reads cannot write, and cannot make a key that does.
    #[test]
    fn a_key_gives_no_more_than_it_has() {
        let reader = scopes(&["sessions:read"]);
        assert!(reader.permits("sessions:read") && !reader.permits("sessions:write") && !reader.permits("sessions:validate"));
        let tokens = scopes(&["tokens:read"]);
        assert!(tokens.permits("tokens:introspect") && !tokens.permits("tokens:revoke") && !tokens.permits("tokens:write"));
        assert!(!reader.covers(&scopes(&["sessions:write"])) && !reader.covers(&Scopes::all()));
        assert!(scopes(&["sessions:write"]).covers(&scopes(&["sessions:validate"])));
        assert!(Scopes::all().covers(&Scopes::all()));
        for bad in ["", "**", "sessions", "sessions:delete", "Sessions:read"] {
            assert_eq!(bad.parse::<Scope>(), Err(UnknownScope));
        }
    }
}
