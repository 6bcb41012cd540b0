//! `/docs`: the OpenAPI document as a page, made when it is asked for. No script runs in it.

use super::{Server, page};
use askama::Template;
use axum::{Router, response::Response, routing::get};
use serde_json::{Map, Value};
use std::sync::Arc;
use vestibule::http::problem::{Problem, ProblemCode};

/// References that are followed inside one schema, so that a document that refers to itself ends.
const DEPTH: usize = 8;

/// The page and its style sheet; for everybody, since it holds nothing that is not public.
pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/docs", get(docs))
        .route("/docs/style.css", get(async || page::style(include_str!("../../templates/docs.css"))))
}

async fn docs() -> Result<Response, Problem> {
    match Docs::read(&super::openapi::document()).render() {
        Ok(html) => Ok(page::page(html)),
        Err(error) => {
            tracing::error!(%error, "the documentation cannot be rendered");
            Err(Problem::new(ProblemCode::Internal))
        }
    }
}

#[derive(Template)]
#[template(path = "docs.html")]
struct Docs {
    title: String,
    version: String,
    description: String,
    groups: Vec<Group>,
    schemas: Vec<Shape>,
}

struct Group {
    name: String,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: String,
    anchor: String,
    summary: String,
    description: String,
    fields: Vec<Field>,
    answers: Vec<Answer>,
}

struct Field {
    name: String,
    place: String,
    kind: String,
    description: String,
    is_required: bool,
}

struct Answer {
    status: String,
    description: String,
    kind: String,
}

struct Shape {
    name: String,
    description: String,
    fields: Vec<Field>,
}

impl Docs {
    fn read(document: &Value) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (path, methods) in members(&document["paths"]) {
            for (method, operation) in members(methods).filter(|(method, _)| is_method(method)) {
                let name = match text(&operation["tags"][0]) {
                    tag if tag.is_empty() => "other".to_owned(),
                    tag => tag,
                };
                let operation = Operation::read(document, method, path, methods, operation);
                match groups.iter_mut().find(|group| group.name == name) {
                    Some(group) => group.operations.push(operation),
                    None => groups.push(Group { name, operations: vec![operation] }),
                }
            }
        }
        let schemas = members(&document["components"]["schemas"]).map(|(name, schema)| Shape {
            name: name.to_owned(),
            description: text(&schema["description"]),
            fields: properties(schema, ""),
        });
        Self {
            title: text(&document["info"]["title"]),
            version: text(&document["info"]["version"]),
            description: text(&document["info"]["description"]),
            schemas: schemas.filter(|shape| !shape.fields.is_empty()).collect(),
            groups,
        }
    }
}

impl Operation {
    fn read(document: &Value, method: &str, path: &str, methods: &Value, operation: &Value) -> Self {
        let shared = list(&methods["parameters"]);
        let parameters = shared.iter().chain(list(&operation["parameters"]));
        let mut fields: Vec<Field> = parameters.map(|parameter| parameter_field(resolve(document, parameter))).collect();
        let body = resolve(document, &operation["requestBody"]);
        for (_, content) in members(&body["content"]) {
            fields.extend(properties(resolve(document, &content["schema"]), "body"));
        }
        let answers = members(&operation["responses"]).map(|(status, answer)| {
            let answer = resolve(document, answer);
            let kind = members(&answer["content"]).map(|(_, content)| kind(&content["schema"])).next();
            Answer { status: status.to_owned(), description: text(&answer["description"]), kind: kind.unwrap_or_default() }
        });
        Self {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            anchor: anchor(method, path),
            summary: text(&operation["summary"]),
            description: text(&operation["description"]),
            fields,
            answers: answers.collect(),
        }
    }
}

fn is_method(name: &str) -> bool {
    ["get", "put", "post", "delete", "patch", "head", "options"].contains(&name)
}

fn parameter_field(parameter: &Value) -> Field {
    Field {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        kind: kind(&parameter["schema"]),
        description: text(&parameter["description"]),
        is_required: parameter["required"] == true,
    }
}

/// The members of an object's schema, those of its parts included.
fn properties(schema: &Value, place: &str) -> Vec<Field> {
    let required = list(&schema["required"]);
    let own = members(&schema["properties"]).map(|(name, schema)| Field {
        name: name.to_owned(),
        place: place.to_owned(),
        kind: kind(schema),
        description: text(&schema["description"]),
        is_required: required.iter().any(|required| required == name),
    });
    let parts = list(&schema["allOf"]).iter().flat_map(|part| properties(part, place));
    own.chain(parts).collect()
}

/// A schema's type in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let named = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => {
            let choices = ["oneOf", "anyOf", "allOf"].iter().flat_map(|choice| list(&schema[*choice]));
            return choices.map(kind).filter(|kind| !kind.is_empty()).collect::<Vec<_>>().join(" or ");
        }
    };
    let values: Vec<_> = list(&schema["enum"]).iter().filter_map(Value::as_str).collect();
    match (named.as_str(), schema["format"].as_str()) {
        ("array", _) => format!("list of {}", kind(&schema["items"])),
        _ if !values.is_empty() => values.join(" | "),
        (_, Some(format)) => format!("{named} ({format})"),
        _ => named,
    }
}

/// What a reference inside the document points to, or the value itself.
fn resolve<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    for _ in 0..DEPTH {
        match value["$ref"].as_str().and_then(|name| document.pointer(name.strip_prefix('#')?)) {
            Some(target) => value = target,
            None => break,
        }
    }
    value
}

fn anchor(method: &str, path: &str) -> String {
    let letters = path.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    method.chars().chain(letters).collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_are_shown_with_their_fields_and_answers_and_everything_is_escaped() {
        let document = json!({
            "info": {"title": "Vestibule", "version": "1", "description": "<script>alert(1)</script>"},
            "paths": {"/v1/sessions/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
                "post": {
                    "tags": ["sessions"],
                    "summary": "Begins a session",
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
                    "responses": {"201": {"description": "Begun"}, "404": {"$ref": "#/components/responses/Missing"}}
                }
            }},
            "components": {
                "schemas": {"New": {"type": "object", "required": ["user_id"], "properties": {
                    "user_id": {"type": "string", "description": "Whose"},
                    "roles": {"type": "array", "items": {"type": "string"}}
                }}},
                "responses": {"Missing": {"description": "There is none"}}
            }
        });
        let html = Docs::read(&document).render().expect("a page");
        for part in
            ["Begins a session", "/v1/sessions/{id}", "post-v1-sessions--id-", "user_id", "list of string", "There is none"]
        {
            assert!(html.contains(part), "{part} is not in\n{html}");
        }
        assert!(!html.contains("<script"), "{html}");
    }

    #[test]
    fn a_document_that_refers_to_itself_ends() {
        let document = json!({"a": {"$ref": "#/a"}});
        assert_eq!(resolve(&document, &document["a"]), &document["a"]);
    }
}
