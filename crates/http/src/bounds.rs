//! Every bound of the HTTP edge in one file.

/// Most bytes of a `Set-Cookie` value; browsers drop a cookie whose name and value exceed 4,096 bytes (RFC 6265bis 5.6).
pub const COOKIE_BYTES: usize = 4_096;
/// Longest `Max-Age` of a cookie in seconds: 400 days, where browsers cut it anyway (RFC 6265bis 5.5).
pub const COOKIE_MAX_AGE_S: u64 = 400 * 24 * 60 * 60;
/// Longest cookie name in bytes.
pub const COOKIE_NAME_BYTES: usize = 64;
/// Longest host name in bytes (RFC 1035 2.3.4), without port.
pub const HOST_BYTES: usize = 253;
/// Hops read from `X-Forwarded-For` or `Forwarded`, counted from the right; real chains have two or three.
pub const FORWARDED_ENTRIES: usize = 32;
/// Longest request method in bytes; the longest registered one (UPDATEREDIRECTREF) has 17.
pub const METHOD_BYTES: usize = 32;
/// Longest URI of an original request in bytes.
pub const URI_BYTES: usize = 16 * 1_024;
/// Most roles that one request to a proxy endpoint may demand, over all `role` parameters.
pub const REQUIRED_ROLES: usize = 64;
/// Longest role that a proxy endpoint may demand, in bytes.
pub const REQUIRED_ROLE_BYTES: usize = 256;
/// Default bound of a JSON body in bytes; a route with larger bodies names its own.
pub const JSON_BODY_BYTES: usize = 64 * 1_024;
/// Default bound of a form's body in bytes: an address and a password of the greatest length, percent-encoded, or the longest access
/// token and what is said of it.
pub const FORM_BODY_BYTES: usize = 12 * 1_024;
/// Longest target of a login page in bytes, without host.
pub const RETURN_TO_BYTES: usize = 2_048;
/// Deepest nesting of a JSON body: a session's data may have 32 levels, the envelope adds its own.
pub const JSON_DEPTH: usize = 48;
/// Longest field path that a problem repeats to the client, in bytes.
pub const FIELD_BYTES: usize = 256;
/// Longest detail text taken over from a parser, in bytes.
pub const DETAIL_BYTES: usize = 300;
/// Seconds that a client is told to wait where a store or a pool cannot answer now.
pub const RETRY_AFTER_S: u64 = 1;
/// Most limit rules that one request to a proxy endpoint may be bounded by, by its query.
pub const REQUIRED_LIMITS: usize = 8;
