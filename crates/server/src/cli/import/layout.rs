//! What other systems write, and where in it things stand.

use clap::ValueEnum;

/// Whose sessions they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LayoutName {
    /// JSON at `session:ID` with `user_id`, `user_data`, `created_at` and `last_accessed`
    BuildYourself,
    /// JSON at `session:ID` with user, device, address and agent
    Optix,
    /// JSON at `session:TOKEN` with `userId` and `expiresAt`, or the table `sessions`
    SessionCachingPlan,
    /// JSON at `session:ID` with user data, `client_ip` and `last_activity`
    Easyshifts,
    /// MessagePack of tower-sessions, a key for each id
    TowerSessions,
    /// JSON of connect-redis (Express) at `sess:ID`
    ConnectRedis,
    /// JSON sessions of Django: the table `django_session`, or its cache; pickled ones are refused
    Django,
    /// A JSON object for each session, with the names that the API has
    Jsonl,
}

/// How the text of a session becomes a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// It is JSON.
    Json,
    /// Django's signed form, or JSON.
    Django,
    /// The record of tower-sessions.
    MessagePack,
}

/// Where things stand. Of several paths the first that leads to something counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Before the id in a key of Redis.
    pub(super) prefix: &'static str,
    /// The table in a database; `None` where the layout knows none.
    pub(super) table: Option<&'static str>,
    /// The column with the session as it stands in Redis, where that is how the table keeps it.
    pub(super) body: Option<&'static str>,
    pub(super) encoding: Encoding,
    /// Paths by field.
    pub(super) paths: &'static [(&'static str, &'static [&'static str])],
    /// Members that are no data: what is a field of its own here, and secrets.
    pub(super) left_out: &'static [&'static str],
}

const BUILD_YOURSELF: Layout = Layout {
    prefix: "session:",
    table: None,
    body: None,
    encoding: Encoding::Json,
    paths: &[
        ("user_id", &["user_id", "user_data.id"]),
        ("roles", &["user_data.roles", "user_data.role"]),
        ("created_at", &["created_at"]),
        ("last_seen_at", &["last_accessed"]),
        ("data", &["user_data"]),
    ],
    left_out: &[],
};

const OPTIX: Layout = Layout {
    paths: &[
        ("user_id", &["user_id"]),
        ("roles", &["roles"]),
        ("ip", &["ip_address"]),
        ("user_agent", &["user_agent"]),
        ("device_id", &["device_id"]),
        ("device_fingerprint", &["device_fingerprint"]),
        ("mfa", &["mfa_verified"]),
        ("created_at", &["created_at"]),
        ("last_seen_at", &["last_activity", "last_accessed"]),
        ("expires_at", &["expires_at"]),
    ],
    left_out: &["session_id", "csrf_token"],
    ..BUILD_YOURSELF
};

const SESSION_CACHING_PLAN: Layout = Layout {
    table: Some("sessions"),
    paths: &[
        ("id", &["session_token", "sessionToken"]),
        ("user_id", &["user_id", "userId"]),
        ("created_at", &["created_at", "createdAt"]),
        ("last_seen_at", &["last_accessed", "lastAccessed"]),
        ("expires_at", &["expires_at", "expiresAt"]),
    ],
    left_out: &["id", "session_token", "sessionToken"],
    ..BUILD_YOURSELF
};

const EASYSHIFTS: Layout = Layout {
    paths: &[
        ("user_id", &["user_id", "user_data.user_id", "user_data.id", "id"]),
        ("roles", &["roles", "role", "user_data.roles", "user_data.role"]),
        ("ip", &["client_ip", "ip_address"]),
        ("created_at", &["created_at"]),
        ("last_seen_at", &["last_activity", "last_accessed"]),
        ("expires_at", &["expires_at"]),
        ("data", &["user_data"]),
    ],
    left_out: &["session_id", "csrf_token"],
    ..BUILD_YOURSELF
};

const TOWER_SESSIONS: Layout = Layout {
    prefix: "",
    encoding: Encoding::MessagePack,
    paths: &[
        ("user_id", &["data.user_id", "data.userId", "data.axum-login.data.user_id"]),
        ("roles", &["data.roles", "data.role"]),
        ("expires_at", &["expires_at"]),
        ("data", &["data"]),
    ],
    ..BUILD_YOURSELF
};

const CONNECT_REDIS: Layout = Layout {
    prefix: "sess:",
    paths: &[
        ("user_id", &["passport.user", "passport.user.id", "userId", "user_id", "user.id", "user"]),
        ("roles", &["roles", "role", "user.roles", "user.role"]),
        ("expires_at", &["cookie.expires"]),
    ],
    left_out: &["cookie"],
    ..BUILD_YOURSELF
};

const DJANGO: Layout = Layout {
    prefix: ":1:django.contrib.sessions.cache",
    table: Some("django_session"),
    body: Some("session_data"),
    encoding: Encoding::Django,
    paths: &[("id", &["session_key"]), ("user_id", &["_auth_user_id"]), ("expires_at", &["expire_date"])],
    left_out: &["session_key", "expire_date", "_session_expiry"],
};

const JSONL: Layout = Layout {
    paths: &[
        ("id", &["id"]),
        ("digest", &["digest"]),
        ("user_id", &["user_id"]),
        ("roles", &["roles"]),
        ("ip", &["ip"]),
        ("user_agent", &["user_agent"]),
        ("device_id", &["device.id"]),
        ("device_fingerprint", &["device.fingerprint"]),
        ("mfa", &["mfa"]),
        ("created_at", &["created_at"]),
        ("last_seen_at", &["last_seen_at"]),
        ("expires_at", &["expires_at"]),
        ("data", &["data"]),
    ],
    ..BUILD_YOURSELF
};

impl LayoutName {
    pub(super) const fn layout(self) -> Layout {
        match self {
            Self::BuildYourself => BUILD_YOURSELF,
            Self::Optix => OPTIX,
            Self::SessionCachingPlan => SESSION_CACHING_PLAN,
            Self::Easyshifts => EASYSHIFTS,
            Self::TowerSessions => TOWER_SESSIONS,
            Self::ConnectRedis => CONNECT_REDIS,
            Self::Django => DJANGO,
            Self::Jsonl => JSONL,
        }
    }
}
