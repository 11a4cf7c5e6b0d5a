//! The admin API for tools: an OpenAPI 3.1 document, made of one table of operations and of the
//! schemas that the API's own values have.

use super::Admin;
use crate::access::Role;
use axum::Json;
use axum::extract::State;
use latchwork_protocol::admin::{
    Deployment, DeploymentList, ErrorBody, HandlerList, HandlerMetadata, ModifyState, PatchState,
    RegisterDeployment, RegisterReply, ReplaceState, RestartReply, ServiceList, ServiceMetadata,
    StateReply, UpdateDeployment, UpdateService, VersionReply, Why,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How a value looks.
type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One verb at one path.
struct Operation {
    /// What a token must have, where tokens are asked for.
    role: Option<Role>,
    verb: &'static str,
    path: &'static str,
    /// Unique; tools make names of functions of it.
    id: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    body: Option<Shape>,
    status: u16,
    reply: Option<Shape>,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A value that has no type of its own here.
fn any(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}

fn sql(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["query"], "properties": {"query": {"type": "string"}},
    })
}

fn rows(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["rows"],
        "properties": {"rows": {"type": "array", "items": {"type": "object"}}},
    })
}

fn invocation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["id", "target", "status"],
        "properties": {
            "id": {"type": "string"}, "target": {"type": "string"}, "status": {"type": "string"},
        },
        "description": "The columns of sys_invocation that have a value",
    })
}

fn page_of_invocations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["invocations", "matched", "looked_at", "resume"],
        "properties": {
            "invocations": {"type": "array", "items": {"type": "object"},
                "description": "The columns of sys_invocation that have a value, for each"},
            "matched": {"type": "integer", "description": "How many of those looked at are as asked for"},
            "looked_at": {"type": "integer", "description": "How many were looked at this time"},
            "resume": {"type": ["string", "null"],
                "description": "Give it back to look at more; null: all were looked at"},
        },
    })
}

fn entries(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["entries"],
        "properties": {"entries": {"type": "array", "items": {"type": "object"}}},
        "description": "The columns of sys_journal that have a value, for each entry",
    })
}

fn ids(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["invocation_ids"],
        "properties": {
            "invocation_ids": {"type": "array", "items": {"type": "string"}, "maxItems": super::batch::IDS_MAX},
            "deployment": {"type": ["string", "null"]},
        },
    })
}

fn outcomes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["succeeded", "failed"],
        "properties": {
            "succeeded": {"type": "array"},
            "failed": {"type": "array", "items": {
                "type": "object", "required": ["invocation_id", "error"],
                "properties": {"invocation_id": {"type": "string"}, "error": {"type": "string"}},
            }},
        },
    })
}

macro_rules! operations {
    ($($role:ident $verb:ident $path:literal $id:literal $summary:literal
        [$($query:literal),*] $(takes $body:expr,)? $status:literal $(gives $reply:expr)?;)+) => {
        &[$(Operation {
            role: operations!(@role $role), verb: stringify!($verb), path: $path, id: $id, summary: $summary,
            query: &[$($query),*],
            body: operations!(@maybe $($body)?), status: $status,
            reply: operations!(@maybe $($reply)?),
        },)+]
    };
    (@role nobody) => { None };
    (@role viewer) => { Some(Role::Viewer) };
    (@role operator) => { Some(Role::Operator) };
    (@role admin) => { Some(Role::Admin) };
    (@maybe $shape:expr) => { Some($shape as Shape) };
    (@maybe) => { None };
}

