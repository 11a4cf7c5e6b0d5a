//! How a service is called, for tools: what is registered in, an OpenAPI 3.1 document out.

use super::openapi;
use crate::access::Role;
use latchwork_protocol::service::manifest::{
    Handler, HandlerKind, InputRule, OutputRule, Service, ServiceKind,
};
use serde_json::{Map, Value, json};

/// The document of one service. Handlers that cannot be called from outside are left out.
pub(super) fn document(
    service: &Service,
    revision: u32,
    is_public: impl Fn(&Handler) -> bool,
    ingress_url: &str,
    is_guarded: bool,
) -> Value {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for handler in service.handlers.iter().filter(|one| is_public(one)) {
        add(&mut paths, &mut schemas, service, handler);
    }
    schemas.insert("RestateError".to_owned(), error_schema());
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": service.name, "version": revision.to_string()},
        "servers": [{"url": ingress_url, "description": "The ingress"}],
        "security": openapi::security(Role::Caller, is_guarded),
        "paths": paths,
        "components": {
            "securitySchemes": openapi::security_schemes(),
            "parameters": parameters(),
            "responses": responses(),
            "schemas": schemas,
        },
        "tags": [
            {"name": "Request Response", "description": "Call and wait for the result"},
            {"name": "Send", "description": "Call and go on"},
            {"name": "Attach", "description": "Wait for the result of a call"},
            {"name": "Get Output", "description": "Look for the result of a call"},
        ],
    });
    if let Some(text) = &service.documentation {
        document["info"]["description"] = json!(text);
    }
    if !service.metadata.is_empty() {
        document["x-restate-extensions"] = json!(service.metadata);
    }
    document
}

