//! The configuration from outside: sources in, a judged configuration or lines of problems out.

mod alias;
mod file;
mod secret;

use super::{report::Setting, store::Backend, *};
use std::time::Duration;

const STRONG: &str = "Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIGF0IGxlYXN0";
const MINUTE: Duration = Duration::from_secs(60);

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn sources<'a>(file: Option<&'a Path>, environment: &'a Environment) -> Sources<'a> {
    Sources { file, environment, flags: &[] }
}

fn from_environment(variables: &[(&str, &str)]) -> Result<(Config, CheckReport), ConfigError> {
    load(&sources(None, &environment(variables)))
}

/// Checks a file called `vestibule.toml`; its folder is cut from the messages.
fn check_file(text: &str, variables: &[(&str, &str)]) -> CheckReport {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("vestibule.toml");
    std::fs::write(&path, text).expect("the file is written");
    check(&sources(Some(&path), &environment(variables)))
}

fn problems(report: &CheckReport) -> Vec<String> {
    let base_name = |line: String| match line.find("vestibule.toml") {
        Some(start) => line[start..].to_owned(),
        None => line,
    };
    report.problems.iter().map(|problem| base_name(problem.to_string())).collect()
}

fn setting<'a>(report: &'a CheckReport, key: &str) -> &'a Setting {
    report.settings.iter().find(|setting| setting.key == key).unwrap_or_else(|| panic!("{key} is in the report"))
}

#[test]
fn without_a_file_it_is_development_on_loopback() {
    let (config, report) = from_environment(&[]).expect("the defaults are good");
    assert_eq!(config.mode, Mode::Dev);
    assert_eq!(config.public.listen.to_string(), "127.0.0.1:8378");
    assert_eq!(config.management.listen.to_string(), "127.0.0.1:8379");
    assert_eq!(config.cookie.config.name, "vestibule_dev");
    assert_eq!((config.store.backend, config.record), (Backend::Memory, Record::Sqlite));
    assert_eq!(config.sessions.default, vestibule::session::Profile::default());
    assert_eq!(config.sessions.data_bytes, Some(16 * 1024));
    assert_eq!(config.store.timeout, Duration::from_millis(250));
    assert!(config.public.trusted_proxies != Default::default(), "loopback is trusted in development");
    assert_eq!((report.warnings, report.problems), (vec![], vec![]));
}

#[test]
fn later_sources_override_earlier_ones() {
    let file = "[sessions]\nidle_timeout = \"10m\"\ncap = 3\ntouch_throttle = \"5s\"\n";
    let variables = [("VESTIBULE_SECRET", STRONG), ("SESSION_TTL", "1200"), ("VESTIBULE_SESSIONS__CAP", "7")];
    let report = check_file(file, &variables);
    let of = |key: &str| (setting(&report, key).value.as_str(), setting(&report, key).source.as_str());
    assert_eq!(of("sessions.idle_timeout"), ("20m", "SESSION_TTL"));
    assert_eq!(of("sessions.cap"), ("7", "VESTIBULE_SESSIONS__CAP"));
    assert_eq!(of("sessions.lifetime"), ("12h", "default"));
    let throttle = setting(&report, "sessions.touch_throttle");
    assert!(throttle.value == "5s" && throttle.source.ends_with("vestibule.toml:4"), "{throttle:?}");
    assert_eq!(problems(&report), Vec::<String>::new());

    let variables = environment(&variables);
    let flags = [("sessions.cap", "9".to_owned(), "--cap")];
    let (config, report) = load(&Sources { file: None, environment: &variables, flags: &flags }).expect("good sources");
    assert_eq!(config.sessions.default.cap, 9);
    assert_eq!(setting(&report, "sessions.cap").source, "--cap");
}

fn resolve_text(text: &str) -> (Config, CheckReport) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("vestibule.toml");
    std::fs::write(&path, text).expect("the file is written");
    load(&sources(Some(&path), &environment(&[("VESTIBULE_SECRET", STRONG)]))).expect("a good file")
}

#[test]
fn all_problems_are_told_at_once() {
    let error =
        from_environment(&[("VESTIBULE_SESSIONS__CAP", "0"), ("VESTIBULE_COLOUR", "red"), ("VESTIBULE_LOG__FORMAT", "xml")])
            .expect_err("three problems");
    assert_eq!(
        error.to_string(),
        "VESTIBULE_SESSIONS__CAP: sessions.cap: 0 is not from 1 to 10000\n\
         VESTIBULE_LOG__FORMAT: log.format: expected text or json\n\
         VESTIBULE_COLOUR: unknown key colour"
    );
}

