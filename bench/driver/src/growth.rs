//! What a call costs as more is stored, and what becomes of calls when there are too many.
//!
//! A flat line is the promise: the cost of a call depends on the call. `tools/growth.py` draws it.

use crate::http::{Conn, Req};
use crate::load::{self, Until};
use crate::proc::Metrics;
use crate::scenarios::{Env, json_string};
use crate::server::local;
use std::time::{Duration, Instant};

/// Invocations that are stored, and completed.
const STORED: [u64; 4] = [0, 10_000, 100_000, 1_000_000];
/// Keys of objects that have state.
const KEYS: [u64; 3] = [1_000, 10_000, 100_000];
const DEPLOYMENTS: [u64; 2] = [1, 100];
/// Steps of one call, and so entries of its journal.
const STEPS: [u64; 4] = [10, 100, 1_000, 10_000];
/// Steps of all calls of one measurement, about.
const STEPS_EACH: u64 = 20_000;
/// How much more than it can do is asked of it.
const TIMES_SATURATION: f64 = 3.0;
/// Connections of the open loop.
const CALLERS: usize = 1_000;

impl Env {
    /// Calls beside ever more completed invocations.
    pub async fn g1(&mut self) {
        let body = json_string(self.p.payload);
        let mut stored = 0;
        for goal in STORED {
            let more = goal - stored;
            stored = goal;
            self.endpoint.reset().await;
            let b = body.clone();
            let make = move |_| Req::post("/Bench/echo/send", b.clone());
            let sent = load::closed(self.ingress(), 64, Until::Count(more), make).await;
            let limit = Duration::from_secs(300);
            let all = self.endpoint.wait_for("completed", sent.ok as f64, limit);
            let all = all.await;
            let b = body.clone();
            self.closed(&format!("G1 call c=16, stored {goal}"), 16, move |_| {
                Req::post("/Bench/echo", b.clone())
            })
            .await;
            self.note_growth(goal, 1.0, all);
        }
    }

    /// Calls of objects, of ever more keys.
    pub async fn g2(&mut self) {
        let salt = self.salt;
        let mut filled = 0;
        for keys in KEYS {
            let first = filled;
            filled = keys;
            let add = move |key: u64| Req::post(format!("/Counter/g{salt}-{key}/add"), "1");
            let fill = Until::Count(keys - first);
            load::closed(self.ingress(), 64, fill, move |i| add(first + i)).await;
            self.closed(&format!("G2 object c=16, keys {keys}"), 16, move |i| {
                add((i * 7_919) % keys)
            })
            .await;
            self.note_growth(keys, 1.0, true);
        }
    }

    /// Calls beside ever more deployments, all of the same endpoint.
    pub async fn g3(&mut self) {
        let body = json_string(self.p.payload);
        let mut registered = 1;
        for goal in DEPLOYMENTS {
            let mut all = true;
            let mut admin = Conn::new(local(self.server.ports.admin));
            for number in registered..goal {
                let port = self.server.ports.endpoint;
                let uri = format!("{{\"uri\":\"http://127.0.0.1:{port}/copy-{number}\"}}");
                let answer = admin.send(&Req::post("/deployments", uri)).await;
                all &= matches!(answer, Ok((200..300, _)));
            }
            registered = goal;
            let b = body.clone();
            self.closed(
                &format!("G3 call c=16, deployments {goal}"),
                16,
                move |_| Req::post("/Bench/echo", b.clone()),
            )
            .await;
            self.note_growth(goal, 1.0, all);
        }
    }

    /// One call at a time, of ever more steps. An operation is a step.
    pub async fn g4(&mut self) {
        for steps in STEPS {
            let calls = (STEPS_EACH / steps).max(2);
            let before = self.settle().await;
            let meter = self.meter();
            let make = move |_| Req::post("/Bench/steps", steps.to_string());
            let out = load::closed(self.ingress(), 1, Until::Count(calls), make).await;
            let meter = meter.stop((out.ok * steps) as f64);
            self.finish(
                &format!("G4 steps c=1, journal {steps}"),
                &out,
                meter,
                before,
            );
            self.note_growth(steps, steps as f64, out.ok == calls);
        }
    }

    /// How much there is, and what one of it costs.
    fn note_growth(&mut self, size: u64, per: f64, whole: bool) {
        let Some(row) = self.rows.last_mut() else {
            return;
        };
        let p50 = row.m.get("p50_ms").copied().unwrap_or(f64::NAN);
        row.m.insert("size".into(), size as f64);
        row.m.insert("p50_ms_each".into(), p50 / per);
        if !whole {
            row.notes.push("NOT ALL OF IT WAS MADE".into());
        }
    }

    /// Three times what it can do, in an open loop: what is accepted must not wait for ever, the
    /// rest is to be refused, and nothing may grow without bound.
    pub async fn o1(&mut self) {
        let body = json_string(self.p.payload);
        let b = body.clone();
        self.closed("O1 saturated, c=128", 128, move |_| {
            Req::post("/Bench/echo", b.clone())
        })
        .await;
        let most = self.rows.last().and_then(|row| row.m.get("rate").copied());
        let rate = most.unwrap_or(1_000.0) * TIMES_SATURATION;
        let time = Duration::from_secs_f64(self.p.secs);
        let before = self.settle().await;
        let meter = self.meter();
        let b = body.clone();
        let make = move |_| Req::post("/Bench/echo", b.clone());
        let out = load::over(self.ingress(), rate, time, CALLERS, make).await;
        let mut meter = meter.stop(out.accepted.ok as f64);
        meter.insert("offered_per_s".into(), rate);
        meter.insert("refused".into(), out.refused.ok as f64);
        meter.insert("refused_p50_ms".into(), out.refused.quantile_ms(0.5));
        meter.insert("refused_p99_ms".into(), out.refused.quantile_ms(0.99));
        meter.insert("without_retry_after".into(), out.without_retry_after as f64);
        meter.insert("dropped_by_driver".into(), out.not_sent as f64);
        self.finish("O1 three times as much", &out.accepted, meter, before);
        // And it must be itself again afterwards.
        let began = Instant::now();
        let mut conn = Conn::new(self.ingress());
        let again = conn.send(&Req::post("/Bench/echo", body)).await;
        let mut m = Metrics::new();
        m.insert("p50_ms".into(), began.elapsed().as_secs_f64() * 1e3);
        let notes = match again {
            Ok((200, _)) => vec![],
            other => vec![format!("error: the call after it: {other:?}")],
        };
        self.push("O1 one call after it", m, notes);
    }
}
