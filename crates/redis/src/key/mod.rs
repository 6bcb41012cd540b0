//! Every name in Redis. A key can only be built from a home, whose number is the hash tag, so that all keys of one command
//! share a slot. `docs/keyspace.md` lists them.

mod store;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};
use vestibule_core::{
    alias::Alias,
    id::{Home, UserTag},
    limit::LimitKey,
    session::TokenDigest,
};

/// What a scan asks for to meet every user.
pub(crate) const ALL_USERS: &str = "vs:{*}:u:*";
/// The home of what a deployment has once.
pub(crate) const FIRST_HOME: Home = Home(0);

/// The channel of the bus. Channels know nothing of databases, but deployments in two databases are two.
pub(crate) fn bus_channel(database: i64) -> String {
    if database == 0 { "vs:bus".to_owned() } else { format!("vs:bus:{database}") }
}

/// What a scan asks for to meet the counts of a rule. What Redis takes for more than `*` and `?` stands for itself.
pub(crate) fn limit_pattern(rule: &str, glob: &str) -> String {
    let mut pattern = format!("vs:{{*}}:r:{rule}:");
    for character in glob.chars() {
        if matches!(character, '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// The name of something that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    fn of_user(tag: UserTag, kind: char) -> Self {
        Self(format!("vs:{{{}}}:{kind}:{}", tag.home().index(), URL_SAFE_NO_PAD.encode(tag.as_bytes())))
    }

    fn of_home(home: Home, kind: &str) -> Self {
        Self(format!("vs:{{{}}}:{kind}", home.index()))
    }

    /// A user with all live sessions.
    pub(crate) fn user(tag: UserTag) -> Self {
        Self::of_user(tag, 'u')
    }

    /// A user's ended sessions.
    pub(crate) fn ended(tag: UserTag) -> Self {
        Self::of_user(tag, 'x')
    }

    /// The newest of a user's sessions that ended all together.
    pub(crate) fn archive(tag: UserTag) -> Self {
        Self::of_user(tag, 'a')
    }

    /// A user's events.
    pub(crate) fn timeline(tag: UserTag) -> Self {
        Self::of_user(tag, 'e')
    }

    /// What a key has used of a limit rule.
    pub(crate) fn limit(rule: &str, key: &LimitKey) -> Self {
        Self(format!("vs:{{{}}}:r:{rule}:{}", key.home().index(), key.text()))
    }

    /// The key of a limit rule in a name.
    pub(crate) fn limit_text<'a>(name: &'a str, rule: &str) -> Option<&'a str> {
        let (_, rest) = name.split_once("}:r:")?;
        rest.strip_prefix(rule)?.strip_prefix(':')
    }

    /// Where a token of another system leads.
    pub(crate) fn alias(digest: &TokenDigest) -> Self {
        let name = URL_SAFE_NO_PAD.encode(digest.as_bytes());
        Self(format!("vs:{{{}}}:l:{name}", Alias::home(digest).index()))
    }

    /// The latest events of a home.
    pub(crate) fn home_timeline(home: Home) -> Self {
        Self::of_home(home, "events")
    }

    /// The figures of a home.
    pub(crate) fn figures(home: Home) -> Self {
        Self::of_home(home, "figures")
    }

    /// Access tokens of the home's users that must not be believed.
    pub(crate) fn denials(home: Home) -> Self {
        Self::of_home(home, "denials")
    }

    /// How far the delivery of events to a webhook has come.
    pub(crate) fn delivery(name: &str) -> Self {
        Self::of_home(FIRST_HOME, &format!("w:{name}"))
    }

    /// The checkpoints over the events of a home.
    pub(crate) fn checkpoints(home: Home) -> Self {
        Self::of_home(home, "checkpoints")
    }

    /// Written where replicas shall confirm what was written before.
    pub(crate) fn confirmed(home: Home) -> Self {
        Self::of_home(home, "confirmed")
    }

    /// The management keys.
    pub(crate) fn management() -> Self {
        Self::of_home(FIRST_HOME, "keys")
    }

    /// The keys behind access tokens.
    pub(crate) fn signing_keys() -> Self {
        Self::of_home(FIRST_HOME, "signing-keys")
    }

    /// The deployment.
    pub(crate) fn deployment() -> Self {
        Self::of_home(FIRST_HOME, "deployment")
    }

    /// The user whose key this is.
    pub(crate) fn tag_of(name: &str) -> Option<UserTag> {
        let text = name.rsplit(':').next()?;
        Some(UserTag::from_bytes(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }
}

impl ToRedisArgs for Key {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.write_arg(self.0.as_bytes());
    }
}

impl ToSingleRedisArg for Key {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_user_carry_the_home_and_lead_back() {
        let tag = UserTag::from_bytes([17; 12]);
        assert_eq!(Key::user(tag).0, "vs:{17}:u:ERERERERERERERER");
        for key in [Key::user(tag), Key::ended(tag), Key::archive(tag), Key::timeline(tag)] {
            assert!(key.0.starts_with("vs:{17}:"), "{key:?}");
            assert_eq!(Key::tag_of(&key.0), Some(tag));
        }
        assert_eq!(Key::tag_of(&Key::figures(Home(17)).0), None);
    }
}
