//! `vestibule health`

use super::{
    client::{Client, encoded},
    failure::Failure,
    output::Output,
};
use serde_json::Value;
use std::process::ExitCode;

/// Exit code of a server that answers requests but misses something.
const DEGRADED: u8 = 2;

/// Prints how well the server, or one component of it, is. An unavailable server answers 503 with the same document.
pub(super) fn run(client: &Client, output: Output, component: Option<&str>) -> Result<ExitCode, Failure> {
    let path = component.map_or_else(|| "/health".to_owned(), |name| format!("/health/{}", encoded(name)));
    let answer = client.send("GET", &path, None)?;
    let code = match answer.body["status"].as_str() {
        Some("ok") => ExitCode::SUCCESS,
        Some("degraded") => ExitCode::from(DEGRADED),
        Some(_) => ExitCode::FAILURE,
        None => return Err(Failure::Problem { status: answer.status, body: answer.body }),
    };
    output.object(&answer.body, &by_component(&answer.body))?;
    Ok(code)
}

/// For people: a row for each component, its status first and then what else is known and not empty.
fn by_component(body: &Value) -> Value {
    let Some(components) = body["components"].as_object() else { return body.clone() };
    let mut rows = serde_json::Map::new();
    rows.insert("status".to_owned(), body["status"].clone());
    for (name, component) in components {
        let known = component.as_object().into_iter().flatten();
        let details = known.filter(|(field, value)| *field != "status" && !value.is_null() && **value != Value::Bool(false));
        let mut row = component["status"].as_str().unwrap_or_default().to_owned();
        for (field, value) in details {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            row.push_str(&format!(", {field} {value}"));
        }
        rows.insert(name.clone(), Value::String(row));
    }
    Value::Object(rows)
}
