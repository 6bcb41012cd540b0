//! From a document of another system to a session that can be taken over.

use super::{super::failure::Failure, bounds, layout::Layout, source::Document};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, io::Read as _, net::IpAddr};
use vestibule::{
    id::UserId,
    session::{LegacyToken, TokenDigest},
    time::Timestamp,
};

/// What a mapping may name.
const FIELDS: [&str; 13] = [
    "id",
    "digest",
    "user_id",
    "roles",
    "ip",
    "user_agent",
    "device_id",
    "device_fingerprint",
    "mfa",
    "created_at",
    "last_seen_at",
    "expires_at",
    "data",
];

/// Why a session is left behind: a word for the report.
pub(super) type Reason = &'static str;

/// Where each field stands.
pub(super) struct Fields {
    paths: BTreeMap<String, Vec<String>>,
    left_out: Vec<String>,
}

/// A session as it goes to the server.
pub(super) struct Foreign {
    digest: TokenDigest,
    pub(super) user_id: Option<UserId>,
    roles: Vec<String>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    device_id: Option<String>,
    device_fingerprint: Option<String>,
    mfa: bool,
    created_at: Option<Timestamp>,
    last_seen_at: Option<Timestamp>,
    pub(super) expires_at: Timestamp,
    data: Map<String, Value>,
}

impl Foreign {
    pub(super) fn json(&self) -> Value {
        json!({
            "digest": self.digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "user_id": self.user_id,
            "roles": self.roles,
            "ip": self.ip,
            "user_agent": self.user_agent,
            "device": { "id": self.device_id, "fingerprint": self.device_fingerprint },
            // Nobody is logged in, so there is nobody whose factor it could be.
            "mfa": self.mfa && self.user_id.is_some(),
            "created_at": self.created_at,
            "last_seen_at": self.last_seen_at,
            "expires_at": self.expires_at,
            "data": self.data,
        })
    }
}

impl Fields {
    /// A layout's paths, replaced by those of a mapping: `field=path`, or the name of a file of such lines.
    pub(super) fn new(layout: Layout, maps: &[String]) -> Result<Self, Failure> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let paths = layout.paths.iter().map(|(field, paths)| ((*field).to_owned(), owned(paths))).collect();
        let mut fields = Self { paths, left_out: owned(layout.left_out) };
        for map in maps {
            match map.contains('=') {
                true => fields.set(map)?,
                false => read_text(map)?
                    .lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty() && !line.starts_with('#'))
                    .try_for_each(|line| fields.set(line))?,
            }
        }
        Ok(fields)
    }

    fn set(&mut self, line: &str) -> Result<(), Failure> {
        let (field, path) = line.split_once('=').unwrap_or((line, ""));
        let (field, path) = (field.trim(), path.trim());
        if !FIELDS.contains(&field) {
            return Err(Failure::usage(format!("--map: there is no field {field}; there are {}", FIELDS.join(", "))));
        }
        if path.is_empty() {
            return Err(Failure::usage(format!("--map: {field} needs a path, as in {field}=user.name")));
        }
        if field == "id" {
            self.left_out.push(path.to_owned());
        }
        self.paths.insert(field.to_owned(), vec![path.to_owned()]);
        Ok(())
    }

    /// Reads a session. `now` is the base of what was left of its time.
    pub(super) fn read(&self, document: Document, now: Timestamp) -> Result<Foreign, Reason> {
        let value = &document.value;
        let left = document.left_ms.map(|left| now.plus_ms(left));
        let told = self.all(value, "expires_at").next().map(|told| time(told).ok_or("expires_at")).transpose()?;
        Ok(Foreign {
            digest: self.digest(&document)?,
            user_id: self.text(value, "user_id").map(UserId::new).transpose().map_err(|_| "user_id")?,
            roles: self.all(value, "roles").next().map(roles).unwrap_or_default(),
            ip: self.text(value, "ip").and_then(|ip| ip.parse().ok()),
            user_agent: self.text(value, "user_agent"),
            device_id: self.text(value, "device_id"),
            device_fingerprint: self.text(value, "device_fingerprint"),
            mfa: self.all(value, "mfa").next() == Some(&Value::Bool(true)),
            created_at: self.all(value, "created_at").find_map(time),
            last_seen_at: self.all(value, "last_seen_at").find_map(time),
            expires_at: [left, told].into_iter().flatten().min().ok_or("no_expiry")?,
            data: self.data(&document.value),
        })
    }

    fn digest(&self, document: &Document) -> Result<TokenDigest, Reason> {
        if let Some(digest) = self.text(&document.value, "digest") {
            return read_digest(&digest).ok_or("digest");
        }
        let token = document.token.clone().or_else(|| self.text(&document.value, "id")).ok_or("no_token")?;
        LegacyToken::parse(&token).map(|token| token.digest()).ok_or("token_unusable")
    }

    /// What its paths lead to, in their order.
    fn all<'a>(&'a self, value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
        self.paths.get(field).into_iter().flatten().filter_map(|path| at(value, path))
    }

    /// The first text or whole number.
    fn text(&self, value: &Value, field: &str) -> Option<String> {
        self.all(value, field).find_map(|found| match found {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            _ => None,
        })
    }

    fn data(&self, value: &Value) -> Map<String, Value> {
        let found = self.all(value, "data").find_map(Value::as_object);
        let mut data = found.or_else(|| value.as_object()).cloned().unwrap_or_default();
        data.retain(|name, _| !self.left_out.contains(name));
        data
    }
}

