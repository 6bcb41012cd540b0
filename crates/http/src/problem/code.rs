//! The stable codes of problems: one table of word, status and texts.

use http::StatusCode;

/// Builds the enum and its table from one list, so that no code can lack a status or a text.
macro_rules! problem_codes {
    ($($name:ident $status:ident $code:literal $title:literal $detail:literal;)+) => {
        /// What went wrong, as a stable word. Codes are added, never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProblemCode {
            $(#[doc = $detail] $name,)+
        }

        impl ProblemCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word that programs compare.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The status that the code usually comes with.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// A short summary, the same for every occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// The sentence used where an occurrence has nothing of its own to say.
            #[must_use]
            pub fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail,)+ }
            }
        }
    };
}

problem_codes! {
    // The request itself.
    MalformedJson BAD_REQUEST "malformed_json" "Malformed JSON" "The body is not one valid JSON value in UTF-8 with unique member names.";
    InvalidQuery BAD_REQUEST "invalid_query" "Invalid query" "A query parameter is unknown or has a value that is not accepted.";
    TokenInUrl BAD_REQUEST "token_in_url" "Token in URL" "Tokens are not accepted in a URL, where logs and histories keep them.";
    InvalidRequest BAD_REQUEST "invalid_request" "Invalid request" "The request cannot be understood.";
    NotFound NOT_FOUND "not_found" "Not found" "There is nothing here.";
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed" "Method not allowed" "The path does not have this method; see the Allow header.";
    RequestTimeout REQUEST_TIMEOUT "request_timeout" "Request timeout" "The request did not arrive in time.";
    BodyTooLarge PAYLOAD_TOO_LARGE "body_too_large" "Body too large" "The body is larger than this path accepts.";
    UriTooLong URI_TOO_LONG "uri_too_long" "URI too long" "The URI is longer than the server accepts.";
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "Unsupported media type" "The body must be application/json in UTF-8.";
    InvalidField UNPROCESSABLE_ENTITY "invalid_field" "Invalid field" "A field is unknown, missing or has a value that is not accepted.";
    HeadersTooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "headers_too_large" "Headers too large" "The headers are larger than the server accepts.";

    // Proxy metadata.
    ProxyHeadersMissing BAD_REQUEST "proxy_headers_missing" "Proxy headers missing" "The proxy did not tell the method, scheme, host and URI of the original request.";
    ProxyHeadersInvalid BAD_REQUEST "proxy_headers_invalid" "Proxy headers invalid" "What the proxy told about the original request is empty or malformed.";

    // Sessions.
    SessionMissing UNAUTHORIZED "session_missing" "No session" "There is no such session.";
    SessionExpiredIdle UNAUTHORIZED "session_expired_idle" "Session expired" "The session was not used for longer than its idle timeout.";
    SessionExpiredAbsolute UNAUTHORIZED "session_expired_absolute" "Session expired" "The session reached its absolute lifetime.";
    SessionRevoked UNAUTHORIZED "session_revoked" "Session ended" "The session was ended.";
    IpMismatch UNAUTHORIZED "ip_mismatch" "Address changed" "The session is bound to another network address.";
    UserAgentMismatch UNAUTHORIZED "user_agent_mismatch" "User agent changed" "The session is bound to another user agent.";
    Unauthenticated UNAUTHORIZED "unauthenticated" "Not logged in" "The request needs a valid session.";
    CsrfFailed FORBIDDEN "csrf_failed" "CSRF check failed" "The CSRF token is missing or wrong, or another site started the request.";
    StepUpRequired FORBIDDEN "step_up_required" "Stronger authentication required" "The action needs a stronger or more recent authentication.";
    RoleMissing FORBIDDEN "role_missing" "Role missing" "The user does not have a role that is required here.";
    UserDisabled FORBIDDEN "user_disabled" "User disabled" "The user is disabled.";
    ImpersonationNested FORBIDDEN "impersonation_nested" "Nested impersonation" "An impersonated session cannot impersonate.";
    ImpersonationForbidden FORBIDDEN "impersonation_forbidden" "Not while impersonating" "This cannot be done in another user's name.";
    ShareNested FORBIDDEN "share_nested" "Nested share" "A shared session cannot be shared again.";
    ShareForbidden FORBIDDEN "share_forbidden" "Not by a shared session" "A shared session cannot do this.";
    UserMissing NOT_FOUND "user_missing" "No such user" "There is no such user.";
    SessionLimit CONFLICT "session_limit" "Too many sessions" "The user has as many sessions as allowed.";
    VersionConflict PRECONDITION_FAILED "version_conflict" "Version conflict" "The revision in If-Match is not the current one.";
    DeviceMissing NOT_FOUND "device_missing" "No such device" "There is no such trusted device.";
    HandoffInvalid BAD_REQUEST "handoff_invalid" "Invalid hand-off code" "The hand-off code is unknown, used or expired.";

    // Accounts and passwords.
    InvalidCredentials UNAUTHORIZED "invalid_credentials" "Invalid credentials" "Address or password is wrong.";
    WrongPassword BAD_REQUEST "wrong_password" "Wrong password" "The current password is missing or wrong.";
    ResetInvalid BAD_REQUEST "reset_invalid" "Invalid reset token" "The reset token is unknown, used or expired.";
    WeakPassword UNPROCESSABLE_ENTITY "weak_password" "Weak password" "The password is too weak; see the reasons.";
    EmailTaken CONFLICT "email_taken" "Address taken" "There is an account with this address.";
    RecordRequired NOT_IMPLEMENTED "record_required" "Record required" "This needs a durable record; start the server with one.";

    // Management keys.
    KeyInvalid UNAUTHORIZED "key_invalid" "Invalid key" "The request needs a valid management key as a bearer credential.";
    KeyMissing NOT_FOUND "key_missing" "No such key" "There is no such management key.";
    KeyLimit CONFLICT "key_limit" "Too many keys" "There are as many management keys as allowed.";
    ScopeMissing FORBIDDEN "scope_missing" "Scope missing" "The key does not have the scope that this needs.";

    // Tokens.
    TokenUnknown BAD_REQUEST "token_unknown" "Unknown token" "The token is not one of ours.";
    TokenExpired BAD_REQUEST "token_expired" "Token expired" "The token expired.";
    TokenRevoked BAD_REQUEST "token_revoked" "Token revoked" "The token was revoked.";
    TokenReused BAD_REQUEST "token_reused" "Token reused" "The refresh token was used before; its family is revoked.";
    TokenBound BAD_REQUEST "token_bound" "Another client's token" "The token was given to another client or device.";
    TokenInvalid UNAUTHORIZED "token_invalid" "Invalid token" "The token is not an access token of this issuer for this audience.";
    TokensOff NOT_IMPLEMENTED "tokens_off" "Tokens are off" "This server issues no tokens: tokens.issuer is off.";
    SigningKeyImported CONFLICT "signing_key_imported" "Imported signing key" "The signing key comes from tokens.signing_key_file; put another key there and restart.";
    SigningKeyLimit CONFLICT "signing_key_limit" "Too many signing keys" "There are as many signing keys as allowed whose tokens have not expired; wait until some have.";
    InvalidScope BAD_REQUEST "invalid_scope" "Invalid scope" "The scope or audience is broader than what was granted.";

    // Limits and cache.
    RateLimited TOO_MANY_REQUESTS "rate_limited" "Too many requests" "Too many requests; see the Retry-After header.";
    AddressRefused FORBIDDEN "address_refused" "Address refused" "Requests from this network are not accepted here.";
    VerifierUnavailable SERVICE_UNAVAILABLE "verifier_unavailable" "Verifier unavailable" "Who judges responses to challenges cannot answer now; the response may be sent again.";
    ReducedCapacity SERVICE_UNAVAILABLE "temporary_reduced_capacity" "Temporarily reduced capacity" "What bounds such requests cannot be reached now, so none is let through.";
    RuleUnknown UNPROCESSABLE_ENTITY "rule_unknown" "Unknown rule" "There is no such limit rule.";
    CacheMiss NOT_FOUND "cache_miss" "Cache miss" "There is no such entry in the cache.";

    // The server.
    StoreUnavailable SERVICE_UNAVAILABLE "store_unavailable" "Store unavailable" "The session store cannot answer now.";
    Overloaded SERVICE_UNAVAILABLE "overloaded" "Overloaded" "The server has more work than it accepts.";
    Internal INTERNAL_SERVER_ERROR "internal" "Internal error" "The server failed; the request id names the log entry.";
}

