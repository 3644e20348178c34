//! `completions`, `man`, `--help`, and colours.

use crate::program::{files, program, run};

const COMMANDS: [&str; 7] =
    ["doctor", "fake", "types", "app-metadata", "call-metadata", "completions", "man"];

#[test]
fn each_command_has_help_with_an_example() {
    let help = run(["--help"]).stdout;
    for command in COMMANDS {
        assert!(help.contains(&format!("  {command} ")), "{command}: {help}");
        let help = run([command, "--help"]).stdout;
        assert!(
            help.contains(&format!("Examples:\n  actix-salesforce {command}"))
                || help.contains("Examples:\n  "),
            "{help}"
        );
    }
}

#[test]
fn completions_and_manual_pages_know_each_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(["completions", shell]);
        assert_eq!(script.status, 0);
        for word in COMMANDS.iter().chain(&["describe", "contact-email"]) {
            assert!(script.stdout.contains(word), "{shell} does not know {word}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(["man", "--out", folder.path().to_str().unwrap()]).status, 0);
    let pages = files(folder.path());
    for command in COMMANDS {
        assert!(pages.contains(&format!("actix-salesforce-{command}.1")), "{pages:?}");
    }
    assert!(run(["man"]).stdout.contains(".TH actix-salesforce"));
}

/// A reader that has a page open goes on with what it began.
#[test]
fn manual_pages_are_replaced_as_a_whole() {
    use std::io::Read as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("actix-salesforce.1");
    std::fs::write(&path, "before").unwrap();
    let mut reader = std::fs::File::open(&path).unwrap();
    assert_eq!(run(["man", "--out", folder.path().to_str().unwrap()]).status, 0);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "before");
    assert!(std::fs::read_to_string(&path).unwrap().contains(".TH actix-salesforce"));
    assert!(files(folder.path()).iter().all(|name| name.ends_with(".1")));
}

#[test]
fn colours_are_for_terminals_only() {
    let stderr = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = program(["types", "--describe", "no-such.json", "Account"]);
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        change(&mut command);
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    assert!(stderr(&|_| {}).starts_with("error: "));
    assert!(stderr(&|command| _ = command.env("CLICOLOR_FORCE", "1")).starts_with('\u{1b}'));
}

/// The chapter's program is an example of this crate, so that it compiles.
#[test]
fn the_readme_shows_the_program_that_compiles() {
    let readme = include_str!("../../README.md");
    let block = readme.split("```rust\n").nth(1).unwrap().split("   ```").next().unwrap();
    let shown: String =
        block.lines().map(|line| line.strip_prefix("   ").unwrap_or(line).to_owned() + "\n").collect();
    assert_eq!(shown, include_str!("../../examples/from_empty_folder/main.rs"));
}
