//! [`KeyStore`] on Redis: one list of JSON lines.

use super::{FIRST_HOME, Key};
use crate::{
    RedisStore, bounds,
    fault::odd,
    link::{integer, strings},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use vestibule_core::{
    Answer,
    bounds::KEYS,
    event::Event,
    fault::Fault,
    key::{InsertKeyOutcome, KeyRecord, KeyStore, Scopes},
    time::Timestamp,
};

#[derive(Serialize, Deserialize)]
struct Line {
    id: Box<str>,
    name: Box<str>,
    scopes: Vec<String>,
    created_at: u64,
    expires_at: Option<u64>,
    digest: String,
}

fn pack(key: &KeyRecord) -> Vec<u8> {
    let line = Line {
        id: key.id.clone(),
        name: key.name.clone(),
        scopes: key.scopes.names().map(str::to_owned).collect(),
        created_at: key.created_at.millis(),
        expires_at: key.expires_at.map(Timestamp::millis),
        digest: URL_SAFE_NO_PAD.encode(key.digest),
    };
    serde_json::to_vec(&line).expect("texts and numbers always serialise")
}

fn unpack(bytes: &[u8]) -> Result<KeyRecord, Fault> {
    read(bytes).ok_or_else(|| odd("a stored management key cannot be read"))
}

fn read(bytes: &[u8]) -> Option<KeyRecord> {
    let line: Line = serde_json::from_slice(bytes).ok()?;
    let scopes: Vec<_> = line.scopes.iter().map(|name| name.parse()).collect::<Result<_, _>>().ok()?;
    Some(KeyRecord {
        id: line.id,
        name: line.name,
        scopes: Scopes::new(scopes),
        created_at: Timestamp::from_millis(line.created_at),
        expires_at: line.expires_at.map(Timestamp::from_millis),
        digest: URL_SAFE_NO_PAD.decode(line.digest).ok()?.try_into().ok()?,
    })
}

fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

impl RedisStore {
    async fn insert_key(&self, key: &KeyRecord, event: &Event) -> Result<InsertKeyOutcome, Fault> {
        let keys = [Key::management(), Key::home_timeline(FIRST_HOME), Key::figures(FIRST_HOME)];
        let arguments = [
            pack(key),
            number(KEYS as u64),
            self.pack_event(event),
            number(bounds::HOME_EVENTS as u64),
            number(bounds::HOME_RETENTION_MS),
        ];
        match integer(&self.link.run(&self.scripts.insert_key, &keys, &arguments).await?)? {
            0 => Ok(InsertKeyOutcome::Full),
            _ => Ok(InsertKeyOutcome::Inserted),
        }
    }

    async fn delete_key(&self, id: &str, event: &Event) -> Result<bool, Fault> {
        let keys = [Key::management(), Key::home_timeline(FIRST_HOME), Key::figures(FIRST_HOME)];
        let arguments = [
            id.as_bytes().to_vec(),
            self.pack_event(event),
            number(bounds::HOME_EVENTS as u64),
            number(bounds::HOME_RETENTION_MS),
        ];
        Ok(integer(&self.link.run(&self.scripts.delete_key, &keys, &arguments).await?)? == 1)
    }
}

impl KeyStore for RedisStore {
    fn insert(&self, key: KeyRecord, event: Event) -> Answer<'_, InsertKeyOutcome> {
        Box::pin(async move { self.link.at(FIRST_HOME, self.insert_key(&key, &event)).await })
    }

    fn list(&self) -> Answer<'_, Vec<KeyRecord>> {
        Box::pin(async move {
            let mut ask = redis::cmd("LRANGE");
            ask.arg(Key::management()).arg(0).arg(-1);
            let lines = self.link.at(FIRST_HOME, self.link.read(&ask)).await?;
            strings(lines)?.iter().map(|line| unpack(line)).collect()
        })
    }

    fn delete(&self, id: Box<str>, event: Event) -> Answer<'_, bool> {
        Box::pin(async move { self.link.at(FIRST_HOME, self.delete_key(&id, &event)).await })
    }
}
