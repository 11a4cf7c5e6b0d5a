//! Where a handler left the path that its journal remembers, for people: the recorded command
//! and what the handler did in its place, side by side.

use latchwork_engine::table::journal::{Body, JournalEntry};
use latchwork_engine::{AttemptFailure, Mismatch};
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::message as wire;
use prost::Message;

/// Code of an attempt whose handler took another path than its journal.
pub(super) const CODE: u32 = 570;

/// Both commands, from what the SDK said and what the journal holds.
pub(super) fn side_by_side(failure: &AttemptFailure, journal: &[JournalEntry]) -> Mismatch {
    let index = quoted_index(&failure.message).or(failure.command_index);
    let commands: Vec<(u16, &[u8])> = journal
        .iter()
        .filter_map(|entry| match &entry.body {
            Some(Body::Input(_)) => Some((ty::INPUT, &[][..])),
            Some(Body::Command(command)) => Some((command.ty as u16, &command.raw[..])),
            _ => None,
        })
        .collect();
    let recorded = index.and_then(|index| commands.get(index as usize));
    let expected = match (index, recorded) {
        (Some(index), Some((ty, raw))) => format!("{index}: {}", describe(*ty, raw)),
        (Some(index), None) => {
            format!(
                "{index}: nothing; the journal has {} commands",
                commands.len()
            )
        }
        (None, _) => "unknown; the SDK did not say at which command".to_owned(),
    };
    let recorded = recorded.and_then(|(ty, _)| ty::name(*ty));
    Mismatch {
        expected,
        found: found(failure, index, recorded.unwrap_or_default()),
    }
}

/// What the handler did, as far as the SDK says so.
fn found(failure: &AttemptFailure, index: Option<u32>, recorded: &str) -> String {
    let mut found = index.map(|index| format!("{index}: ")).unwrap_or_default();
    let said = |before| between(&failure.message, before, "'");
    let attempted = said("attempts to perform the following: '");
    let previous = said("recorded the following: '");
    // Some releases of the SDKs have the two texts the wrong way round.
    let attempted = match (attempted, previous) {
        (Some(attempted), Some(previous)) if same(attempted, recorded) => Some(previous),
        (attempted, _) => attempted,
    };
    if let Some(attempted) = attempted {
        found += attempted;
    } else {
        let ty = failure.command_type.and_then(|ty| u16::try_from(ty).ok());
        found += ty.and_then(ty::name).unwrap_or("another command");
    }
    if let Some(name) = failure
        .command_name
        .as_deref()
        .filter(|name| !name.is_empty())
    {
        found += &format!(" {name:?}");
    }
    // "field: recorded != attempted", a line for each.
    if let Some((_, difference)) = failure.message.split_once("Difference:") {
        for line in difference
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            found += &format!("; {line}");
        }
    }
    found
}

/// Whether two names of a command are the same but for how they are written.
fn same(one: &str, other: &str) -> bool {
    let letters = |name: &str| {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters
            .map(|letter| letter.to_ascii_lowercase())
            .collect::<String>()
    };
    letters(one) == letters(other)
}

