//! What operators do: cancel, kill, pause, resume.

use super::check;
use expect_test::expect;

#[test]
fn cancel_ends_what_has_not_started() {
    check(
        "invoke P/a as i1 in 5s | cancel i1 | cancel i1 | cancel i9 | invoke O:k/a as i2 \
         | invoke O:k/b as i3 | cancel i3 | show i3",
        expect![[r#"
            invoke P/a as i1 in 5s => arm 5s, accepted i1
            cancel i1 => done i1=409 canceled, arm 24h, reply Done
            cancel i1 => reply Completed
            cancel i9 => reply NotFound
            invoke O:k/a as i2 => run i2@1, accepted i2
            invoke O:k/b as i3 => accepted i3
            cancel i3 => done i3=409 canceled, arm 24h, reply Done
            show i3 => i3@0 Completed 1 entries
        "#]],
    );
}

#[test]
fn cancel_is_a_signal_to_what_has_started() {
    check(
        "invoke P/run as i1 | cancel i1 | invoke P/sleep as i2 | suspend i2 on !1 @go \
         | cancel i2 | invoke P/fail as i3 | error i3 retry 5s | cancel i3 | show i3 \
         | invoke P/pause as i4 | error i4 pause | cancel i4",
        expect![[r#"
            invoke P/run as i1 => run i1@1, accepted i1
            cancel i1 => notify i1[1] !1=void, reply Noted
            invoke P/sleep as i2 => run i2@1, accepted i2
            suspend i2 on !1 @go
            cancel i2 => run i2@2, reply Noted
            invoke P/fail as i3 => run i3@1, accepted i3
            error i3 retry 5s => arm 5s
            cancel i3 => reply Noted
            show i3 => i3@1 BackingOff 2 entries retries 1/1
            invoke P/pause as i4 => run i4@1, accepted i4
            error i4 pause
            cancel i4 => run i4@2, reply Noted
        "#]],
    );
}

#[test]
fn cancelling_twice_is_two_signals() {
    check(
        "invoke P/a as i1 | cancel i1 | cancel i1 | journal i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            cancel i1 => notify i1[1] !1=void, reply Noted
            cancel i1 => notify i1[2] !1=void, reply Noted
            journal i1 => input, !1=void, !1=void
        "#]],
    );
}

#[test]
fn kill_ends_whatever_it_is_doing() {
    check(
        "invoke P/a as i1 | kill i1 | kill i1 | end i1@1 | kill i9 | invoke P/a as i2 in 5s \
         | kill i2 | invoke P/a as i3 | suspend i3 on !17 !1 | kill i3 | invoke P/a as i4 \
         | error i4 retry 5s | kill i4 | invoke P/a as i5 | error i5 pause | kill i5 \
         | show i5",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            kill i1 => abort i1@1, done i1=409 killed, arm 24h, reply Done
            kill i1 => reply Completed
            end i1@1 => abort i1@1
            kill i9 => reply NotFound
            invoke P/a as i2 in 5s => arm 5s, accepted i2
            kill i2 => done i2=409 killed, arm 24h, reply Done
            invoke P/a as i3 => run i3@1, accepted i3
            suspend i3 on !17 !1
            kill i3 => done i3=409 killed, arm 24h, reply Done
            invoke P/a as i4 => run i4@1, accepted i4
            error i4 retry 5s => arm 5s
            kill i4 => done i4=409 killed, arm 24h, reply Done
            invoke P/a as i5 => run i5@1, accepted i5
            error i5 pause
            kill i5 => done i5=409 killed, arm 24h, reply Done
            show i5 => i5@1 Completed 1 entries retries 1/1
        "#]],
    );
}

#[test]
fn kill_takes_the_tree_but_only_what_it_made() {
    check(
        "invoke P/other as i9 | entry i9 call P/pay as p once k #1 #2 | invoke P/a as i1 \
         | entry i1 call P/b as i2 #1 #2 | entry i1 send P/c as i3 in 5s #3 \
         | entry i1 call P/pay as p once k #4 #5 | entry i2 call O:k/d as i4 #1 #2 \
         | kill i1 | show p | show i4 | entry p out paid | end p",
        expect![[r#"
            invoke P/other as i9 => run i9@1, accepted i9
            entry i9 call P/pay as p once k #1 #2 => notify i9[2] #1=p, run p@1
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 call P/b as i2 #1 #2 => notify i1[2] #1=i2, run i2@1
            entry i1 send P/c as i3 in 5s #3 => notify i1[4] #3=i3, arm 5s
            entry i1 call P/pay as p once k #4 #5 => notify i1[6] #4=p
            entry i2 call O:k/d as i4 #1 #2 => notify i2[2] #1=i4, run i4@1
            kill i1 => abort i1@1, done i1=409 killed, arm 24h, reply Done, abort i2@1, done i2=409 killed, arm 24h, done i3=409 killed, arm 24h, abort i4@1, done i4=409 killed, arm 24h
            show p => p@1 Running 1 entries 2 waiting
            show i4 => i4@1 Completed 1 entries
            entry p out paid
            end p => done p=paid, arm 24h, notify i9[3] #2=paid
        "#]],
    );
}

#[test]
fn kill_crosses_partitions() {
    check(
        "invoke P/a as a1 | entry a1 call P/b as b1 #1 #2 | deliver a | kill a1 | deliver a \
         | show b1 | deliver b",
        expect![[r#"
            invoke P/a as a1 => run a1@1, accepted a1
            entry a1 call P/b as b1 #1 #2 => notify a1[2] #1=b1, deliver 1 to 1: invoke b1
            deliver a => confirm 1 to 0, run b1@1
            kill a1 => abort a1@1, deliver 2 to 1: kill b1, done a1=409 killed, arm 24h, reply Done
            deliver a => confirm 1 to 0, confirm 2 to 0, abort b1@1, deliver 1 to 0: complete a1 #2=409 killed, done b1=409 killed, arm 24h
            show b1 => b1@1 Completed 1 entries
            deliver b => confirm 1 to 1
        "#]],
    );
}

#[test]
fn pause_takes_the_attempt_and_resume_gives_another() {
    check(
        "invoke P/a as i1 | pause i1 | pause i1 | entry i1@1 out late | signal i1 !17 x \
         | show i1 | resume i1 | resume i1 | suspend i1 on @go !1 | pause i1 \
         | signal i1 @go x | resume i1 | error i1 retry 5s | pause i1 | show i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            pause i1 => abort i1@1, reply Noted
            pause i1 => reply Done
            entry i1@1 out late => abort i1@1
            signal i1 !17 x => reply Noted
            show i1 => i1@1 Paused 2 entries for Operator
            resume i1 => run i1@2, reply Done
            resume i1 => reply Done
            suspend i1 on @go !1
            pause i1 => reply Noted
            signal i1 @go x => reply Noted
            resume i1 => run i1@3, reply Done
            error i1 retry 5s => arm 5s
            pause i1 => reply Noted
            show i1 => i1@3 Paused 3 entries on d1 retries 1/1 for Operator
        "#]],
    );
}

#[test]
fn what_has_not_started_or_is_over_cannot_pause() {
    check(
        "invoke P/a as i1 in 5s | pause i1 | resume i1 | purge i1 | fire | end i1 \
         | pause i1 | resume i1 | pause i9",
        expect![[r#"
            invoke P/a as i1 in 5s => arm 5s, accepted i1
            pause i1 => reply NotStarted
            resume i1 => reply NotStarted
            purge i1 => reply NotCompleted
            fire => at 5s, run i1@1
            end i1 => done i1=, arm 86405s
            pause i1 => reply Completed
            resume i1 => reply Completed
            pause i9 => reply NotFound
        "#]],
    );
}