/// What a path of member names leads to, if it is not null. A name may have dots itself.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    let found = object.get(path).or_else(|| {
        let mut places = path.match_indices('.').map(|(place, _)| (&path[..place], &path[place + 1..]));
        places.find_map(|(name, rest)| at(object.get(name)?, rest))
    });
    found.filter(|found| !found.is_null())
}

fn roles(value: &Value) -> Vec<String> {
    match value {
        Value::String(role) if !role.is_empty() => vec![role.clone()],
        Value::Array(roles) => roles.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Seconds since the epoch below this, milliseconds above: the year 5138, and March 1973.
const SECONDS_BELOW: f64 = 1e11;

/// A time as other systems write it: RFC 3339, the same without an offset (which means UTC), seconds, or milliseconds.
fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let text = text.replacen(' ', "T", 1);
            Timestamp::parse(&text).or_else(|| Timestamp::parse(&format!("{text}Z")))
        }
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| *number > 0.0)?;
            let millis = if number < SECONDS_BELOW { number * 1_000.0 } else { number };
            Some(Timestamp::from_millis(millis as u64))
        }
        _ => None,
    }
}

fn read_digest(text: &str) -> Option<TokenDigest> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, place) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
    }
    Some(TokenDigest::from_bytes(bytes))
}

fn read_text(path: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("--map: {path} cannot be read: {error}"));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(bounds::MAP_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{super::layout::LayoutName, *};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn document(value: Value) -> Document {
        Document { token: Some("f9bf78b9a18ce6d46a0cd2b0b86df9da".into()), value, left_ms: Some(60_000) }
    }

    fn read(layout: LayoutName, maps: &[&str], value: Value) -> Value {
        let maps: Vec<_> = maps.iter().map(|map| (*map).to_owned()).collect();
        let fields = Fields::new(layout.layout(), &maps).unwrap_or_else(|failure| panic!("{failure}"));
        fields.read(document(value), NOW).unwrap_or_else(|reason| panic!("{reason}")).json()
    }

    #[test]
    fn a_session_of_optix_keeps_what_is_known_of_it() {
        let read = read(
            LayoutName::Optix,
            &[],
            json!({
                "session_id": "f9bf78b9a18ce6d46a0cd2b0b86df9da", "user_id": "u-1", "device_id": "d-1", "mfa_verified": true,
                "ip_address": "192.168.1.1", "created_at": "2026-11-21T08:00:00.123456", "theme": "dark",
            }),
        );
        assert_eq!(read["user_id"], "u-1");
        assert_eq!((&read["device"]["id"], &read["mfa"], &read["ip"]), (&json!("d-1"), &json!(true), &json!("192.168.1.1")));
        assert_eq!(read["created_at"], "2026-11-21T08:00:00.123Z");
        assert_eq!(read["expires_at"], NOW.plus_ms(60_000).to_string());
        assert_eq!((&read["data"]["theme"], &read["data"]["session_id"]), (&json!("dark"), &Value::Null));
    }

    #[test]
    fn a_mapping_moves_a_field_and_numbers_are_ids() {
        let value = json!({"account": {"number": 42}, "cookie": {"expires": "2030-01-01T00:00:00Z"}, "user": "other"});
        let read = read(LayoutName::ConnectRedis, &["user_id=account.number"], value);
        assert_eq!((&read["user_id"], &read["data"]["cookie"]), (&json!("42"), &Value::Null));
        let wrong = Fields::new(LayoutName::ConnectRedis.layout(), &["user=account".to_owned()]);
        assert!(wrong.is_err_and(|failure| failure.to_string().contains("no field user")));
    }

    #[test]
    fn a_member_with_dots_is_found() {
        let value = json!({"data": {"axum-login.data": {"user_id": 7}}});
        assert_eq!(at(&value, "data.axum-login.data.user_id"), Some(&json!(7)));
        assert_eq!(at(&value, "data.axum-login.data.other"), None);
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let second = Timestamp::from_millis(1_800_000_000_000);
        for text in [json!("2027-01-15T08:00:00Z"), json!("2027-01-15 08:00:00"), json!(1_800_000_000), json!(1.8e12)] {
            assert_eq!(time(&text), Some(second), "{text}");
        }
        for bad in [json!("soon"), json!(-1), json!(true)] {
            assert_eq!(time(&bad), None, "{bad}");
        }
    }
}
