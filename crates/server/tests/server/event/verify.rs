//! `vestibule events verify`: what was altered or taken away on disk is found.

use super::{end_all, login};
use rusqlite::Connection;
use serde_json::Value;
use sqlx::Connection as _;
use vestibule::bounds::CHAIN_BREAKS;
use vestibule_testkit::{
    bounds::START,
    process::{Postgres, Redis, Server, ServerOptions, get, wait_for},
};

/// A dozen events.
fn use_it(server: &Server) {
    for user in ["ada", "bob", "cyd"] {
        login(server, user);
        login(server, user);
        end_all(server, user);
    }
}

/// What the command says, and whether its exit code is 0.
fn verify(server: &Server) -> (Value, bool) {
    let output = server.command().args(["--json", "events", "verify"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    (serde_json::from_str(&text).unwrap_or_else(|_| panic!("JSON: {text}")), output.status.success())
}

fn assert_intact(server: &Server) -> Value {
    let (report, is_success) = verify(server);
    assert!(is_success && report["intact"] == true && report["breaks"] == Value::Array(Vec::new()), "{report:#}");
    report
}

#[track_caller]
fn assert_broken(server: &Server, kind: &str) {
    let (report, is_success) = verify(server);
    assert!(!is_success && report["intact"] == false, "{report:#}");
    let kinds: Vec<_> = report["breaks"].as_array().expect("breaks").iter().map(|found| &found["kind"]).collect();
    assert!(kinds.iter().all(|found| **found == kind) && !kinds.is_empty(), "expected {kind}: {report:#}");
}

fn database(server: &Server) -> Connection {
    Connection::open(server.data().join("vestibule.db")).expect("the database")
}

fn execute(server: &Server, sql: &str) {
    database(server).execute_batch(sql).expect("it is done");
}

const LAST: &str = "position = (SELECT max(position) FROM events)";
const INNER: &str = "position = 5";

// S92
#[test]
fn a_row_that_is_altered_or_deleted_in_the_file_is_found() {
    let mut server = Server::start(ServerOptions::default());
    use_it(&server);
    assert_intact(&server);
    assert!(server.terminate().success());
    let whole = std::fs::read(server.data().join("vestibule.db")).expect("the file");
    let put_back = |server: &Server| std::fs::write(server.data().join("vestibule.db"), &whole).expect("written");
    let crimes = [
        (format!("UPDATE events SET reason = 'logout' WHERE {INNER}"), "event_altered"),
        (format!("UPDATE events SET actor = NULL WHERE {LAST}"), "event_altered"),
        ("UPDATE events SET user = (SELECT max(user) FROM events) WHERE position = 1".to_owned(), "event_altered"),
        (format!("UPDATE events SET kind = 'nonsense' WHERE {INNER}"), "event_altered"),
        (format!("DELETE FROM events WHERE {INNER}"), "events_missing"),
        (format!("DELETE FROM events WHERE {LAST}"), "events_missing"),
        // Whoever knows the figures and lowers them all the same does not know the secret.
        (format!("DELETE FROM events WHERE {LAST}; UPDATE counters SET events = events - 1"), "events_missing"),
        ("UPDATE checkpoints SET count = count - 1, total = total - 1".to_owned(), "checkpoint_altered"),
        ("DELETE FROM events WHERE position < 4; UPDATE counters SET forgotten = 3".to_owned(), "retention_altered"),
    ];
    for (crime, kind) in &crimes {
        put_back(&server);
        execute(&server, crime);
        server.restart();
        eprintln!("{crime}");
        if *kind == "checkpoint_altered" {
            assert!(!verify(&server).1);
        } else {
            assert_broken(&server, kind);
        }
        server.kill();
        let _ = std::fs::remove_file(server.data().join("vestibule.db-wal"));
        let _ = std::fs::remove_file(server.data().join("vestibule.db-shm"));
    }
    put_back(&server);
    server.restart();
    let report = assert_intact(&server);
    assert!(report["events"].as_u64() >= Some(9) && report["checkpoints"].as_u64() >= Some(1), "{report:#}");
}

/// However much was altered, what is told of it stays small.
#[test]
fn a_report_names_the_first_breaks_and_counts_the_others() {
    const ALTERED: u64 = 107;
    let server = Server::start(ServerOptions::default());
    for user in 0..ALTERED {
        login(&server, &format!("user-{user}"));
    }
    execute(&server, "UPDATE events SET reason = 'altered' WHERE kind = 'session.created'");
    let (report, is_success) = verify(&server);
    assert!(!is_success && report["intact"] == false);
    assert_eq!(report["breaks"].as_array().map(Vec::len), Some(CHAIN_BREAKS));
    assert_eq!(report["more_breaks"], ALTERED - CHAIN_BREAKS as u64);
    let output = server.command().args(["events", "verify"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("\nand 7 more\nbroken: "), "{text}");
}

/// What no checkpoint has closed yet is protected as well: nothing is lost with the power, and what is deleted meanwhile is missed.
#[test]
fn what_was_deleted_after_a_crash_is_found() {
    let mut server = Server::start(ServerOptions::default());
    use_it(&server);
    server.kill();
    server.restart();
    assert_intact(&server);
    use_it(&server);
    server.kill();
    execute(&server, &format!("DELETE FROM events WHERE {LAST}"));
    server.restart();
    assert_broken(&server, "events_missing");
}

/// A secret that was replaced proves what it sealed for as long as the server has it.
#[test]
fn a_replaced_secret_still_proves_what_it_sealed() {
    let mut first = Server::start(ServerOptions::default());
    use_it(&first);
    assert!(first.terminate().success());
    let data = first.data();
    let options = || {
        let secret = "another secret of this deployment 1234567890";
        ServerOptions::default().env("VESTIBULE_DATA_DIR", data.to_str().expect("text")).env("VESTIBULE_SECRET", secret)
    };
    let mut both = Server::start(options().env("VESTIBULE_SECRET_PREVIOUS", first.secret()));
    use_it(&both);
    assert_intact(&both);
    assert!(both.terminate().success());
    let without = Server::start(options());
    assert_broken(&without, "under_unknown_key");
}

/// Forgetting is no break.
#[test]
fn retention_breaks_nothing() {
    let mut server = Server::start(ServerOptions::default().env("VESTIBULE_EVENTS__RETENTION", "1s"));
    use_it(&server);
    let gone = || {
        let count: i64 = database(&server).query_row("SELECT count(*) FROM events", [], |row| row.get(0)).expect("a count");
        (count == 0).then_some(())
    };
    assert!(wait_for(START, gone).is_some(), "nothing is forgotten");
    assert_intact(&server);
    use_it(&server);
    assert_intact(&server);
    assert!(server.terminate().success());
    server.restart();
    assert_intact(&server);
}

#[test]
fn a_row_that_is_altered_or_deleted_in_postgres_is_found() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let execute = |sql: &'static str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let done = runtime.block_on(async {
            let mut connection = sqlx::PgConnection::connect(&url).await?;
            sqlx::raw_sql(sql).execute(&mut connection).await
        });
        assert_eq!(done.expect("it is done").rows_affected(), 1);
    };
    let server = Server::start(ServerOptions::default().env("DATABASE_URL", &url));
    use_it(&server);
    assert_intact(&server);
    execute("UPDATE vestibule_events SET subject = 'eve' WHERE position = (SELECT min(position) FROM vestibule_events)");
    assert_broken(&server, "event_altered");
    execute("UPDATE vestibule_events SET subject = 'ada' WHERE position = (SELECT min(position) FROM vestibule_events)");
    assert_intact(&server);
    execute("DELETE FROM vestibule_events WHERE position = (SELECT max(position) FROM vestibule_events)");
    assert_broken(&server, "events_missing");
}

