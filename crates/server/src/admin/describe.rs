//! What is registered, as the API's values: manifests under the settings that are in force.

use latchwork_protocol::admin::{
    self, DurationMs, HandlerMetadata, HandlerType, RetryPolicy, ServiceMetadata, ServiceRevision,
};
use latchwork_protocol::ingress::rfc3339_nanos;
use latchwork_protocol::service::manifest::{
    self, Handler, HandlerKind, InputRule, OutputRule, ProtocolMode, Service, ServiceKind,
};
use latchwork_runtime::registry::{
    Deployment, OnMaxAttempts, Overrides, Registry, Revision, Settings,
};

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
        additional_headers: deployment.additional_headers.clone(),
        metadata: deployment.metadata.clone(),
        created_at: rfc3339_nanos(deployment.created_at),
        min_protocol_version: deployment.min_protocol_version,
        max_protocol_version: deployment.max_protocol_version,
        sdk_version: deployment.sdk_version.clone(),
        services,
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
    let in_force = Settings::of(service, &silent(service.kind), overrides);
    let run = service
        .handlers
        .iter()
        .find(|handler| handler.kind == HandlerKind::WorkflowRun)
        .map(|run| Settings::of(service, run, overrides));
    let workflow = run.as_ref().unwrap_or(&in_force);
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
        public: in_force.public,
        idempotency_retention: DurationMs(in_force.idempotency_retention_ms),
        workflow_completion_retention: (service.kind == ServiceKind::Workflow)
            .then_some(DurationMs(workflow.workflow_retention_ms)),
        journal_retention: Some(DurationMs(in_force.journal_retention_ms)),
        inactivity_timeout: if deployment.request_response {
            DurationMs(0)
        } else {
            DurationMs(in_force.inactivity_timeout.as_millis() as u64)
        },
        abort_timeout: DurationMs(in_force.abort_timeout.as_millis() as u64),
        enable_lazy_state: in_force.lazy_state,
        retry_policy: RetryPolicy {
            initial_interval: Some(DurationMs(retry.initial_interval_ms)),
            exponentiation_factor: Some(retry.exponentiation_factor),
            max_attempts: retry.max_attempts.map(u64::from),
            max_interval: retry.max_interval_ms.map(DurationMs),
            on_max_attempts: Some(match retry.on_max_attempts {
                OnMaxAttempts::Pause => manifest::OnMaxAttempts::Pause,
                OnMaxAttempts::Kill => manifest::OnMaxAttempts::Kill,
            }),
        },
        info: Vec::new(),
    }
}

/// A handler with what it sets itself.
pub(super) fn handler(
    service: &Service,
    handler: &Handler,
    overrides: &Overrides,
) -> HandlerMetadata {
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
        public: Settings::of(service, handler, overrides).public,
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
        info: Vec::new(),
    }
}

/// A handler that sets nothing: what is in force for it is what its service says.
fn silent(kind: ServiceKind) -> Handler {
    Handler {
        name: String::new(),
        kind: match kind {
            ServiceKind::Service => HandlerKind::Plain,
            ServiceKind::VirtualObject => HandlerKind::Shared,
            ServiceKind::Workflow => HandlerKind::WorkflowShared,
        },
        input: InputRule::Any,
        output: OutputRule::default(),
        documentation: None,
        metadata: Default::default(),
        workflow_completion_retention: None,
        inactivity_timeout: None,
        abort_timeout: None,
        journal_retention: None,
        idempotency_retention: None,
        enable_lazy_state: None,
        ingress_private: None,
        retry_policy_initial_interval: None,
        retry_policy_max_interval: None,
        retry_policy_exponentiation_factor: None,
        retry_policy_max_attempts: None,
        retry_policy_on_max_attempts: None,
    }
}
