//! Sessions as tower-sessions writes them to its stores: MessagePack of id, data and expiry.

use super::map::Reason;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// Year, day of the year, hour, minute, second, nanosecond, and the offset from UTC in hours, minutes and seconds.
type Date = (i32, i64, i64, i64, i64, u32, i64, i64, i64);

/// The session's data under `data`, and when it ends under `expires_at` (seconds since the epoch).
pub(super) fn decode(stored: &[u8]) -> Result<Value, Reason> {
    let record: (IgnoredAny, Map<String, Value>, Date) = rmp_serde::from_slice(stored).map_err(|_| "unreadable")?;
    let (_, data, expiry) = record;
    Ok(json!({ "data": data, "expires_at": seconds(expiry) }))
}

fn seconds((year, day, hour, minute, second, _, hours, minutes, seconds): Date) -> i64 {
    let before = i64::from(year) - 1;
    // Days from 1970-01-01 to the first of the year (Gregorian calendar).
    let days =
        365 * (i64::from(year) - 1970) + (before / 4 - before / 100 + before / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    ((days + day - 1) * 24 + hour - hours) * 3_600 + (minute - minutes) * 60 + second - seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read() {
        let id = serde_bytes(&[7; 16]);
        let mut stored = vec![0x93];
        stored.extend(id);
        stored.extend(rmp_serde::to_vec(&json!({"user_id": "ada"})).expect("a map"));
        stored.extend(rmp_serde::to_vec(&(2027, 15, 8, 0, 0, 0, 0, 0, 0)).expect("a date"));
        let read = decode(&stored).expect("a record");
        assert_eq!(read, json!({"data": {"user_id": "ada"}, "expires_at": 1_800_000_000}));
        assert_eq!(decode(b"{}"), Err("unreadable"));
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(seconds((1970, 1, 0, 0, 0, 0, 0, 0, 0)), 0);
        assert_eq!(seconds((2000, 366, 1, 0, 0, 0, 1, 0, 0)), 978_220_800);
    }

    /// 128-bit numbers travel as sixteen bytes.
    fn serde_bytes(bytes: &[u8; 16]) -> Vec<u8> {
        [&[0xc4, 16][..], bytes].concat()
    }
}
