//! The load driver. See ../README.md.

mod growth;
mod http;
mod load;
mod proc;
mod report;
mod scenarios;
mod server;

use bench_common::Args;
use scenarios::{Env, Profile};
use server::{Endpoint, Ports, Server, Spec, die};
use std::path::{Path, PathBuf};
use std::time::Instant;

const ALL: &[&str] = &[
    "S8", "S1", "S9", "S2", "S3", "S4", "S5", "S10", "S11", "S6", "S7", "S12",
];

/// Run only if they are asked for by name: how cost grows, and what too much load does.
const BY_NAME: &[&str] = &["G1", "G2", "G3", "G4", "O1"];

const USAGE: &str = "\
driver --server SPEC.toml [--vs SPEC.toml] [options]

  --server FILE      the server under test (A)
  --vs FILE          a second one (B): runs A B A B ... and prints ratios
  --quick | --full   the profile (default: quick)
  --rounds N         default 1, or 3 with --vs
  --only S1,S2,...   these scenarios only; G1 to G4 (growth) and O1 (overload) run only so
  --skip S12,...     all but these
  --endpoint min|sdk which endpoint (default: min)
  --endpoint-arg X   passed on to the endpoint (repeatable)
  --secs S           measured seconds of each closed loop
  --payload N        bytes of an echo's body (default 32)
  --work-dir DIR     data dirs go here (default: a folder in the temp dir)
  --base-port P      the first five free ports from here on, in tens (default 40000)
  --perf             count the server's system calls (needs perf; a little overhead)
  --out FILE         JSON (default: results/<time>.json)
";

fn main() {
    let args = Args::from_env();
    if args.flag("help") || args.get("server").is_none() {
        print!("{USAGE}");
        return;
    }
    let rt = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&rt, run(args));
}

async fn run(args: Args) {
    let mut p = if args.flag("full") {
        Profile::full()
    } else {
        Profile::quick()
    };
    p.secs = args.num("secs", p.secs);
    p.payload = args.num("payload", p.payload);
    proc::PERF.store(args.flag("perf"), std::sync::atomic::Ordering::Relaxed);
    let a = Spec::load(args.get("server").unwrap());
    let b = args.get("vs").map(Spec::load);
    let rounds: usize = args.num("rounds", if b.is_some() { 3 } else { 1 });
    let pick = |s: &str| -> Vec<String> { s.split(',').map(|x| x.trim().to_uppercase()).collect() };
    let only = args.get("only").map(pick);
    let skip = args.get("skip").map(pick).unwrap_or_default();
    let by_name = BY_NAME.iter().filter(|_| only.is_some());
    let names: Vec<&str> = ALL
        .iter()
        .chain(by_name)
        .copied()
        .filter(|s| only.as_ref().is_none_or(|o| o.iter().any(|x| x == s)))
        .filter(|s| !skip.iter().any(|x| x == s))
        .filter(|s| *s != "S12" || p.s12.0 > 0)
        .collect();
    let base: u16 = args.num("base-port", 40000);
    let work = args
        .get("work-dir")
        .map(PathBuf::from)
        .unwrap_or_else(|| std::env::temp_dir().join(format!("bench-{}", std::process::id())));
    std::fs::create_dir_all(&work).unwrap_or_else(|e| die(&format!("{work:?}: {e}")));
    let kind = args.get("endpoint").unwrap_or("min").to_string();
    let extra: Vec<String> = args
        .all("endpoint-arg")
        .iter()
        .map(|s| s.to_string())
        .collect();
    let out = args
        .get("out")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(format!("results/{}.json", bench_common::now_ms())));

    let mut rep = report::Report::new(&p, &kind, &work);
    let specs: Vec<Spec> = std::iter::once(a).chain(b).collect();
    let t0 = Instant::now();
    for round in 0..rounds {
        for (i, spec) in specs.iter().enumerate() {
            eprintln!(
                "round {} of {rounds}: {} (load {:.2})",
                round + 1,
                spec.name,
                proc::load1()
            );
            let rows = one(spec.clone(), &p, &names, base, &work, &kind, &extra, round).await;
            rep.add(i, &spec.name, &spec.durability, round, rows);
        }
        // What there is so far, in case of a stop.
        rep.write(&out);
    }
    eprintln!("took {:.0} s", t0.elapsed().as_secs_f64());
    println!("{}", rep.markdown());
    eprintln!("JSON: {}", out.display());
    if args.get("work-dir").is_none() {
        let _ = std::fs::remove_dir_all(&work);
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call site: a struct would only repeat the names"
)]
async fn one(
    spec: Spec,
    p: &Profile,
    names: &[&str],
    base: u16,
    work: &Path,
    kind: &str,
    extra: &[String],
    round: usize,
) -> Vec<scenarios::Row> {
    let ports = Ports::free_from(base);
    let endpoint = Endpoint::start(kind, ports, extra).await;
    let dir = work.join(format!("{}-{round}", spec.name));
    let mut env = Env {
        server: Server::new(spec, ports, &dir),
        endpoint,
        p: p.clone(),
        rows: vec![],
        salt: bench_common::now_ms() % 1_000_000_000,
    };
    env.server.wipe();
    let mut started = None;
    for s in names {
        if env.server.spec.skip.iter().any(|x| x == s) {
            continue;
        }
        if started.is_some() && p.fresh {
            env.server.stop().await;
            env.server.wipe();
            started = None;
        }
        if started.is_none() {
            started = Some(env.server.start().await);
            if *s != "S8" {
                env.server.register().await;
            }
        }
        match *s {
            "S1" => env.s1().await,
            "S2" => env.s2().await,
            "S3" => env.s3().await,
            "S4" => env.s4().await,
            "S5" => env.s5().await,
            "S6" => env.s6().await,
            "S7" => env.s7().await,
            "S8" => {
                env.s8(started.unwrap()).await;
                env.server.register().await;
            }
            "S9" => env.s9().await,
            "S10" => env.s10().await,
            "S11" => env.s11().await,
            "S12" => env.s12().await,
            "G1" => env.g1().await,
            "G2" => env.g2().await,
            "G3" => env.g3().await,
            "G4" => env.g4().await,
            "O1" => env.o1().await,
            _ => unreachable!(),
        }
    }
    let st = env.endpoint.stats().await;
    eprintln!("  endpoint: {st}");
    env.server.stop().await;
    env.server.wipe();
    std::mem::take(&mut env.rows)
}
