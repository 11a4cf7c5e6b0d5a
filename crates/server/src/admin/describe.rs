//! What is registered, as the API's values: manifests under the settings that are in force.

use super::mask;
use latchwork_protocol::admin::{
    self, AttemptsMax, DurationMs, HandlerMetadata, HandlerType, RetryPolicy, ServiceMetadata,
    ServiceRevision,
};
use latchwork_protocol::ingress::rfc3339_nanos;
use latchwork_protocol::service::manifest::{
    self, Handler, HandlerKind, ProtocolMode, Service, ServiceKind,
};
use latchwork_runtime::registry::{
    Deployment, InForce, OnMaxAttempts, Overrides, Registry, Revision, Source, Sourced,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A deployment in a list.
pub(super) fn listed(deployment: &Deployment) -> admin::Deployment<ServiceRevision> {
    let services = deployment.services.iter().map(|offered| ServiceRevision {
        name: offered.service.name.clone(),
        revision: offered.revision,
    });
    deployed(deployment, services.collect())
}

/// A deployment on its own.
pub(super) fn detailed(
    registry: &Registry,
    deployment: &Deployment,
) -> admin::Deployment<ServiceMetadata> {
    deployed(deployment, services(registry, deployment))
}

/// The services that a deployment offers.
pub(super) fn services(registry: &Registry, deployment: &Deployment) -> Vec<ServiceMetadata> {
    deployment
        .services
        .iter()
        .map(|Revision { revision, service }| {
            let overrides = registry.overrides(&service.name);
            self::service(service, *revision, &overrides, deployment)
        })
        .collect()
}

fn deployed<S>(deployment: &Deployment, services: Vec<S>) -> admin::Deployment<S> {
    admin::Deployment {
        id: deployment.id.clone(),
        uri: Some(deployment.uri.clone()),
        protocol_type: Some(if deployment.request_response {
            ProtocolMode::RequestResponse
        } else {
            ProtocolMode::BidiStream
        }),
        http_version: Some(
            if deployment.http1 {
                "HTTP/1.1"
            } else {
                "HTTP/2.0"
            }
            .to_owned(),
        ),
        arn: None,
        assume_role_arn: None,
        compression: None,
        additional_headers: mask::hidden(&deployment.additional_headers),
        metadata: deployment.metadata.clone(),
        created_at: rfc3339_nanos(deployment.created_at),
        min_protocol_version: deployment.min_protocol_version,
        max_protocol_version: deployment.max_protocol_version,
        sdk_version: deployment.sdk_version.clone(),
        services,
        drain: None,
        info: Vec::new(),
    }
}

/// A service with what is in force for it.
pub(super) fn service(
    service: &Service,
    revision: u32,
    overrides: &Overrides,
    deployment: &Deployment,
) -> ServiceMetadata {
    let in_force = InForce::of(service, None, overrides);
    let run = service
        .handlers
        .iter()
        .find(|handler| handler.kind == HandlerKind::WorkflowRun)
        .map(|run| InForce::of(service, Some(run), overrides).workflow_retention)
        .unwrap_or(in_force.workflow_retention);
    let in_force = InForce {
        workflow_retention: run,
        ..in_force
    };
    let retry = &in_force.retry;
    ServiceMetadata {
        name: service.name.clone(),
        ty: service.kind,
        handlers: service
            .handlers
            .iter()
            .map(|one| handler(service, one, overrides))
            .collect(),
        documentation: service.documentation.clone(),
        metadata: service.metadata.clone(),
        deployment_id: deployment.id.clone(),
        revision,
        public: in_force.public.value,
        idempotency_retention: DurationMs(in_force.idempotency_retention.value),
        workflow_completion_retention: (service.kind == ServiceKind::Workflow)
            .then_some(DurationMs(in_force.workflow_retention.value)),
        journal_retention: Some(DurationMs(in_force.journal_retention.value)),
        inactivity_timeout: if deployment.request_response {
            DurationMs(0)
        } else {
            DurationMs(in_force.inactivity_timeout.value)
        },
        abort_timeout: DurationMs(in_force.abort_timeout.value),
        enable_lazy_state: in_force.lazy_state.value,
        retry_policy: RetryPolicy {
            initial_interval: Some(DurationMs(retry.initial_interval.value)),
            exponentiation_factor: Some(retry.exponentiation_factor.value),
            max_attempts: retry.max_attempts.value.map(u64::from),
            max_interval: retry.max_interval.value.map(DurationMs),
            on_max_attempts: Some(written(retry.on_max_attempts.value)),
        },
        keep_headers: in_force.keep_headers.value.clone(),
        in_force: values(&in_force, service.kind == ServiceKind::Workflow),
        info: Vec::new(),
    }
}

fn written(then: OnMaxAttempts) -> manifest::OnMaxAttempts {
    match then {
        OnMaxAttempts::Pause => manifest::OnMaxAttempts::Pause,
        OnMaxAttempts::Kill => manifest::OnMaxAttempts::Kill,
    }
}

/// Each setting with its value and who decided on it, under the names that `PATCH` takes.
fn values(in_force: &InForce, is_workflow: bool) -> BTreeMap<String, admin::InForce> {
    fn said<T: Serialize>(said: Sourced<T>) -> Option<admin::InForce> {
        let text = |source| match source {
            Source::Operator => "operator",
            Source::Handler => "handler",
            Source::Service => "service",
            Source::Default => "default",
        };
        Some(admin::InForce {
            // Numbers, truths and texts are always JSON.
            value: serde_json::to_value(said.value).ok()?,
            source: text(said.source).to_owned(),
        })
    }
    fn lasting(ms: Sourced<u64>) -> Option<admin::InForce> {
        said(Sourced {
            value: DurationMs(ms.value),
            source: ms.source,
        })
    }
    let retry = &in_force.retry;
    let attempts = Sourced {
        value: match retry.max_attempts.value {
            Some(attempts) => AttemptsMax::Limited(attempts.into()),
            None => AttemptsMax::Unlimited,
        },
        source: retry.max_attempts.source,
    };
    let longest = Sourced {
        value: retry.max_interval.value.map(DurationMs),
        source: retry.max_interval.source,
    };
    let then = Sourced {
        value: written(retry.on_max_attempts.value),
        source: retry.on_max_attempts.source,
    };
    let workflow = is_workflow.then_some(in_force.workflow_retention);
    [
        ("public", said(in_force.public)),
        (
            "idempotency_retention",
            lasting(in_force.idempotency_retention),
        ),
        ("workflow_completion_retention", workflow.and_then(lasting)),
        ("journal_retention", lasting(in_force.journal_retention)),
        ("inactivity_timeout", lasting(in_force.inactivity_timeout)),
        ("abort_timeout", lasting(in_force.abort_timeout)),
        ("enable_lazy_state", said(in_force.lazy_state)),
        (
            "retry_policy.initial_interval",
            lasting(retry.initial_interval),
        ),
        (
            "retry_policy.exponentiation_factor",
            said(retry.exponentiation_factor),
        ),
        ("retry_policy.max_interval", said(longest)),
        ("retry_policy.max_attempts", said(attempts)),
        ("retry_policy.on_max_attempts", said(then)),
        ("keep_headers", said(in_force.keep_headers.clone())),
    ]
    .into_iter()
    .filter_map(|(name, said)| Some((name.to_owned(), said?)))
    .collect()
}

/// A handler with what it sets itself.
pub(super) fn handler(
    service: &Service,
    handler: &Handler,
    overrides: &Overrides,
) -> HandlerMetadata {
    let in_force = InForce::of(service, Some(handler), overrides);
    HandlerMetadata {
        name: handler.name.clone(),
        ty: match handler.kind {
            HandlerKind::Plain => None,
            HandlerKind::Exclusive => Some(HandlerType::Exclusive),
            HandlerKind::Shared | HandlerKind::WorkflowShared => Some(HandlerType::Shared),
            HandlerKind::WorkflowRun => Some(HandlerType::Workflow),
        },
        documentation: handler.documentation.clone(),
        metadata: handler.metadata.clone(),
        idempotency_retention: handler.idempotency_retention.map(DurationMs),
        journal_retention: handler.journal_retention.map(DurationMs),
        inactivity_timeout: handler.inactivity_timeout.map(DurationMs),
        abort_timeout: handler.abort_timeout.map(DurationMs),
        enable_lazy_state: handler.enable_lazy_state,
        public: in_force.public.value,
        input_description: handler.input.description(),
        output_description: handler.output.description(),
        input_json_schema: handler.input.json_schema().cloned(),
        output_json_schema: handler.output.json_schema.clone(),
        retry_policy: RetryPolicy {
            initial_interval: handler.retry_policy_initial_interval.map(DurationMs),
            exponentiation_factor: handler.retry_policy_exponentiation_factor,
            max_attempts: handler.retry_policy_max_attempts,
            max_interval: handler.retry_policy_max_interval.map(DurationMs),
            on_max_attempts: handler.retry_policy_on_max_attempts,
        },
        in_force: values(&in_force, handler.kind == HandlerKind::WorkflowRun),
        info: Vec::new(),
    }
}
