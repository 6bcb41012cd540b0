//! What clients read.

use super::{check_all, json, rule, with};
use std::collections::BTreeMap;
use vestibule_testkit::{
    bounds::START,
    process::{Response, Server, wait_for},
};

/// A list of strings with integer parameters (RFC 9651), strictly.
fn list(text: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    text.split(", ").map(|item| member(item).unwrap_or_else(|| panic!("no list of strings: {text}"))).collect()
}

fn member(item: &str) -> Option<(String, BTreeMap<String, u64>)> {
    let (name, parameters) = item.strip_prefix('"')?.split_once('"')?;
    let parameter = |text: &str| {
        let (key, value) = text.split_once('=')?;
        let is_key = key.starts_with(|c: char| c.is_ascii_lowercase());
        let is_integer = value.len() <= 15 && value.bytes().all(|byte| byte.is_ascii_digit());
        if is_key && is_integer { Some((key.to_owned(), value.parse().ok()?)) } else { None }
    };
    let parameters = parameters.strip_prefix(';')?.split(';').map(parameter).collect::<Option<_>>()?;
    Some((name.to_owned(), parameters))
}

fn field(answer: &Response, name: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    list(answer.header(name).unwrap_or_else(|| panic!("{name}: {answer:?}")))
}

/// L21
#[test]
fn fields_are_structured_and_count_down() {
    let server = Server::start(with(&[rule("one", "custom", "2/1m", ""), rule("two", "custom", "9/1h", "burst = 7")]));
    let ask = || check_all(&server, &json!([{"rule": "one", "key": "k"}, {"rule": "two", "key": "k"}])).expect(200);
    let first = ask();
    let policy = field(&first, "ratelimit-policy");
    assert_eq!((policy["one"]["q"], policy["one"]["w"]), (2, 60));
    assert_eq!((policy["two"]["q"], policy["two"]["w"]), (7, 3_600));
    let standing = field(&first, "ratelimit");
    assert_eq!((standing["one"]["r"], standing["one"]["t"], standing["two"]["r"]), (1, 30, 6));
    assert_eq!(first.header("x-ratelimit-limit"), Some("2"));
    assert_eq!(first.header("x-ratelimit-remaining"), Some("1"));
    let _ = ask();
    let denied = ask();
    let wait = field(&denied, "ratelimit")["one"]["t"];
    let retry = |answer: &Response| answer.header("retry-after").and_then(|text| text.parse::<u64>().ok()).expect("seconds");
    assert!((1..=30).contains(&wait) && retry(&denied) >= wait, "{denied:?}");
    let later = wait_for(START, || Some(ask()).filter(|answer| field(answer, "ratelimit")["one"]["t"] < wait));
    let later = later.expect("it counts down");
    assert!(retry(&later) >= field(&later, "ratelimit")["one"]["t"], "{later:?}");
}

#[test]
fn fields_are_chosen() {
    for (choice, ietf, legacy) in [("ietf", true, false), ("legacy", false, true), ("off", false, false)] {
        let file = format!("[limits]\nheaders = \"{choice}\"\n");
        let server = Server::start(with(&[file, rule("one", "custom", "2/1m", "")]));
        let answer = check_all(&server, &json!([{"rule": "one", "key": "k"}])).expect(200);
        assert_eq!(answer.header("ratelimit").is_some(), ietf, "{answer:?}");
        assert_eq!(answer.header("x-ratelimit-reset").is_some(), legacy, "{answer:?}");
    }
}
