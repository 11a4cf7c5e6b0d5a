//! Objects: one at a time for each key, in the order of arrival.

use super::parse::Words;
use super::{World, check, partition};
use crate::{MemoryView, ReadError, Record, Rows, View};
use bytes::Bytes;
use expect_test::expect;

#[test]
fn a_key_goes_from_one_to_the_next_in_order() {
    check(
        "invoke O:k/a as i1 | invoke O:k/b as i2 | invoke O:k/c as i3 \
         | invoke O:other/a as i4 | invoke O:k/~look as i5 | end i1 | end i2 | end i3 \
         | rows",
        expect![[r#"
            invoke O:k/a as i1 => run i1@1, accepted i1
            invoke O:k/b as i2 => accepted i2
            invoke O:k/c as i3 => accepted i3
            invoke O:other/a as i4 => run i4@1, accepted i4
            invoke O:k/~look as i5 => run i5@1, accepted i5
            end i1 => done i1=, run i2@1, arm 24h
            end i2 => done i2=, run i3@1, arm 24h
            end i3 => done i3=, arm 24h
            rows => 19
        "#]],
    );
}

/// Tables that answer what is asked for by its key, and nothing else.
struct OnlyByKey<'a>(&'a MemoryView);

impl View for OnlyByKey<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.0.get(key)
    }

    fn scan<'a>(&'a self, from: &[u8], _to: &[u8]) -> Rows<'a> {
        let error = ReadError(format!("a scan from {from:?}"));
        Box::new(std::iter::once(Err(error)))
    }
}

#[test]
fn the_next_in_order_is_found_without_a_scan() {
    let mut world = World::default();
    for (id, before) in [("i1", None), ("i2", None), ("i3", Some("i1"))] {
        world.step(&mut Words::new(&format!("invoke O:k/a as {id}")));
        if let Some(before) = before {
            world.step(&mut Words::new(&format!("end {before}")));
        }
    }
    let (own, command) = world.command("end", &mut Words::new("i2"));
    let record = Record {
        time: world.now,
        command: Some(command),
    };
    let done = partition(own).apply(&OnlyByKey(&world.views[own]), record);
    assert!(done.is_ok(), "{done:?}");
}

