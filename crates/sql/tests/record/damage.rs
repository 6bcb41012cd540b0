//! A damaged file: clear errors, no panic, and nobody suffers who need not.

use crate::scene::{START, Scene, create, tag};
use std::{fs::OpenOptions, os::unix::fs::FileExt as _};
use vestibule_core::{fault::Fault, record::Record};
use vestibule_sql::{OpenError, SqliteOptions, SqliteRecord};

const PAGE: u64 = 4_096;

fn overwrite(scene: &Scene, from_page: u64) {
    let file = OpenOptions::new().write(true).open(scene.folder().join("vestibule.db")).expect("opens");
    let pages = file.metadata().expect("readable").len() / PAGE;
    assert!(pages > from_page + 10, "{pages} pages");
    for page in from_page..pages {
        file.write_all_at(&[0xa5; PAGE as usize], page * PAGE).expect("written");
    }
}

fn assert_says_what_to_do(fault: &Fault) {
    let Fault::Corrupt(text) = fault else { panic!("expected damage, not {fault:?}") };
    assert!(text.contains("vestibule.db") && text.contains("backup") && !text.contains('/'), "{text}");
}

/// The head is whole, the rest is rubbish: it may open, and then every answer is the same clear fault.
#[tokio::test]
async fn overwritten_pages_are_reported() {
    let mut scene = Scene::new();
    for user in 1..=50 {
        scene.logins(tag(user), 20).await;
    }
    scene.close();
    overwrite(&scene, 1);
    match SqliteRecord::open(scene.folder(), SqliteOptions::default()) {
        Err(OpenError::Unusable(fault)) => assert_says_what_to_do(&fault),
        Err(other) => panic!("expected damage, not {other:?}"),
        Ok(record) => {
            assert_says_what_to_do(&record.load_user(tag(1)).await.expect_err("it is damaged"));
            assert_says_what_to_do(&record.decide(vec![create(START, tag(1))]).await.expect_err("it is damaged"));
        }
    }
}

/// Whatever page is hit, no answer is wrong and nothing panics.
#[tokio::test]
async fn any_damaged_page_gives_right_answers_or_a_fault() {
    let mut scene = Scene::new();
    for user in 1..=30 {
        scene.logins(tag(user), 10).await;
    }
    let whole = scene.load(tag(9)).await.user;
    scene.close();
    let path = scene.folder().join("vestibule.db");
    let intact = std::fs::read(&path).expect("readable");
    let pages = intact.len() as u64 / PAGE;
    let mut faults = 0;
    for page in 1..pages {
        std::fs::write(&path, &intact).expect("written");
        let file = OpenOptions::new().write(true).open(&path).expect("opens");
        file.write_all_at(&[0xa5; PAGE as usize], page * PAGE).expect("written");
        let record = match SqliteRecord::open(scene.folder(), SqliteOptions::default()) {
            Ok(record) => record,
            Err(OpenError::Unusable(fault)) => {
                assert_says_what_to_do(&fault);
                faults += 1;
                continue;
            }
            Err(other) => panic!("page {page}: expected damage, not {other:?}"),
        };
        match record.load_user(tag(9)).await {
            Ok(snapshot) => assert_eq!(snapshot.user, whole, "page {page}"),
            Err(fault) => {
                assert_says_what_to_do(&fault);
                faults += 1;
            }
        }
        if let Err(fault) = record.decide(vec![create(START, tag(9))]).await {
            assert_says_what_to_do(&fault);
        }
    }
    assert!(faults > 0, "none of {pages} pages mattered");
}

/// A session of one user that cannot be read is that user's trouble alone, also within one batch.
#[tokio::test]
async fn one_unreadable_session_harms_one_user() {
    let mut scene = Scene::new();
    let (ada, bob) = (tag(1), tag(2));
    scene.logins(ada, 2).await;
    scene.logins(bob, 2).await;
    scene.close();
    let damaged = "UPDATE sessions SET body = x'01ff' WHERE id = (SELECT min(id) FROM sessions)";
    assert_eq!(scene.file().execute(damaged, []).expect("written"), 1);
    scene.open();
    let record = scene.record();
    assert_says_what_to_do(&record.load_user(ada).await.expect_err("one of them cannot be read"));
    // Sent together, these share a transaction or not; either way only one of them is told.
    let (mine, theirs) = tokio::join!(record.decide(vec![create(START, ada)]), record.decide(vec![create(START, bob)]));
    assert_says_what_to_do(&mine.expect_err("it cannot be decided"));
    assert_eq!(theirs.expect("it is decided").len(), 1);
    let both = record.decide(vec![create(START, bob), create(START, ada)]).await;
    assert_says_what_to_do(&both.expect_err("all of one call or nothing"));
    assert_eq!(scene.load(bob).await.user.live.len(), 3);
    assert_eq!(scene.count("SELECT count(*) FROM change_log"), 5);
}
