//! Tables of databases as the source, and every store as the target.

use super::{HOUR_MS, TOKEN, accepting, forward, import, put, user_of};
use serde_json::json;
use vestibule_testkit::process::{Postgres, Redis, Server};

const PLAN: &str = "CREATE TABLE sessions (id serial PRIMARY KEY, user_id integer NOT NULL, session_token text NOT NULL,
    expires_at timestamp NOT NULL, created_at timestamp, last_accessed timestamp)";
/// Django 4 for user 7, compressed and signed.
const DJANGO: &str = ".eJyrVopPLC3JiC8tTi2Kz0xRslIyV9JBFktKTM5OzQNJpGQl5qXn6yXn55UUZSbpgZToQWWL9XzzU1JznKBqawE8hh8z:1rXyZz:abcDEF-si\
    gnature_0";

#[test]
fn tables_of_postgres_are_read() {
    let (server, postgres) = (Server::start(accepting()), Postgres::shared());
    let url = postgres.database();
    let database = url.rsplit('/').next().expect("a name");
    postgres.sql(database, PLAN);
    let row = format!("INSERT INTO sessions VALUES (1, 42, '{TOKEN}', '2090-01-01', '2026-01-01', '2026-01-02')");
    postgres.sql(database, &row);
    let done = import(&server, &url, &["--layout", "session-caching-plan"]);
    assert_eq!((&done["read"], &done["imported"]), (&json!(1), &json!(1)));
    assert_eq!(user_of(&forward(&server, "session_id", TOKEN)), Some("42"));
    postgres.sql(
        database,
        "CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text, expire_date timestamptz)",
    );
    let row = format!("INSERT INTO django_session VALUES ('k3v9x1m7q5z2b8n4c6w0e9r3t7y1u5i2', '{DJANGO}', '2090-01-01')");
    postgres.sql(database, &row);
    let done = import(&server, &url, &["--layout", "django"]);
    assert_eq!(done["imported"], 1);
    assert_eq!(user_of(&forward(&server, "sessionid", "k3v9x1m7q5z2b8n4c6w0e9r3t7y1u5i2")), Some("7"));
}

#[test]
fn tables_of_sqlite_are_read_under_any_name() {
    let server = Server::start(accepting());
    let path = server.dir.path().join("theirs.db");
    let theirs = rusqlite::Connection::open(&path).expect("made");
    theirs.execute_batch("CREATE TABLE logins (who TEXT, secret TEXT, until INTEGER, theme TEXT)").expect("made");
    theirs.execute("INSERT INTO logins VALUES ('ada', ?1, 3786912000, 'dark')", [TOKEN]).expect("written");
    let url = format!("sqlite:{}", path.display());
    let maps = ["--map", "id=secret", "--map", "user_id=who", "--map", "expires_at=until"];
    let arguments = [&["--layout", "session-caching-plan", "--table", "logins"][..], &maps].concat();
    let done = import(&server, &url, &arguments);
    assert_eq!((&done["imported"], &done["skipped"]), (&json!(1), &json!({})));
    assert_eq!(user_of(&forward(&server, "session_id", TOKEN)), Some("ada"));
}

/// A node that did not import knows the session as well.
#[test]
fn sessions_are_taken_over_by_every_store() {
    let (theirs, ours, postgres) = (Redis::start(), Redis::start(), Postgres::shared());
    let value = json!({"user_id": "ada", "user_data": {"id": "ada"}});
    put(&theirs, &format!("session:{TOKEN}"), value.to_string().as_bytes(), HOUR_MS);
    let secret = ("VESTIBULE_SECRET", "a secret that both servers have in common 1234567890");
    let over_redis = || accepting().env(secret.0, secret.1).env("REDIS_URL", &ours.url());
    let url = postgres.database();
    let takes_over = |one: &Server, two: &Server| {
        let done = import(one, &theirs.url(), &["--layout", "build-yourself"]);
        assert_eq!(done["imported"], 1);
        for server in [one, two] {
            assert_eq!(user_of(&forward(server, "session_id", TOKEN)), Some("ada"));
        }
    };
    takes_over(&Server::start(over_redis()), &Server::start(over_redis()));
    let key = ours.command("KEYS vs:*:l:*");
    assert_eq!(key.matches("vs:").count(), 1, "{key}");
    assert!(ours.command("FLUSHALL").contains("OK"));
    let over_both = || over_redis().env("DATABASE_URL", &url);
    takes_over(&Server::start(over_both()), &Server::start(over_both()));
}
