//! Denied tokens on a Postgres record: what a node reads of them over and over while it hears nothing.

use sqlx::{Connection as _, PgConnection};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use vestibule_core::{
    durable::Durable,
    id::UserTag,
    time::Timestamp,
    token::{Denial, DenialPlace, Denied, NewDenials, command::Target},
};
use vestibule_memory::MemoryState;
use vestibule_sql::{PostgresOptions, PostgresRecord};
use vestibule_testkit::{
    conformance::{Harness, Scene},
    process::Postgres,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// A deployment, and a way to its database around it.
async fn deployment() -> (Scene, PgConnection) {
    let fixture = || {
        let postgres = Postgres::shared();
        let url = postgres.database();
        (postgres, url)
    };
    let (postgres, url) = tokio::task::spawn_blocking(fixture).await.expect("the fixture does not panic");
    let options = PostgresOptions { read_timeout: DEADLINE, ..PostgresOptions::default() };
    let record = Arc::new(PostgresRecord::open(&url, options).await.expect("the database opens"));
    let store = Durable::new(record.clone(), Arc::new(MemoryState::new(1 << 20)), DEADLINE);
    let scene = Scene::new(Harness::joined(Arc::new(store), record).keeping(postgres));
    (scene, PgConnection::connect(&url).await.expect("the database opens"))
}

async fn read(scene: &Scene, after: DenialPlace) -> NewDenials {
    scene.tokens.denials(scene.now(), after).await.expect("denials answers")
}

/// Has a family denied as users do. Returns what is denied then.
async fn deny(scene: &Scene) -> Denied {
    let ada = scene.person();
    let family = scene.issued(&ada, None).await;
    assert_eq!(scene.revoke(&ada, Target::Family(family.serial)).await, 1);
    Denied::Family(family.serial)
}

fn has(read: &NewDenials, what: Denied) -> bool {
    read.denials.iter().any(|denial| denial.what == what)
}

/// Places are in the order in which transactions begin; what they write becomes visible as they end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_that_is_committed_late_is_behind_every_place_from_before() {
    let (scene, mut aside) = deployment().await;
    let late = Denied::Token([9; 12]);
    let denial = Denial { tag: UserTag::from_bytes([7; 12]), what: late, until: Timestamp::from_millis(1 << 46) };
    let mut open = aside.begin().await.expect("a transaction");
    sqlx::query(
        "INSERT INTO vestibule_change_log (sequence, tag, revision, at, ended_all, denied)
         SELECT (base + pg_current_xact_id()::text::bigint) << 16, $1, 1, 0, false, $2 FROM vestibule_meta",
    )
    .bind(denial.tag.as_bytes().to_vec())
    .bind(Denial::pack(&[denial]))
    .execute(&mut *open)
    .await
    .expect("a place below those that follow");

    let mut place = read(&scene, DenialPlace::default()).await.place;
    for _ in 0..3 {
        let what = deny(&scene).await;
        let news = read(&scene, place).await;
        assert!(has(&news, what) && !has(&news, late), "{news:?}");
        place = news.place;
    }
    open.commit().await.expect("it is committed");
    assert!(has(&read(&scene, place).await, late), "a place was given from which it is never met");
}

/// While the bus is silent each node asks ten times a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_denials_only_the_new_ones_are_read_again() {
    const MANY: usize = 10_000;
    let (scene, mut aside) = deployment().await;
    // Many end at the same moment, also across the end of a page.
    sqlx::query(
        "INSERT INTO vestibule_denials (body, until)
         SELECT '\\x01'::bytea || substring(sha256(n::text::bytea) FOR 24), $1 + n % 7 FROM generate_series(1, $2) AS n",
    )
    .bind(scene.now().plus_ms(600_000).millis() as i64)
    .bind(MANY as i32)
    .execute(&mut aside)
    .await
    .expect("they are written");
    let begun = Instant::now();
    let all = read(&scene, DenialPlace::default()).await;
    let whole = begun.elapsed();
    assert_eq!(all.denials.len(), MANY);

    let what = deny(&scene).await;
    let begun = Instant::now();
    let news = read(&scene, all.place).await;
    println!("all {MANY}: {whole:?}, what is new: {:?}", begun.elapsed());
    assert!(has(&news, what) && news.denials.len() == 1, "{} are read again", news.denials.len());
}
