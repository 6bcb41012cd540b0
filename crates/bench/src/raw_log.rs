//! The least that a disk allows: one thread that appends what waits to a file and syncs once for all of it.

use crate::{
    Error,
    bounds::CALLERS,
    callers::{self, Run},
};
use std::{fs::File, io::Write as _, path::Path, sync::mpsc, time::Duration};
use tokio::sync::oneshot;

/// What one create writes, in bytes: about the packed session, the event and the change.
const ENTRY: usize = 400;

/// Measures it in this folder.
pub(crate) async fn measure(folder: &Path, time: Duration) -> Result<Run, Error> {
    let file = File::create(folder.join("raw.log"))?;
    let (queue, entries) = mpsc::sync_channel::<oneshot::Sender<()>>(CALLERS);
    let log = std::thread::spawn(move || append(file, &entries));
    let measured = callers::measure(time, move || {
        let queue = queue.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            queue.try_send(answer)?;
            Ok(answered.await?)
        }
    })
    .await?;
    log.join().map_err(|_| "the raw log panicked")??;
    Ok(measured)
}

fn append(mut file: File, entries: &mpsc::Receiver<oneshot::Sender<()>>) -> std::io::Result<()> {
    while let Ok(first) = entries.recv() {
        let mut waiting = vec![first];
        waiting.extend(entries.try_iter());
        file.write_all(&vec![7; waiting.len() * ENTRY])?;
        file.sync_data()?;
        for answer in waiting {
            // A caller who left has nothing to hear.
            let _ = answer.send(());
        }
    }
    Ok(())
}