/// Everything that is served, but what only answers that it is absent.
const OPERATIONS: &[Operation] = operations! {
    viewer get "/version" "version" "Versions of the server and of this API" [] 200 gives of::<VersionReply>;
    nobody get "/health" "health" "Whether work is done" [] 200;
    admin post "/backup" "make_backup" "Writes a backup into a directory on the server's machine, and tells its progress in lines"
        [] takes of::<super::backup::MakeBackup>, 200;
    viewer get "/metrics" "metrics" "What is counted, as Prometheus text, or OpenMetrics if that is accepted" [] 200;
    viewer get "/deployments" "list_deployments" "All deployments, the oldest first"
        ["limit", "after"] 200 gives of::<DeploymentList>;
    admin post "/deployments" "register_deployment" "Asks an endpoint what it offers, and registers it"
        [] takes of::<RegisterDeployment>, 201 gives of::<RegisterReply>;
    viewer get "/deployments/{id}" "get_deployment" "A deployment, and what still needs it"
        [] 200 gives of::<Deployment<ServiceMetadata>>;
    admin patch "/deployments/{id}" "update_deployment" "Changes where it is and how it is spoken to"
        [] takes of::<UpdateDeployment>, 200 gives of::<Deployment<ServiceMetadata>>;
    admin delete "/deployments/{id}" "delete_deployment" "Removes it, unless it is needed"
        ["force"] 202;
    viewer get "/services" "list_services" "The newest revision of each service, by name"
        ["limit", "after"] 200 gives of::<ServiceList>;
    viewer get "/services/{service}" "get_service" "A service, with what is in force for it"
        [] 200 gives of::<ServiceMetadata>;
    admin patch "/services/{service}" "update_service" "Sets what is in force for it, over its code"
        [] takes of::<UpdateService>, 200 gives of::<ServiceMetadata>;
    viewer get "/services/{service}/handlers" "list_handlers" "Its handlers, by name"
        ["limit", "after"] 200 gives of::<HandlerList>;
    viewer get "/services/{service}/handlers/{handler}" "get_handler" "One of its handlers"
        [] 200 gives of::<HandlerMetadata>;
    viewer get "/services/{service}/openapi" "get_service_openapi" "How it is called, for tools"
        [] 200 gives any;
    operator post "/services/{service}/state" "modify_state" "Replaces the state of a key"
        [] takes of::<ModifyState>, 202;
    viewer get "/services/{service}/state/{key}" "get_state" "The state of a key, and its version"
        ["scope"] 200 gives of::<StateReply>;
    operator put "/services/{service}/state/{key}" "replace_state" "Replaces the state of a key"
        [] takes of::<ReplaceState>, 202;
    operator patch "/services/{service}/state/{key}" "patch_state" "Changes some entries of a key's state"
        [] takes of::<PatchState>, 202;
    operator delete "/services/{service}/state/{key}" "clear_state" "Deletes the state of a key"
        ["scope", "version"] 202;
    viewer get "/invocations" "list_invocations" "Pages of invocations by what they are like"
        ["status", "result", "service", "handler", "key", "scope", "deployment", "created_from",
         "created_to", "text", "order", "older_than", "resume", "limit"]
        200 gives page_of_invocations;
    viewer get "/invocations/{id}" "get_invocation" "An invocation" [] 200 gives invocation;
    viewer get "/invocations/{id}/journal" "get_journal" "Its journal" [] 200 gives entries;
    viewer get "/invocations/{id}/why" "get_why" "Why it is not moving" [] 200 gives of::<Why>;
    operator delete "/invocations/{id}" "delete_invocation" "Cancels, kills or purges it" ["mode"] 202;
    operator patch "/invocations/{id}/cancel" "cancel_invocation" "Asks it to stop" [] 202;
    operator patch "/invocations/{id}/kill" "kill_invocation" "Ends it at once, with all that it called" [] 200;
    operator patch "/invocations/{id}/pause" "pause_invocation" "No further attempt until it is resumed" [] 202;
    operator patch "/invocations/{id}/resume" "resume_invocation" "Lets it go on" ["deployment"] 200;
    operator patch "/invocations/{id}/purge" "purge_invocation" "Forgets it, if it is over" [] 200;
    operator patch "/invocations/{id}/purge-journal" "purge_journal" "Forgets its journal, if it is over" [] 200;
    operator patch "/invocations/{id}/restart-as-new" "restart_invocation"
        "Starts a new one with the first entries of its journal"
        ["from", "deployment"] 200 gives of::<RestartReply>;
    operator post "/internal/invocations_batch_operations/{operation}" "batch" "One wish for many invocations"
        [] takes ids, 200 gives outcomes;
    viewer get "/live" "live" "What the server does, as server-sent events: the last hour in samples, then each change"
        [] 200;
    viewer post "/query" "query" "SQL over the live tables" [] takes sql, 200 gives rows;
};

