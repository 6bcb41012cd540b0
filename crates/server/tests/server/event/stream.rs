//! `GET /v1/events/stream` and `vestibule events tail`.

use super::{Listener, ServerOptions, create, end_all, login};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};
use vestibule_testkit::{
    bounds::UNSEEN,
    process::{Cluster, Redis, Server, delete, get, post},
};

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(kind, subject)| ((*kind).to_owned(), (*subject).to_owned())).collect()
}

#[test]
fn whoever_comes_back_hears_what_was_missed_and_nothing_twice() {
    let server = Server::start(ServerOptions::default());
    let mut listener = Listener::open(&server, "", None);
    login(&server, "ada");
    let first = listener.next().expect("an event");
    assert_eq!((&first["type"], &first["subject"]), (&json!("session.created"), &json!("ada")));
    drop(listener);
    login(&server, "bob");
    end_all(&server, "bob");
    let mut again = Listener::open(&server, "", first["id"].as_str());
    login(&server, "cyd");
    let expected = [("session.created", "bob"), ("session.ended", "bob"), ("session.created", "cyd")];
    assert_eq!(again.heard(3), pairs(&expected));
    assert!(again.is_silent_for(2 * vestibule::bounds::FEED_EVERY));
}

#[test]
fn a_stream_tells_only_what_it_was_asked_for() {
    let server = Server::start(ServerOptions::default());
    let mut of_ada = Listener::open(&server, "?user_id=ada&type=session.created,session.rotated", None);
    let mut ends = Listener::open(&server, "?type=session.ended", None);
    login(&server, "bob");
    login(&server, "ada");
    end_all(&server, "bob");
    end_all(&server, "ada");
    login(&server, "ada");
    assert_eq!(of_ada.heard(2), pairs(&[("session.created", "ada"), ("session.created", "ada")]));
    assert_eq!(ends.heard(2), pairs(&[("session.ended", "bob"), ("session.ended", "ada")]));
    for wrong in ["?type=nonsense", "?session_id=1", "?limit=3", "?user_id="] {
        let refused = get(&format!("/v1/events/stream{wrong}")).bearer(&server.key).send(&server.management);
        assert_eq!(refused.status, 422, "{wrong}: {refused:?}");
    }
    let refused = get("/v1/events/stream").bearer(&server.key).header("Last-Event-ID", "7").send(&server.management);
    assert_eq!(refused.code(), "invalid_field");
}

#[test]
fn events_of_a_session_name_its_device() {
    let server = Server::start(ServerOptions::default());
    let mut listener = Listener::open(&server, "?type=session.created,session.ended,device.new", None);
    create(&server, &json!({"user_id": "ada", "device": {"id": "laptop-1", "name": "Laptop"}}));
    end_all(&server, "ada");
    login(&server, "ada");
    let named = || listener.next().map(|event| format!("{} {}", event["type"], event["device_id"]));
    let heard: BTreeSet<String> = std::iter::from_fn(named).take(4).collect();
    let laptop = ["session.created", "device.new", "session.ended"].map(|kind| format!("\"{kind}\" \"laptop-1\""));
    assert_eq!(heard, laptop.into_iter().chain(["\"session.created\" null".to_owned()]).collect());
    let listed = server.command().args(["events", "list", "--json", "--type", "session.ended"]).output().expect("it runs");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["events"][0]["device_id"], "laptop-1");
}

/// An end is heard within the bound, whoever decides it.
fn assert_end_is_heard(listener: &mut Listener, kind: &str, since: Instant) {
    let event = listener.next().expect("an event");
    assert_eq!(event["type"], kind, "{event}");
    assert!(since.elapsed() <= UNSEEN, "heard after {:?}", since.elapsed());
}

// S98
fn ends_are_heard(here: &Server, there: &Server) {
    let ended = login(there, "ada");
    let mut listener = Listener::open(here, &format!("?session_id={ended}&type=session.ended,session.expired"), None);
    let _ = delete(&format!("/v1/sessions/{ended}")).bearer(&there.key).send(&there.management).expect(204);
    assert_end_is_heard(&mut listener, "session.ended", Instant::now());

    let together = login(there, "bob");
    login(there, "bob");
    let mut listener = Listener::open(here, &format!("?session_id={together}&type=session.ended"), None);
    end_all(there, "bob");
    assert_end_is_heard(&mut listener, "session.ended", Instant::now());
    let mut late = Listener::open(here, &format!("?session_id={together}"), None);
    assert_end_is_heard(&mut late, "session.ended", Instant::now());

    let body = json!({"user_id": "cyd", "lifetime": "2s"});
    let expires = Instant::now() + Duration::from_secs(2);
    let created: Value = create(there, &body);
    let id = created["session"]["id"].as_str().expect("an id");
    let mut listener = Listener::open(here, &format!("?session_id={id}&type=session.expired"), None);
    assert_end_is_heard(&mut listener, "session.expired", expires);
}

#[test]
fn the_end_of_a_session_is_heard_though_nobody_asks_for_it() {
    let server = Server::start(ServerOptions::default());
    ends_are_heard(&server, &server);
}

