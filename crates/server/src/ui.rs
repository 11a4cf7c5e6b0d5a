//! The web UI's files: a path below `/ui/` comes in, a file with its headers goes out.
//!
//! The folder `ui/` is compiled in; with the setting `ui_dir` the files are read from there
//! at each request instead, for whoever works on them. Pages of the UI are behind the `#` of
//! its address, so a path is always that of a file. The UI asks the admin API, like everybody, and
//! calls handlers at the ingress.
//!
//! Nothing from elsewhere may run, be shown or be asked on these pages, and no other page may
//! frame them: the policy says so to the browser.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Names of the files that are compiled in, with what is in them.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/ui_files.rs"));

/// What every answer says to the browser.
const SAFETY: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Where the files are, and whom the pages may speak to.
#[derive(Debug)]
pub(crate) struct Ui {
    /// Read from here at each request; nothing: those that are compiled in.
    pub(crate) directory: Option<PathBuf>,
    /// The ingress, as this server calls it.
    pub(crate) ingress_url: String,
}

impl Ui {
    /// The answer to `GET /ui/…`, with what comes after that as `path`.
    pub(crate) async fn answer(&self, path: &str, asked: &HeaderMap) -> Response {
        let name = if path.is_empty() { "index.html" } else { path };
        let found = match &self.directory {
            None => FILES
                .iter()
                .find(|(file, _)| *file == name)
                .map(|(_, bytes)| Cow::Borrowed(*bytes)),
            Some(directory) => read(directory, name).await,
        };
        let mut response = match found {
            Some(bytes) => file(name, bytes, asked),
            None => (
                StatusCode::NOT_FOUND,
                format!("the web UI has no file {name}: it begins at /ui/"),
            )
                .into_response(),
        };
        let headers = response.headers_mut();
        for (name, value) in SAFETY {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let policy = policy(&self.ingress_url, asked);
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

/// A file of the folder; nothing for what is not in it.
async fn read(directory: &Path, name: &str) -> Option<Cow<'static, [u8]>> {
    let is_below = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !Path::new(name).components().all(is_below) {
        return None;
    }
    let bytes = tokio::fs::read(directory.join(name)).await;
    bytes.ok().map(Cow::Owned)
}

fn file(name: &str, bytes: Cow<'static, [u8]>, asked: &HeaderMap) -> Response {
    let tag = format!("\"{:016x}\"", xxh3_64(&bytes));
    let is_known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|known| known.to_str().is_ok_and(|known| known.contains(&tag)));
    let (status, body) = if is_known {
        (StatusCode::NOT_MODIFIED, Body::empty())
    } else {
        let body = match bytes {
            Cow::Borrowed(bytes) => Body::from(bytes),
            Cow::Owned(bytes) => Body::from(bytes),
        };
        (StatusCode::OK, body)
    };
    // The browser asks each time, and mostly hears that nothing has changed: after an upgrade of
    // the server no old file meets a new one.
    let headers = [
        (header::CONTENT_TYPE, kind(name)),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, tag.as_str()),
    ];
    (status, headers, body).into_response()
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// What the pages may do. Besides this server they speak to the ingress: under the name that the
/// server has for it, and under the name by which the browser reached us, which may be another.
fn policy(ingress_url: &str, asked: &HeaderMap) -> String {
    let origin = ingress_url.trim_end_matches('/');
    let port = origin.rsplit_once(':').map(|(_, port)| port);
    let host = asked.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| Some(host.parse::<Uri>().ok()?.host()?.to_owned()));
    let reached = match (host, port) {
        (Some(host), Some(port)) if is_a_name(&host) => {
            format!(" http://{host}:{port} https://{host}:{port}")
        }
        _ => String::new(),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' {origin}{reached}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// Nothing in it could end one directive of the policy and begin another.
fn is_a_name(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    host.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ui(directory: Option<PathBuf>) -> Ui {
        Ui {
            directory,
            ingress_url: "http://127.0.0.1:8080/".into(),
        }
    }

    async fn body(response: Response) -> Vec<u8> {
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        body.unwrap().to_vec()
    }

    #[tokio::test]
    async fn the_folder_is_compiled_in_and_asked_for_again_only_when_it_changes() {
        let first = ui(None).answer("", &HeaderMap::new()).await;
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(
            first.headers()[header::CONTENT_TYPE],
            "text/html; charset=utf-8"
        );
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert!(body(first).await.starts_with(b"<!doctype html>"));
        let again = ui(None).answer("index.html", &asked).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(body(again).await.is_empty());
        let other = ui(None).answer("app.js", &asked).await;
        assert_eq!(other.status(), StatusCode::OK);
        let absent = ui(None).answer("app.jss", &HeaderMap::new()).await;
        assert_eq!(absent.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn only_what_is_in_the_folder_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("ui");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("index.html"), "mine").unwrap();
        std::fs::write(folder.path().join("secret"), "no").unwrap();
        let ui = ui(Some(inside));
        let asked = HeaderMap::new();
        assert_eq!(body(ui.answer("", &asked).await).await, b"mine");
        for outside in ["../secret", "/etc/hosts", "a/../../secret", "nothing"] {
            let response = ui.answer(outside, &asked).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{outside}");
        }
    }

    #[test]
    fn the_policy_allows_the_ingress_and_no_host_can_add_to_it() {
        let of = |host: &str| {
            let mut asked = HeaderMap::new();
            asked.insert(header::HOST, host.parse().unwrap());
            policy("http://127.0.0.1:8080/", &asked)
        };
        let allowed = of("box.example:9070");
        assert!(
            allowed.contains("'self' http://127.0.0.1:8080 http://box.example:8080 "),
            "{allowed}"
        );
        for wrong in ["a; script-src *", "*", "a b", "a,b"] {
            assert!(of(wrong).contains("http://127.0.0.1:8080; "), "{wrong}");
        }
    }
}
