//! Variables under the names of older systems.

use super::*;

#[test]
fn the_names_of_older_systems_are_understood() {
    let (config, report) = from_environment(&[
        ("SESSION_TTL", "604800"),
        ("SESSION_SECRET", STRONG),
        ("CSRF_SECRET_KEY", "csrf-Xw41-csrf-Zq92-csrf-Pm77-csrf"),
        ("SESSION_CLEANUP_INTERVAL", "300"),
        ("REDIS_PASSWORD", ""),
    ])
    .expect("good variables");
    let week = Duration::from_secs(604_800);
    assert_eq!((config.sessions.default.idle_timeout, config.sessions.default.lifetime), (week, week));
    assert_eq!(setting(&report, "sessions.lifetime").source, "SESSION_TTL");
    assert_eq!(config.sessions.default.remember_lifetime, Duration::from_secs(30 * 86_400), "it was longer already");
    assert!(config.csrf_secret.is_some());
    assert_eq!(report.warnings, ["SESSION_CLEANUP_INTERVAL has no effect: expired sessions need no clean-up interval"]);

    let (config, _) = from_environment(&[("SESSION_TIMEOUT_MINUTES", "480")]).expect("good variables");
    assert_eq!(config.sessions.default.idle_timeout, 480 * MINUTE);
    let refused = |variables: &[(&str, &str)]| from_environment(variables).expect_err("refused").to_string();
    assert_eq!(
        refused(&[("SESSION_TTL", "3600"), ("SESSION_TIMEOUT_MINUTES", "480")]),
        "SESSION_TIMEOUT_MINUTES: sessions.idle_timeout: SESSION_TTL says otherwise; keep one of them"
    );
    assert!(
        refused(&[("SESSION_TTL", "an hour")]).starts_with("SESSION_TTL: sessions.idle_timeout: expected a positive duration")
    );
    assert_eq!(
        refused(&[("SESSION_TTL", "3600"), ("VESTIBULE_SESSIONS__LIFETIME", "30m")]),
        "SESSION_TTL: sessions.idle_timeout: 1h is longer than sessions.lifetime (30m)"
    );
}

#[test]
fn redis_is_understood_by_all_its_names() {
    const CASES: [(&[(&str, &str)], &str); 13] = [
        (&[("REDIS_URL", "redis://redis:6379")], "redis://redis:6379"),
        (&[("REDIS_URL", "redis://localhost:6379/1")], "redis://localhost:6379/1"),
        (&[("REDIS_URL", "rediss://[::1]")], "rediss://[::1]:6379"),
        (&[("REDIS_URL", "redis://redis"), ("REDIS_DB", "3"), ("REDIS_PASSWORD", "x")], "redis://redis:6379/3"),
        (&[("REDIS_HOST", "redis.example"), ("REDIS_PORT", "12649"), ("REDIS_DB", "0")], "redis://redis.example:12649/0"),
        (&[("REDIS_URL", "redis://s1:26379,s2:26379/0?sentinel=mymaster")], "redis+sentinel://s1:26379,s2:26379/mymaster"),
        (&[("REDIS_URL", "redis://n1:6379,n2:6379,n3:6379/0")], "redis+cluster://n1:6379,n2:6379,n3:6379"),
        (&[("REDIS_URL", "unix:/run/redis.sock")], "unix:/run/redis.sock"),
        (&[("REDIS_URL", "unix:///run/redis.sock?db=2")], "unix:/run/redis.sock?db=2"),
        (&[("REDIS_URL", "redis+unix:///run/redis.sock"), ("REDIS_DB", "3")], "unix:/run/redis.sock?db=3"),
        (&[("REDIS_URL", "rediss+sentinel://s1,s2/mymaster")], "rediss+sentinel://s1:26379,s2:26379/mymaster"),
        (
            &[("REDIS_SENTINEL_ENABLED", "True"), ("REDIS_SENTINEL_HOSTS", "s1:26379,s2:26379"), ("REDIS_MASTER_NAME", "m")],
            "redis+sentinel://s1:26379,s2:26379/m",
        ),
        (
            &[("REDIS_CLUSTER_ENABLED", "False"), ("REDIS_CLUSTER_NODES", "a:1,b:2"), ("REDIS_URL", "redis://c")],
            "redis://c:6379",
        ),
    ];
    for (variables, expected) in CASES {
        let (config, _) = from_environment(variables).unwrap_or_else(|error| panic!("{expected}: {error}"));
        let Backend::Redis(url) = &config.store.backend else { panic!("{expected}: the state is on Redis") };
        assert_eq!(url.to_string(), expected);
        assert_eq!(config.record, Record::None, "Redis without a database is authoritative");
    }
    for bad in [
        "http://redis",
        "redis://",
        "redis://host:port",
        "redis://host/x",
        "redis+sentinel://h1",
        "redis://h?x=1",
        "redis://h/70000",
        "unix:",
        "unix:relative",
        "unix:/s?database=1",
    ] {
        assert!(from_environment(&[("REDIS_URL", bad)]).is_err(), "{bad}");
    }
}