/// What a server without SQL does not serve.
const NEEDS_SQL: [&str; 4] = ["query", "list_invocations", "get_invocation", "get_journal"];

/// What a server without the web UI does not serve.
const NEEDS_UI: &str = "live";

pub(super) async fn openapi(State(app): State<Arc<Admin>>) -> Json<Value> {
    Json(document(&app.ingress_url, app.access.is_guarded()))
}

/// How a token is shown, for tools; what each operation takes is named there.
pub(super) fn security_schemes() -> Value {
    json!({"token": {
        "type": "http", "scheme": "bearer",
        "description": "A token of the server's auth_file. Operations name the role that it must have.",
    }})
}

/// What an operation takes: a token of a role, or nothing where nobody is asked for one.
pub(super) fn security(role: Role, is_guarded: bool) -> Value {
    let token = json!({"token": [role.name()]});
    match is_guarded {
        true => json!([token]),
        false => json!([token, {}]),
    }
}

fn document(ingress_url: &str, is_guarded: bool) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    let error = of::<ErrorBody>(&mut generator);
    let mut paths = Map::new();
    let served = |operation: &&Operation| {
        (cfg!(feature = "sql") || !NEEDS_SQL.contains(&operation.id))
            && (cfg!(feature = "ui") || operation.id != NEEDS_UI)
    };
    for operation in OPERATIONS.iter().filter(served) {
        let described = operation.described(&mut generator, is_guarded);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.verb] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "latchwork admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "For operators. Calls go to the ingress, {ingress_url}: GET /services/{{service}}/openapi \
                 describes how a service is called."
            ),
        },
        "servers": [
            {"url": "/", "description": "The newest version"},
            {"url": "/v4"}, {"url": "/v3"},
            {"url": "/v2", "description": "Registers with force unless told otherwise"},
        ],
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "schemas": generator.take_definitions(true),
            "responses": {"Error": {
                "description": "It was not done: the message says why, and what to do",
                "content": {"application/json": {"schema": error}},
            }},
        },
    })
}

impl Operation {
    fn described(&self, generator: &mut SchemaGenerator, is_guarded: bool) -> Value {
        let mut described = json!({
            "operationId": self.id, "summary": self.summary,
            "parameters": self.parameters(),
            "responses": {"default": {"$ref": "#/components/responses/Error"}},
        });
        described["security"] = match self.role {
            Some(role) => security(role, is_guarded),
            None => json!([]),
        };
        let content = |schema: Schema| json!({"application/json": {"schema": schema}});
        let mut reply = json!({"description": "Done"});
        if let Some(shape) = self.reply {
            reply["content"] = content(shape(generator));
        }
        if self.id == NEEDS_UI {
            reply["content"] = json!({"text/event-stream": {"schema": {"type": "string"}}});
        }
        described["responses"][self.status.to_string()] = reply;
        if let Some(shape) = self.body {
            described["requestBody"] = json!({
                "required": true, "content": content(shape(generator)),
            });
        }
        described
    }

    fn parameters(&self) -> Value {
        let in_path = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| {
                json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
            });
        let in_query = self.query.iter().map(|name| {
            let schema = match *name {
                "limit" => json!({"type": "integer", "minimum": 1}),
                "created_from" | "created_to" => {
                    json!({"type": "integer", "minimum": 0, "description": "ms since 1970"})
                }
                "order" => json!({"enum": ["newest", "any"]}),
                "result" => json!({"enum": ["success", "failure"]}),
                "from" => json!({"type": "integer", "minimum": 0}),
                "force" => json!({"type": "boolean"}),
                "mode" => json!({"enum": ["cancel", "kill", "purge"]}),
                _ => json!({"type": "string"}),
            };
            json!({"name": name, "in": "query", "required": false, "schema": schema})
        });
        in_path.chain(in_query).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.insert(reference.clone());
                }
                members
                    .values()
                    .for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn all_that_is_referred_to_is_there() {
        let document = document("http://i:8080/", true);
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.contains("#/components/schemas/Why"), "{found:?}");
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let ids: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }
}
