//! Handlers that do what they must not, and what a replay must not change.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use latchwork::{Context, Result};
use latchwork_protocol::service::frame::ty;

use super::world::{Ended, everywhere};

#[derive(Default)]
struct Odd {
    attempts: AtomicU32,
    lines: Arc<Mutex<Vec<String>>>,
}

#[latchwork::service]
impl Odd {
    /// Does something else in its second attempt.
    #[handler]
    async fn fickle(&self, ctx: &Context) -> Result<()> {
        if self.attempts.fetch_add(1, Ordering::Relaxed) == 0 {
            ctx.sleep_named("nap", Duration::from_secs(1)).await?;
            return Err(std::io::Error::other("again").into());
        }
        ctx.run("compute", || async { Ok(()) }).await?;
        Ok(())
    }

    /// Calls with another input in its second attempt.
    #[handler]
    async fn shifty(&self, ctx: &Context) -> Result<()> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        OddClient::new(ctx).say(format!("it's {attempt}")).await?;
        Err(std::io::Error::other("again").into())
    }

    /// Ends early in its second attempt.
    #[handler]
    async fn lazy(&self, ctx: &Context) -> Result<()> {
        if self.attempts.fetch_add(1, Ordering::Relaxed) == 0 {
            ctx.sleep(Duration::from_secs(1)).await?;
            return Err(std::io::Error::other("again").into());
        }
        Ok(())
    }

    #[handler]
    async fn foreign(&self, _ctx: &Context) -> Result<()> {
        let mut asked = false;
        std::future::poll_fn(|task| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(());
            }
            let waker = task.waker().clone();
            std::thread::spawn(move || waker.wake());
            Poll::Pending
        })
        .await;
        Ok(())
    }

    #[handler]
    async fn nested(&self, ctx: &Context) -> Result<()> {
        ctx.run("outer", || async {
            ctx.sleep(Duration::from_secs(1)).await?;
            Ok(())
        })
        .await?;
        Ok(())
    }

    #[handler]
    async fn panics(&self, ctx: &Context) -> Result<u32> {
        ctx.sleep(Duration::from_secs(1)).await?;
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        assert!(attempt > 0, "attempt {attempt}");
        Ok(attempt)
    }

    #[handler]
    async fn say(&self, ctx: &Context, text: String) -> Result<()> {
        self.log(&format!("got {text}"));
        for i in 0..3 {
            ctx.sleep(Duration::from_secs(1)).await?;
            self.log(&format!("slept {i}"));
        }
        Ok(())
    }

    #[handler]
    async fn draws(&self, ctx: &Context) -> Result<()> {
        let drawn = (ctx.random_u64(), ctx.random_uuid(), ctx.now().await?);
        self.lines.lock().unwrap().push(format!("{drawn:?}"));
        ctx.sleep(Duration::from_secs(1)).await?;
        let drawn = format!("{drawn:?} {}", ctx.random_f64());
        self.lines.lock().unwrap().push(drawn);
        if self.attempts.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(std::io::Error::other("again").into());
        }
        Ok(())
    }

    /// A line, unless this is only repeated.
    fn log(&self, line: &str) {
        if !latchwork::is_replaying() {
            self.lines.lock().unwrap().push(line.to_owned());
        }
    }
}

/// The error that a handler ends with when it is not tried again after its own errors.
fn error_of(handler: &str, check: impl Fn(u32, &str)) {
    everywhere(|world| {
        let mut world = world.bind(Odd::default());
        world.answers.insert("say".to_owned(), Ok(""));
        world.errors_max = 2;
        let ended = world.invoke(&format!("Odd/{handler}"), "");
        let Ended::Error(code, message) = ended else {
            panic!("{}: {ended:?}", world.name());
        };
        check(code, &message);
    });
}

#[test]
fn another_path_than_the_journal_is_told_side_by_side() {
    error_of("fickle", |code, message| {
        assert_eq!(code, 570);
        assert!(message.contains("(index '1')"), "{message}");
        assert!(
            message.contains("recorded the following: 'Sleep \"nap\"'"),
            "{message}"
        );
        assert!(
            message.contains("attempts to perform the following: 'Run \"compute\"'"),
            "{message}"
        );
    });
    error_of("shifty", |code, message| {
        assert_eq!(code, 570);
        assert!(message.contains("'Call Odd/say'"), "{message}");
        assert!(
            message.contains("parameter: \"it’s 0\" != \"it’s "),
            "{message}"
        );
    });
    error_of("lazy", |code, message| {
        assert_eq!(code, 570);
        assert!(
            message.contains("recorded the following: 'Sleep"),
            "{message}"
        );
        assert!(
            message.contains("perform the following: 'Output"),
            "{message}"
        );
    });
}

#[test]
fn an_await_outside_of_the_journal_is_refused() {
    error_of("foreign", |code, message| {
        assert_eq!(code, 500);
        assert!(message.contains("Put it into ctx.run"), "{message}");
    });
}

#[test]
fn a_context_inside_of_a_run_is_refused() {
    error_of("nested", |code, message| {
        assert_eq!(code, 500);
        assert!(message.contains("inside of ctx.run"), "{message}");
    });
}

#[test]
fn a_panic_ends_the_attempt_only() {
    everywhere(|world| {
        let mut world = world.bind(Odd::default());
        let ended = world.invoke("Odd/panics", "");
        assert_eq!(ended, Ended::Output("1".to_owned()));
        assert_eq!(world.errors.len(), 1);
        let message = &world.errors[0].message;
        assert!(message.contains("panicked: attempt 0"), "{message}");
    });
}

#[test]
fn a_line_is_logged_once_however_often_it_is_repeated() {
    everywhere(|world| {
        let odd = Odd::default();
        let lines = Arc::clone(&odd.lines);
        let mut world = world.bind(odd);
        let ended = world.invoke("Odd/say", "\"x\"");
        assert_eq!(ended, Ended::Output(String::new()));
        let lines = lines.lock().unwrap();
        assert_eq!(
            lines[..],
            ["got x", "slept 0", "slept 1", "slept 2"],
            "{}",
            world.name()
        );
    });
}

#[test]
fn chance_and_time_are_the_same_in_every_attempt() {
    everywhere(|world| {
        let odd = Odd::default();
        let lines = Arc::clone(&odd.lines);
        let mut world = world.bind(odd);
        assert_eq!(world.invoke("Odd/draws", ""), Ended::Output(String::new()));
        let mut lines = lines.lock().unwrap().clone();
        assert!(lines.len() >= 4, "{lines:?}");
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(world.journaled(ty::RUN).len(), 1);
    });
}
