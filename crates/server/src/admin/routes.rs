//! All that is served at the admin port, and the role that each of it takes.
//!
//! [`Routes::on`] is the only way to add something, and wants to know the role.

use super::error::AdminError;
use super::{
    Admin, Api, absent, audit, backup, batch, deployments, error, health, invocations, metrics,
    openapi, services, state, unknown, why,
};
#[cfg(feature = "sql")]
use super::{browse, sql};
use crate::access::Role;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
#[cfg(feature = "ui")]
use axum::response::Redirect;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};
use axum::{Extension, Router};
use std::sync::Arc;

/// What whoever asks must have.
#[derive(Debug, Clone, Copy)]
struct Needs(Option<Role>);

impl Needs {
    const NOTHING: Self = Self(None);
    const VIEWER: Self = Self(Some(Role::Viewer));
    const OPERATOR: Self = Self(Some(Role::Operator));
    const ADMIN: Self = Self(Some(Role::Admin));
}

struct Routes {
    app: Arc<Admin>,
    router: Router<Arc<Admin>>,
}

impl Routes {
    fn new(app: &Arc<Admin>) -> Self {
        Self {
            app: app.clone(),
            router: Router::new(),
        }
    }

    fn on<H, T>(self, needs: Needs, method: MethodFilter, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<Admin>>,
        T: 'static,
    {
        let guard = middleware::from_fn_with_state((self.app.clone(), needs, path), admit);
        let route = MethodRouter::new().on(method, handler).route_layer(guard);
        Self {
            router: self.router.route(path, route),
            ..self
        }
    }
}

/// Lets nobody through who lacks the role, and has noted who does what.
async fn admit(
    State((app, Needs(role), path)): State<(Arc<Admin>, Needs, &'static str)>,
    request: Request,
    next: Next,
) -> Result<Response, AdminError> {
    let Some(role) = role else {
        return Ok(next.run(request).await);
    };
    let now_ms = app.clock.wall_ms();
    let caller = app.access.admit(request.headers(), role, now_ms);
    // A viewer only reads.
    if role == Role::Viewer {
        caller?;
        return Ok(next.run(request).await);
    }
    match caller {
        Ok(caller) => Ok(audit::done(&app, &caller, path, request, next).await?),
        Err(denied) => {
            audit::refused(&app, &denied, path, request).await;
            Err(denied.into())
        }
    }
}

/// Everything, in all versions of the API.
pub(super) fn router(app: Arc<Admin>) -> Router {
    let later = || routes(&app).router.layer(Extension(Api::V3));
    let second = routes(&app)
        .on(
            Needs::ADMIN,
            MethodFilter::PUT,
            "/deployments/{id}",
            deployments::update,
        )
        .router
        .layer(Extension(Api::V2));
    Router::new()
        .merge(later())
        .nest("/v2", second)
        .nest("/v3", later())
        .nest("/v4", later())
        .merge(pages(&app).router)
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(app.body_bytes_max))
        .layer(middleware::from_fn(error::one_shape))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .with_state(app)
}

fn routes(app: &Arc<Admin>) -> Routes {
    let routes = Routes::new(app)
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/version",
            health::version,
        )
        .on(Needs::NOTHING, MethodFilter::GET, "/health", health::health)
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/openapi",
            openapi::openapi,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/cluster-health",
            health::cluster_health,
        )
        .on(Needs::ADMIN, MethodFilter::POST, "/backup", backup::make)
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/deployments",
            deployments::list,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::POST,
            "/deployments",
            deployments::register,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/deployments/{id}",
            deployments::one,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::DELETE,
            "/deployments/{id}",
            deployments::remove,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::PATCH,
            "/deployments/{id}",
            deployments::update,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/services",
            services::list,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/services/{service}",
            services::one,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::PATCH,
            "/services/{service}",
            services::update,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/services/{service}/handlers",
            services::handlers,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/services/{service}/handlers/{handler}",
            services::handler,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/services/{service}/openapi",
            services::openapi,
        )
        .on(
            Needs::OPERATOR,
            MethodFilter::POST,
            "/services/{service}/state",
            state::modify,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/services/{service}/state/{key}",
            state::one,
        )
        .on(
            Needs::OPERATOR,
            MethodFilter::PUT,
            "/services/{service}/state/{key}",
            state::replace,
        )
        .on(
            Needs::OPERATOR,
            MethodFilter::PATCH,
            "/services/{service}/state/{key}",
            state::patch,
        )
        .on(
            Needs::OPERATOR,
            MethodFilter::DELETE,
            "/services/{service}/state/{key}",
            state::clear,
        )
        .on(
            Needs::OPERATOR,
            MethodFilter::DELETE,
            "/invocations/{id}",
            invocations::end,
        )
        .on(
            Needs::OPERATOR,
            MethodFilter::PATCH,
            "/invocations/{id}/{operation}",
            invocations::operate,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/invocations/{id}/why",
            why::why,
        )
        .on(
            Needs::OPERATOR,
            MethodFilter::POST,
            "/internal/invocations_batch_operations/{operation}",
            batch::operate,
        );
    #[cfg(feature = "sql")]
    let routes = routes
        .on(Needs::VIEWER, MethodFilter::POST, "/query", sql::query)
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/invocations",
            browse::list,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/invocations/{id}",
            sql::invocation,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/invocations/{id}/journal",
            sql::journal,
        );
    absences(routes)
}

