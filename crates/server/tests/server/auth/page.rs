//! The login page, as a browser without scripts uses it.

use super::{Browser, COOKIE, DEVICE, PASSWORD, is_valid, on_each_form, register};
use vestibule_testkit::process::{Request, Response, Server, ServerOptions, get, post};

fn form(target: &str, email: &str, password: &str) -> Request {
    let body = format!("email={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"));
    post(target).header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes())
}

fn log_in(server: &Server, target: &str) -> Response {
    form(target, "ada@example.com", PASSWORD).header("Origin", &server.public).send(&server.public)
}

// S40
fn is_guarded(answer: &Response) {
    let policy = answer.header("content-security-policy").expect("a policy");
    for directive in
        ["default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"]
    {
        assert!(policy.contains(directive), "no {directive} in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("strict-transport-security", "max-age=31536000"),
        // With no-referrer a browser sends `Origin: null` with the form of this very page.
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

#[test]
fn the_page_logs_in_without_a_script() {
    on_each_form(&ServerOptions::default(), |server| {
        let _ = register(server, "ada@example.com").expect(201);
        let page = get("/auth/login").send(&server.public).expect(200);
        is_guarded(&page);
        let html = page.text();
        for part in ["<html lang=\"en\">", "<label for=\"email\">", "<label for=\"password\">", "<form method=\"post\">"] {
            assert!(html.contains(part), "no {part} in {html}");
        }
        for part in ["<script", "style=", "onload", "javascript:", "role=\"alert\""] {
            assert!(!html.contains(part), "{part} in {html}");
        }
        let style = get("/auth/login/style.css").send(&server.public).expect(200);
        assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));

        let answer = log_in(server, "/auth/login").expect(303);
        assert_eq!((answer.header("location"), answer.header("cache-control")), (Some("/"), Some("no-store")));
        let token = answer.cookie(COOKIE).expect("a session").to_owned();
        assert!(is_valid(server, &token) && answer.cookie(DEVICE).is_some());
        let mut browser = Browser::new(server);
        browser.cookie = Some(token.clone());
        assert_eq!(browser.me().expect(200).json()["session"]["remember"], false);
        let again = browser.bare(form("/auth/login", "ada@example.com", PASSWORD)).send(&server.public).expect(303);
        assert!(!is_valid(server, &token), "a login ends the session before it");
        assert!(is_valid(server, again.cookie(COOKIE).expect("a session")));
    });
}

#[test]
fn whoever_ticks_the_box_is_remembered() {
    let server = Server::start(ServerOptions::default());
    let _ = register(&server, "ada@example.com").expect(201);
    let body = format!("email=ada%40example.com&password={}&remember=yes", PASSWORD.replace(' ', "+"));
    let kind = "application/x-www-form-urlencoded";
    let answer = post("/auth/login").header("Content-Type", kind).body(body.as_bytes()).send(&server.public).expect(303);
    let mut browser = Browser::new(&server);
    browser.cookie = answer.cookie(COOKIE).map(ToOwned::to_owned);
    assert_eq!(browser.me().expect(200).json()["session"]["remember"], true);
}

// S39
#[test]
fn a_login_leads_to_a_path_of_this_host_and_nowhere_else() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_LOGIN_PAGE__RETURN_TO", "/home"));
    let _ = register(&server, "ada@example.com").expect(201);
    for (query, target) in [
        ("return_to=/orders", "/orders"),
        ("return_to=/orders?page=2&sort=up", "/orders?page=2&sort=up"),
        ("return_to=%2Forders%3Fpage%3D2", "/orders?page=2"),
        ("return_to=//evil.example", "/home"),
        ("return_to=%2F%2Fevil.example", "/home"),
        ("return_to=https:evil.example", "/home"),
        ("return_to=https://evil.example/", "/home"),
        ("return_to=https%3A%2F%2Fevil.example", "/home"),
        ("return_to=javascript:alert(1)", "/home"),
        ("return_to=/%5Cevil.example", "/home"),
        ("return_to=%2F%5Cevil.example", "/home"),
        ("return_to=/%2Fevil.example", "/home"),
        ("return_to=/%252Fevil.example", "/home"),
        ("return_to=%2F%09%2Fevil.example", "/home"),
        ("return_to=/%0d%0aSet-Cookie:%20a=b", "/home"),
        ("return_to=evil.example", "/home"),
        ("return_to=", "/home"),
        ("other=1", "/home"),
    ] {
        let address = format!("/auth/login?{query}");
        let page = get(&address).send(&server.public).expect(200).text();
        assert!(!page.contains("evil") && !page.contains("orders"), "{query} is echoed: {page}");
        let answer = log_in(&server, &address).expect(303);
        assert_eq!(answer.headers_named("location"), [target], "{query}");
        assert_eq!(answer.headers_named("set-cookie").len(), 2, "{query}");
    }
}