/// The challenge to whoever presented a token that is not good (RFC 6750 3.1).
pub(super) const INVALID_TOKEN: &str = "Bearer realm=\"vestibule\", error=\"invalid_token\"";

impl ProblemCode {
    /// The `type` member: a name, not an address, since there is no page that every installation can reach; but where a type is registered
    /// that one.
    #[must_use]
    pub fn type_uri(self) -> String {
        match self {
            // Registered by draft-ietf-httpapi-ratelimit-headers-10, section 7.
            Self::RateLimited => "https://iana.org/assignments/http-problem-types#quota-exceeded".to_owned(),
            Self::ReducedCapacity => "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity".to_owned(),
            _ => format!("urn:vestibule:problem:{}", self.as_str()),
        }
    }

    /// `WWW-Authenticate`: RFC 9110 11.6.1 wants one with every 401, RFC 9470 and RFC 6750 define the two of a 403. The
    /// scheme is `Bearer`, since `Basic` would open a browser's password dialogue.
    pub(super) fn challenge(self) -> Option<&'static str> {
        match self {
            Self::StepUpRequired => Some("Bearer error=\"insufficient_user_authentication\", acr_values=\"aal2\""),
            Self::ScopeMissing => Some("Bearer error=\"insufficient_scope\""),
            Self::SessionExpiredIdle | Self::SessionExpiredAbsolute | Self::SessionRevoked | Self::TokenInvalid => {
                Some(INVALID_TOKEN)
            }
            other if other.status() == StatusCode::UNAUTHORIZED => Some("Bearer realm=\"vestibule\""),
            _ => None,
        }
    }
}

impl std::fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ProblemCode;

    const PAGE: &str = include_str!("../../../../docs/errors.md");

    /// Code and statuses of each row of the page's tables.
    fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
        let row = |line: &'static str| {
            let (code, rest) = line.strip_prefix("| `")?.split_once("` |")?;
            let (statuses, _) = rest.split_once('|')?;
            Some((code, statuses.split(',').map(str::trim).collect()))
        };
        PAGE.lines().filter_map(row).collect()
    }

    #[test]
    fn the_page_of_errors_lists_every_code_once_with_its_status() {
        let rows = rows();
        for code in ProblemCode::ALL {
            let of_code: Vec<_> = rows.iter().filter(|(name, _)| *name == code.as_str()).collect();
            let [(_, statuses)] = of_code[..] else { panic!("docs/errors.md has {code} {} times", of_code.len()) };
            assert!(statuses.contains(&code.status().as_str()), "docs/errors.md gives {code} the statuses {statuses:?}");
        }
        let known: Vec<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        let unknown: Vec<_> = rows.iter().filter(|(name, _)| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "docs/errors.md has codes that do not exist: {unknown:?}");
    }
}
