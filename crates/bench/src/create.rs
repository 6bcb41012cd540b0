//! Durable creates (P4): through the record's port and over HTTP, beside a raw log on the same disk.

use crate::{
    Error,
    bounds::Scale,
    callers, fixture, load,
    process::{self, Running},
    raw_log,
    report::{Line, Report},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use vestibule::{record::Record as _, sql::SqliteRecord};

/// Requests of the load over HTTP; each creates a session of a user of its own, and users who come again have several.
const REQUESTS: usize = 100_000;

/// Adds the lines.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    process::build_server()?;
    let folder = tempfile::tempdir_in(".")?;
    tokio::runtime::Runtime::new()?.block_on(through_the_port(scale, folder.path(), report))?;
    over_http(scale, folder.path(), report)
}

async fn through_the_port(scale: &Scale, folder: &Path, report: &mut Report) -> Result<(), Error> {
    let record = Arc::new(fixture::record(folder)?);
    fixture::fill(&record, scale.preloaded).await?;
    let before = raw_log::measure(folder, scale.round).await?;
    let seen = creates(&record, scale).await?;
    let after = raw_log::measure(folder, scale.round).await?;
    // A disk is not the same twice: the mean of what it did before and after.
    let raw = f64::midpoint(before.rate, after.rate);
    report.add(Line {
        bar: "P4",
        what: format!("durable creates through the port, {} sessions on record, 64 creators", scale.preloaded),
        figure: format!("{:.0}/s, {:.2}x, p99 {:.1} ms", seen.rate, seen.rate / raw, seen.p99_ms),
        reference: format!("raw log with group commit {raw:.0}/s, p99 {:.1} ms", before.p99_ms.max(after.p99_ms)),
        demanded: ">= 12,000/s, >= 0.10x, p99 <= 10 ms",
        reached: Some(seen.rate >= 12_000.0 && seen.rate >= raw * 0.10 && seen.p99_ms <= 10.0),
    });
    Ok(())
}

async fn creates(record: &Arc<SqliteRecord>, scale: &Scale) -> Result<callers::Run, Error> {
    let (record, next) = (record.clone(), Arc::new(AtomicUsize::new(scale.preloaded)));
    let ring = Arc::new(fixture::ring()?);
    callers::measure(scale.round * 2, move || {
        let (record, next, ring) = (record.clone(), next.clone(), ring.clone());
        async move {
            let (_, session) = fixture::session(&ring, next.fetch_add(1, Ordering::Relaxed));
            record.decide(vec![fixture::create(session)]).await?;
            Ok(())
        }
    })
    .await
}

fn over_http(scale: &Scale, folder: &Path, report: &mut Report) -> Result<(), Error> {
    let requests: Vec<String> = (0..REQUESTS).map(|user| request(&format!("customer-{user}"))).collect();
    let file = folder.join("requests");
    load::write_requests(&file, &requests)?;
    let server = Running::server(folder)?;
    let cpu = server.cpu()?;
    let numbers = process::load(&server.management, &file, scale.round * 2)?;
    let (count, rate, p99_ms) = (numbers[0], numbers[0] / numbers[1], numbers[3] / 1e3);
    report.add(Line {
        bar: "P4",
        what: "durable creates over HTTP, 64 connections, server on one core".into(),
        figure: format!("{rate:.0}/s, p99 {p99_ms:.1} ms"),
        reference: format!("{:.0} µs of the server's processor each", (server.cpu()? - cpu) * 1e6 / count),
        demanded: ">= 7,000/s",
        reached: Some(rate >= 7_000.0),
    });
    Ok(())
}

/// What a backend asks after a login.
pub(crate) fn request(user: &str) -> String {
    let body = fixture::facts(user);
    format!(
        "POST /v1/sessions HTTP/1.1\r\nHost: sessions.internal\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        fixture::KEY,
        body.len()
    )
}
