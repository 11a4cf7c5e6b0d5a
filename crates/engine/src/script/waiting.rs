//! Suspension and waking: nothing lost, nothing woken twice.

use super::check;
use expect_test::expect;

#[test]
fn a_sleep_wakes_what_is_suspended_on_it() {
    check(
        "invoke P/greet as i1 | entry i1 sleep 10s #1 | suspend i1 on 1 !1 | fire \
         | journal i1",
        expect![[r#"
            invoke P/greet as i1 => run i1@1, accepted i1
            entry i1 sleep 10s #1 => arm 10s
            suspend i1 on 1 !1
            fire => at 10s, run i1@2
            journal i1 => input, sleep, #1=void
        "#]],
    );
}

#[test]
fn a_sleep_that_is_over_is_none() {
    check(
        "time 5s | invoke P/a as i1 | entry i1 sleep 0s #1",
        expect![[r#"
            time 5s
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 sleep 0s #1 => notify i1[2] #1=void
        "#]],
    );
}

#[test]
fn a_suspension_that_crosses_its_notification_does_not_suspend() {
    check(
        "invoke P/a as i1 | entry i1 sleep 10s #1 | fire | suspend i1 on 1 !1 | show i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 sleep 10s #1 => arm 10s
            fire => at 10s, notify i1[2] #1=void
            suspend i1 on 1 !1 => run i1@2
            show i1 => i1@2 Running 3 entries on d1
        "#]],
    );
}

#[test]
fn a_signal_in_the_replay_does_not_wake_again() {
    check(
        "invoke P/a as i1 | signal i1 !17 x | entry i1 sleep 5s #1 | suspend i1 on 1 !17 \
         | suspend i1 on 1 !17 | signal i1 !17 y | show i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            signal i1 !17 x => notify i1[1] !17=x, reply Noted
            entry i1 sleep 5s #1 => arm 5s
            suspend i1 on 1 !17 => run i1@2
            suspend i1 on 1 !17
            signal i1 !17 y => run i1@3, reply Noted
            show i1 => i1@3 Running 4 entries on d1
        "#]],
    );
}

#[test]
fn an_awakeable_wakes_by_its_index_and_a_name_by_its_name() {
    check(
        "invoke P/a as i1 | suspend i1 on !17 !1 | signal i1 !18 no | show i1 \
         | signal i1 !17 yes | suspend i1 on @go !1 | signal i1 @stop no \
         | signal i1 @go yes | journal i1",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            suspend i1 on !17 !1
            signal i1 !18 no => reply Noted
            show i1 => i1@1 Suspended 2 entries on d1
            signal i1 !17 yes => run i1@2, reply Noted
            suspend i1 on @go !1
            signal i1 @stop no => reply Noted
            signal i1 @go yes => run i1@3, reply Noted
            journal i1 => input, !18=no, !17=yes, @stop=no, @go=yes
        "#]],
    );
}

#[test]
fn a_handler_signals_another() {
    check(
        "invoke P/a as i1 | invoke P/b as i2 | suspend i2 on @go !1 \
         | entry i1 signal i2 @go now | entry i1 signal i9 @go now | journal i2",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            invoke P/b as i2 => run i2@1, accepted i2
            suspend i2 on @go !1
            entry i1 signal i2 @go now => run i2@2
            entry i1 signal i9 @go now
            journal i2 => input, @go=now
        "#]],
    );
}

#[test]
fn a_signal_to_one_that_waits_to_start_is_in_its_first_replay() {
    check(
        "invoke P/a as i1 in 5s | signal i1 @go x | fire | journal i1 \
         | suspend i1 on @go !1 replayed 1",
        expect![[r#"
            invoke P/a as i1 in 5s => arm 5s, accepted i1
            signal i1 @go x => reply Noted
            fire => at 5s, run i1@1
            journal i1 => input, @go=x
            suspend i1 on @go !1 replayed 1 => run i1@2
        "#]],
    );
}

#[test]
fn all_waits_for_all_and_forgets_none() {
    check(
        "invoke P/a as i1 | entry i1 sleep 5s #1 | entry i1 sleep 9s #2 \
         | suspend i1 on !1 all( 1 2 ) | fire | show i1 | fire",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 sleep 5s #1 => arm 5s
            entry i1 sleep 9s #2 => arm 9s
            suspend i1 on !1 all( 1 2 )
            fire => at 5s
            show i1 => i1@1 Suspended 4 entries on d1
            fire => at 9s, run i1@2
        "#]],
    );
}

#[test]
fn all_wakes_at_the_first_failure() {
    check(
        "invoke P/a as i1 | entry i1 call P/b as i2 #1 #2 | entry i1 sleep 9s #3 \
         | suspend i1 on !1 all( 2 3 ) | entry i2 out fail:400 | end i2",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 call P/b as i2 #1 #2 => notify i1[2] #1=i2, run i2@1
            entry i1 sleep 9s #3 => arm 9s
            suspend i1 on !1 all( 2 3 )
            entry i2 out fail:400
            end i2 => done i2=400 failed, arm 24h, run i1@2
        "#]],
    );
}

#[test]
fn any_waits_out_the_failures() {
    check(
        "invoke P/a as i1 | entry i1 call P/b as i2 #1 #2 | entry i1 sleep 9s #3 \
         | suspend i1 on !1 any( 2 3 ) | entry i2 out fail:400 | end i2 | show i1 | fire",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 call P/b as i2 #1 #2 => notify i1[2] #1=i2, run i2@1
            entry i1 sleep 9s #3 => arm 9s
            suspend i1 on !1 any( 2 3 )
            entry i2 out fail:400
            end i2 => done i2=400 failed, arm 24h
            show i1 => i1@1 Suspended 5 entries on d1
            fire => at 9s, run i1@2
        "#]],
    );
}

#[test]
fn what_only_the_handler_understands_wakes_it() {
    check(
        "invoke P/a as i1 | entry i1 sleep 5s #1 | entry i1 sleep 9s #2 \
         | suspend i1 on !1 all( 2 unknown( 1 ) ) | fire",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 sleep 5s #1 => arm 5s
            entry i1 sleep 9s #2 => arm 9s
            suspend i1 on !1 all( 2 unknown( 1 ) )
            fire => at 5s, run i1@2
        "#]],
    );
}

#[test]
fn the_end_of_a_tree_is_found_in_what_is_stored_too() {
    check(
        "invoke P/a as i1 | entry i1 sleep 5s #1 | fire | entry i1 sleep 9s #2 \
         | suspend i1 on !1 settled( 1 2 ) | show i1 | fire",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 sleep 5s #1 => arm 5s
            fire => at 5s, notify i1[2] #1=void
            entry i1 sleep 9s #2 => arm 14s
            suspend i1 on !1 settled( 1 2 )
            show i1 => i1@1 Suspended 4 entries on d1
            fire => at 14s, run i1@2
        "#]],
    );
}

#[test]
fn a_promise_is_completed_once_and_all_are_told() {
    check(
        "invoke W:k/!run as w | invoke W:k/?wait as i1 | invoke W:k/?set as i2 \
         | entry w promise p #1 | entry i1 peek p #1 | entry i1 promise p #2 \
         | suspend i1 on 2 !1 | entry i2 resolve p x #1 | entry i2 resolve p y #2 \
         | entry i1 promise p #3 | entry i1 peek p #4",
        expect![[r#"
            invoke W:k/!run as w => run w@1, accepted w
            invoke W:k/?wait as i1 => run i1@1, accepted i1
            invoke W:k/?set as i2 => run i2@1, accepted i2
            entry w promise p #1
            entry i1 peek p #1 => notify i1[2] #1=void
            entry i1 promise p #2
            suspend i1 on 2 !1
            entry i2 resolve p x #1 => notify i2[2] #1=void, notify w[2] #1=x, run i1@2
            entry i2 resolve p y #2 => notify i2[4] #2=409 promise was already completed
            entry i1 promise p #3 => notify i1[6] #3=x
            entry i1 peek p #4 => notify i1[8] #4=x
        "#]],
    );
}
