//! Paths and what they ask for, against three registered services.

use super::*;

fn route(path: &str) -> Result<Route, RouteError> {
    parse(path, &|service| match service {
        "Svc" => Some(false),
        "Obj" | "Wf" => Some(true),
        _ => None,
    })
}

fn target(scope: Option<&str>, service: &str, key: Option<&str>, handler: &str) -> Target {
    Target {
        scope: scope.map(str::to_owned),
        service: service.to_owned(),
        key: key.map(str::to_owned),
        handler: handler.to_owned(),
    }
}

fn by_id(id: &str) -> Subject {
    Subject::Invocation(id.to_owned())
}

fn by_key(service: &str, key: Option<&str>) -> Subject {
    Subject::Idempotent {
        service: service.to_owned(),
        key: key.map(str::to_owned),
        handler: "h".to_owned(),
        idempotency_key: "i%20".to_owned(),
    }
}

#[test]
fn paths_become_routes() {
    use Route::{Attach, Call, Output, Send};
    let echo = || target(None, "Svc", None, "echo");
    let add = || target(None, "Obj", Some("k"), "add");
    let run = || Subject::Workflow {
        workflow: "Gone".to_owned(),
        key: "a b".to_owned(),
    };
    for (path, expected) in [
        ("/Svc/echo", Call(echo())),
        ("/Svc/echo/", Call(echo())),
        ("/Svc/echo/send", Send(echo())),
        ("/Svc/send", Call(target(None, "Svc", None, "send"))),
        ("/Obj/k/add", Call(add())),
        ("/Obj/k/add/send", Send(add())),
        ("/Obj/k/send", Call(target(None, "Obj", Some("k"), "send"))),
        ("/Obj//add", Call(target(None, "Obj", Some(""), "add"))),
        (
            "/Obj/a%2Fb%20c%E2%82%AC/add",
            Call(target(None, "Obj", Some("a/b c€"), "add")),
        ),
        (
            "/Obj/a+b%zz%/add",
            Call(target(None, "Obj", Some("a+b%zz%"), "add")),
        ),
        ("/restate/call/Svc/echo", Call(echo())),
        ("/restate/send/Obj/k/add", Send(add())),
        (
            "/restate/scope/s%31/call/Svc/echo",
            Call(target(Some("s1"), "Svc", None, "echo")),
        ),
        (
            "/restate/scope/s/send/Obj/k/add",
            Send(target(Some("s"), "Obj", Some("k"), "add")),
        ),
        ("/restate/attach/inv_1x", Attach(by_id("inv_1x"))),
        ("/restate/output/inv_1x", Output(by_id("inv_1x"))),
        ("/restate/attach", Route::AttachByBody),
        ("/restate/output/", Route::OutputByBody),
        ("/restate/lookup", Route::Lookup),
        ("/restate/invocation/inv_1x/attach", Attach(by_id("inv_1x"))),
        (
            "/restate/invocation/Svc/h/i%20/output",
            Output(by_key("Svc", None)),
        ),
        (
            "/restate/invocation/Obj/k/h/i%20/attach",
            Attach(by_key("Obj", Some("k"))),
        ),
        ("/restate/workflow/Gone/a%20b/attach", Attach(run())),
        ("/restate/workflow/Gone/a%20b/output", Output(run())),
        (
            "/restate/awakeables/x/resolve",
            Route::ResolveAwakeable { id: "x".to_owned() },
        ),
        (
            "/restate/a/x/reject",
            Route::RejectAwakeable { id: "x".to_owned() },
        ),
        ("/restate/health", Route::Health),
        ("/restate/health/live", Route::Health),
    ] {
        assert_eq!(route(path), Ok(expected), "{path}");
    }
}

#[test]
fn wrong_paths_say_what_would_be_right() {
    for (path, status, advice) in [
        ("", 400, "/{service}/{handler}"),
        ("/", 400, "/{service}/{handler}"),
        ("/Svc", 400, "/{service}/{handler}"),
        ("/health", 400, "/{service}/{handler}"),
        ("/Svc/1/2/3/4/5/6/7", 400, "/{service}/{handler}"),
        ("/Svc/k/echo", 400, "/{service}/{handler}/send"),
        ("/Svc/echo/send/send", 400, "/{service}/{handler}/send"),
        ("/Obj/add", 400, "/{service}/{key}/{handler}"),
        ("/Obj/k/add/later", 400, "/{service}/{key}/{handler}"),
        ("/Obj/%FF/add", 400, "UTF-8"),
        ("/Nope/x", 404, "\"Nope\""),
        ("/Sv%63/echo", 404, "register"),
        (
            "/restate/call/Svc/echo/send",
            400,
            "/restate/call/{service}/{handler}",
        ),
        (
            "/restate/call/Obj/add",
            400,
            "/restate/call/{service}/{key}/{handler}",
        ),
        ("/restate/call/Nope/x/y", 404, "\"Nope\""),
        ("/restate/call", 400, "/restate/call/{service}/{handler}"),
        (
            "/restate/scope/s/cancel/Svc/echo",
            400,
            "/restate/scope/{scope}/call/",
        ),
        ("/restate/scope/%FF/call/Svc/echo", 400, "scope"),
        ("/restate/attach/a/b", 400, "/restate/attach/{invocationId}"),
        ("/restate/invocation/inv_1x/peek", 404, "nothing"),
        ("/restate/invocation/Svc/h/attach", 400, "{idempotencyKey}"),
        ("/restate/invocation/Nope/h/i/attach", 404, "\"Nope\""),
        ("/restate/workflow/Wf/attach", 400, "/restate/workflow/"),
        ("/restate/workflow/Wf/k/cancel", 404, "nothing"),
        (
            "/restate/awakeables/resolve",
            400,
            "/restate/awakeables/{id}/resolve",
        ),
        ("/restate/a/x/foo", 404, "nothing"),
        ("/restate/signals/x/y", 404, "nothing"),
        ("/openapi/Svc", 404, "nothing"),
    ] {
        let refusal = route(path).unwrap_err();
        assert_eq!(refusal.status(), status, "{path}");
        assert!(refusal.to_string().contains(advice), "{path}: {refusal}");
    }
}

#[test]
fn only_calls_take_two_verbs() {
    for (path, verbs) in [
        ("/Svc/echo", &["POST", "GET"][..]),
        ("/restate/attach/x", &["GET"]),
        ("/restate/attach", &["POST"]),
        ("/restate/a/x/resolve", &["POST"]),
        ("/restate/health", &["GET"]),
    ] {
        assert_eq!(route(path).unwrap().verbs(), verbs, "{path}");
    }
}
