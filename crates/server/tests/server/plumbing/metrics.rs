//! Figures for a scraper.

use serde_json::json;
use std::time::Duration;
use vestibule_testkit::{
    bounds::ANSWER,
    process::{Connection, Request, Server, ServerOptions, get, post, wait_for},
};

fn scrape(server: &Server) -> String {
    get("/metrics").bearer(&server.key).send(&server.management).expect(200).text()
}

fn series(text: &str) -> Vec<String> {
    let name = |line: &str| line.rsplit_once(' ').map(|(name, _)| name.to_owned());
    text.lines().filter(|line| !line.starts_with('#')).filter_map(name).collect()
}

#[test]
fn neither_users_nor_paths_nor_methods_make_series() {
    // O17, scaled down from a million users
    let server = Server::start(ServerOptions::default());
    let visit = |from: usize, to: usize| {
        let mut connection = Connection::open(&server.management).expect("a connection");
        for number in from..to {
            let user = json!({"user_id": format!("user-{number}")});
            let requests = [
                post("/v1/sessions").bearer(&server.key).json(&user),
                get(&format!("/v1/users/user-{number}/sessions")).bearer(&server.key),
                get(&format!("/nowhere/{number}")),
                Request::new(&format!("M{number}"), "/livez"),
            ];
            for request in requests {
                let _ = connection.send(&request).expect("an answer");
            }
        }
    };
    visit(0, 10);
    // The scrape counts itself from the second time on.
    let _ = scrape(&server);
    let few = series(&scrape(&server));
    visit(10, 300);
    let many = series(&scrape(&server));
    // The record's own figures come with its first checkpoint, whoever wrote; buckets are a closed set.
    let is_settled = |name: &&String| !name.starts_with("vestibule_record_") && !name.contains("_bucket");
    let new: Vec<_> = many.iter().filter(|name| !few.contains(name)).filter(is_settled).collect();
    assert!(new.is_empty(), "new series: {new:?}");
    assert!(many.iter().all(|name| !name.contains("user-")));
}

#[test]
fn figures_follow_what_happens() {
    let server = Server::start(ServerOptions::default());
    for user in ["ada", "bob"] {
        let body = json!({"user_id": user});
        let _ = post("/v1/sessions").bearer(&server.key).json(&body).send(&server.management).expect(201);
    }
    let counted = wait_for(ANSWER, || scrape(&server).contains("vestibule_sessions 2\n").then_some(()));
    assert!(counted.is_some(), "{}", scrape(&server));
    let text = scrape(&server);
    for line in [
        "vestibule_up 1\n",
        "vestibule_http_requests_total{route=\"/v1/sessions\",method=\"POST\",status=\"201\"} 2\n",
        "# TYPE vestibule_http_request_duration_seconds histogram\n",
        "process_open_fds ",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn metrics_can_be_opened() {
    // O24
    let server = Server::start(ServerOptions::default().env("VESTIBULE_METRICS__PUBLIC", "true"));
    let answer = get("/metrics").send(&server.management).expect(200);
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")));
    let _ = get("/health").send(&server.management).expect(401);
    let _ = get("/metrics").send(&server.public).expect(404);
}

#[test]
fn a_scrape_is_quick() {
    let server = Server::start(ServerOptions::default());
    let _ = scrape(&server);
    let start = std::time::Instant::now();
    let _ = scrape(&server);
    assert!(start.elapsed() < Duration::from_secs(1), "it took {:?}", start.elapsed());
}