#[test]
fn the_end_of_a_session_is_heard_on_every_node() {
    let redis = Redis::start();
    let options = || {
        let secret = "a secret that both servers have in common 1234567890";
        ServerOptions::default().env("REDIS_URL", &redis.url()).env("VESTIBULE_SECRET", secret)
    };
    let (one, two) = (Server::start(options()), Server::start(options()));
    ends_are_heard(&one, &two);
    let mut listener = Listener::open(&one, "", None);
    let first = login(&two, "dan");
    assert_eq!(listener.next().expect("an event")["session_id"], *first);
    drop(listener);
}

/// The homes of the users lie on several servers of a Cluster, and each home counts its events for itself.
#[test]
fn a_stream_over_a_cluster_hears_everything_and_resumes() {
    let cluster = Cluster::start();
    let options = || {
        let secret = "a secret that both servers have in common 1234567890";
        ServerOptions::default().env("REDIS_URL", &cluster.url()).env("VESTIBULE_SECRET", secret)
    };
    let (one, two) = (Server::start(options()), Server::start(options()));
    ends_are_heard(&one, &two);
    let people: BTreeSet<String> = (0..16).map(|person| format!("person-{person}")).collect();
    let subjects = |heard: Vec<(String, String)>| heard.into_iter().map(|(_, subject)| subject).collect::<BTreeSet<_>>();
    let mut listener = Listener::open(&one, "?type=session.created", None);
    people.iter().for_each(|person| drop(login(&two, person)));
    assert_eq!(subjects(listener.heard(people.len())), people);
    login(&two, "last");
    let last = listener.next().expect("an event");
    assert_eq!(last["subject"], "last");
    drop(listener);
    people.iter().for_each(|person| drop(end_all(&one, person)));
    let mut again = Listener::open(&two, "?type=session.created,session.ended", last["id"].as_str());
    assert_eq!(subjects(again.heard(people.len())), people, "what was missed");
    login(&one, "next");
    assert_eq!(again.heard(1), pairs(&[("session.created", "next")]), "nothing twice");
}

/// What somebody broke is a gap and not the end.
#[test]
fn a_damaged_event_holds_up_no_stream() {
    let redis = Redis::start();
    let server = Server::start(ServerOptions::default().env("REDIS_URL", &redis.url()));
    let mut listener = Listener::open(&server, "", None);
    let session = login(&server, "ada");
    assert_eq!(listener.heard(1), pairs(&[("session.created", "ada")]));
    let timelines = redis.command("KEYS vs:{*}:events");
    let key = timelines.split_whitespace().find(|word| word.starts_with("vs:")).expect("a timeline").to_owned();
    // As the script does, but with what is no event.
    assert!(redis.command(&format!("RPUSH {key} nonsense")).contains('2'));
    assert!(redis.command(&format!("HINCRBY {} events 1", key.replace(":events", ":figures"))).contains('2'));
    let ended = delete(&format!("/v1/sessions/{session}")).bearer(&server.key).send(&server.management);
    assert_eq!(ended.status, 204);
    let mut kinds: Vec<_> = listener.heard(2).into_iter().map(|(kind, _)| kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["events.dropped", "session.ended"]);
}

#[test]
fn streams_hold_up_no_stop() {
    let mut server = Server::start(ServerOptions::default());
    let mut listener = Listener::open(&server, "", None);
    let start = Instant::now();
    assert!(server.terminate().success());
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    assert!(listener.next().is_none());
}

#[test]
fn a_stream_outlives_the_time_for_a_head() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_HTTP__HEADER_TIMEOUT", "200ms"));
    let mut listener = Listener::open(&server, "", None);
    assert!(listener.is_silent_for(Duration::from_secs(1)), "it was cut");
    login(&server, "ada");
    assert_eq!(listener.heard(1), pairs(&[("session.created", "ada")]));
}

#[test]
fn the_command_line_shows_the_past_and_follows() {
    let server = Server::start(ServerOptions::default());
    login(&server, "ada");
    let mut command = server.command();
    command.args(["--json", "events", "tail", "--follow", "--type", "session.created"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut subject = || {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str::<Value>(&line).expect("an event")["subject"].clone()
    };
    assert_eq!(subject(), "ada", "the past comes first");
    login(&server, "bob");
    assert_eq!(subject(), "bob");
    child.kill().expect("it ends");
    child.wait().expect("it ended");
}

#[test]
fn an_export_is_all_of_it_a_line_each() {
    let server = Server::start(ServerOptions::default());
    for user in ["ada", "bob", "cyd"] {
        login(&server, user);
    }
    let exported = server.command().args(["events", "export", "--type", "session.created"]).output().expect("it runs");
    let text = String::from_utf8(exported.stdout).expect("text");
    let subjects: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event")["subject"].clone()).collect();
    assert_eq!(subjects, [json!("cyd"), json!("bob"), json!("ada")]);
}

#[test]
fn a_stream_needs_a_key_that_may_read_events() {
    let server = Server::start(ServerOptions::default());
    let new = json!({"name": "validator", "scopes": ["sessions:validate"]});
    let key = post("/v1/keys").bearer(&server.key).json(&new).send(&server.management).expect(201).json();
    let refused = get("/v1/events/stream").bearer(key["key"].as_str().expect("a key")).send(&server.management);
    assert_eq!((refused.status, refused.code().as_str()), (403, "scope_missing"));
    assert_eq!(get("/v1/events/stream").send(&server.management).status, 401);
}
