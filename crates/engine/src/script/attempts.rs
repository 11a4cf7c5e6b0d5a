//! What an attempt says, how it ends, and who may still speak.

use super::check;
use expect_test::expect;

#[test]
fn the_result_of_a_run_is_acknowledged_only_if_asked() {
    check(
        "invoke P/a as i1 | entry i1 run #1 ack | entry i1 propose #1 x ack \
         | entry i1 run #2 | entry i1 propose #2 fail:500 | journal i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 run #1 ack => ack i1[1]
            entry i1 propose #1 x ack => ack-run i1[2] #1=x
            entry i1 run #2
            entry i1 propose #2 fail:500 => notify i1[4] #2=500 failed
            journal i1 => input, run, #1=x, run, #2=500 failed
        "#]],
    );
}

#[test]
fn a_failure_backs_off_and_progress_resets_the_count() {
    check(
        "invoke P/a as i1 | error i1 retry 1s | show i1 | fire | error i1 retry 2s free \
         | show i1 | fire | entry i1 run #1 | show i1 | error i1 retry 1s | show i1 | fire \
         | entry i1 propose #1 x | show i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            error i1 retry 1s => arm 1s
            show i1 => i1@1 BackingOff 1 entries retries 1/1
            fire => at 1s, run i1@2
            error i1 retry 2s free => arm 3s
            show i1 => i1@2 BackingOff 1 entries retries 2/1
            fire => at 3s, run i1@3
            entry i1 run #1
            show i1 => i1@3 Running 2 entries on d1
            error i1 retry 1s => arm 4s
            show i1 => i1@3 BackingOff 2 entries on d1 retries 1/1
            fire => at 4s, run i1@4
            entry i1 propose #1 x => notify i1[2] #1=x
            show i1 => i1@4 Running 3 entries on d1 retries 1/1
        "#]],
    );
}

#[test]
fn a_failure_without_progress_binds_to_no_deployment() {
    check(
        "invoke P/a as i1 | error i1 retry 1s | show i1 | fire | entry i1 run #1 | show i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            error i1 retry 1s => arm 1s
            show i1 => i1@1 BackingOff 1 entries retries 1/1
            fire => at 1s, run i1@2
            entry i1 run #1
            show i1 => i1@2 Running 2 entries on d1
        "#]],
    );
}

#[test]
fn giving_up_is_a_result() {
    check(
        "invoke P/a as i1 | entry i1 out x | error i1 give-up | show i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 out x
            error i1 give-up => done i1=500 boom, arm 24h
            show i1 => i1@1 Completed 2 entries on d1 retries 1/1
        "#]],
    );
}

#[test]
fn a_pause_after_failures_waits_for_an_operator() {
    check(
        "invoke P/a as i1 | error i1 pause | show i1 | signal i1 !17 x | resume i1 on d2 \
         | resume i1 | resume i1 on d2 | show i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            error i1 pause
            show i1 => i1@1 Paused 1 entries retries 1/1 for RetriesExhausted
            signal i1 !17 x => reply Noted
            resume i1 on d2 => reply NotPinned
            resume i1 => run i1@2, reply Done
            resume i1 on d2 => reply Running
            show i1 => i1@2 Running 2 entries
        "#]],
    );
}

#[test]
fn what_an_older_attempt_says_is_refused() {
    check(
        "invoke P/a as i1 | error i1 retry 1s | fire | entry i1@1 out old | end i1@1 \
         | entry i1@2 out new | end i1@2 | end i1@2",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            error i1 retry 1s => arm 1s
            fire => at 1s, run i1@2
            entry i1@1 out old => abort i1@1
            end i1@1 => abort i1@1
            entry i1@2 out new
            end i1@2 => done i1=new, arm 86401s
            end i1@2 => abort i1@2
        "#]],
    );
}

#[test]
fn a_retry_that_was_resumed_does_not_fire_again() {
    check(
        "invoke P/a as i1 | error i1 retry 10s | resume i1 | entry i1 sleep 20s #1 | fire",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            error i1 retry 10s => arm 10s
            resume i1 => run i1@2, reply Done
            entry i1 sleep 20s #1 => arm 20s
            fire => at 20s, notify i1[2] #1=void
        "#]],
    );
}

#[test]
fn an_early_retry_timer_belongs_to_one_attempt() {
    check(
        "invoke P/a as i1 | error i1 retry 10s | pause i1 | resume i1 | error i1 retry 20s \
         | fire | show i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            error i1 retry 10s => arm 10s
            pause i1 => reply Noted
            resume i1 => run i1@2, reply Done
            error i1 retry 20s => arm 20s
            fire => at 20s, run i1@3
            show i1 => i1@3 Running 1 entries retries 1/1
        "#]],
    );
}

