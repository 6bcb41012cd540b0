//! Secrets: judged, read from files, shown to nobody.

use super::*;

#[test]
fn weak_secrets_stop_the_start_outside_of_development() {
    const WEAK: [&str; 12] = [
        "Xw41Zq92",
        "only-thirty-one-bytes-long-1234",
        "changeme",
        "please-change-me-before-you-go-live-1234567",
        "your_session_secret_key_here",
        "your_session_secret_here_which_is_long_enough",
        "secret",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "secretsecretsecretsecretsecretsecretsecret",
        "abcabcdabcabcdabcabcdabcabcdabcabcdabcabcd",
        "0101010001101010111010100010101110101011",
        "${VESTIBULE_SECRET_THAT_NOBODY_HAS_FILLED_IN}",
    ];
    for weak in WEAK {
        for name in ["VESTIBULE_SECRET", "SESSION_SECRET", "SESSION_SECRET_KEY"] {
            let strict = from_environment(&[(name, weak), ("VESTIBULE_MODE", "production")]);
            let text = strict.expect_err("a weak secret").to_string();
            assert!(text.starts_with(&format!("{name}: secret: is ")), "{text}");
            assert!(weak == "secret" || !text.contains(weak), "a message never shows a secret: {text}");
            let (_, report) = from_environment(&[(name, weak)]).expect("development forgives");
            assert_eq!(report.warnings.len(), 1, "and says so");
        }
        let key = [("VESTIBULE_SECRET", STRONG), ("VESTIBULE_MANAGEMENT__KEY", weak), ("VESTIBULE_MODE", "production")];
        assert!(from_environment(&key).is_err(), "{weak}");
    }
    for good in [STRONG, "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "a passphrase of some words: lamp, river, ochre"] {
        from_environment(&[("VESTIBULE_SECRET", good), ("VESTIBULE_MODE", "production")]).expect(good);
    }
}

#[test]
fn short_development_secrets_are_stretched_for_the_key_ring() {
    let (config, _) = from_environment(&[("VESTIBULE_SECRET", "changeme")]).expect("development forgives");
    assert_eq!(*config.secret.expect("a secret").key_material(), *b"changemechangeme");
    let (config, _) = from_environment(&[("VESTIBULE_SECRET", STRONG)]).expect("a good secret");
    assert_eq!(*config.secret.expect("a secret").key_material(), *STRONG.as_bytes());
}

#[test]
fn secrets_show_in_no_report_and_no_debug_output() {
    const SECRETS: [&str; 5] = [
        STRONG,
        "previous-Xw41-previous-Zq92-previous",
        "csrf-Xw41-csrf-Zq92-csrf-Pm77-csrf",
        "hunter2-key-Xw41-hunter2-key-Zq92",
        "p%40ssw0rd",
    ];
    let (config, report) = from_environment(&[
        ("VESTIBULE_SECRET", SECRETS[0]),
        ("VESTIBULE_SECRET_PREVIOUS", SECRETS[1]),
        ("CSRF_SECRET_KEY", SECRETS[2]),
        ("VESTIBULE_MANAGEMENT__KEY", SECRETS[3]),
        ("REDIS_URL", "redis://ada:p%40ssw0rd@host/2"),
        ("DATABASE_URL", "postgres://ada:p%40ssw0rd@host/db"),
    ])
    .expect("good variables");
    let shown = format!("{config:?}{report:?}{}", serde_json::to_string(&report).expect("a report is JSON"));
    for secret in SECRETS.iter().chain(&["p@ssw0rd"]) {
        assert!(!shown.contains(secret), "{secret} shows");
    }
    assert_eq!(setting(&report, "secret").value, "(set)");
    assert_eq!(setting(&report, "store.url").value, "redis://host:6379/2");
    let Backend::Redis(url) = config.store.backend else { panic!("the state is on Redis") };
    assert_eq!(url.password.expect("a password").expose(), "p@ssw0rd");
}

#[test]
fn secrets_come_from_files_too() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("secret"), format!("{STRONG}\n")).expect("the file is written");
    std::fs::write(path("empty"), "\n").expect("the file is written");
    for name in ["VESTIBULE_SECRET_FILE", "SESSION_SECRET_FILE"] {
        let (config, report) = from_environment(&[(name, &path("secret"))]).expect("a good file");
        assert_eq!(config.secret.expect("a secret").expose(), STRONG);
        assert_eq!(setting(&report, "secret").source, name);
    }
    let refused = |variables: &[(&str, &str)]| from_environment(variables).expect_err("refused").to_string();
    assert!(refused(&[("VESTIBULE_SECRET_FILE", &path("absent"))]).starts_with("VESTIBULE_SECRET_FILE: secret: cannot read "));
    assert!(refused(&[("VESTIBULE_SECRET_FILE", &path("empty"))]).ends_with("it does not hold one line of text"));
    assert_eq!(
        refused(&[("VESTIBULE_SECRET", STRONG), ("VESTIBULE_SECRET_FILE", &path("secret"))]),
        "VESTIBULE_SECRET: secret: is given together with secret_file; keep one of them"
    );
    let other = "another secret that is long enough, Xw41";
    let (config, _) =
        from_environment(&[("SESSION_SECRET", other), ("VESTIBULE_SECRET_FILE", &path("secret"))]).expect("ours wins");
    assert_eq!(config.secret.expect("a secret").expose(), STRONG);
}
