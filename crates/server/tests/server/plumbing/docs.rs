//! The documentation as a page.

use vestibule_testkit::process::{Server, ServerOptions, get};

#[test]
fn the_documentation_is_a_page_that_runs_nothing() {
    // S40
    let server = Server::start(ServerOptions::default());
    let page = get("/docs").send(&server.management).expect(200);
    let html = page.text();
    assert!(html.contains("/v1/sessions/validate") && !html.contains("<script"), "{html}");
    let policy = page.header("content-security-policy").expect("a policy");
    for rule in ["object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "default-src 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
    assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000"));
    let style = get("/docs/style.css").send(&server.management).expect(200);
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    let _ = get("/docs").send(&server.public).expect(404);
}