#[test]
fn variables_set_every_kind_of_setting() {
    let (config, _) = from_environment(&[
        ("VESTIBULE_PUBLIC__LISTEN", "127.0.0.1:0"),
        ("VESTIBULE_MANAGEMENT__LISTEN", "localhost:0"),
        ("VESTIBULE_PUBLIC__TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1"),
        ("VESTIBULE_PUBLIC__ALLOWED_ORIGINS", ""),
        ("VESTIBULE_COOKIE__PERSISTENT", "true"),
        ("VESTIBULE_COOKIE__DOMAIN", ""),
        ("VESTIBULE_STORE__MEMORY_LIMIT", "256MiB"),
        ("VESTIBULE_SESSIONS__PROFILES__ADMIN__CAP", "1"),
        ("VESTIBULE_TOKENS__REFRESH_GRACE", "0s"),
        ("VESTIBULE_DATA_DIR", "/var/lib/vestibule"),
        ("VESTIBULE_KEY", "for the command line"),
        ("HOME", "/root"),
    ])
    .expect("good variables");
    assert_eq!((config.public.listen.port(), config.management.listen.port()), (0, 0));
    assert_eq!(
        config.public.trusted_proxies,
        vestibule::http::client_address::TrustedProxies::parse(["10.0.0.0/8", "192.168.1.1"]).expect("networks")
    );
    assert!(config.cookie.config.persistent && config.cookie.config.domain.is_none());
    assert_eq!(config.store.memory_limit, 256 << 20);
    assert_eq!(config.sessions.profiles["admin"].cap, 1);
    assert_eq!(config.sessions.profiles["admin"].idle_timeout, 30 * MINUTE);
    assert_eq!(config.tokens.refresh_grace, Duration::ZERO);
    assert_eq!(config.data_dir, Path::new("/var/lib/vestibule"));
}

#[test]
fn a_default_yields_to_the_setting_it_would_contradict() {
    let (config, report) =
        from_environment(&[("VESTIBULE_SESSIONS__LIFETIME", "4s")]).expect("a short lifetime is enough to say");
    assert_eq!(config.sessions.default.idle_timeout, Duration::from_secs(4));
    assert_eq!(config.sessions.default.rotation_overlap, Duration::from_secs(2));
    let idle = setting(&report, "sessions.idle_timeout");
    assert_eq!((idle.value.as_str(), idle.source.as_str()), ("4s", "default, adapted to sessions.lifetime"));

    let (config, _) = resolve_text("[tokens]\nrefresh_lifetime = \"3s\"\n");
    assert_eq!(config.tokens.refresh_grace, Duration::from_millis(1_500));
    assert_eq!(config.tokens.access_ttl, Duration::from_secs(3));

    let (config, _) = resolve_text("[sessions.profiles.kiosk]\nlifetime = \"2m\"\n");
    assert_eq!(config.sessions.profiles["kiosk"].idle_timeout, 2 * MINUTE);
    assert_eq!(config.sessions.default.idle_timeout, 30 * MINUTE);
}

#[test]
fn a_listener_on_the_network_needs_a_proxy_and_a_strong_secret() {
    let refused = |variables: &[(&str, &str)]| from_environment(variables).expect_err("refused").to_string();
    let text = refused(&[("VESTIBULE_PUBLIC__LISTEN", "0.0.0.0:8378"), ("VESTIBULE_SECRET", STRONG)]);
    assert_eq!(
        text,
        "VESTIBULE_PUBLIC__LISTEN: public.listen: 0.0.0.0:8378 can be reached from the network without TLS; \
         put a proxy in front of it and set public.behind_proxy = true"
    );
    assert!(
        refused(&[("VESTIBULE_MANAGEMENT__LISTEN", "[::]:8379"), ("VESTIBULE_SECRET", STRONG)])
            .contains("management.behind_proxy = true")
    );
    assert!(
        refused(&[("VESTIBULE_PUBLIC__LISTEN", "0.0.0.0:1"), ("VESTIBULE_PUBLIC__BEHIND_PROXY", "true")])
            .contains("secret: production needs VESTIBULE_SECRET")
    );
    assert!(
        refused(&[
            ("VESTIBULE_PUBLIC__LISTEN", "0.0.0.0:1"),
            ("VESTIBULE_PUBLIC__BEHIND_PROXY", "true"),
            ("VESTIBULE_SECRET", STRONG),
            ("VESTIBULE_MODE", "dev"),
        ])
        .contains("VESTIBULE_MODE: mode: development mode is for loopback only")
    );

    let (config, report) = from_environment(&[
        ("VESTIBULE_PUBLIC__LISTEN", "0.0.0.0:8378"),
        ("VESTIBULE_MANAGEMENT__LISTEN", "0.0.0.0:8379"),
        ("VESTIBULE_PUBLIC__BEHIND_PROXY", "true"),
        ("VESTIBULE_SECRET", STRONG),
    ])
    .expect("behind a proxy, with a secret");
    assert_eq!((config.mode, config.cookie.config.name.as_str()), (Mode::Production, "__Host-vestibule"));
    assert!(report.warnings[0].starts_with("public.behind_proxy without public.trusted_proxies"), "{:?}", report.warnings);
}
