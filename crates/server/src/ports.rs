//! What both ports serve with, made of the parts of one server.

use crate::access::Access;
use crate::admin::{Admin, Auditor};
use crate::config::Config;
use crate::health::Health;
use crate::ingress::{Budget, Ingress, IngressSettings};
use crate::metrics::{Requests, Sources, States};
use crate::room::Room;
use crate::telemetry::Sent;
use crate::transport::HttpTransport;
use latchwork_runtime::{Backups, Clock, Handle};
use std::sync::Arc;

/// The parts.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) access: Arc<Access>,
    pub(crate) handle: Handle,
    pub(crate) audit: Auditor,
    pub(crate) backups: Arc<Backups>,
    pub(crate) transport: Arc<HttpTransport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<Health>,
    pub(crate) states: Arc<States>,
    pub(crate) sent: Arc<Sent>,
    /// Where callers reach the ingress.
    pub(crate) ingress_url: String,
    #[cfg(feature = "ui")]
    pub(crate) live: crate::live::Live,
}

impl Parts<'_> {
    /// What the ports serve with.
    pub(crate) fn assemble(self) -> (Ingress, Admin) {
        let config = self.config;
        let requests = Arc::new(Requests::default());
        let ingress = Ingress {
            access: self.access.clone(),
            handle: self.handle.clone(),
            health: self.health.clone(),
            room: Room::new(config.data_dir.clone(), config.disk_bytes_min),
            clock: self.clock.clone(),
            requests: requests.clone(),
            receiving: Budget::new(config.receiving_bytes_max),
            settings: IngressSettings {
                body_bytes_max: config.request_bytes_max,
                secret_headers: config.secret_headers.clone(),
            },
        };
        let metrics = Sources {
            states: self.states,
            handle: self.handle.clone(),
            requests,
            sent: self.sent,
            health: self.health.clone(),
            data_dir: config.data_dir.clone(),
            began_ms: self.clock.now_ms(),
        };
        let admin = Admin {
            access: self.access,
            #[cfg(feature = "ui")]
            ui: crate::ui::Ui {
                directory: config.ui_dir.clone(),
                ingress_url: self.ingress_url.clone(),
            },
            #[cfg(feature = "ui")]
            live: self.live,
            handle: self.handle,
            audit: self.audit,
            backups: self.backups,
            metrics,
            clock: self.clock,
            transport: self.transport,
            health: self.health,
            ingress_url: self.ingress_url,
            body_bytes_max: config.request_bytes_max,
            attempts_max: config.attempts_max,
            #[cfg(feature = "sql")]
            query_limits: crate::query::Limits {
                time: config.query_time_max,
                rows: config.query_rows_max,
                bytes: config.query_bytes_max,
            },
        };
        (ingress, admin)
    }
}
