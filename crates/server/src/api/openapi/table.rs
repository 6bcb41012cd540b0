//! The operations of the API, one a line.

use super::operation::{Fields, Guard, Operation};

const READ: Guard = Guard::Key("sessions:read");
const WRITE: Guard = Guard::Key("sessions:write");
const USERS_READ: Guard = Guard::Key("users:read");
const USERS_WRITE: Guard = Guard::Key("users:write");
const DEVICES_READ: Guard = Guard::Key("devices:read");
const DEVICES_WRITE: Guard = Guard::Key("devices:write");
const EVENTS: &[&str] = &["type", "since", "until", "limit", "cursor"];
const PAGE: &[&str] = &["limit", "cursor"];
const ISSUED: &str = "{token, csrf_token, session}";

const CREATE: Fields = &[
    ("user_id?", "string"),
    ("roles?", "string[]"),
    ("data?", "object"),
    ("device?", "device"),
    ("ip?", "string"),
    ("user_agent?", "string"),
    ("mfa?", "boolean"),
    ("remember?", "boolean"),
    ("profile?", "string"),
    ("idle_timeout?", "duration"),
    ("lifetime?", "duration"),
    ("auth_time?", "time"),
    ("amr?", "string[]"),
    ("scope?", "string[]"),
    ("actor?", "actor"),
    ("replace_token?", "string"),
    ("device_token?", "string"),
];
const VALIDATE: Fields = &[
    ("token", "string"),
    ("csrf_token?", "string"),
    ("method?", "string"),
    ("ip?", "string"),
    ("user_agent?", "string"),
    ("activity?", "string"),
];

/// What a revoke by filter may ask for.
pub(super) const FILTER: Fields = &[
    ("user_id?", "string"),
    ("device_id?", "string"),
    ("ip?", "string"),
    ("created_before?", "time"),
    ("except?", "string[]"),
];

const TOKENS_READ: Guard = Guard::Key("tokens:read");
const TOKENS_WRITE: Guard = Guard::Key("tokens:write");
const TOKENS_REVOKE: Guard = Guard::Key("tokens:revoke");
const TOKENS_INTROSPECT: Guard = Guard::Key("tokens:introspect");
const TOKENS: &str = "{access_token, token_type, expires_in, refresh_token, family_id, jti, scope?}";
const ISSUE: Fields = &[
    ("session_id?", "string"),
    ("user_id?", "string"),
    ("roles?", "string[]"),
    ("permissions?", "string[]"),
    ("audience?", "any"),
    ("scope?", "string"),
    ("client_id?", "string"),
    ("device_id?", "string"),
];
/// As [`REFRESH`], where the session's cookie may stand in for all of it.
const RENEW: Fields = &[
    ("refresh_token?", "string"),
    ("scope?", "string"),
    ("audience?", "any"),
    ("client_id?", "string"),
    ("device_id?", "string"),
];
const REFRESH: Fields = &[
    ("refresh_token", "string"),
    ("scope?", "string"),
    ("audience?", "any"),
    ("client_id?", "string"),
    ("device_id?", "string"),
];

/// A session as it is answered; absent values are null.
pub(super) const SESSION: Fields = &[
    ("id", "string"),
    ("user_id", "any"),
    ("kind", "string"),
    ("roles", "string[]"),
    ("data", "object"),
    ("revision", "integer"),
    ("created_at", "time"),
    ("last_seen_at", "time"),
    ("idle_expires_at", "time"),
    ("expires_at", "time"),
    ("auth_time", "time"),
    ("mfa", "boolean"),
    ("mfa_at", "any"),
    ("amr", "string[]"),
    ("remember", "boolean"),
    ("profile", "any"),
    ("scope", "string[]"),
    ("parent_id", "any"),
    ("label", "any"),
    ("actor", "any"),
    ("ip", "any"),
    ("user_agent", "any"),
    ("device", "any"),
    ("activity", "object[]"),
];