/// The index of the command in `(index '2')`.
fn quoted_index(message: &str) -> Option<u32> {
    between(message, "(index '", "'")?.parse().ok()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

/// A recorded command in a few words.
fn describe(command: u16, raw: &[u8]) -> String {
    let name = ty::name(command).unwrap_or("command");
    let detail = match command {
        ty::CALL => {
            decode::<wire::Call>(raw).map(|it| target(&it.service_name, &it.key, &it.handler_name))
        }
        ty::ONE_WAY_CALL => decode::<wire::OneWayCall>(raw)
            .map(|it| target(&it.service_name, &it.key, &it.handler_name)),
        ty::RUN => decode::<wire::Run>(raw).map(|it| quoted(&it.name)),
        ty::SLEEP => decode::<wire::Sleep>(raw).map(|it| quoted(&it.name)),
        ty::SET_STATE => decode::<wire::SetState>(raw).map(|it| quoted_bytes(&it.key)),
        ty::CLEAR_STATE => decode::<wire::ClearState>(raw).map(|it| quoted_bytes(&it.key)),
        ty::GET_LAZY_STATE => decode::<wire::GetLazyState>(raw).map(|it| quoted_bytes(&it.key)),
        ty::GET_EAGER_STATE => decode::<wire::GetEagerState>(raw).map(|it| quoted_bytes(&it.key)),
        ty::GET_PROMISE => decode::<wire::GetPromise>(raw).map(|it| quoted(&it.key)),
        ty::PEEK_PROMISE => decode::<wire::PeekPromise>(raw).map(|it| quoted(&it.key)),
        ty::COMPLETE_PROMISE => decode::<wire::CompletePromise>(raw).map(|it| quoted(&it.key)),
        ty::COMPLETE_AWAKEABLE => {
            decode::<wire::CompleteAwakeable>(raw).map(|it| quoted(&it.awakeable_id))
        }
        _ => None,
    };
    match detail {
        Some(detail) if !detail.is_empty() => format!("{name} {detail}"),
        _ => name.to_owned(),
    }
}

fn decode<M: Message + Default>(raw: &[u8]) -> Option<M> {
    M::decode(raw).ok()
}

fn quoted(name: &str) -> String {
    match name {
        "" => String::new(),
        name => format!("{name:?}"),
    }
}

fn quoted_bytes(name: &[u8]) -> String {
    quoted(&String::from_utf8_lossy(name))
}

fn target(service: &str, key: &str, handler: &str) -> String {
    match key {
        "" => format!("{service}/{handler}"),
        key => format!("{service}/{key}/{handler}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_engine::table::journal::Command;

    fn command(ty: u16, message: &impl Message) -> JournalEntry {
        JournalEntry {
            time: 0,
            body: Some(Body::Command(Command {
                ty: ty.into(),
                raw: message.encode_to_vec().into(),
                ..Command::default()
            })),
        }
    }

    fn journal() -> Vec<JournalEntry> {
        let input = JournalEntry {
            time: 0,
            body: Some(Body::Input(latchwork_engine::Input::default())),
        };
        let call = wire::Call {
            service_name: "Counter".into(),
            handler_name: "add".into(),
            key: "k1".into(),
            ..wire::Call::default()
        };
        vec![input, command(ty::CALL, &call)]
    }

    #[test]
    fn another_kind_of_command() {
        let failure = AttemptFailure {
            code: CODE,
            message: " - The previous execution ran and recorded the following: 'call' \
                      (index '1')\n - The current execution attempts to perform the following: \
                      'sleep'"
                .into(),
            command_name: Some("nap".into()),
            ..AttemptFailure::default()
        };
        let mismatch = side_by_side(&failure, &journal());
        assert_eq!(mismatch.expected, "1: Call Counter/k1/add");
        assert_eq!(mismatch.found, "1: sleep \"nap\"");
    }

    #[test]
    fn texts_that_are_the_wrong_way_round() {
        let failure = AttemptFailure {
            code: CODE,
            message: " - The previous execution ran and recorded the following: 'sleep' \
                      (index '1')\n - The current execution attempts to perform the following: \
                      'call'"
                .into(),
            ..AttemptFailure::default()
        };
        assert_eq!(side_by_side(&failure, &journal()).found, "1: sleep");
    }

    #[test]
    fn the_same_kind_with_other_fields() {
        let failure = AttemptFailure {
            code: CODE,
            message:
                "- The mismatch happened while executing 'call' (index '1')\n- Difference:\n   \
                      handler_name: add != sub"
                    .into(),
            command_type: Some(ty::CALL.into()),
            ..AttemptFailure::default()
        };
        let mismatch = side_by_side(&failure, &journal());
        assert_eq!(mismatch.found, "1: Call; handler_name: add != sub");
    }

    #[test]
    fn a_command_beyond_the_journal() {
        let failure = AttemptFailure {
            command_index: Some(5),
            ..AttemptFailure::default()
        };
        let mismatch = side_by_side(&failure, &journal());
        assert_eq!(mismatch.expected, "5: nothing; the journal has 2 commands");
        assert_eq!(mismatch.found, "5: another command");
    }
}