#[test]
fn one_that_is_delayed_queues_when_it_is_due() {
    check(
        "invoke O:k/a as i1 in 10s | invoke O:k/b as i2 | invoke O:k/c as i3 in 5s | fire \
         | fire | end i2 | end i3 | end i1",
        expect![[r#"
            invoke O:k/a as i1 in 10s => arm 10s, accepted i1
            invoke O:k/b as i2 => run i2@1, accepted i2
            invoke O:k/c as i3 in 5s => arm 5s, accepted i3
            fire => at 5s
            fire => at 10s
            end i2 => done i2=, run i3@1, arm 86410s
            end i3 => done i3=, run i1@1, arm 86410s
            end i1 => done i1=, arm 86410s
        "#]],
    );
}

#[test]
fn one_that_leaves_the_queue_is_skipped() {
    check(
        "invoke O:k/a as i1 | invoke O:k/b as i2 | invoke O:k/c as i3 | cancel i2 | kill i3 \
         | invoke O:k/d as i4 | end i1 | show i4",
        expect![[r#"
            invoke O:k/a as i1 => run i1@1, accepted i1
            invoke O:k/b as i2 => accepted i2
            invoke O:k/c as i3 => accepted i3
            cancel i2 => done i2=409 canceled, arm 24h, reply Done
            kill i3 => done i3=409 killed, arm 24h, reply Done
            invoke O:k/d as i4 => accepted i4
            end i1 => done i1=, run i4@1, arm 24h
            show i4 => i4@1 Running 1 entries
        "#]],
    );
}

#[test]
fn a_holder_keeps_its_key_while_it_waits() {
    check(
        "invoke O:k/a as i1 | invoke O:k/b as i2 | entry i1 sleep 5s #1 \
         | suspend i1 on 1 !1 | show i2 | fire | error i1 pause | show i2 | kill i1",
        expect![[r#"
            invoke O:k/a as i1 => run i1@1, accepted i1
            invoke O:k/b as i2 => accepted i2
            entry i1 sleep 5s #1 => arm 5s
            suspend i1 on 1 !1
            show i2 => i2@0 Inboxed 1 entries
            fire => at 5s, run i1@2
            error i1 pause
            show i2 => i2@0 Inboxed 1 entries
            kill i1 => done i1=409 killed, run i2@1, arm 86405s, reply Done
        "#]],
    );
}

#[test]
fn new_state_waits_behind_those_who_wait() {
    check(
        "invoke O:k/a as i1 | entry i1 set x 1 | invoke O:k/b as i2 | patch O:k y=2 z=3 \
         | invoke O:k/c as i3 | end i1 | state O:k | end i2 | state O:k | end i3 \
         | patch O:k x=9 | state O:k",
        expect![[r#"
            invoke O:k/a as i1 => run i1@1, accepted i1
            entry i1 set x 1
            invoke O:k/b as i2 => accepted i2
            patch O:k y=2 z=3 => reply Done
            invoke O:k/c as i3 => accepted i3
            end i1 => done i1=, run i2@1, arm 24h
            state O:k => x=1
            end i2 => done i2=, run i3@1, arm 24h
            state O:k => y=2, z=3
            end i3 => done i3=, arm 24h
            patch O:k x=9 => reply Done
            state O:k => x=9
        "#]],
    );
}

#[test]
fn a_patch_at_the_end_of_a_queue_frees_the_key() {
    check(
        "invoke O:k/a as i1 | patch O:k x=1 | end i1 | state O:k | invoke O:k/b as i2",
        expect![[r#"
            invoke O:k/a as i1 => run i1@1, accepted i1
            patch O:k x=1 => reply Done
            end i1 => done i1=, arm 24h
            state O:k => x=1
            invoke O:k/b as i2 => run i2@1, accepted i2
        "#]],
    );
}

#[test]
fn state_that_must_be_as_seen_is_not_changed_otherwise() {
    check(
        "patch O:k x=1 if i9 | patch O:k x=2 y=2 if i9 | patch O:k x=2 y=2 if i9 x=1 \
         | invoke O:k/a as i1 | patch O:k if i9 x=2 y=2 | end i1 | state O:k \
         | invoke W:w/!run as i2 | patch W:w x=1 if i2 | end i2 | patch W:w x=1 if i2",
        expect![[r#"
            patch O:k x=1 if i9 => reply Done
            patch O:k x=2 y=2 if i9 => reply Changed
            patch O:k x=2 y=2 if i9 x=1 => reply Done
            invoke O:k/a as i1 => run i1@1, accepted i1
            patch O:k if i9 x=2 y=2 => reply Changed
            end i1 => done i1=, arm 24h
            state O:k => x=2, y=2
            invoke W:w/!run as i2 => run i2@1, accepted i2
            patch W:w x=1 if i2 => reply Changed
            end i2 => done i2=, arm 24h
            patch W:w x=1 if i2 => reply Done
        "#]],
    );
}

#[test]
fn a_deadlock_is_broken_by_ending_what_waits() {
    check(
        "invoke O:k/a as i1 | entry i1 call O:k/b as i2 #1 #2 | suspend i1 on 2 !1 \
         | deadlock i2 nr 7 | deadlock i2 | deadlock i2 | deadlock i9 | invoke O:k/c as i3 \
         | end i1 | show i3",
        expect![[r#"
            invoke O:k/a as i1 => run i1@1, accepted i1
            entry i1 call O:k/b as i2 #1 #2 => notify i1[2] #1=i2, queued i2
            suspend i1 on 2 !1
            deadlock i2 nr 7 => reply Running
            deadlock i2 => done i2=508 deadlock, arm 24h, reply Done, run i1@2
            deadlock i2 => reply Running
            deadlock i9 => reply NotFound
            invoke O:k/c as i3 => accepted i3
            end i1 => done i1=, run i3@1, arm 24h
            show i3 => i3@1 Running 1 entries
        "#]],
    );
}
