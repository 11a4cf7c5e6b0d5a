//! Payloads for a line of text.

use latchwork_engine::{Answer, Failure};

/// Longer ones are cut.
const CHARS_MAX: usize = 60;

/// A payload as people would write it, cut to one short line.
pub(super) fn shown(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return format!("{} bytes", bytes.len());
    };
    shortened(text)
}

/// A text without what moves the cursor, cut to one short line.
pub(super) fn shortened(text: &str) -> String {
    let mut line: String = text
        .trim()
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(CHARS_MAX + 1)
        .collect();
    if line.chars().count() > CHARS_MAX {
        line.pop();
        line.push('…');
    }
    line
}

/// What failed, and how.
pub(super) fn failed(failure: &Failure) -> String {
    format!("[{}] {}", failure.code, shortened(&failure.message))
}

/// `label = value`, `label failed: …`, or `done` where there is no value.
pub(super) fn settled(label: &str, answer: &Answer, done: &str) -> String {
    match answer {
        Answer::Value(value) if !value.is_empty() => format!("{label} = {}", shown(value)),
        Answer::Failure(failure) => format!("{label} failed: {}", failed(failure)),
        _ => format!("{label} {done}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_one_short_line() {
        assert_eq!(shown(b"{\"a\":\n 1}"), "{\"a\":  1}");
        assert_eq!(shown(&[0xff, 0xfe]), "2 bytes");
        assert_eq!(
            shown("ä".repeat(80).as_bytes()).chars().count(),
            CHARS_MAX + 1
        );
        let failure = Answer::Failure(Failure::new(409, "out\u{1b}[2J"));
        assert_eq!(
            settled("run", &failure, "done"),
            "run failed: [409] out [2J"
        );
    }
}
