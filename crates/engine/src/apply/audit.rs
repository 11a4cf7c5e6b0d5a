//! What an operator does is noted before it is done, and completed when it was answered.

use crate::Halt;
use crate::command::{Answered, Audit, AuditStep};
use crate::effect::Reply;
use crate::table::audit::{self, Deed, Ends};
use crate::transition::Apply;

/// Old ones that one record forgets at most: each adds one, so that this catches up.
const FORGOTTEN_MAX: usize = 100;

impl Apply<'_> {
    pub(crate) fn audit(&mut self, audit: Audit) -> Result<(), Halt> {
        match audit.step.ok_or(Halt::UnknownCommand)? {
            AuditStep::Deed(deed) => self.note(*deed, audit.rows_max, audit.age_max_ms),
            AuditStep::Answered(answered) => self.note_answer(answered),
        }
    }

    fn note(&mut self, deed: Deed, rows_max: u64, age_max_ms: u64) -> Result<(), Halt> {
        let refused = deed.refused;
        let ends_key = audit::ends_key(refused);
        let mut ends: Ends = self.row(&ends_key)?.unwrap_or_default();
        let sequence = ends.next;
        ends.next += 1;
        for _ in 0..FORGOTTEN_MAX {
            let oldest = audit::key(refused, ends.first);
            let is_beyond = ends.next - ends.first > rows_max;
            let is_old = |at: u64| at.saturating_add(age_max_ms) < self.now;
            if ends.first == sequence
                || !(is_beyond
                    || self
                        .row::<Deed>(&oldest)?
                        .is_none_or(|deed| is_old(deed.at)))
            {
                break;
            }
            self.delete(oldest);
            ends.first += 1;
        }
        let deed = Deed {
            at: self.now,
            ..deed
        };
        self.put_row(audit::key(refused, sequence), &deed);
        self.put_row(ends_key, &ends);
        self.reply(Reply::Audited { sequence });
        Ok(())
    }

    /// One that was forgotten meanwhile stays so.
    fn note_answer(&mut self, answered: Answered) -> Result<(), Halt> {
        let key = audit::key(false, answered.sequence);
        if let Some(mut deed) = self.row::<Deed>(&key)? {
            deed.status = Some(answered.status);
            deed.answered_at = Some(self.now);
            deed.targets.extend(answered.targets);
            self.put_row(key, &deed);
        }
        self.reply(Reply::Done);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Effect, MemoryView, Partition, Record, Topology, View, check};
    use prost::Message;

    /// The tables, and who applies records to them.
    #[derive(Default)]
    struct World(MemoryView);

    impl World {
        fn apply(&mut self, time: u64, step: AuditStep) -> Reply {
            let audit = Audit {
                step: Some(step),
                rows_max: 3,
                age_max_ms: 100,
            };
            let record = Record {
                time,
                command: Some(Command::Audit(audit)),
            };
            let done = Partition::new(Topology::SINGLE).apply(&self.0, record);
            let mut done = done.expect("applied");
            for (key, value) in done.writes {
                self.0.write(key, value);
            }
            assert_eq!(check::check(&self.0), Ok(()));
            match done.effects.pop() {
                Some(Effect::Reply(reply)) => reply,
                other => panic!("no reply but {other:?}"),
            }
        }

        fn note(&mut self, time: u64, refused: bool) -> Reply {
            let deed = Deed {
                refused,
                ..Deed::default()
            };
            self.apply(time, AuditStep::Deed(Box::new(deed)))
        }

        fn all(&self) -> Vec<(bool, u64, Option<u32>)> {
            let (from, to) = audit::all();
            let rows = self.0.scan(&from, &to).map(|row| {
                let (key, value) = row.expect("a row");
                let (refused, sequence) = audit::parse_key(&key).expect("a key");
                (
                    refused,
                    sequence,
                    Deed::decode(value).expect("a row").status,
                )
            });
            rows.collect()
        }
    }

    #[test]
    fn what_is_noted_is_completed_and_a_flood_of_refusals_pushes_nothing_out() {
        let mut world = World::default();
        assert_eq!(world.note(1, false), Reply::Audited { sequence: 0 });
        for time in 2..12 {
            world.note(time, true);
        }
        let answered = Answered {
            sequence: 0,
            status: 202,
            targets: vec!["dp_1".into()],
        };
        let answered = AuditStep::Answered(answered);
        assert_eq!(world.apply(12, answered.clone()), Reply::Done);
        assert_eq!(
            world.all(),
            [
                (false, 0, Some(202)),
                (true, 7, None),
                (true, 8, None),
                (true, 9, None)
            ]
        );
        // The answer to one that is forgotten brings it not back.
        for time in 13..16 {
            world.note(time, false);
        }
        world.apply(17, answered);
        assert!(world.all().iter().all(|row| row.2.is_none()));
    }

    #[test]
    fn what_is_too_old_is_forgotten_when_another_comes() {
        let mut world = World::default();
        for time in [1, 50, 140] {
            world.note(time, false);
        }
        let sequences = |world: &World| -> Vec<_> { world.all().iter().map(|row| row.1).collect() };
        assert_eq!(sequences(&world), [1, 2]);
        world.note(500, false);
        assert_eq!(sequences(&world), [3]);
    }
}