#[test]
fn stores_and_records_combine_as_they_can() {
    let (config, _) = from_environment(&[("VESTIBULE_RECORD__URL", "none")]).expect("ephemeral");
    assert_eq!(config.record, Record::None);
    let (config, _) = from_environment(&[("DATABASE_URL", "postgres://host/db")]).expect("a record of its own");
    assert!(matches!(config.record, Record::Postgres(_)));
    let both = [("REDIS_URL", "redis://h"), ("DATABASE_URL", "postgres://host/db")];
    let (config, _) = from_environment(&both).expect("well formed");
    assert!(config.store.uses_redis());
    let refused = |variables: &[(&str, &str)]| from_environment(variables).expect_err("refused").to_string();
    assert!(
        refused(&[("REDIS_URL", "redis://h"), ("DATABASE_URL", "sqlite")]).contains("a SQLite record belongs to one process")
    );
    assert!(
        refused(&[("REDIS_SESSION_URL", "redis://h/1")])
            .contains("REDIS_SESSION_URL: store.sessions_url: needs store.url beside it")
    );
    assert!(
        refused(&[("DATABASE_URL", "sqlite:///elsewhere.db")]).contains("the file is vestibule.db in data_dir, and no other")
    );
    for ours in ["sqlite://", "sqlite:vestibule-data/vestibule.db", "sqlite:///vestibule-data/vestibule.db"] {
        let (config, _) = from_environment(&[("DATABASE_URL", ours)]).expect(ours);
        assert_eq!(config.record, Record::Sqlite, "{ours}");
    }
    assert!(refused(&[("REDIS_URL", "redis+cluster://h"), ("REDIS_DB", "2")]).contains("a Redis Cluster has only database 0"));
}

/// The lines of `config check` for these variables.
fn mapping(variables: &[(&str, &str)]) -> Vec<String> {
    let report = check(&sources(None, &environment(variables)));
    assert_eq!(report.problems, []);
    report.variables.iter().map(ToString::to_string).collect()
}