#[test]
fn a_line_that_is_altered_or_deleted_in_redis_is_found() {
    let redis = Redis::start();
    let server = Server::start(ServerOptions::default().env("REDIS_URL", &redis.url()));
    use_it(&server);
    assert_intact(&server);
    let keys = redis.command("KEYS vs:{*}:events");
    let key = keys.split_whitespace().find(|word| word.starts_with("vs:")).expect("a timeline").to_owned();
    let line = redis.command(&format!("LINDEX {key} 0"));
    let line = line.lines().find(|line| line.starts_with('{')).expect("an event").to_owned();
    let altered = line.replacen("\"w\":\"login\"", "\"w\":\"other\"", 1);
    assert_ne!(altered, line);
    assert!(redis.command(&format!("LSET {key} 0 '{altered}'")).contains("OK"));
    assert_broken(&server, "event_altered");
    assert!(redis.command(&format!("LSET {key} 0 '{line}'")).contains("OK"));
    assert_intact(&server);
    assert!(redis.command(&format!("LREM {key} 1 '{line}'")).contains('1'));
    assert_broken(&server, "events_missing");
}

/// What a user is shown on Redis is a copy of what the home keeps.
#[test]
fn a_copy_that_is_altered_or_deleted_in_the_timeline_of_a_user_is_found() {
    let redis = Redis::start();
    let server = Server::start(ServerOptions::default().env("REDIS_URL", &redis.url()));
    login(&server, "ada");
    login(&server, "ada");
    let listed = || get("/v1/users/ada/events").bearer(&server.key).send(&server.management);
    assert_eq!(listed().expect(200).json()["events"][0]["reason"], "login");
    let keys = redis.command("KEYS vs:{*}:e:*");
    let key = keys.split_whitespace().find(|word| word.starts_with("vs:")).expect("a timeline").to_owned();
    let line = redis.command(&format!("LINDEX {key} 0"));
    let line = line.lines().find(|line| line.starts_with('{')).expect("an event").to_owned();
    for (from, to) in [("\"w\":\"login\"", "\"w\":\"other\""), ("session.created", "login.succeeded"), ("\"m\":", "\"z\":")] {
        let altered = line.replacen(from, to, 1);
        assert_ne!(altered, line);
        assert!(redis.command(&format!("LSET {key} 0 '{altered}'")).contains("OK"));
        assert_eq!(listed().code(), "store_unavailable", "it is not shown: {altered}");
        assert_broken(&server, "copy_altered");
    }
    assert!(redis.command(&format!("LSET {key} 0 '{line}'")).contains("OK"));
    listed().expect(200);
    assert_intact(&server);
    assert!(redis.command(&format!("RPOP {key}")).contains("session.created"));
    assert_broken(&server, "copy_altered");
    // A timeline expires earlier than what the home keeps.
    assert!(redis.command(&format!("DEL {key}")).contains('1'));
    assert_intact(&server);
    login(&server, "ada");
    assert_intact(&server);
}

#[test]
fn memory_says_that_there_is_nothing_to_verify() {
    let server = Server::start(ServerOptions::default().arg("--ephemeral"));
    use_it(&server);
    assert_eq!(assert_intact(&server)["in_process"], true);
}
