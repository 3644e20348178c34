//! The folders of this crate use each other in one direction.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A later module may use an earlier one. Single files that are not listed (`id`, `secret`, `deserialize`, ...) are below
/// all of them. Not listed are `error`, `client` and `connection`, either: an error names what failed in any folder, the
/// client has what all connections share, and the connection offers all of it.
const LAYERS: &[&str] = &[
    "json",
    "http",
    "oauth",
    "token",
    "inbound",
    "request",
    "fields",
    "query",
    "serde_helpers",
    "search",
    "records",
    "composite",
    "describe",
    "org",
    "api_host",
    "frontdoor",
    "graphql",
    "actions",
    "ui",
    "agent",
    "data360",
    "bulk",
    "events",
];

/// The source files of a module: one file, or all of a folder.
fn source_files(folder: &Path) -> Vec<PathBuf> {
    let file = folder.with_extension("rs");
    if file.exists() {
        return vec![file];
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Returns the modules of the crate's root that the code of a file uses, tests and comments aside.
fn imports(text: &str) -> BTreeSet<&str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    let mut depth = 0;
    for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        let name = |rest: &'static str| line.split(rest).skip(1);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        found.extend(
            name("crate::")
                .filter_map(|rest| rest.split(|c| !is_name(c)).next())
                .filter(|name| !name.is_empty()),
        );
        let group = line.split_once("use crate::{").map(|(_, rest)| rest);
        if group.is_some() {
            depth = 1;
        }
        // In a group, only the names at its first level are modules of the root.
        let rest = if depth > 0 { group.unwrap_or(line) } else { "" };
        let mut start = true;
        for (position, c) in rest.char_indices() {
            if depth == 1 && start && is_name(c) {
                found.extend(rest.get(position..).and_then(|rest| rest.split(|c| !is_name(c)).next()));
            }
            start = c == ',' || c == '{' || (start && c == ' ');
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    found
}

#[test]
fn folders_use_each_other_in_one_direction() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut upward = Vec::new();
    for (level, layer) in LAYERS.iter().enumerate() {
        let files = source_files(&source.join(layer));
        assert!(!files.is_empty(), "{layer}");
        for path in files {
            let file = path.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/");
            if file.contains("/tests") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let imports = imports(&text);
            let above = LAYERS.iter().skip(level + 1).filter(|above| imports.contains(*above));
            upward.extend(above.map(|above| format!("{file} uses {above}")));
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn an_import_is_found_in_each_form() {
    let text = "use crate::{\n    error::{Result, http},\n    query::{A, B}, token,\n};\nuse crate::org::C;\n\
                let x = crate::bulk::Y;\n// crate::records::Z\n#[cfg(test)]\nmod tests { use crate::search::S; }";
    assert_eq!(imports(text), BTreeSet::from(["bulk", "error", "org", "query", "token"]));
}
