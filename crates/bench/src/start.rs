//! From the start of the server to its first answer, and its memory at rest (P13).

use crate::{
    Error,
    bounds::{SETTLE, Scale},
    fixture,
    process::{self, Running},
    report::{Line, Report, median},
};
use std::path::Path;

/// Adds the lines.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    process::build_server()?;
    let folder = tempfile::tempdir_in(".")?;
    let empty_ms = start_ms(folder.path(), scale.rounds)?;
    let server = Running::server(folder.path())?;
    std::thread::sleep(SETTLE);
    let resident = server.resident()? / f64::from(1 << 20);
    drop(server);
    let bare = median_of(scale.rounds, Running::bare)?;
    report.add(Line {
        bar: "P13",
        what: "start to first answer".into(),
        figure: format!("{empty_ms:.0} ms"),
        reference: format!("bare axum {bare:.0} ms"),
        demanded: "<= 150 ms",
        reached: Some(empty_ms <= 150.0),
    });
    report.add(Line {
        bar: "P13",
        what: "resident memory at rest".into(),
        figure: format!("{resident:.1} MiB"),
        reference: "-".into(),
        demanded: "<= 20 MB",
        reached: Some(resident <= 19.0),
    });
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async { fixture::fill(&fixture::record(folder.path())?, scale.many).await })?;
    let full_ms = start_ms(folder.path(), scale.rounds)?;
    report.add(Line {
        bar: "P13",
        what: format!("start to first answer, {} sessions on record", scale.many),
        figure: format!("{full_ms:.0} ms"),
        reference: format!("empty {empty_ms:.0} ms"),
        demanded: "<= 500 ms",
        reached: Some(full_ms <= 500.0),
    });
    Ok(())
}

fn start_ms(folder: &Path, rounds: usize) -> Result<f64, Error> {
    median_of(rounds, || Running::server(folder))
}

/// Starts it that often, and ends it as `kill -9` does: a crash is the longer start.
fn median_of(rounds: usize, start: impl Fn() -> Result<Running, Error>) -> Result<f64, Error> {
    let times = (0..rounds).map(|_| Ok(start()?.started_in.as_secs_f64() * 1e3));
    Ok(median(times.collect::<Result<_, Error>>()?))
}
