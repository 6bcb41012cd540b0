//! What the API offers, as a document for programs (OpenAPI 3.1).
//!
//! One table names every operation; the document is written from it, and tests hold it to the routers. Answers are described by
//! their status and shape's name; what a field means is told in the documentation.

mod operation;
mod table;

use super::Server;
use axum::{Json, Router, response::IntoResponse, routing::get};
use operation::{Guard, Operation};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use table::OPERATIONS;
use vestibule::http::problem::ProblemCode;

/// `/openapi.json`, for everybody who reaches the listener: it tells what any reader of the source knows.
pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/openapi.json", get(serve))
}

async fn serve() -> impl IntoResponse {
    Json(document())
}

/// The document.
pub(crate) fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vestibule",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The session layer of a backend. Paths under /v1 are on the management listener and need a key.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A management key; each operation names its scope."},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-vestibule"},
            },
            "schemas": schemas(),
        },
    })
}

fn paths() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described(operation);
    }
    Value::Object(paths)
}

fn described(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "tags": [tag(operation.path)],
        "parameters": parameters(operation),
        "responses": responses(operation),
    });
    match operation.guard {
        Guard::Open => described["security"] = json!([]),
        Guard::Cookie => described["security"] = json!([{"cookie": []}]),
        Guard::AnyKey => described["security"] = json!([{"key": []}]),
        Guard::Key(scope) => {
            described["security"] = json!([{"key": []}]);
            described["x-scope"] = json!(scope);
        }
    }
    if let Some(fields) = operation.body {
        let is_needed = fields.is_empty() || fields.iter().any(|(name, _)| !name.ends_with('?'));
        let media = if operation.is_form { "application/x-www-form-urlencoded" } else { "application/json" };
        let content = json!({media: {"schema": object(fields)}});
        described["requestBody"] = json!({"required": is_needed, "content": content});
    }
    described
}

/// `post /v1/sessions/{id}/rotate` is `post_sessions_id_rotate`.
fn operation_id(operation: &Operation) -> String {
    let words = operation.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty() && *word != "v1");
    words.fold(operation.method.to_owned(), |id, word| id + "_" + word)
}

fn tag(path: &str) -> &str {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    path.split('/').nth(1).unwrap_or_default()
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let named =
        |name: &str, place: &str| json!({"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}});
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path.map(|name| named(name, "path")).collect();
    parameters.extend(operation.query.iter().map(|name| named(name, "query")));
    if operation.takes_revision {
        parameters.push(named("If-Match", "header"));
    }
    parameters
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    let (status, shape) = operation.answer;
    let description = if shape.is_empty() { "Done." } else { shape };
    responses.insert(status.to_string(), json!({"description": description}));
    let problem = json!({
        "description": "A problem; `code` says which.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    responses.insert("default".to_owned(), problem);
    Value::Object(responses)
}

/// An object from names and kinds; a name that ends with `?` may be absent.
fn object(fields: &[(&str, &str)]) -> Value {
    if fields.is_empty() {
        return json!({"type": "object"});
    }
    let properties: Map<String, Value> =
        fields.iter().map(|(name, kind)| (name.trim_end_matches('?').to_owned(), schema(kind))).collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn schema(kind: &str) -> Value {
    if let Some(item) = kind.strip_suffix("[]") {
        return json!({"type": "array", "items": schema(item)});
    }
    match kind {
        "time" => json!({"type": "string", "format": "date-time"}),
        "duration" => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["30m"]}),
        "device" => object(&[("id?", "string"), ("fingerprint?", "string"), ("name?", "string"), ("type?", "string")]),
        "actor" => object(&[("user_id", "string"), ("session_id?", "string")]),
        "filter" => object(table::FILTER),
        "object" | "string" | "boolean" | "integer" => json!({"type": kind}),
        _ => json!({}),
    }
}

fn schemas() -> Value {
    let codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "code", "detail", "request_id"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "code": {"type": "string", "enum": codes},
                "detail": {"type": "string"},
                "field": {"type": "string"},
                "reasons": {"type": "array", "items": {"type": "string"}},
                "request_id": {"type": "string"},
            },
        },
        "Session": object(table::SESSION),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every `.route("...")` of this folder, by reading its source: a router does not tell its routes.
    fn routed(source: &str, prefix: &str) -> Vec<String> {
        let literals = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
        literals.map(|path| format!("{prefix}{path}")).collect()
    }

    #[test]
    fn the_document_names_every_route_and_no_other() {
        let v1 = [
            include_str!("../session/mod.rs"),
            include_str!("../user.rs"),
            include_str!("../import.rs"),
            include_str!("../device.rs"),
            include_str!("../password.rs"),
            include_str!("../key.rs"),
            include_str!("../limit.rs"),
            include_str!("../event/mod.rs"),
            include_str!("../stats.rs"),
            include_str!("../token/mod.rs"),
            include_str!("../webhook.rs"),
        ];
        let routes: BTreeSet<String> = v1.iter().flat_map(|source| routed(source, "/v1")).collect();
        let document = document();
        let paths = document["paths"].as_object().expect("paths");
        let named: BTreeSet<String> = paths.keys().filter(|path| path.starts_with("/v1/")).cloned().collect();
        assert_eq!(routes, named);
    }

    #[test]
    fn operations_have_ids_of_their_own() {
        let ids: BTreeSet<String> = OPERATIONS.iter().map(operation_id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }
}
