//! The files: lock, permissions, versions, what is in them.

use crate::scene::{START, Scene, end_one, register, tag};
use std::error::Error as _;
use vestibule_core::{event::EventQuery, event::EventStore, record::Record};
use vestibule_sql::{OpenError, SqliteOptions, SqliteRecord};

/// Everything that was answered is there after a restart, figures included.
#[tokio::test]
async fn a_restart_keeps_everything() {
    let mut scene = Scene::new();
    for user in 1..=20 {
        let sessions = scene.logins(tag(user), 3).await;
        scene.outcome(START, end_one(sessions[0].id())).await;
    }
    scene.outcome(START, register(tag(1), "ada@example.com")).await;
    let record = scene.record();
    let query = EventQuery { limit: 1_000, ..EventQuery::default() };
    let before = (record.stats().await, record.query(query.clone()).await, record.changes_since(0, 1_000).await);
    let (user, history) = (scene.load(tag(7)).await, scene.history(tag(7)).await);
    drop(record);
    scene.reopen();
    let record = scene.record();
    assert_eq!((record.stats().await, record.query(query).await, record.changes_since(0, 1_000).await), before);
    assert_eq!((scene.load(tag(7)).await, scene.history(tag(7)).await), (user, history));
    let users = record.users(Some(tag(3)), 5).await.expect("reads");
    assert_eq!(users, [tag(4), tag(5), tag(6), tag(7), tag(8)]);
}

#[tokio::test]
async fn a_folder_has_one_owner() {
    let mut scene = Scene::new();
    let open = |scene: &Scene| SqliteRecord::open(scene.folder(), SqliteOptions::default());
    let refused = open(&scene).expect_err("it is in use");
    assert!(matches!(refused, OpenError::Locked));
    assert!(refused.to_string().contains("vestibule.lock"));
    scene.logins(tag(1), 1).await;
    scene.close();
    let record = open(&scene).expect("the first has let go");
    assert_eq!(record.stats().await.expect("reads").sessions, 1);
}

#[cfg(unix)]
#[tokio::test]
async fn files_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("new/data");
    let record = SqliteRecord::open(&folder, SqliteOptions::default()).expect("it makes the folder");
    let mode = |path: &std::path::Path| path.metadata().expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut names: Vec<_> = folder.read_dir().expect("readable").map(|entry| entry.expect("readable").path()).collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    assert!(names.iter().all(|name| mode(name) == 0o600), "{names:?}");
    drop(record);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let mut scene = Scene::new();
    scene.logins(tag(1), 1).await;
    scene.close();
    scene.file().pragma_update(None, "user_version", 99).expect("written");
    let refused = SqliteRecord::open(scene.folder(), SqliteOptions::default()).expect_err("it is newer");
    assert!(matches!(refused, OpenError::NewerSchema { found: 99, .. }), "{refused:?}");
    assert_eq!(scene.count("PRAGMA user_version"), 99);
    assert_eq!(scene.count("SELECT count(*) FROM sessions"), 1);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vestibule.db");
    let other = rusqlite::Connection::open(&path).expect("made");
    other.execute_batch("CREATE TABLE theirs (id INTEGER)").expect("made");
    drop(other);
    let before = std::fs::read(&path).expect("readable");
    let refused = SqliteRecord::open(folder.path(), SqliteOptions::default()).expect_err("it is not ours");
    assert!(matches!(refused, OpenError::Foreign), "{refused:?}");
    assert_eq!(std::fs::read(&path).expect("readable"), before);
}

#[tokio::test]
async fn what_is_no_database_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("vestibule.db"), "not a database at all ".repeat(1_000)).expect("written");
    let refused = SqliteRecord::open(folder.path(), SqliteOptions::default()).expect_err("it is no database");
    let cause = refused.source().expect("a cause").to_string();
    assert!(cause.contains("vestibule.db is damaged") && cause.contains("backup"), "{cause}");
    let folder = folder.path().to_string_lossy().into_owned();
    assert!(!cause.contains(&folder) && !refused.to_string().contains(&folder), "texts name no folder");
}