fn add(
    paths: &mut Map<String, Value>,
    schemas: &mut Map<String, Value>,
    service: &Service,
    handler: &Handler,
) {
    let (name, is_run) = (&handler.name, handler.kind == HandlerKind::WorkflowRun);
    let keyed = service.kind.is_keyed();
    let key = if keyed { "/{key}" } else { "" };
    let target = format!("{}{key}/{name}", service.name);
    let takes_idempotency_key = !is_run;
    let mut common = Vec::new();
    if keyed {
        common.push(reference("parameters", "key"));
    }
    if takes_idempotency_key {
        common.push(reference("parameters", "idempotencyKeyHeader"));
    }
    let request = request(schemas, handler);
    let result = result(schemas, handler);
    let describe = |mut operation: Value| {
        if let Some(text) = &handler.documentation {
            operation["description"] = json!(text);
        }
        if !handler.metadata.is_empty() {
            operation["x-restate-extensions"] = json!(handler.metadata);
        }
        if let Some(request) = &request {
            operation["requestBody"] = request.clone();
        }
        operation
    };
    let call = describe(json!({
        "operationId": name, "summary": format!("Call {name}"), "tags": ["Request Response"],
        "parameters": common,
        "responses": {"200": result, "default": reference("responses", "GenericError")},
    }));
    let mut delayed = common.clone();
    delayed.push(reference("parameters", "delay"));
    let send = describe(json!({
        "operationId": format!("{name}Send"), "summary": format!("Send to {name}"), "tags": ["Send"],
        "parameters": delayed,
        "responses": {
            "202": reference("responses", "Send"),
            "default": reference("responses", "GenericError"),
        },
    }));
    paths.insert(format!("/restate/call/{target}"), json!({"post": call}));
    paths.insert(format!("/restate/send/{target}"), json!({"post": send}));
    // What a caller of a workflow's other handlers can latch on to is the invocation's id alone.
    let (base, parameters) = match (service.kind, is_run) {
        (ServiceKind::Workflow, false) => return,
        (_, true) => (
            format!("/restate/workflow/{}/{{key}}", service.name),
            vec![reference("parameters", "key")],
        ),
        (_, false) => {
            let mut parameters = vec![reference("parameters", "idempotencyKeyPath")];
            parameters.extend(keyed.then(|| reference("parameters", "key")));
            (
                format!("/restate/invocation/{target}/{{idempotencyKey}}"),
                parameters,
            )
        }
    };
    for (verb, id, tag, not_ready) in [
        ("attach", "Attach", "Attach", None),
        (
            "output",
            "Output",
            "Get Output",
            Some("InvocationNotReadyError"),
        ),
    ] {
        let mut responses = json!({
            "200": result, "404": reference("responses", "InvocationNotFoundError"),
            "default": reference("responses", "GenericError"),
        });
        if let Some(not_ready) = not_ready {
            responses["470"] = reference("responses", not_ready);
        }
        let operation = json!({
            "operationId": format!("{name}{id}"), "summary": format!("{tag} of {name}"),
            "tags": [tag], "deprecated": !is_run,
            "parameters": parameters, "responses": responses,
        });
        paths.insert(format!("{base}/{verb}"), json!({"get": operation}));
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn request(schemas: &mut Map<String, Value>, handler: &Handler) -> Option<Value> {
    let name = format!("{}Request", handler.name);
    match &handler.input {
        InputRule::Empty => None,
        InputRule::Any => Some(json!({"required": false, "content": {"*/*": {}}})),
        InputRule::Typed {
            content_type,
            required,
            json_schema,
        } => Some(json!({
            "required": *required || json_schema.is_some(),
            "content": {content_type: content(schemas, name, json_schema.as_ref())},
        })),
    }
}

fn result(schemas: &mut Map<String, Value>, handler: &Handler) -> Value {
    let OutputRule {
        content_type,
        json_schema,
        ..
    } = &handler.output;
    let mut response = json!({
        "description": "The result",
        "headers": {
            "x-restate-id": {"description": "The id of the invocation", "schema": {"type": "string"}},
        },
    });
    if let Some(content_type) = content_type {
        let name = format!("{}Response", handler.name);
        let content = content(schemas, name, json_schema.as_ref());
        response["content"] = json!({content_type: content});
    }
    response
}

fn content(schemas: &mut Map<String, Value>, name: String, schema: Option<&Value>) -> Value {
    let Some(schema) = schema else {
        return json!({});
    };
    let mut schema = schema.clone();
    rebase(&mut schema, &format!("#/components/schemas/{name}"));
    let content = json!({"schema": reference("schemas", &name)});
    schemas.insert(name, schema);
    content
}

/// References within a schema are meant from its own root, which in the document is further down.
fn rebase(schema: &mut Value, root: &str) {
    match schema {
        Value::Object(members) => {
            // A schema with a name of its own is its own root wherever it is.
            if members.contains_key("$id") {
                return;
            }
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "$ref" => {
                        if let Some(rest) = text.strip_prefix('#') {
                            *text = format!("{root}{rest}");
                        }
                    }
                    other => rebase(other, root),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rebase(item, root)),
        _ => {}
    }
}

fn parameters() -> Value {
    json!({
        "key": {
            "name": "key", "in": "path", "required": true, "schema": {"type": "string"},
            "description": "The key of the object or workflow, percent-encoded",
        },
        "delay": {
            "name": "delay", "in": "query", "required": false, "schema": {"type": "string"},
            "description": "Not to start before this time has passed, such as 10s or PT1H",
        },
        "idempotencyKeyHeader": {
            "name": "idempotency-key", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "Calls with the same key have the same outcome",
        },
        "idempotencyKeyPath": {
            "name": "idempotencyKey", "in": "path", "required": true, "schema": {"type": "string"},
            "description": "The idempotency key that the call was made with",
        },
    })
}

fn responses() -> Value {
    let error = |description: &str| {
        json!({
            "description": description,
            "content": {"application/json": {"schema": reference("schemas", "RestateError")}},
        })
    };
    json!({
        "Send": {
            "description": "Accepted, and durable",
            "content": {"application/json": {"schema": {
                "type": "object", "required": ["invocationId", "status"],
                "properties": {
                    "invocationId": {"type": "string"},
                    "executionTime": {"type": "string", "format": "date-time"},
                    "status": {"enum": ["Accepted", "PreviouslyAccepted"]},
                },
            }}},
        },
        "GenericError": error("The call was refused, or the handler failed for good"),
        "InvocationNotFoundError": error("There is no such invocation, or it is forgotten"),
        "InvocationNotReadyError": error("The invocation is not over"),
    })
}

fn error_schema() -> Value {
    json!({
        "type": "object", "required": ["message"],
        "properties": {
            "code": {"type": "integer"},
            "message": {"type": "string"},
            "source": {"enum": ["ingress", "invocation"]},
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
            "stacktrace": {"type": "string"},
            "restate_code": {"type": "string", "description": "A stable code, where the refusal has one"},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(kind: &str, handlers: Value) -> Service {
        serde_json::from_value(json!({"name": "S", "kind": kind, "handlers": handlers})).unwrap()
    }

    fn handler(name: &str, kind: &str, input: Value) -> Value {
        json!({
            "name": name, "kind": kind, "input": input,
            "output": {"content_type": "application/json", "set_if_empty": false},
        })
    }

    fn paths(document: &Value) -> Vec<&str> {
        let paths = document["paths"].as_object().unwrap();
        paths.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_workflow_offers_its_run_to_latch_on_to_and_nothing_else() {
        let service = service(
            "Workflow",
            json!([
                handler("run", "WorkflowRun", json!("Any")),
                handler("peek", "WorkflowShared", json!("Empty")),
                handler("hidden", "WorkflowShared", json!("Empty")),
            ]),
        );
        let document = document(
            &service,
            3,
            |one| one.name != "hidden",
            "http://i:8080/",
            true,
        );
        assert_eq!(
            paths(&document),
            [
                "/restate/call/S/{key}/peek",
                "/restate/call/S/{key}/run",
                "/restate/send/S/{key}/peek",
                "/restate/send/S/{key}/run",
                "/restate/workflow/S/{key}/attach",
                "/restate/workflow/S/{key}/output",
            ]
        );
        assert_eq!(document["info"]["version"], "3");
        let peek = &document["paths"]["/restate/call/S/{key}/peek"]["post"];
        assert!(peek.get("requestBody").is_none());
    }

    #[test]
    fn references_of_a_schema_are_found_where_it_has_gone() {
        let schema = json!({
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$id": "x", "$ref": "#/y"}},
            "$defs": {"A": {"type": "string"}},
        });
        let typed = json!({"Typed": {
            "content_type": "application/json", "required": true, "json_schema": schema,
        }});
        let service = service("Service", json!([handler("h", "Plain", typed)]));
        let document = document(&service, 1, |_| true, "http://i:8080/", true);
        let schema = &document["components"]["schemas"]["hRequest"];
        let target = schema["properties"]["a"]["$ref"].as_str().unwrap();
        assert_eq!(
            document.pointer(target.trim_start_matches('#')).unwrap(),
            &json!({"type": "string"})
        );
        assert_eq!(schema["properties"]["b"]["$ref"], "#/y");
        let body = &document["paths"]["/restate/call/S/h"]["post"]["requestBody"];
        assert_eq!(
            body["content"]["application/json"]["schema"]["$ref"],
            "#/components/schemas/hRequest"
        );
    }
}
