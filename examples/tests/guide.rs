//! The guide, done: its code is that of the examples, and its commands print what it says.
//!
//! A section of `docs/guide.md` that names `examples/X.rs` is about that program. Each block of Rust
//! in it must be part of that file, word by word; each command is run against a server with the
//! program, and must print what the next block says. A line with `…` in it is one of which only the
//! beginning and the end are compared.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Receiver;

use crate::world::{PATIENCE, World, binary, free_addresses, start, wait_for};

const GUIDE: &str = include_str!("../../docs/guide.md");

struct Section {
    title: String,
    /// The example, by the name of its file without extension.
    example: Option<String>,
    blocks: Vec<Block>,
}

struct Block {
    language: String,
    text: String,
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut block: Option<Block> = None;
    for line in GUIDE.lines() {
        if let Some(open) = &mut block {
            if line == "```" {
                let section = sections.last_mut().expect("a heading comes first");
                section.blocks.extend(block.take());
            } else {
                open.text.push_str(line);
                open.text.push('\n');
            }
        } else if let Some(language) = line.strip_prefix("```") {
            block = Some(Block {
                language: language.to_owned(),
                text: String::new(),
            });
        } else if line.starts_with('#') {
            sections.push(Section {
                title: line.trim_start_matches(['#', ' ']).to_owned(),
                example: None,
                blocks: Vec::new(),
            });
        } else if let Some(section) = sections.last_mut()
            && section.example.is_none()
            && let Some((_, rest)) = line.split_once("](../examples/")
            && let Some((file, _)) = rest.split_once(".rs)")
        {
            section.example = Some(file.to_owned());
        }
    }
    assert!(block.is_none(), "a block of the guide has no end");
    sections
}

#[test]
fn the_code_of_the_guide_is_that_of_the_examples() {
    let mut seen = 0;
    for section in sections() {
        for block in &section.blocks {
            match &*block.language {
                "rust" => {}
                // Run below.
                "sh" | "text" => continue,
                // Read by Cargo in the manifest of the examples.
                "toml" => continue,
                other => panic!("{}: nobody checks blocks of {other:?}", section.title),
            }
            let example = section.example.as_ref().expect("it names its example");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{example}.rs"));
            let code = std::fs::read_to_string(&path).unwrap();
            let has = |indent: &str| {
                let lines = block.text.lines();
                let text: String = lines
                    .map(|line| match line {
                        "" => "\n".to_owned(),
                        line => format!("{indent}{line}\n"),
                    })
                    .collect();
                code.contains(&text)
            };
            assert!(
                ["", "    "].into_iter().any(has),
                "{}: this is not in {}:\n{}",
                section.title,
                path.display(),
                block.text
            );
            seen += 1;
        }
    }
    assert!(seen >= 7, "the guide has only {seen} blocks of code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_guide_print_what_it_says() {
    let mut seen = 0;
    for section in sections() {
        let Some(example) = &section.example else {
            continue;
        };
        let example = example.replace('_', "-");
        let stage = Stage::new(example.leak()).await;
        let mut blocks = section.blocks.iter().peekable();
        while let Some(block) = blocks.next() {
            if block.language != "sh" {
                continue;
            }
            let printed = stage.run(&block.text);
            if let Some(expected) = blocks.next_if(|next| next.language == "text") {
                assert!(
                    is_like(&printed, &expected.text),
                    "{}: {}printed\n{printed}in place of\n{}",
                    section.title,
                    block.text,
                    expected.text
                );
                seen += 1;
            }
        }
    }
    assert!(seen >= 7, "the guide shows what only {seen} commands print");
}

/// A program of the guide, ready to be asked.
struct Stage {
    example: &'static str,
    /// What stands in the guide, and what stands for it here.
    addresses: Vec<(&'static str, String)>,
    world: Option<World>,
    own: Option<(crate::world::Process, Receiver<String>, tempfile::TempDir)>,
}

impl Stage {
    async fn new(example: &'static str) -> Self {
        if example == "embedded" {
            let data = tempfile::tempdir().unwrap();
            let [address] = free_addresses();
            let (process, lines) = start(example, &[&address, data.path().to_str().unwrap()]);
            wait_for(&address);
            return Self {
                example,
                addresses: vec![("localhost:3000", address)],
                world: None,
                own: Some((process, lines, data)),
            };
        }
        let world = World::new(example).await;
        let ingress = world.ingress.trim_start_matches("http://").to_owned();
        Self {
            example,
            addresses: vec![("localhost:8080", ingress)],
            world: Some(world),
            own: None,
        }
    }

    /// Runs the commands of a block, but for those that start what is running already.
    fn run(&self, commands: &str) -> String {
        let mut printed = String::new();
        for line in commands.lines() {
            let started = format!("cargo run -p latchwork-examples --bin {}", self.example);
            let command = match line.strip_prefix(&started) {
                Some(rest) => match rest.strip_prefix(" -- prepare ") {
                    Some(rest) => format!("{} prepare {rest}", binary(self.example).display()),
                    None => continue,
                },
                None if line.starts_with("latchwork deployments register ") => continue,
                None => line.to_owned(),
            };
            let mut command = self
                .addresses
                .iter()
                .fold(command, |command, (from, to)| command.replace(from, to));
            if command.contains("sign_1…") {
                let line = self.line();
                let reference = line.strip_prefix("pending ").expect("a reference");
                command = command.replace("sign_1…", reference);
            }
            let mut shell = Command::new("sh");
            let shell = shell.arg("-c").arg(&command).env("WAIT_SECONDS", "2");
            let shell = match &self.world {
                Some(world) => shell.env("INGRESS", &world.ingress),
                None => shell,
            };
            let out = shell.output().unwrap();
            assert!(out.status.success(), "{command}: {out:?}");
            let out = String::from_utf8(out.stdout).unwrap();
            printed.push_str(out.trim_end());
            if !out.is_empty() {
                printed.push('\n');
            }
        }
        printed
    }

    fn line(&self) -> String {
        match (&self.world, &self.own) {
            (Some(world), _) => world.line(),
            (None, Some((_, lines, _))) => lines.recv_timeout(PATIENCE).expect("a line"),
            (None, None) => unreachable!("one of them is there"),
        }
    }
}

fn is_like(printed: &str, expected: &str) -> bool {
    let same = |(printed, expected): (&str, &str)| match expected.split_once('…') {
        None => printed == expected,
        Some((begins, ends)) => printed.starts_with(begins) && printed.ends_with(ends),
    };
    printed.lines().count() == expected.lines().count()
        && printed.lines().zip(expected.lines()).all(same)
}
