//! The file: what is refused with its line, and the file of defaults.

use super::*;
use vestibule::limit::Rate;

#[test]
fn the_default_file_states_every_default_of_the_code() {
    let variables = [("VESTIBULE_SECRET", STRONG), ("VESTIBULE_MODE", "production")];
    let from_code = check(&sources(None, &environment(&variables)));
    let from_file = check_file(DEFAULT_FILE, &[("VESTIBULE_SECRET", STRONG)]);
    assert_eq!((problems(&from_code), problems(&from_file)), (vec![], vec![]));
    assert_eq!(from_code.settings.len(), from_file.settings.len());
    for (code, file) in from_code.settings.iter().zip(&from_file.settings) {
        assert_eq!((&code.key, &code.value), (&file.key, &file.value));
        let name = code.key.rsplit('.').next().expect("a key has a last part");
        let is_absent = ["(none)", "(not set)", "(set)"].contains(&code.value.as_str());
        let line = if is_absent { format!("\n# {name} = ") } else { format!("\n{name} = ") };
        assert!(DEFAULT_FILE.contains(&line), "the file has a line for {}", code.key);
        assert!(is_absent || file.source.contains("vestibule.toml:"), "{} is read from the file", code.key);
    }
}

#[test]
fn the_examples_in_the_default_file_are_good() {
    let is_example = |line: &str| {
        let body = line.trim_start_matches("# ");
        let is_key = body.split_once(" = ").is_some_and(|(key, _)| layers::is_bare(key));
        line.starts_with("# ") && (is_key || body.starts_with('['))
    };
    let uncomment = |line: &str| match line {
        line if line.ends_with("= \"\"") => String::new(),
        line if is_example(line) => line[2..].to_owned(),
        line => line.to_owned(),
    };
    let text: Vec<String> = DEFAULT_FILE.lines().map(uncomment).collect();
    // Each place of Redis is good by itself; a SQLite record beside them is not.
    let text =
        text.join("\n").replace("url = \"memory\"", "url = \"redis://host\"").replace("url = \"sqlite\"", "url = \"none\"");
    let report = check_file(&text, &[("VESTIBULE_SECRET", STRONG)]);
    assert_eq!(problems(&report), Vec::<String>::new());
    assert_eq!(setting(&report, "limits.rules[0].penalty.decay").value, "2d");
    assert_eq!(setting(&report, "cache.types.user_profile.soft_ttl").value, "25m");
    assert_eq!(setting(&report, "sessions.rules[0].idle_timeout").value, "10m");
    assert_eq!(setting(&report, "sessions.profiles.admin.lifetime").value, "1h");
}

