//! Sessions on a Redis: walked in bounded steps, each with the time that it has left.

use super::{
    super::failure::Failure,
    bounds,
    layout::Encoding,
    source::{Document, Entry, Take, decode, failed},
};
use redis::{Connection, RedisResult};

pub(super) fn each(url: &str, prefix: &str, encoding: Encoding, take: &mut Take<'_>) -> Result<(), Failure> {
    // The client's own text would repeat the address, and with it a password.
    let client = redis::Client::open(url).map_err(|_| Failure::usage("--from: this is no address of a Redis"))?;
    let fault = |error: redis::RedisError| failed("the Redis to read from", &error);
    let mut connection = client.get_connection_with_timeout(bounds::ANSWER).map_err(fault)?;
    connection.set_read_timeout(Some(bounds::ANSWER)).map_err(fault)?;
    let mut cursor = 0;
    loop {
        let (next, keys) = step(&mut connection, cursor, prefix).map_err(fault)?;
        for (key, (value, left_ms)) in keys.iter().zip(read(&mut connection, &keys).map_err(fault)?) {
            if let Some(entry) = entry(key, prefix, encoding, &value, left_ms) {
                take(entry)?;
            }
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

fn step(connection: &mut Connection, cursor: u64, prefix: &str) -> RedisResult<(u64, Vec<Vec<u8>>)> {
    let mut scan = redis::cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(format!("{}*", literal(prefix)));
    scan.arg("COUNT").arg(bounds::WALK_STEP).arg("TYPE").arg("string").query(connection)
}

/// The value, one byte more than is taken so that a longer one is seen, and the milliseconds left: -1 without end, -2 for
/// what is gone.
fn read(connection: &mut Connection, keys: &[Vec<u8>]) -> RedisResult<Vec<(Vec<u8>, i64)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut ask = redis::pipe();
    for key in keys {
        ask.cmd("GETRANGE").arg(key).arg(0).arg(bounds::VALUE_BYTES).cmd("PTTL").arg(key);
    }
    let mut answers: std::vec::IntoIter<redis::Value> = ask.query::<Vec<redis::Value>>(connection)?.into_iter();
    let mut read = Vec::with_capacity(keys.len());
    while let (Some(value), Some(left)) = (answers.next(), answers.next()) {
        read.push((redis::from_redis_value(value)?, redis::from_redis_value(left)?));
    }
    Ok(read)
}

/// `None` for a key that went between two questions.
fn entry(key: &[u8], prefix: &str, encoding: Encoding, value: &[u8], left_ms: i64) -> Option<Entry> {
    const GONE: i64 = -2;
    if left_ms == GONE {
        return None;
    }
    if value.len() > bounds::VALUE_BYTES {
        return Some(Err("too_large"));
    }
    let token = key.strip_prefix(prefix.as_bytes()).and_then(|token| std::str::from_utf8(token).ok());
    let document = |value| Document { token: token.map(str::to_owned), value, left_ms: u64::try_from(left_ms).ok() };
    Some(decode(encoding, value).map(document))
}

/// A prefix as a pattern that means nothing but itself.
fn literal(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len());
    for character in prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(literal("app[1]:s*:"), r"app\[1\]:s\*:");
    }
}
