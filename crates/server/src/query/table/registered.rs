//! What is registered: deployments and the newest revisions of services.

use super::stored::Listed;
use super::{Column, Table, columns, int, names, text, time, truth};
use latchwork_protocol::service::manifest::ServiceKind;
use latchwork_runtime::registry::{Deployment, ServiceEntry};
use serde_json::json;
use std::sync::Arc;

const DEPLOYMENT: &[Column<Arc<Deployment>>] = columns! {
    "id" Text |r| text(&r.id);
    "ty" Text |_| text("http");
    "endpoint" Text |r| text(&r.uri);
    "created_at" Time |r| time(r.created_at);
    "min_service_protocol_version" U32 |r| int(r.min_protocol_version);
    "max_service_protocol_version" U32 |r| int(r.max_protocol_version);
    "services" TextList |r| {
        let names: Vec<_> = r.services.iter().map(|revision| &revision.service.name).collect();
        text(json!(names).to_string())
    };
};

const SERVICE: &[Column<ServiceEntry>] = columns! {
    "name" Text |r| text(&r.service.name);
    "revision" U64 |r| int(r.revision);
    "public" Bool |r| truth(r.public());
    "ty" Text |r| text(match r.service.kind {
        ServiceKind::Service => "service",
        ServiceKind::VirtualObject => "virtual_object",
        ServiceKind::Workflow => "workflow",
    });
    "deployment_id" Text |r| text(&r.deployment.id);
};

pub(super) fn tables() -> Vec<Table> {
    vec![
        Table {
            name: "sys_deployment",
            columns: names(DEPLOYMENT),
            keys: &[("id", 1)],
            open: |source, wish| {
                let all = source.registry.deployments().values();
                let wanted = wish.text("id").map(str::to_owned);
                Listed::of(
                    DEPLOYMENT,
                    all.filter(|row| wanted.as_ref().is_none_or(|id| *id == row.id))
                        .cloned(),
                )
            },
        },
        Table {
            name: "sys_service",
            columns: names(SERVICE),
            keys: &[("name", 1)],
            open: |source, wish| {
                let all = source.registry.services().values();
                let wanted = wish.text("name").map(str::to_owned);
                Listed::of(
                    SERVICE,
                    all.filter(|row| wanted.as_ref().is_none_or(|name| *name == row.service.name))
                        .cloned(),
                )
            },
        },
    ]
}