// S38
#[test]
fn another_site_logs_nobody_in_by_a_form() {
    let server = Server::start(ServerOptions::default());
    let _ = register(&server, "ada@example.com").expect(201);
    for (name, value) in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        let refused = form("/auth/login", "ada@example.com", PASSWORD).header(name, value).send(&server.public).expect(403);
        assert!(refused.headers_named("set-cookie").is_empty(), "{name}: {value}");
    }
    let own = form("/auth/login", "ada@example.com", PASSWORD).header("Sec-Fetch-Site", "same-origin");
    let _ = own.send(&server.public).expect(303);
}

// S84
#[test]
fn whoever_is_refused_sees_the_page_again_and_learns_nothing() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_LOGIN_THROTTLE__ACCOUNT", "2/1h"));
    let _ = register(&server, "ada@example.com").expect(201);
    let mut pages = Vec::new();
    for (email, password) in [("ada@example.com", "<b>wrong"), ("nobody@example.com", "<b>wrong"), ("<script>", "x"), ("", "")]
    {
        let refused = form("/auth/login?return_to=/orders", email, password).send(&server.public).expect(401);
        is_guarded(&refused);
        assert!(refused.headers_named("set-cookie").is_empty() && refused.header("www-authenticate").is_some());
        let html = refused.text();
        assert!(html.contains("role=\"alert\"") && html.contains("The address or the password is wrong."), "{html}");
        assert!(!html.contains("<b>") && !html.contains("<script>") && !html.contains("orders"), "{html}");
        pages.push(html);
    }
    assert!(pages.iter().all(|page| *page == pages[0]));
    let nonsense = post("/auth/login").header("Content-Type", "application/x-www-form-urlencoded").body(b"email=a&email=b");
    let _ = nonsense.send(&server.public).expect(401);
    let _ = form("/auth/login", "ada@example.com", "wrong").send(&server.public).expect(401);
    let throttled = form("/auth/login", "ada@example.com", PASSWORD).send(&server.public).expect(429);
    is_guarded(&throttled);
    assert!(throttled.header("retry-after").is_some() && throttled.text().contains("too many attempts"));
}

#[test]
fn the_page_wears_the_operators_clothes() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("login.css");
    std::fs::write(&file, "h1 { color: rebeccapurple }").expect("a file");
    let options = ServerOptions::default()
        .env("VESTIBULE_LOGIN_PAGE__TITLE", "Sign in to <Acme>")
        .env("VESTIBULE_LOGIN_PAGE__LOGO_URL", "https://static.example.com/logo.svg?v=2")
        .env("VESTIBULE_LOGIN_PAGE__CSS_FILE", file.to_str().expect("UTF-8"));
    let server = Server::start(options);
    let page = get("/auth/login").send(&server.public).expect(200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("img-src https://static.example.com;"), "{policy}");
    let html = page.text();
    assert!(html.contains("<img src=\"https://static.example.com/logo.svg?v=2\" alt=\"\">"), "{html}");
    assert!(!html.contains("<Acme>") && html.contains("Acme"), "{html}");
    assert!(get("/auth/login/style.css").send(&server.public).expect(200).text().ends_with("h1 { color: rebeccapurple }"));
}

#[test]
fn clothes_that_do_not_fit_end_the_start() {
    for (name, value, line) in [
        ("CSS_FILE", "/nowhere/login.css", "login_page.css_file: cannot read /nowhere/login.css"),
        ("LOGO_URL", "http://static.example.com/logo.svg", "login_page.logo_url: expected an address"),
        ("LOGO_URL", "https://static.example.com; script-src *", "login_page.logo_url: expected an address"),
        ("RETURN_TO", "//evil.example", "login_page.return_to: expected a path of this host"),
    ] {
        let options = ServerOptions::default().env(&format!("VESTIBULE_LOGIN_PAGE__{name}"), value);
        let refused = Server::try_start(options).expect_err("it must not start");
        assert!(refused.stderr.contains(line), "{}", refused.stderr);
    }
    for wrong in ["0/1h", "50", "5/0s", "never"] {
        let options = ServerOptions::default().env("VESTIBULE_LOGIN_THROTTLE__ACCOUNT", wrong);
        let refused = Server::try_start(options).expect_err("it must not start");
        assert!(refused.stderr.contains("login_throttle.account: expected off, or so many failures"), "{}", refused.stderr);
    }
}

#[test]
fn without_accounts_there_is_no_page() {
    let server = Server::start(ServerOptions::default().arg("--ephemeral"));
    assert_eq!(get("/auth/login").send(&server.public).expect(501).code(), "record_required");
    assert_eq!(form("/auth/login", "ada@example.com", PASSWORD).send(&server.public).expect(501).code(), "record_required");
}