#[test]
fn every_name_is_told_what_became_of_it() {
    assert_eq!(
        mapping(&[
            ("REDIS_HOST", "redis.example"),
            ("REDIS_PORT", "12649"),
            ("REDIS_SSL", "True"),
            ("REDIS_PASSWORD", "Xw41Zq92"),
            ("REDIS_DB", "3  # sessions"),
            ("REDIS_RATE_LIMIT_URL", "redis://elsewhere/3"),
            ("REDIS_CLUSTER_ENABLED", "False"),
            ("REDIS_CLUSTER_NODES", "a:1,b:2"),
            ("REDIS_COLOUR", "red"),
            ("REDIS_EMPTY", ""),
            ("SESSION_TTL", "3600"),
            ("SESSION_MANAGER", "local/host:@/tmp/.ICE-unix/1"),
            ("VESTIBULE_SESSIONS__IDLE_TIMEOUT", "5m"),
        ]),
        [
            "REDIS_CLUSTER_ENABLED -> no effect: it is off",
            "REDIS_CLUSTER_NODES -> no effect: REDIS_CLUSTER_ENABLED is off",
            "REDIS_COLOUR -> no effect: the name is not known",
            "REDIS_DB -> store.database = 3",
            "REDIS_HOST -> store.url = rediss://redis.example:12649",
            "REDIS_PASSWORD -> store.password = (set)",
            "REDIS_PORT -> store.url = rediss://redis.example:12649",
            "REDIS_RATE_LIMIT_URL -> store.limits_url = redis://elsewhere:6379/3",
            "REDIS_SSL -> store.url = rediss://redis.example:12649",
            "SESSION_TTL -> no effect: VESTIBULE_SESSIONS__IDLE_TIMEOUT says what sessions.idle_timeout is",
        ]
    );
    assert_eq!(
        mapping(&[
            ("REDIS_SENTINEL_ENABLED", "True"),
            ("REDIS_SENTINEL_HOSTS", "s1,s2"),
            ("REDIS_URL", "redis://r/1"),
            ("REDIS_SESSION_URL", "redis://r/2"),
        ]),
        [
            "REDIS_SENTINEL_ENABLED -> store.url = redis+sentinel://s1:26379,s2:26379/mymaster",
            "REDIS_SENTINEL_HOSTS -> store.url = redis+sentinel://s1:26379,s2:26379/mymaster",
            "REDIS_SESSION_URL -> no effect: REDIS_SENTINEL_HOSTS says where everything is",
            "REDIS_URL -> no effect: REDIS_SENTINEL_HOSTS says where Redis is",
        ]
    );
    let linked = mapping(&[("REDIS_HOST", "redis"), ("REDIS_PORT", "tcp://10.0.0.7:6379"), ("REDIS_SERVICE_PORT", "6379")]);
    assert_eq!(linked[0], "REDIS_HOST -> store.url = redis://redis:6379");
    assert!(linked[1].starts_with("REDIS_PORT -> no effect: it is the link that Kubernetes makes"), "{linked:?}");
    assert_eq!(linked.len(), 2);
}

#[test]
fn names_that_contradict_each_other_stop_the_start() {
    let refused = |variables: &[(&str, &str)]| from_environment(variables).expect_err("refused").to_string();
    assert_eq!(
        refused(&[("REDIS_URL", "redis://h"), ("REDIS_SSL", "true")]),
        "REDIS_SSL: REDIS_URL is one without TLS; write rediss:// there"
    );
    assert_eq!(refused(&[("REDIS_SENTINEL_ENABLED", "yes")]), "REDIS_SENTINEL_ENABLED: REDIS_SENTINEL_HOSTS is missing");
    assert_eq!(refused(&[("REDIS_CLUSTER_ENABLED", "perhaps")]), "REDIS_CLUSTER_ENABLED: expected true or false");
    let both = [
        ("REDIS_SENTINEL_ENABLED", "1"),
        ("REDIS_SENTINEL_HOSTS", "s1"),
        ("REDIS_CLUSTER_ENABLED", "1"),
        ("REDIS_CLUSTER_NODES", "n1"),
    ];
    assert_eq!(refused(&both), "REDIS_CLUSTER_ENABLED: REDIS_SENTINEL_ENABLED says otherwise; keep one of them");
}

/// A password of Redis may be short, but not the text of an example.
#[test]
fn the_password_of_an_example_is_for_development_only() {
    for (name, text) in [("REDIS_PASSWORD", "your_redis_password"), ("REDIS_URL", "redis://:your_strong_password@h")] {
        let mut variables = vec![(name, text), ("VESTIBULE_SECRET", STRONG), ("VESTIBULE_MODE", "dev")];
        if name == "REDIS_PASSWORD" {
            variables.push(("REDIS_HOST", "h"));
        }
        let (_, report) = from_environment(&variables).expect("development forgives");
        assert!(report.warnings.iter().any(|warning| warning.contains("the text of an example")), "{:?}", report.warnings);
        variables[2] = ("VESTIBULE_MODE", "production");
        let refused = from_environment(&variables).expect_err("production does not").to_string();
        assert!(refused.starts_with(&format!("{name}: store.")) && refused.lines().count() == 1, "{refused}");
        assert!(!refused.contains(text), "{refused}");
    }
}