/// What has no versions: the metrics, and the web UI, whose pages come from the server that they
/// speak to. Its files are not secret; what they show is asked for with a token.
fn pages(app: &Arc<Admin>) -> Routes {
    let routes = Routes::new(app).on(Needs::VIEWER, MethodFilter::GET, "/metrics", metrics::page);
    #[cfg(feature = "ui")]
    let routes = routes
        .on(Needs::VIEWER, MethodFilter::GET, "/live", super::live)
        .on(Needs::NOTHING, MethodFilter::GET, "/", || async {
            Redirect::temporary("/ui/")
        })
        .on(Needs::NOTHING, MethodFilter::GET, "/ui", || async {
            Redirect::temporary("/ui/")
        })
        .on(Needs::NOTHING, MethodFilter::GET, "/ui/", super::page)
        .on(
            Needs::NOTHING,
            MethodFilter::GET,
            "/ui/{*path}",
            super::page,
        );
    routes
}

/// What clients may ask for and this server does not have.
fn absences(routes: Routes) -> Routes {
    routes
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/kafka-clusters",
            absent::clusters,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::POST,
            "/kafka-clusters",
            absent::connect,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/kafka-clusters/{name}",
            absent::cluster,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::PATCH,
            "/kafka-clusters/{name}",
            absent::cluster,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::DELETE,
            "/kafka-clusters/{name}",
            absent::cluster,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/subscriptions",
            absent::subscriptions,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::POST,
            "/subscriptions",
            absent::connect,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::GET,
            "/subscriptions/{id}",
            absent::subscription,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::DELETE,
            "/subscriptions/{id}",
            absent::subscription,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::PUT,
            "/limits/rules",
            absent::set_rules,
        )
        .on(
            Needs::ADMIN,
            MethodFilter::POST,
            "/limits/rules/bulk-delete",
            absent::delete_rules,
        )
        .on(
            Needs::OPERATOR,
            MethodFilter::POST,
            "/vqueues/{id}/pause",
            absent::vqueue,
        )
        .on(
            Needs::OPERATOR,
            MethodFilter::POST,
            "/vqueues/{id}/resume",
            absent::vqueue,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::POST,
            "/internal/services/{service}/serdes/decode/{*serde}",
            absent::serde,
        )
        .on(
            Needs::VIEWER,
            MethodFilter::POST,
            "/internal/services/{service}/serdes/encode/{*serde}",
            absent::serde,
        )
}