/// Every operation.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("post", "/v1/sessions", WRITE, "Start a session", (201, ISSUED)).takes(CREATE),
    Operation::new(
        "post",
        "/v1/sessions/validate",
        Guard::Key("sessions:validate"),
        "Ask whether a token is good",
        (200, "{session}"),
    )
    .takes(VALIDATE),
    Operation::new("post", "/v1/sessions/redeem", WRITE, "Exchange a hand-off code for a session", (201, ISSUED)).takes(&[
        ("code", "string"),
        ("ip?", "string"),
        ("user_agent?", "string"),
    ]),
    Operation::new("post", "/v1/sessions/revoke", WRITE, "End sessions by filter", (200, "{matched, revoked}"))
        .takes(&[("filter", "filter"), ("dry_run?", "boolean")]),
    Operation::new(
        "post",
        "/v1/import/sessions",
        Guard::Key("import:write"),
        "Take over live sessions of another system, by the digests of their tokens",
        (200, "{imported, known, expired, skipped}"),
    )
    .takes(&[("sessions", "object[]")]),
    Operation::new("get", "/v1/sessions/{id}", READ, "Look at a session", (200, "{session}")),
    Operation::new("patch", "/v1/sessions/{id}", WRITE, "Change roles or profile", (200, "{session}"))
        .takes(&[("roles?", "string[]"), ("profile?", "string")])
        .at_revision(),
    Operation::new("delete", "/v1/sessions/{id}", WRITE, "End a session", (204, "")),
    Operation::new("patch", "/v1/sessions/{id}/data", WRITE, "Change the data by JSON merge patch", (200, "{session}"))
        .takes(&[])
        .at_revision(),
    Operation::new("post", "/v1/sessions/{id}/rotate", WRITE, "Replace the token", (200, ISSUED)).at_revision(),
    Operation::new(
        "post",
        "/v1/sessions/{id}/step-up",
        WRITE,
        "Note a new proof of identity, and replace the token",
        (200, ISSUED),
    )
    .takes(&[("mfa", "boolean"), ("amr?", "string[]")])
    .at_revision(),
    Operation::new("post", "/v1/sessions/{id}/extend", WRITE, "Let a session live longer, within policy", (200, "{session}"))
        .takes(&[("ttl?", "duration")]),
    Operation::new("post", "/v1/sessions/{id}/activity", WRITE, "Note what the user does", (204, ""))
        .takes(&[("activity", "string")]),
    Operation::new("post", "/v1/sessions/{id}/share", WRITE, "Start a child session with a scope", (201, "{token, session}"))
        .takes(&[("scope", "string[]"), ("ttl", "duration"), ("label?", "string")]),
    Operation::new("post", "/v1/sessions/{id}/handoff", WRITE, "Make a single-use code", (201, "{code, expires_at}"))
        .takes(&[("ttl?", "duration")]),
    Operation::new("get", "/v1/users/{id}/sessions", READ, "List a user's sessions", (200, "{sessions, next_cursor?}"))
        .asks(&["limit", "cursor", "device_id"]),
    Operation::new("delete", "/v1/users/{id}/sessions", WRITE, "End a user's sessions", (200, "{revoked}")).asks(&["except"]),
    Operation::new("get", "/v1/users/{id}/history", USERS_READ, "List sessions that ended", (200, "{sessions, next_cursor?}"))
        .asks(PAGE),
    Operation::new(
        "get",
        "/v1/users/{id}/analytics",
        USERS_READ,
        "Figures of a user",
        (200, "{active, total, last_login_at, ...}"),
    ),
    Operation::new(
        "get",
        "/v1/users/{id}/events",
        Guard::Key("events:read"),
        "List a user's events",
        (200, "{events, next_cursor?}"),
    )
    .asks(EVENTS),
    Operation::new(
        "post",
        "/v1/users/{id}/disable",
        USERS_WRITE,
        "End a user's sessions and refuse new ones",
        (200, "{revoked}"),
    ),
    Operation::new("post", "/v1/users/{id}/enable", USERS_WRITE, "Allow a user sessions again", (200, "{was_disabled}")),
    Operation::new(
        "post",
        "/v1/users/{id}/reset",
        USERS_WRITE,
        "Make a single-use token for a forgotten password, for the backend to send",
        (201, "{token, expires_at}"),
    )
    .takes(&[("ttl?", "duration")]),
    Operation::new("delete", "/v1/users/{id}", USERS_WRITE, "Erase a user", (200, "{revoked, had_account}")),
    Operation::new("get", "/v1/users/{id}/devices", DEVICES_READ, "List the devices that a user trusts", (200, "{devices}")),
    Operation::new("delete", "/v1/users/{id}/devices", DEVICES_WRITE, "End the trust in a user's devices", (200, "{revoked}")),
    Operation::new("post", "/v1/devices/trust", DEVICES_WRITE, "Trust a device of a user", (201, "{device_token, device}"))
        .takes(&[
            ("user_id", "string"),
            ("device", "device"),
            ("ttl?", "duration"),
            ("ip?", "string"),
            ("user_agent?", "string"),
        ]),
    Operation::new(
        "post",
        "/v1/devices/check",
        DEVICES_READ,
        "Ask whether a device is trusted by a user",
        (200, "{trusted, reason, device}"),
    )
    .takes(&[("user_id", "string"), ("device_token", "string"), ("ip?", "string"), ("user_agent?", "string")]),
    Operation::new("patch", "/v1/devices/{id}", DEVICES_WRITE, "Give a trusted device another name", (200, "{device}"))
        .takes(&[("name", "string")]),
    Operation::new("delete", "/v1/devices/{id}", DEVICES_WRITE, "End the trust in a device", (204, "")),
    Operation::new(
        "post",
        "/v1/users/import",
        USERS_WRITE,
        "Take over accounts of another system with their password hashes",
        (200, "{imported, known, skipped, users}"),
    )
    .takes(&[("users", "object[]")]),
    Operation::new(
        "post",
        "/v1/passwords/hash",
        Guard::Key("passwords:write"),
        "Hash a password, or wrap a hash of another system",
        (200, "{hash}"),
    )
    .takes(&[("password?", "string"), ("legacy_hash?", "string")]),
    Operation::new(
        "post",
        "/v1/passwords/verify",
        Guard::Key("passwords:read"),
        "Verify a password, with a new hash where the old one is weak",
        (200, "{valid, needs_rehash, new_hash?}"),
    )
    .takes(&[("password", "string"), ("hash", "string")]),
    Operation::new(
        "post",
        "/v1/passwords/check",
        Guard::Key("passwords:read"),
        "Judge a new password",
        (200, "{accepted, score, reasons}"),
    )
    .takes(&[("password", "string"), ("mfa?", "boolean"), ("context?", "string[]")]),
    Operation::new("get", "/v1/keys", Guard::Key("keys:read"), "List management keys", (200, "{keys}")),
    Operation::new(
        "post",
        "/v1/keys",
        Guard::Key("keys:write"),
        "Make a management key",
        (201, "{id, key, name, scopes, ...}"),
    )
    .takes(&[("name", "string"), ("scopes", "string[]"), ("expires?", "string")]),
    Operation::new("delete", "/v1/keys/{id}", Guard::Key("keys:write"), "Delete a management key", (204, "")),
    Operation::new("get", "/v1/limits", Guard::Key("limits:read"), "List the limit rules in effect", (200, "{rules, exempt, refused}")),
    Operation::new(
        "post",
        "/v1/limits/check",
        Guard::Key("limits:write"),
        "Decide several limits together: all is taken, or nothing",
        (200, "{outcome, allowed, limits, challenge?}"),
    )
    .takes(&[("checks", "{rule, key, cost?}[]"), ("peek?", "boolean"), ("wait?", "string")]),
    Operation::new(
        "post",
        "/v1/limits/solve",
        Guard::Key("limits:write"),
        "Take the solution of a challenge: puzzle and solution, or a response for the verifier; the key begins anew but for its strikes",
        (200, "{solved, outcome}"),
    )
    .takes(&[
        ("rule", "string"),
        ("key", "string"),
        ("puzzle?", "string"),
        ("solution?", "string"),
        ("response?", "string"),
        ("ip?", "string"),
    ]),
    Operation::new(
        "post",
        "/v1/limits/reset",
        Guard::Key("limits:write"),
        "Forget the keys of a rule that a pattern means",
        (200, "{matched, reset, keys}"),
    )
    .takes(&[("rule", "string"), ("pattern", "string"), ("dry_run?", "boolean")]),
    Operation::new(
        "get",
        "/v1/limits/top",
        Guard::Key("limits:read"),
        "List the keys that this node denied most often",
        (200, "{keys}"),
    )
    .asks(&["limit"]),
    Operation::new(
        "get",
        "/v1/limits/{rule}/{key}",
        Guard::Key("limits:read"),
        "Show where a key stands",
        (200, "{rule, key, allowed, limit, remaining, reset_after_ms, retry_after_ms, ...}"),
    ),
    Operation::new("delete", "/v1/limits/{rule}/{key}", Guard::Key("limits:write"), "Forget what a key has used", (204, "")),
    Operation::new("get", "/v1/events", Guard::Key("events:read"), "List events of all users", (200, "{events, next_cursor?}"))
        .asks(EVENTS),
    Operation::new(
        "get",
        "/v1/events/stream",
        Guard::Key("events:read"),
        "Hear events as they happen, as server-sent events; Last-Event-ID resumes",
        (200, "text/event-stream"),
    )
    .asks(&["type", "user_id", "session_id"]),
    Operation::new(
        "get",
        "/v1/events/verify",
        Guard::Key("events:read"),
        "Whether any event was altered or taken away",
        (200, "{intact, events, checkpoints, has_unsealed, in_process, breaks, more_breaks, head}"),
    ),
    Operation::new("get", "/v1/webhooks", Guard::Key("events:read"), "How the webhooks do", (200, "{webhooks}")),
    Operation::new(
        "post",
        "/v1/webhooks/{name}/redeliver",
        Guard::Key("events:write"),
        "Deliver once more what was put aside after too many tries",
        (200, "{redelivered}"),
    ),
    Operation::new("get", "/v1/stats", Guard::Key("stats:read"), "Figures of the deployment", (200, "{sessions, users, ...}")),
    Operation::new("post", "/v1/tokens", TOKENS_WRITE, "Issue an access token and a refresh token", (201, TOKENS)).takes(ISSUE),
    Operation::new("post", "/v1/tokens/refresh", TOKENS_WRITE, "Exchange a refresh token", (200, TOKENS)).takes(REFRESH),
    Operation::new(
        "post",
        "/v1/tokens/verify",
        TOKENS_INTROSPECT,
        "Ask whether an access token is good",
        (200, "{active, claims}"),
    )
    .takes(&[("token", "string"), ("audience?", "string")]),
    Operation::new(
        "post",
        "/v1/tokens/revoke",
        TOKENS_REVOKE,
        "Revoke one access token, a family, or those of a session or user",
        (200, "{revoked}"),
    )
    .takes(&[
        ("jti?", "string"),
        ("token?", "string"),
        ("family_id?", "string"),
        ("session_id?", "string"),
        ("user_id?", "string"),
        ("reason?", "string"),
    ]),
    Operation::new(
        "get",
        "/v1/tokens/deny-list",
        TOKENS_READ,
        "What outside verifiers must not believe any more, signed",
        (200, "{deny_list}"),
    ),
    Operation::new("get", "/v1/tokens/keys", TOKENS_READ, "List the signing keys and what each is for now", (200, "{keys}")),
    Operation::new(
        "post",
        "/v1/tokens/keys/rotate",
        TOKENS_WRITE,
        "Publish a new signing key, which signs some time later",
        (202, "{kid, signs_from}"),
    ),
    Operation::new("delete", "/v1/users/{id}/tokens", TOKENS_REVOKE, "Revoke all tokens of a user", (200, "{revoked}")),
    Operation::new(
        "get",
        "/.well-known/jwks.json",
        Guard::Open,
        "The public keys of access tokens (RFC 7517)",
        (200, "{keys}"),
    ),
    Operation::new("post", "/oauth/revoke", TOKENS_REVOKE, "Revoke a token (RFC 7009)", (200, "")).takes_form(&[
        ("token", "string"),
        ("token_type_hint?", "string"),
        ("client_id?", "string"),
    ]),
    Operation::new(
        "post",
        "/oauth/introspect",
        TOKENS_INTROSPECT,
        "Ask about a token (RFC 7662)",
        (200, "{active, sub?, aud?, iss?, exp?, ...}"),
    )
    .takes_form(&[("token", "string"), ("token_type_hint?", "string"), ("audience?", "string")]),
    Operation::new(
        "post",
        "/auth/refresh",
        Guard::Open,
        "Exchange a refresh token; without a body, renew the session and its cookie",
        (200, "{session, csrf_token} or the tokens"),
    )
    .takes(RENEW),
    Operation::new("post", "/auth/register", Guard::Open, "Make an account", (201, "{user}")).takes(&[
        ("email", "string"),
        ("password", "string"),
        ("name?", "string"),
    ]),
    Operation::new("get", "/auth/login", Guard::Open, "A page to log in on", (200, "")).asks(&["return_to"]),
    Operation::new("get", "/auth/login/style.css", Guard::Open, "The style of that page", (200, "")),
    Operation::new(
        "post",
        "/auth/login",
        Guard::Open,
        "Log in; sets the cookie. The page sends a form",
        (200, "{user, session, csrf_token}"),
    )
    .takes(&[("email", "string"), ("password", "string"), ("remember?", "boolean")]),
    Operation::new("post", "/auth/logout", Guard::Cookie, "Log out; clears the cookie", (204, "")),
    Operation::new("get", "/auth/me", Guard::Cookie, "Who is logged in", (200, "{user, session, csrf_token}")),
    Operation::new("post", "/auth/password", Guard::Cookie, "Change the password", (200, "{csrf_token}"))
        .takes(&[("current_password", "string"), ("new_password", "string")]),
    Operation::new(
        "post",
        "/auth/reset",
        Guard::Open,
        "Ask for a new password by `email` (202), or set it by `token` and `new_password`",
        (204, ""),
    )
    .takes(&[("email?", "string"), ("token?", "string"), ("new_password?", "string")]),
    Operation::new(
        "post",
        "/auth/step-up",
        Guard::Cookie,
        "Say the password again, for what needs a recent proof of identity",
        (200, "{csrf_token, session}"),
    )
    .takes(&[("password", "string")]),
    Operation::new("get", "/auth/sessions", Guard::Cookie, "List one's own sessions", (200, "{sessions}")),
    Operation::new("delete", "/auth/sessions", Guard::Cookie, "End one's own sessions", (200, "{revoked}")).asks(&["except"]),
    Operation::new("delete", "/auth/sessions/{id}", Guard::Cookie, "End one of one's own sessions", (204, "")),
    Operation::new("get", "/auth/devices", Guard::Cookie, "List one's own trusted devices", (200, "{devices}")),
    Operation::new("post", "/auth/devices", Guard::Cookie, "Trust this device; sets a cookie", (201, "{device}"))
        .takes(&[("name?", "string")]),
    Operation::new("delete", "/auth/devices", Guard::Cookie, "End the trust in one's own devices", (200, "{revoked}")),
    Operation::new(
        "patch",
        "/auth/devices/{id}",
        Guard::Cookie,
        "Give one of one's own devices another name",
        (200, "{device}"),
    )
    .takes(&[("name", "string")]),
    Operation::new("delete", "/auth/devices/{id}", Guard::Cookie, "End the trust in one of one's own devices", (204, "")),
    Operation::new("get", "/forward-auth", Guard::Cookie, "Judge a proxied request", (200, "")).asks(&["mfa", "role"]),
    Operation::new("get", "/auth-request", Guard::Cookie, "Judge a proxied request", (200, "")).asks(&["mfa", "role"]),
    Operation::new("get", "/ext-authz/{path}", Guard::Cookie, "Judge a request that Envoy proxies, of any method", (200, "")),
    Operation::new("get", "/livez", Guard::Open, "Whether the process lives", (200, "")),
    Operation::new("get", "/readyz", Guard::Open, "Whether the server takes requests", (200, "")),
    Operation::new("get", "/startupz", Guard::Open, "Whether the server has started", (200, "")),
    Operation::new("get", "/health", Guard::AnyKey, "How the server is", (200, "{status, components}")),
    Operation::new("get", "/health/{component}", Guard::AnyKey, "How one component is", (200, "{status, ...}")),
    Operation::new("get", "/metrics", Guard::AnyKey, "Figures in the format of Prometheus", (200, "")),
    Operation::new("get", "/openapi.json", Guard::Open, "This document", (200, "")),
    Operation::new("get", "/docs", Guard::Open, "This document as a page", (200, "")),
];
