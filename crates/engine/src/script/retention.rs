//! What is kept, for how long, and beginning anew from it.

use super::check;
use expect_test::expect;

#[test]
fn nothing_is_kept_that_nobody_asked_for() {
    check(
        "invoke P/a as i1 keep 0s | entry i1 out x | rows | end i1 | rows",
        expect![[r#"
            invoke P/a as i1 keep 0s => run i1@1, accepted i1
            entry i1 out x
            rows => 4
            end i1 => done i1=x
            rows => 0
        "#]],
    );
}

#[test]
fn a_result_is_forgotten_when_its_time_is_over() {
    check(
        "invoke P/a as i1 keep 10s | entry i1 out x | end i1 | invoke P/a as i1 | fire \
         | rows | invoke P/a as i1",
        expect![[r#"
            invoke P/a as i1 keep 10s => run i1@1, accepted i1
            entry i1 out x
            end i1 => done i1=x, arm 10s
            invoke P/a as i1 => found i1
            fire => at 10s
            rows => 0
            invoke P/a as i1 => run i1@1, accepted i1
        "#]],
    );
}

#[test]
fn the_journal_goes_before_the_result() {
    check(
        "invoke P/a as i1 keep 10s journal 5s | entry i1 run #1 | entry i1 out x | end i1 \
         | fire | show i1 | invoke P/a as i2 | entry i2 attach i1 #1 \
         | restart i1 as i3 keeping 0 | fire | show i1",
        expect![[r#"
            invoke P/a as i1 keep 10s journal 5s => run i1@1, accepted i1
            entry i1 run #1
            entry i1 out x
            end i1 => done i1=x, arm 10s, arm 5s
            fire => at 5s
            show i1 => i1@1 Completed 3 entries on d1 no journal
            invoke P/a as i2 => run i2@1, accepted i2
            entry i2 attach i1 #1 => notify i2[2] #1=x
            restart i1 as i3 keeping 0 => reply JournalMissing
            fire => at 10s
            show i1 => nothing
        "#]],
    );
}

#[test]
fn a_journal_that_is_not_kept_keeps_its_output() {
    check(
        "invoke P/a as i1 journal 0s | entry i1 run #1 | entry i1 out x | end i1 | rows \
         | show i1",
        expect![[r#"
            invoke P/a as i1 journal 0s => run i1@1, accepted i1
            entry i1 run #1
            entry i1 out x
            end i1 => done i1=x, arm 24h
            rows => 4
            show i1 => i1@1 Completed 3 entries on d1 no journal
        "#]],
    );
}

#[test]
fn purging_needs_an_end() {
    check(
        "invoke P/a as i1 keep 10s journal 5s | purge i1 | purge-journal i1 | end i1 \
         | purge-journal i1 | show i1 | purge i1 | purge i1 | rows",
        expect![[r#"
            invoke P/a as i1 keep 10s journal 5s => run i1@1, accepted i1
            purge i1 => reply NotCompleted
            purge-journal i1 => reply NotCompleted
            end i1 => done i1=, arm 10s, arm 5s
            purge-journal i1 => reply Done
            show i1 => i1@1 Completed 1 entries on d1 no journal
            purge i1 => reply Done
            purge i1 => reply NotFound
            rows => 0
        "#]],
    );
}

#[test]
fn a_workflow_forgets_its_state_with_its_result() {
    check(
        "invoke W:k/!run as w | entry w set x 1 | entry w resolve p y #1 | end w \
         | state W:k | purge w | state W:k | rows | invoke W:k/!run as w",
        expect![[r#"
            invoke W:k/!run as w => run w@1, accepted w
            entry w set x 1
            entry w resolve p y #1 => notify w[3] #1=void
            end w => done w=, arm 24h
            state W:k => x=1
            purge w => reply Done
            state W:k
            rows => 0
            invoke W:k/!run as w => run w@1, accepted w
        "#]],
    );
}

#[test]
fn a_sleep_of_an_earlier_bearer_of_the_id_wakes_nobody() {
    check(
        "invoke W:k/!run as w | entry w sleep 10s #1 | kill w | purge w | time 1s \
         | invoke W:k/!run as w | entry w sleep 20s #1 | suspend w on 1 !1 | fire | show w \
         | fire",
        expect![[r#"
            invoke W:k/!run as w => run w@1, accepted w
            entry w sleep 10s #1 => arm 10s
            kill w => abort w@1, done w=409 killed, arm 24h, reply Done
            purge w => reply Done
            time 1s
            invoke W:k/!run as w => run w@1, accepted w
            entry w sleep 20s #1 => arm 21s
            suspend w on 1 !1
            fire => at 10s
            show w => w@1 Suspended 2 entries on d1
            fire => at 21s, run w@2
        "#]],
    );
}

#[test]
fn restart_keeps_the_first_commands_and_their_answers() {
    check(
        "invoke P/a as i1 | entry i1 run #1 | entry i1 propose #1 x | signal i1 !17 s \
         | entry i1 sleep 5s #2 | entry i1 run #3 | entry i1 propose #3 y | fire \
         | entry i1 out old | end i1 | restart i1 as i2 keeping 2 | journal i2 \
         | restart i1 as i2 keeping 2 | entry i2 out new | end i2 \
         | restart i1 as i3 keeping 0 | journal i3 | restart i1 as i4 keeping 9",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 run #1
            entry i1 propose #1 x => notify i1[2] #1=x
            signal i1 !17 s => notify i1[3] !17=s, reply Noted
            entry i1 sleep 5s #2 => arm 5s
            entry i1 run #3
            entry i1 propose #3 y => notify i1[6] #3=y
            fire => at 5s, notify i1[7] #2=void
            entry i1 out old
            end i1 => done i1=old, arm 86405s
            restart i1 as i2 keeping 2 => run i2@1, accepted i2
            journal i2 => input, run, #1=x, sleep, #2=void
            restart i1 as i2 keeping 2 => found i2
            entry i2 out new
            end i2 => done i2=new, arm 86405s
            restart i1 as i3 keeping 0 => run i3@1, accepted i3
            journal i3 => input
            restart i1 as i4 keeping 9 => reply OpenCommands
        "#]],
    );
}

#[test]
fn restart_refuses_what_it_cannot_answer() {
    check(
        "invoke P/a as i1 | restart i1 as i2 keeping 0 | entry i1 sleep 5s #1 \
         | entry i1 out x | restart i9 as i2 keeping 0 | end i1 \
         | restart i1 as i2 keeping 1 | restart i1 as i2 keeping 0 | invoke W:k/!run as w \
         | end w | restart w as i3 keeping 0",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            restart i1 as i2 keeping 0 => reply NotCompleted
            entry i1 sleep 5s #1 => arm 5s
            entry i1 out x
            restart i9 as i2 keeping 0 => reply NotFound
            end i1 => done i1=x, arm 24h
            restart i1 as i2 keeping 1 => reply OpenCommands
            restart i1 as i2 keeping 0 => run i2@1, accepted i2
            invoke W:k/!run as w => run w@1, accepted w
            end w => done w=, arm 24h
            restart w as i3 keeping 0 => reply IsWorkflow
        "#]],
    );
}

#[test]
fn restart_after_the_output_has_the_output() {
    check(
        "invoke P/a as i1 | entry i1 out x | end i1 | restart i1 as i2 keeping 1 | end i2",
        expect![[r#"
            invoke P/a as i1 => run i1@1, accepted i1
            entry i1 out x
            end i1 => done i1=x, arm 24h
            restart i1 as i2 keeping 1 => run i2@1, accepted i2
            end i2 => done i2=x, arm 24h
        "#]],
    );
}

#[test]
fn restart_of_an_exclusive_one_waits_for_the_key() {
    check(
        "invoke O:k/a as i1 | end i1 | invoke O:k/b as i2 | restart i1 as i3 keeping 0 \
         | end i2 | show i3",
        expect![[r#"
            invoke O:k/a as i1 => run i1@1, accepted i1
            end i1 => done i1=, arm 24h
            invoke O:k/b as i2 => run i2@1, accepted i2
            restart i1 as i3 keeping 0 => accepted i3
            end i2 => done i2=, run i3@1, arm 24h
            show i3 => i3@1 Running 1 entries
        "#]],
    );
}
