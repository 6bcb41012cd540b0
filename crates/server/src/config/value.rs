//! The types that a setting can have, and how each is written.

use super::layers::Raw;
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use vestibule::{
    http::cookie::SameSite,
    password::PasswordProfile,
    session::{BindingMode, CapPolicy},
    time::{Timestamp, millis, parse_duration},
};

/// A type of setting.
pub(super) trait Value: Sized {
    /// What an operator should have written, for "expected ...".
    const EXPECTED: &'static str;

    /// Reads text from a file or a variable.
    fn parse(text: &str) -> Option<Self>;

    /// Reads a raw value; types that TOML knows override it.
    fn from_raw(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Text(text) | Raw::Word(text) => Self::parse(text),
            _ => None,
        }
    }

    /// The value as one would write it.
    fn show(&self) -> String;
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    fn from_raw(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Boolean(value) => Some(*value),
            Raw::Word(text) => Self::parse(text),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    const EXPECTED: &'static str = "text that is not empty";

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains(char::is_control)).then(|| Self::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for SocketAddr {
    const EXPECTED: &'static str = "an address and a port such as 127.0.0.1:8378";

    /// Names are not looked up, but for `localhost`, which needs no look-up.
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("localhost:") {
            Some(port) => port.parse().ok().map(|port: u16| Self::from(([127, 0, 0, 1], port))),
            None => text.parse().ok(),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Duration {
    const EXPECTED: &'static str = "a positive duration such as 250ms, 30s, 5m, 12h or 7d";

    fn parse(text: &str) -> Option<Self> {
        parse_duration(text).ok()
    }

    fn show(&self) -> String {
        const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        let ms = millis(*self);
        match UNITS.iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit)) {
            Some((unit, name)) => format!("{}{name}", ms / unit),
            None => format!("{ms}ms"),
        }
    }
}

/// A duration that may be none at all: `0s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grace(pub(super) Duration);

impl Value for Grace {
    const EXPECTED: &'static str = "0s, or a duration such as 250ms, 30s, 5m, 12h or 7d";

    fn parse(text: &str) -> Option<Self> {
        if text == "0s" { Some(Self(Duration::ZERO)) } else { Duration::parse(text).map(Self) }
    }

    fn show(&self) -> String {
        if self.0.is_zero() { "0s".to_owned() } else { self.0.show() }
    }
}

/// A number of bytes, as a number or with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

impl Value for Bytes {
    const EXPECTED: &'static str = "a size such as 65536, \"64KiB\", \"256MiB\" or \"1GiB\"";

    fn parse(text: &str) -> Option<Self> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let unit: u64 = match unit {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        digits.parse::<u64>().ok()?.checked_mul(unit).map(Self)
    }

    fn from_raw(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Integer(number) => u64::try_from(*number).ok().map(Self),
            Raw::Text(text) | Raw::Word(text) => Self::parse(text),
            _ => None,
        }
    }

    fn show(&self) -> String {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match UNITS.iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => format!("{}{name}", self.0 / unit),
            None => self.0.to_string(),
        }
    }
}

impl Value for u64 {
    const EXPECTED: &'static str = "a whole number";

    fn parse(text: &str) -> Option<Self> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse().ok() } else { None }
    }

    fn from_raw(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Integer(number) => Self::try_from(*number).ok(),
            Raw::Word(text) => Self::parse(text),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Timestamp {
    const EXPECTED: &'static str = "a time as in RFC 3339 such as 2027-01-31T00:00:00Z";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A setting that is one word of a few.
macro_rules! words {
    ($type:ty, $expected:literal, $($word:literal => $variant:ident),+ $(,)?) => {
        impl $crate::config::value::Value for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            fn show(&self) -> String {
                match self {
                    $(Self::$variant => $word,)+
                }
                .to_owned()
            }
        }
    };
}
pub(super) use words;

words!(CapPolicy, "evict_oldest or deny",
    "evict_oldest" => EvictOldest,
    "deny" => Deny);
words!(BindingMode, "off, log, step_up or strict",
    "off" => Off,
    "log" => Log,
    "step_up" => StepUp,
    "strict" => Strict);
words!(SameSite, "lax or strict",
    "lax" => Lax,
    "strict" => Strict);
words!(PasswordProfile, "single_factor or mfa",
    "single_factor" => SingleFactor,
    "mfa" => Mfa);