#[test]
fn a_bad_file_is_refused_with_line_and_field() {
    const CASES: [(&str, &str); 37] = [
        ("[sessions]\n\nidle_timeoutt = \"5m\"", "vestibule.toml:3: unknown key sessions.idle_timeoutt"),
        ("[nonsense]\na = 1\nb = 2", "vestibule.toml:1: unknown key nonsense"),
        ("colour = \"red\"", "vestibule.toml:1: unknown key colour"),
        ("[sessions.\"idle.timeout\"]", "vestibule.toml:1: unknown key sessions.\"idle.timeout\""),
        ("[\"a\\nb\"]", "vestibule.toml:1: unknown key \"a\\nb\""),
        ("[[sessions.rules]]\nlifetime = \"1h\"\ncolour = 1", "vestibule.toml:3: unknown key sessions.rules[0].colour"),
        (
            "[sessions.profiles.admin]\nmax_data_bytes = 5",
            "vestibule.toml:2: unknown key sessions.profiles.admin.max_data_bytes",
        ),
        (
            "[sessions]\nidle_timeout = 30",
            "vestibule.toml:2: sessions.idle_timeout: expected a positive duration such as 250ms, 30s, 5m, 12h or 7d, found a number",
        ),
        (
            "[sessions]\nidle_timeout = \"0s\"",
            "vestibule.toml:2: sessions.idle_timeout: expected a positive duration such as 250ms, 30s, 5m, 12h or 7d",
        ),
        (
            "[sessions]\nlifetime = \"-5m\"",
            "vestibule.toml:2: sessions.lifetime: expected a positive duration such as 250ms, 30s, 5m, 12h or 7d",
        ),
        (
            "[sessions]\nlifetime = \"5 minutes\"",
            "vestibule.toml:2: sessions.lifetime: expected a positive duration such as 250ms, 30s, 5m, 12h or 7d",
        ),
        ("[sessions]\ncap = 0", "vestibule.toml:2: sessions.cap: 0 is not from 1 to 10000"),
        ("[sessions]\ncap = 10001", "vestibule.toml:2: sessions.cap: 10001 is not from 1 to 10000"),
        ("[sessions]\ncap = -1", "vestibule.toml:2: sessions.cap: expected a whole number, found a negative number"),
        ("[sessions]\ncap = \"ten\"", "vestibule.toml:2: sessions.cap: expected a whole number"),
        ("[sessions]\ncap_policy = \"evict\"", "vestibule.toml:2: sessions.cap_policy: expected evict_oldest or deny"),
        (
            "[sessions]\nip_binding = true",
            "vestibule.toml:2: sessions.ip_binding: expected off, log, step_up or strict, found a boolean",
        ),
        (
            "[sessions]\nidle_timeout = \"13h\"",
            "vestibule.toml:2: sessions.idle_timeout: 13h is longer than sessions.lifetime (12h)",
        ),
        (
            "[sessions]\nidle_timeout = \"5s\"\nrotation_overlap = \"5s\"",
            "vestibule.toml:3: sessions.rotation_overlap: is not shorter than sessions.idle_timeout (5s)",
        ),
        (
            "[sessions.profiles.default]",
            "vestibule.toml:1: sessions.profiles.default: a profile has another name than `default`, of at most 128 bytes",
        ),
        ("[[sessions.rules]]\nrole = \"admin\"", "vestibule.toml:1: sessions.rules[0]: sets neither idle_timeout nor lifetime"),
        (
            "[public]\nlisten = \"127.0.0.1\"",
            "vestibule.toml:2: public.listen: expected an address and a port such as 127.0.0.1:8378",
        ),
        ("[public]\nbehind_proxy = \"true\"", "vestibule.toml:2: public.behind_proxy: expected true or false"),
        (
            "[public]\ntrusted_proxies = \"10.0.0.0/8\"",
            "vestibule.toml:2: public.trusted_proxies: expected a list of texts (in a variable: separated by commas)",
        ),
        (
            "[public]\ntrusted_proxies = [\"10.0.0/8\"]",
            "vestibule.toml:2: public.trusted_proxies: \"10.0.0/8\" is neither an address nor a network such as 10.0.0.0/8",
        ),
        (
            "[public]\nallowed_origins = [\"*\"]",
            "vestibule.toml:2: public.allowed_origins: \"*\" is not an origin such as https://app.example.com",
        ),
        (
            "[cookie]\ndomain = \"not a host\"",
            "vestibule.toml:2: cookie.domain: the cookie domain must be a host name such as example.com",
        ),
        (
            "[log]\nlevel = \"inf0\"",
            "vestibule.toml:2: log.level: expected off, error, warn, info, debug or trace, or a list such as info,vestibule_sql=debug",
        ),
        (
            "[http]\nbody_limit = \"1KiB\"",
            "vestibule.toml:2: http.body_limit: 1024 bytes are less than sessions.max_data_bytes (16384)",
        ),
        (
            "[record]\nurl = \"mysql://host/db\"",
            "vestibule.toml:2: record.url: expected none, sqlite (the file is vestibule.db in data_dir, and no other), or a URL such as postgres://host/database",
        ),
        (
            "[store]\nurl = \"redis://u:hunter2@/0\"",
            "vestibule.toml:2: store.url: expected a URL such as redis://host:6379/0, rediss://host, redis+cluster://h1,h2, redis+sentinel://h1,h2/master or unix:/path",
        ),
        (
            "[tokens]\nrefresh_idle_timeout = \"31d\"",
            "vestibule.toml:2: tokens.refresh_idle_timeout: 31d is longer than tokens.refresh_lifetime (30d)",
        ),
        (
            "[tokens]\naccess_ttl = \"25h\"",
            "vestibule.toml:2: tokens.access_ttl: 25h is longer than 1d; let clients refresh their tokens, for as long as tokens.refresh_lifetime says",
        ),
        (
            "[tokens]\nrefresh_lifetime = \"5m\"\naccess_ttl = \"6m\"",
            "vestibule.toml:3: tokens.access_ttl: 6m is longer than tokens.refresh_lifetime (5m)",
        ),
        (
            "[tokens]\nclock_skew = \"301s\"",
            "vestibule.toml:2: tokens.clock_skew: 301s is longer than 5m; set the clocks of the nodes by NTP",
        ),
        (
            "[cache.types.a]\nttl = \"5m\"\nsoft_ttl = \"5m\"",
            "vestibule.toml:3: cache.types.a.soft_ttl: 5m is not shorter than ttl (5m)",
        ),
        (
            "[import]\nlegacy_until = 2027-01-31",
            "vestibule.toml:2: import.legacy_until: expected a time as in RFC 3339 such as 2027-01-31T00:00:00Z",
        ),
    ];
    for (text, expected) in CASES {
        let report = check_file(text, &[("VESTIBULE_SECRET", STRONG)]);
        assert_eq!(problems(&report), [expected], "{text}");
    }
}

