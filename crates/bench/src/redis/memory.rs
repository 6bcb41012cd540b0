//! Memory of Redis for a session with its index and TTL (P5), beside the layout of a key for each session and a set for each
//! user.

use super::{Server, fill, seed};
use crate::{
    Error,
    report::{Line, Report},
};

/// Sessions of each measurement.
const SESSIONS: usize = 100_000;

/// Adds the lines.
pub(crate) fn measure(report: &mut Report) -> Result<(), Error> {
    for (each, bar, demanded) in [(1, 470.0, "<= 470 B"), (3, 340.0, "<= 340 B"), (10, 290.0, "<= 290 B")] {
        let ours = taken(|url| tokio::runtime::Runtime::new()?.block_on(fill::users(url, SESSIONS / each, each)))?;
        let seed = taken(|url| seed::fill(url, SESSIONS / each, each))?;
        report.add(Line {
            bar: "P5",
            what: format!("memory of Redis for a session without payload, {each} a user, {SESSIONS} sessions"),
            figure: format!("{ours:.0} B"),
            reference: format!("a key for each session in JSON, a set for each user: {seed:.0} B"),
            demanded,
            reached: Some(ours <= bar),
        });
    }
    Ok(())
}

/// Bytes for each session.
fn taken(fill: impl FnOnce(&str) -> Result<(), Error>) -> Result<f64, Error> {
    let server = Server::start()?;
    let before = server.used()?;
    fill(&server.url())?;
    Ok((server.used()? - before) / SESSIONS as f64)
}