#[test]
fn whatever_is_lost_with_the_leader_is_outstanding() {
    check(
        "invoke P/a as i1 | invoke P/b as i2 in 10s | invoke P/c as i3 \
         | entry i3 sleep 5s #1 | suspend i3 on 1 !1 | outstanding",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            invoke P/b as i2 in 10s => arm 10s, accepted i2
            invoke P/c as i3 => run i3@1, accepted i3
            entry i3 sleep 5s #1 => arm 5s
            suspend i3 on 1 !1
            outstanding => run i1@1, arm 5s
        "#]],
    );
}

#[test]
fn state_is_read_where_it_is_written() {
    check(
        "invoke O:k/a as i1 | entry i1 set x 1 | entry i1 set y 2 | entry i1 get x #1 \
         | entry i1 keys #2 | entry i1 clear x | entry i1 get x #3 | state O:k \
         | entry i1 clear-all | entry i1 keys #4 | state O:k",
        expect![[r#"
            invoke O:k/a as i1 => run i1@1, accepted i1
            entry i1 set x 1
            entry i1 set y 2
            entry i1 get x #1 => notify i1[4] #1=1
            entry i1 keys #2 => notify i1[6] #2=x,y
            entry i1 clear x
            entry i1 get x #3 => notify i1[9] #3=void
            state O:k => y=2
            entry i1 clear-all
            entry i1 keys #4 => notify i1[12] #4=
            state O:k
        "#]],
    );
}

#[test]
fn what_was_meant_for_an_earlier_bearer_of_an_id_does_not_reach_the_later() {
    check(
        "invoke W:k/!run as w1 nr 1 | entry w1 nr 1 call P/b as i2 #1 #2 | kill w1 | purge w1 \
         | invoke W:k/!run as w1 nr 2 | entry w1 nr 1 out old | end w1 nr 1 | end i2 | show w1 \
         | entry w1 nr 2 out new | end w1 nr 2",
        expect![[r#"
            invoke W:k/!run as w1 nr 1 => run w1@1, accepted w1
            entry w1 nr 1 call P/b as i2 #1 #2 => notify w1[2] #1=i2, run i2@1
            kill w1 => abort w1@1, done w1=409 killed, arm 24h, reply Done, abort i2@1, done i2=409 killed, arm 24h
            purge w1 => reply Done
            invoke W:k/!run as w1 nr 2 => run w1@1, accepted w1
            entry w1 nr 1 out old
            end w1 nr 1
            end i2 => abort i2@1
            show w1 => w1@1 Running 1 entries
            entry w1 nr 2 out new
            end w1 nr 2 => done w1=new, arm 24h
        "#]],
    );
}

#[test]
fn an_answer_for_an_earlier_bearer_of_an_id_does_not_reach_the_later() {
    check(
        "invoke W:k/!run as a1 nr 1 | entry a1 nr 1 call P/b as b2 #1 #2 | deliver a \
         | entry b2 out x | end b2 | kill a1 | purge a1 | invoke W:k/!run as a1 nr 2 \
         | entry a1 nr 2 run #2 | deliver b | journal a1",
        expect![[r#"
            invoke W:k/!run as a1 nr 1 => run a1@1, accepted a1
            entry a1 nr 1 call P/b as b2 #1 #2 => notify a1[2] #1=b2, deliver 1 to 1: invoke b2
            deliver a => confirm 1 to 0, run b2@1
            entry b2 out x
            end b2 => deliver 1 to 0: complete a1 #2=x, done b2=x, arm 24h
            kill a1 => abort a1@1, deliver 2 to 1: kill b2, done a1=409 killed, arm 24h, reply Done
            purge a1 => reply Done
            invoke W:k/!run as a1 nr 2 => run a1@1, accepted a1
            entry a1 nr 2 run #2
            deliver b => confirm 1 to 1
            journal a1 => input, run
        "#]],
    );
}

#[test]
fn a_paused_invocation_says_why_until_it_goes_on() {
    check(
        "invoke P/a as i1 | error i1 pause | show i1 | resume i1 | show i1 | pause i1 | show i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            error i1 pause
            show i1 => i1@1 Paused 1 entries retries 1/1 for RetriesExhausted
            resume i1 => run i1@2, reply Done
            show i1 => i1@2 Running 1 entries
            pause i1 => abort i1@2, reply Noted
            show i1 => i1@2 Paused 1 entries for Operator
        "#]],
    );
}