#[test]
fn limit_rules_are_judged_one_by_one() {
    const RULE: &str = "[[limits.rules]]\nname = \"login\"\nlevel = \"ip\"\nrate = \"5/15m\"\n";
    let (config, _) = resolve_text(&format!("{RULE}[[limits.rules]]\nname = \"none\"\nlevel = \"global\"\nrate = \"0/1s\"\n"));
    assert_eq!(config.limits.rules[0].rule.options().rate, Rate { count: 5, period: 15 * MINUTE });
    assert_eq!(config.limits.rules[1].rule.options().rate, Rate { count: 0, period: Duration::from_secs(1) });
    let cases = [
        (format!("{RULE}{RULE}"), "vestibule.toml:6: limits.rules[1].name: there is another rule login"),
        (
            RULE.replace("5/15m", "5 per minute"),
            "vestibule.toml:4: limits.rules[0].rate: expected a rate such as 5/15m or 100/1s",
        ),
        (RULE.replace("rate", "# rate"), "vestibule.toml:1: limits.rules[0]: rate is missing"),
        (
            RULE.replace("\"ip\"", "\"planet\""),
            "vestibule.toml:3: limits.rules[0].level: expected ip, user, endpoint, global, key or custom",
        ),
        (
            format!("{RULE}apply = [\"login\"]"),
            "vestibule.toml:5: limits.rules[0].apply: expected paths such as /auth/login or /auth/*",
        ),
        (
            format!("{RULE}apply = [\"/auth/log*\"]"),
            "vestibule.toml:5: limits.rules[0].apply: expected paths such as /auth/login or /auth/*",
        ),
        (
            format!("{RULE}apply = [\"/auth/login/\"]"),
            "vestibule.toml:5: limits.rules[0].apply: expected paths such as /auth/login or /auth/*",
        ),
        (
            format!("{RULE}penalty = {{ base = \"2d\" }}"),
            "vestibule.toml:5: limits.rules[0].penalty.base: 2d is longer than cap (1d)",
        ),
        (
            "[limits.siteverify]\nurl = \"https://v.example/\"\nsecret = \"s\"\ntimeout = \"11s\"".to_owned(),
            "vestibule.toml:4: limits.siteverify.timeout: 11s is longer than 10s; whoever is judged waits for so long",
        ),
        (
            "[limits]\nrules = \"login\"".to_owned(),
            "vestibule.toml:2: limits.rules: expected a list of sections, which only a file can have",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(&check_file(&text, &[("VESTIBULE_SECRET", STRONG)])), [expected], "{text}");
    }
}

#[test]
fn limit_overrides_are_judged_by_the_level_of_their_rule() {
    const RULE: &str = "[[limits.rules]]\nname = \"of\"\nlevel = \"LEVEL\"\nrate = \"5/15m\"\n";
    let of = |level: &str, key: &str, more: &str| {
        let text = format!("{RULE}[[limits.overrides]]\nrule = \"of\"\nkey = \"{key}\"\nrate = \"9/1m\"\n{more}");
        text.replace("LEVEL", level)
    };
    let (config, _) = resolve_text(&of("ip", "2001:db8::1", "burst = 3"));
    let limit = &config.limits.rules[0];
    assert_eq!(limit.overrides[0].rule.numbers().limit, 3);
    assert_eq!(limit.overrides[0].rule.options().level, limit.rule.options().level);
    let again = "[[limits.overrides]]\nrule = \"of\"\nkey = \"2001:db8::2\"\nrate = \"1/1m\"\n";
    let cases = [
        (of("ip", "somewhere", ""), "limits.overrides[0].key: the key of a rule of level ip is an address"),
        (of("ip", "10.0.0.0/8", ""), "limits.overrides[0].key: the key of a rule of level ip is an address"),
        (of("global", "k", ""), "limits.overrides[0].key: the only key of a rule of level global is all"),
        (of("custom", "k", "colour = 1"), "unknown key limits.overrides[0].colour"),
        (of("custom", "k", "").replace("rule = \"of\"", "rule = \"off\""), "limits.overrides[0].rule: there is no rule off"),
        (of("custom", "k", "").replace("rate = \"9/1m\"", ""), "limits.overrides[0]: rate is missing"),
        (of("ip", "2001:db8::1", again), "limits.overrides[1].key: has another override of of"),
    ];
    for (text, expected) in cases {
        let found = problems(&check_file(&text, &[("VESTIBULE_SECRET", STRONG)]));
        assert!(found.len() == 1 && found[0].ends_with(expected), "{found:?} {text}");
    }
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_refused() {
    let report = check_file("[sessions]\ncap = \n", &[("VESTIBULE_SECRET", STRONG)]);
    assert!(problems(&report)[0].starts_with("vestibule.toml:2: "), "{:?}", problems(&report));
    let report = check_file("cap = 1\ncap = 2\n", &[("VESTIBULE_SECRET", STRONG)]);
    assert!(problems(&report)[0].starts_with("vestibule.toml:2: "), "{:?}", problems(&report));
    let report = check(&sources(Some(Path::new("/nowhere/vestibule.toml")), &environment(&[("VESTIBULE_SECRET", STRONG)])));
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].to_string().starts_with("cannot read the configuration file /nowhere/vestibule.toml: "));
}
