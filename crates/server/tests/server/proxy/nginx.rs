//! A real nginx that asks before it passes a request on, configured as docs/proxies.md says.

use super::{COOKIE, ada, text};
use serde_json::json;
use vestibule_testkit::process::{Nginx, Server, ServerOptions, delete, get, post};

/// An application that tells which user it was told, and takes any spelling of the header for it.
fn application() -> Nginx {
    Nginx::start_with(
        "underscores_in_headers on; ignore_invalid_headers off;",
        "location / { return 200 \"user=$http_x_vestibule_user\"; }",
    )
}

fn gate(server: &Server, application: &Nginx) -> Nginx {
    gate_with(server, application, "", "")
}

/// As [`gate`], with more inside `location /` and beside it.
fn gate_with(server: &Server, application: &Nginx, inside: &str, beside: &str) -> Nginx {
    Nginx::start(&format!(
        "{beside}
        location / {{
            {inside}
            auth_request /_vestibule;
            auth_request_set $vestibule_user $upstream_http_x_vestibule_user;
            proxy_set_header X-Vestibule-User $vestibule_user;
            proxy_pass {application};
        }}
        location = /_vestibule {{
            internal;
            proxy_pass {server}/auth-request;
            proxy_pass_request_body off;
            proxy_set_header Content-Length \"\";
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-Proto $scheme;
            proxy_set_header X-Original-Host $http_host;
            proxy_set_header X-Original-Uri $request_uri;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}",
        application = application.address,
        server = server.public,
    ))
}

// S96
#[test]
fn nginx_passes_on_who_it_is_and_nothing_that_a_client_says_about_it() {
    let (server, application) = (Server::start(ServerOptions::default()), application());
    let nginx = gate(&server, &application);
    let made = ada(&server);
    let token = text(&made, "token");
    assert_eq!(get("/orders").cookie(COOKIE, token).send(&nginx.address).expect(200).text(), "user=ada");
    for forged in ["X-Vestibule-User", "x-vestibule-user", "X_Vestibule_User", "X.Vestibule.User"] {
        let answer = get("/orders").cookie(COOKIE, token).header(forged, "root").send(&nginx.address).expect(200);
        assert_eq!(answer.text(), "user=ada", "{forged}");
        let _ = get("/orders").header(forged, "root").send(&nginx.address).expect(401);
    }
    // What the client says about the original request does not reach the question either.
    let forged = post("/orders").cookie(COOKIE, token).header("X-Original-Method", "GET");
    let _ = forged.send(&nginx.address).expect(403);
    let _ = get("/_vestibule").cookie(COOKIE, token).send(&nginx.address).expect(404);
}

// S33
#[test]
fn nginx_stops_what_has_no_session_or_no_csrf_token() {
    let (server, application) = (Server::start(ServerOptions::default()), application());
    let nginx = gate(&server, &application);
    let made = ada(&server);
    let token = text(&made, "token");
    let _ = get("/").send(&nginx.address).expect(401);
    let _ = get("/").cookie(COOKIE, "vs_garbage").send(&nginx.address).expect(401);
    let change = || post("/orders").cookie(COOKIE, token).body(b"{}");
    let _ = change().send(&nginx.address).expect(403);
    let with_token = change().header("X-CSRF-Token", text(&made, "csrf_token"));
    let _ = with_token.send(&nginx.address).expect(200);
    let _ = with_token.header("Origin", "https://evil.example").send(&nginx.address).expect(403);
    let session = format!("/v1/sessions/{}", text(&made["session"], "id"));
    let _ = delete(&session).bearer(&server.key).send(&server.management).expect(204);
    let _ = get("/").cookie(COOKIE, token).send(&nginx.address).expect(401);
}

/// nginx knows 401 and 403 only; it is told to look for a limit's 429.
#[test]
fn nginx_tells_of_limits() {
    let rule = "[[limits.rules]]\nname = \"few\"\nlevel = \"ip\"\nrate = \"2/1h\"\napply = [\"/auth-request\"]\n";
    let server = Server::start(ServerOptions::default().config(&format!("mode = \"dev\"\n{rule}")));
    let application = application();
    let inside = "auth_request_set $vestibule_status $upstream_status;
        auth_request_set $vestibule_retry $upstream_http_retry_after;
        error_page 500 = @refused;";
    let refused = "location @refused {
            add_header Retry-After $vestibule_retry always;
            if ($vestibule_status = 429) { return 429; }
            return 503;
        }";
    let nginx = gate_with(&server, &application, inside, refused);
    let made = ada(&server);
    let ask = || get("/").cookie(COOKIE, text(&made, "token")).send(&nginx.address);
    assert_eq!([ask().status, ask().status], [200, 200]);
    let denied = ask().expect(429);
    assert!(denied.header("retry-after").is_some_and(|text| text.parse::<u32>().is_ok()), "{denied:?}");
}

/// A browser that is not logged in is led to the page, logs in there, and is led back.
// S39
#[test]
fn nginx_leads_to_the_login_page_and_back() {
    const PASSWORD: &str = "four brown foxes jump";
    let (server, application) = (Server::start(ServerOptions::default()), application());
    let page = format!(
        "absolute_redirect off;
        location @login {{ return 303 /auth/login?return_to=$request_uri; }}
        location /auth/ {{
            proxy_pass {server};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}",
        server = server.public,
    );
    let nginx = gate_with(&server, &application, "error_page 401 = @login;", &page);
    let account = json!({"email": "ada@example.com", "password": PASSWORD});
    let user = post("/auth/register").json(&account).send(&server.public).expect(201).json();
    let user = text(&user["user"], "id").to_owned();

    let led = get("/orders/%20x?page=2&sort=up").send(&nginx.address).expect(303);
    let login = led.header("location").expect("a target").to_owned();
    assert_eq!(login, "/auth/login?return_to=/orders/%20x?page=2&sort=up");
    let _ = get(&login).send(&nginx.address).expect(200);
    let form = format!("email=ada%40example.com&password={}", PASSWORD.replace(' ', "+"));
    let form = post(&login).header("Content-Type", "application/x-www-form-urlencoded").body(form.as_bytes());
    // What the browser says of the page that nginx gave it.
    let back = form.header("Origin", &nginx.address).header("Sec-Fetch-Site", "same-origin").send(&nginx.address).expect(303);
    assert_eq!(back.header("location"), Some("/orders/%20x?page=2&sort=up"));
    let token = back.cookie(COOKIE).expect("a session");
    let page = get("/orders/%20x?page=2&sort=up").cookie(COOKIE, token).send(&nginx.address).expect(200);
    assert_eq!(page.text(), format!("user={user}"));
    let elsewhere = get("//evil.example/x").send(&nginx.address).expect(303);
    let login = elsewhere.header("location").expect("a target").to_owned();
    let form = post(&login).header("Content-Type", "application/x-www-form-urlencoded");
    let back = form.body(format!("email=ada%40example.com&password={}", PASSWORD.replace(' ', "+")).as_bytes());
    assert_eq!(back.send(&nginx.address).expect(303).header("location"), Some("/"));
}
