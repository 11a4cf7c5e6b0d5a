//! Being called and calling: who is found, who waits, who is told.

use super::check;
use expect_test::expect;

#[test]
fn a_greeting_from_call_to_result() {
    check(
        "invoke P/greet as i1 | entry i1 out hello | end i1 | show i1",
        expect![[r#"
            invoke P/greet as i1 => run i1@1, accepted i1
            entry i1 out hello
            end i1 => done i1=hello, arm 24h
            show i1 => i1@1 Completed 2 entries on d1
        "#]],
    );
}

#[test]
fn the_same_id_twice_is_one_invocation() {
    check(
        "invoke P/greet as i1 | invoke P/greet as i1 | entry i1 out hello | end i1 \
         | invoke P/greet as i1",
        expect![[r#"
            invoke P/greet as i1 => run i1@1, accepted i1
            invoke P/greet as i1 => found i1
            entry i1 out hello
            end i1 => done i1=hello, arm 24h
            invoke P/greet as i1 => found i1
        "#]],
    );
}

#[test]
fn all_who_call_with_one_idempotency_key_get_the_one_result() {
    check(
        "invoke P/a as i1 | invoke P/a as i2 | entry i1 call P/pay as p once k #1 #2 \
         | entry i2 call P/pay as p once k #1 #2 | show p | entry p out paid | end p \
         | invoke P/a as i3 | entry i3 call P/pay as p once k #1 #2",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            invoke P/a as i2 => run i2@1, accepted i2
            entry i1 call P/pay as p once k #1 #2 => notify i1[2] #1=p, run p@1
            entry i2 call P/pay as p once k #1 #2 => notify i2[2] #1=p
            show p => p@1 Running 1 entries 2 waiting
            entry p out paid
            end p => done p=paid, arm 24h, notify i1[3] #2=paid, notify i2[3] #2=paid
            invoke P/a as i3 => run i3@1, accepted i3
            entry i3 call P/pay as p once k #1 #2 => notify i3[2] #1=p, notify i3[3] #2=paid
        "#]],
    );
}

#[test]
fn a_delayed_start_waits_for_its_time() {
    check(
        "invoke P/a as i1 in 10s | show i1 | fire | show i1",
        expect![[r#"
            invoke P/a as i1 in 10s => arm 10s, accepted i1
            show i1 => i1@0 Scheduled 1 entries
            fire => at 10s, run i1@1
            show i1 => i1@1 Running 1 entries
        "#]],
    );
}

#[test]
fn a_delayed_start_in_the_past_is_none() {
    check(
        "time 5s | invoke P/a as i1 in 0s",
        expect![[r#"
            time 5s
            invoke P/a as i1 in 0s => run i1@1, accepted i1
        "#]],
    );
}

#[test]
fn a_call_gives_the_id_at_once_and_the_result_later() {
    check(
        "invoke P/a as i1 | entry i1 call P/b as i2 #1 #2 | suspend i1 on 2 !1 \
         | entry i2 out fail:422 | end i2 | journal i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 call P/b as i2 #1 #2 => notify i1[2] #1=i2, run i2@1
            suspend i1 on 2 !1
            entry i2 out fail:422
            end i2 => done i2=422 failed, arm 24h, run i1@2
            journal i1 => input, call, #1=i2, #2=422 failed
        "#]],
    );
}

#[test]
fn a_send_with_a_delay_does_not_wait() {
    check(
        "invoke P/a as i1 | entry i1 send P/b as i2 in 10s #1 | end i1 | fire",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 send P/b as i2 in 10s #1 => notify i1[2] #1=i2, arm 10s
            end i1 => done i1=, arm 24h
            fire => at 10s, run i2@1
        "#]],
    );
}

#[test]
fn a_workflow_runs_once_and_the_second_is_told_so() {
    check(
        "invoke W:k/!run as w | invoke W:k/!run as w | invoke P/a as i1 \
         | entry i1 call W:k/!run as w #1 #2",
        expect![[r#"
            invoke W:k/!run as w => run w@1, accepted w
            invoke W:k/!run as w => found w
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 call W:k/!run as w #1 #2 => notify i1[2] #1=w, notify i1[3] #2=409 the workflow method was already invoked
        "#]],
    );
}

#[test]
fn attaching_waits_and_looking_does_not() {
    check(
        "invoke P/a as i1 | invoke P/b as i2 | entry i1 attach i2 #1 \
         | entry i1 output-of i2 #2 | entry i1 attach i9 #3 | entry i2 out x | end i2 \
         | entry i1 output-of i2 #4",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            invoke P/b as i2 => run i2@1, accepted i2
            entry i1 attach i2 #1
            entry i1 output-of i2 #2 => notify i1[3] #2=void
            entry i1 attach i9 #3 => notify i1[5] #3=404 not found
            entry i2 out x
            end i2 => done i2=x, arm 24h, notify i1[6] #1=x
            entry i1 output-of i2 #4 => notify i1[8] #4=x
        "#]],
    );
}

#[test]
fn calls_to_another_partition_go_by_the_outbox_and_arrive_once() {
    check(
        "invoke P/a as a1 | entry a1 call P/b as b1 #1 #2 | entry a1 send P/b as b2 #3 \
         | deliver a 2 | deliver a | deliver a | confirm a 2 | entry b1 out x | end b1 \
         | deliver b | deliver b | confirm b 1",
        expect![[r#"
            invoke P/a as a1 => run a1@1, accepted a1
            entry a1 call P/b as b1 #1 #2 => notify a1[2] #1=b1, deliver 1 to 1: invoke b1
            entry a1 send P/b as b2 #3 => notify a1[4] #3=b2, deliver 2 to 1: invoke b2
            deliver a 2 => confirm 0 to 0
            deliver a => confirm 1 to 0, run b1@1, confirm 2 to 0, run b2@1
            deliver a => confirm 2 to 0, confirm 2 to 0
            confirm a 2 => 0 left
            entry b1 out x
            end b1 => deliver 1 to 0: complete a1 #2=x, done b1=x, arm 24h
            deliver b => confirm 1 to 1, notify a1[5] #2=x
            deliver b => confirm 1 to 1
            confirm b 1 => 0 left
        "#]],
    );
}

#[test]
fn what_another_partition_has_not_confirmed_is_outstanding() {
    check(
        "invoke P/a as a1 | entry a1 send P/b as b1 #1 | end a1 | outstanding | deliver a \
         | outstanding | confirm a 1 | outstanding",
        expect![[r#"
            invoke P/a as a1 => run a1@1, accepted a1
            entry a1 send P/b as b1 #1 => notify a1[2] #1=b1, deliver 1 to 1: invoke b1
            end a1 => done a1=, arm 24h
            outstanding => deliver 1 to 1: invoke b1, arm 24h
            deliver a => confirm 1 to 0, run b1@1
            outstanding => deliver 1 to 1: invoke b1, arm 24h
            confirm a 1 => 0 left
            outstanding => arm 24h
        "#]],
    );
}
