//! `latchwork explain`: an error code comes in, a page about it goes out.
//!
//! The pages are those of `docs/errors`, compiled in: they are there when nothing else is.

use crate::exit::{Exit, Failure};
use crate::print::{self, Column, Table};
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  latchwork explain                 lists all codes
  latchwork explain META0003";

/// All pages by code.
const PAGES: &[(&str, &str)] = &[
    ("LW0001", include_str!("../../../../docs/errors/LW0001.md")),
    ("LW0002", include_str!("../../../../docs/errors/LW0002.md")),
    ("LW0003", include_str!("../../../../docs/errors/LW0003.md")),
    ("LW0004", include_str!("../../../../docs/errors/LW0004.md")),
    ("LW0005", include_str!("../../../../docs/errors/LW0005.md")),
    (
        "META0003",
        include_str!("../../../../docs/errors/META0003.md"),
    ),
    (
        "META0005",
        include_str!("../../../../docs/errors/META0005.md"),
    ),
    (
        "META0006",
        include_str!("../../../../docs/errors/META0006.md"),
    ),
    (
        "META0012",
        include_str!("../../../../docs/errors/META0012.md"),
    ),
    (
        "META0013",
        include_str!("../../../../docs/errors/META0013.md"),
    ),
    (
        "META0016",
        include_str!("../../../../docs/errors/META0016.md"),
    ),
];

/// Explain an error code: what it means, what causes it, what to do
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// The code, such as META0003
    code: Option<String>,
    /// Write JSON to stdout instead of text for people
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let Some(code) = &self.code else {
            return self.list();
        };
        let code = code.trim_matches(['[', ']']);
        let page = PAGES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(code));
        let (code, text) = page.ok_or_else(|| {
            Failure::NotFound(format!(
                "there is no page about {code}: latchwork explain lists all codes"
            ))
        })?;
        if self.json {
            print::json(&json!({"code": code, "title": title(text), "text": text}))?;
        } else {
            print::raw(painted(text).as_bytes())?;
        }
        Ok(Exit::Done)
    }

    fn list(&self) -> Result<Exit, Failure> {
        if self.json {
            let list: Vec<_> = PAGES
                .iter()
                .map(|(code, text)| json!({"code": code, "title": title(text)}))
                .collect();
            print::json(&list)?;
            return Ok(Exit::Done);
        }
        let mut table = Table::new([Column::fixed("CODE"), Column::fixed("ABOUT")]);
        for (code, text) in PAGES {
            table.row([(*code).to_owned(), title(text).to_owned()]);
        }
        print::raw(table.render(None).as_bytes())?;
        Ok(Exit::Done)
    }
}

/// What stands after the code in the first line.
fn title(page: &str) -> &str {
    let first = page.lines().next().unwrap_or_default();
    first.split_once(": ").map_or(first, |(_, title)| title)
}

/// The page with its headings in bold; the rest of Markdown reads well as it is.
fn painted(page: &str) -> String {
    let lines = page.lines().map(|line| match line.trim_start_matches('#') {
        heading if heading.len() < line.len() => print::strong(heading.trim()),
        _ => line.to_owned(),
    });
    let mut text: Vec<_> = lines.collect();
    text.push(String::new());
    text.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    #[test]
    fn every_page_is_compiled_in_and_well_formed() {
        let known: BTreeSet<_> = PAGES.iter().map(|(code, _)| format!("{code}.md")).collect();
        let files = fs::read_dir(root().join("docs/errors")).expect("the pages");
        let files: BTreeSet<_> = files
            .map(|file| {
                file.expect("a file")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        assert_eq!(known, files);
        for (code, text) in PAGES {
            assert!(text.starts_with(&format!("# {code}: ")), "{code}");
            for heading in ["\n## Causes\n", "\n## What to do\n"] {
                assert!(text.contains(heading), "{code} has no {heading:?}");
            }
        }
    }

    #[test]
    fn every_code_that_the_server_answers_has_a_page() {
        let mut missing = Vec::new();
        for folder in [
            "crates/server/src",
            "crates/protocol/src",
            "crates/runtime/src",
        ] {
            walk(&root().join(folder), &mut |text| {
                for prefix in ["\"META", "\"RT"] {
                    for (at, _) in text.match_indices(prefix) {
                        let code: String = text[at + 1..]
                            .chars()
                            .take_while(char::is_ascii_alphanumeric)
                            .collect();
                        let is_code = code.trim_start_matches(char::is_alphabetic).len() == 4;
                        if is_code && PAGES.iter().all(|(known, _)| **known != code) {
                            missing.push(code);
                        }
                    }
                }
            });
        }
        assert!(
            missing.is_empty(),
            "write docs/errors/CODE.md for {missing:?}"
        );
    }

    fn walk(folder: &Path, read: &mut dyn FnMut(&str)) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, read);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                read(&fs::read_to_string(&path).expect("a source"));
            }
        }
    }
}
