//! Probes and health.

use vestibule_testkit::process::{Server, ServerOptions, get};

#[test]
fn probes_need_no_key_and_tell_no_detail() {
    let server = Server::start(ServerOptions::default());
    for address in [&server.public, &server.management] {
        for path in ["/livez", "/readyz", "/startupz"] {
            let answer = get(path).send(address).expect(200);
            assert_eq!(answer.text(), "ok\n");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}

#[test]
fn health_names_every_component() {
    let server = Server::start(ServerOptions::default());
    let health = get("/health").bearer(&server.key).send(&server.management).expect(200).json();
    assert_eq!(health["status"], "ok");
    for component in ["store", "record", "sessions", "system"] {
        assert_eq!(health["components"][component]["status"], "ok", "{health}");
        let one = get(&format!("/health/{component}")).bearer(&server.key).send(&server.management).expect(200).json();
        assert_eq!(one["status"], "ok");
    }
    assert_eq!(health["components"]["record"]["kind"], "sqlite");
    let _ = get("/health/nothing").bearer(&server.key).send(&server.management).expect(404);
}

#[test]
fn health_and_metrics_are_for_holders_of_a_key_and_not_for_browsers() {
    // O24
    let server = Server::start(ServerOptions::default());
    for path in ["/health", "/health/store", "/metrics"] {
        assert_eq!(get(path).send(&server.management).expect(401).code(), "key_invalid");
        let _ = get(path).bearer("vk_wrong").send(&server.management).expect(401);
        let _ = get(path).bearer(&server.key).send(&server.public).expect(404);
        let _ = get(path).bearer(&server.key).send(&server.management).expect(200);
    }
}

#[test]
fn a_server_without_record_is_well() {
    let server = Server::start(ServerOptions::default().arg("--ephemeral"));
    let health = get("/health").bearer(&server.key).send(&server.management).expect(200).json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["components"]["record"]["kind"], "none");
}
