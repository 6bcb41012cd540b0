//! Memory of a session in the state under a record (P8).

use crate::{
    Error,
    bounds::{MEMORY_LIMIT, Scale},
    fixture, process,
    report::{Line, Report},
};
use vestibule::{
    memory::MemoryState,
    record::{State as _, UserSnapshot},
    session::PackedSession,
    user::UserAggregate,
};

/// Adds the line.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let numbers = process::numbers(process::role(&["memory", &scale.many.to_string()])?)?;
    let [bytes, packed] = numbers[..] else { return Err("two numbers were expected".into()) };
    report.add(Line {
        bar: "P8",
        what: format!("resident memory of {} sessions with a payload of 160 bytes", scale.many),
        figure: format!("{bytes:.0} B a session"),
        reference: format!("the packed session alone {packed:.0} B"),
        demanded: "<= 600 B",
        reached: Some(bytes <= 600.0),
    });
    Ok(())
}

/// Fills a state and prints resident bytes per session, and the length of a packed one.
pub(crate) async fn play(sessions: usize) -> Result<(), Error> {
    let (ring, state) = (fixture::ring()?, MemoryState::new(MEMORY_LIMIT));
    let before = process::resident("self")?;
    let mut packed_length = 0;
    for user in 0..sessions {
        let (_, session) = fixture::session(&ring, user);
        let packed = PackedSession::pack(&session);
        packed_length = packed.as_bytes().len();
        let mut user = UserAggregate::new(session.id.tag());
        user.user_id = session.user_id;
        (user.revision, user.created_total) = (1, 1);
        user.live.push(packed);
        state.project(UserSnapshot { sequence: 1, user }).await?;
    }
    let bytes = (process::resident("self")? - before) / sessions as f64;
    println!("{bytes} {packed_length}");
    Ok(())
}
