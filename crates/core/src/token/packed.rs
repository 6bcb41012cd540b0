//! The tokens of a user in their stored form: a part of [`Extras`].
//!
//! ```text
//! token epoch u32 | access until u48 | families | ended families | denied tokens LEB128, or nothing where there are none
//! family: serial 12 | 0, or 1 and session serial 12 | created | expires | idle timeout | last used | advanced | access until
//!       (each u48) | generation u32 | key id 1 | client id | device id | audience | scope | roles | permissions
//! ended family: serial 12 | why 1 | until u48
//! ```

use super::{EndedFamily, Family, FamilyEnd};
use crate::{
    bounds,
    bytes::{Reader, UnpackError, Writer},
    id::{SessionId, UserTag},
    time::Timestamp,
    user::Extras,
};

/// Writes nothing where there is nothing.
pub(crate) fn pack(extras: &Extras, body: &mut Writer) {
    if extras.access_until.is_zero() && extras.families.is_empty() && extras.ended_families.is_empty() {
        return;
    }
    body.bytes(&extras.token_epoch.to_le_bytes());
    body.u48(extras.access_until.millis());
    body.varint(extras.families.len());
    for family in &extras.families {
        pack_family(family, body);
    }
    body.varint(extras.ended_families.len());
    for ended in &extras.ended_families {
        body.bytes(&ended.serial);
        body.bytes(&[ended.end as u8]);
        body.u48(ended.until.millis());
    }
    if extras.denied_tokens > 0 {
        body.varint(extras.denied_tokens as usize);
    }
}

fn pack_family(family: &Family, body: &mut Writer) {
    body.bytes(&family.serial);
    body.bytes(&[u8::from(family.session.is_some())]);
    if let Some(session) = family.session {
        body.bytes(session.serial());
    }
    for number in [
        family.created_at.millis(),
        family.expires_at.millis(),
        family.idle_timeout_ms,
        family.last_used_at.millis(),
        family.advanced_at.millis(),
        family.access_until.millis(),
    ] {
        body.u48(number);
    }
    body.bytes(&family.generation.to_le_bytes());
    body.bytes(&[family.key_id]);
    body.text(family.client_id.as_deref().unwrap_or_default());
    body.text(family.device_id.as_deref().unwrap_or_default());
    for list in [&family.audience, &family.scope, &family.roles, &family.permissions] {
        body.list(list);
    }
}

pub(crate) fn unpack(extras: &mut Extras, tag: UserTag, body: &mut Reader<'_>) -> Result<(), UnpackError> {
    extras.token_epoch = u32::from_le_bytes(body.array()?);
    extras.access_until = body.time()?;
    extras.families = body.items(bounds::FAMILIES, |body| unpack_family(tag, body))?;
    extras.ended_families = body.items(bounds::ENDED_FAMILIES, |body| {
        let serial = body.array()?;
        let end = FamilyEnd::from_byte(body.byte()?).ok_or(UnpackError)?;
        Ok(EndedFamily { serial, end, until: body.time()? })
    })?;
    if !body.0.is_empty() {
        extras.denied_tokens = u32::try_from(body.varint()?).ok().filter(|count| *count > 0).ok_or(UnpackError)?;
    }
    Ok(())
}

fn unpack_family(tag: UserTag, body: &mut Reader<'_>) -> Result<Family, UnpackError> {
    let serial = body.array()?;
    let session = match body.byte()? {
        0 => None,
        1 => Some(SessionId::from_parts(tag, body.array()?)),
        _ => return Err(UnpackError),
    };
    let mut times = [Timestamp::ZERO; 6];
    for time in &mut times {
        *time = body.time()?;
    }
    let [created_at, expires_at, idle_timeout, last_used_at, advanced_at, access_until] = times;
    Ok(Family {
        serial,
        session,
        created_at,
        expires_at,
        idle_timeout_ms: idle_timeout.millis(),
        last_used_at,
        advanced_at,
        access_until,
        generation: u32::from_le_bytes(body.array()?),
        key_id: body.byte()?,
        client_id: body.optional()?,
        device_id: body.optional()?,
        audience: body.list()?,
        scope: body.list()?,
        roles: body.list()?,
        permissions: body.list()?,
    })
}
