//! The folders of this crate use each other in one direction.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A later folder may use an earlier one. Single files (`id`, `secret`, `deserialize`, ...) are below all of them. Not
/// listed are `error`, `client` and `connection`: an error names what failed in any folder, and the connection offers it.
const LAYERS: &[&str] = &[
    "http",
    "oauth",
    "token",
    "inbound",
    "request",
    "query",
    "search",
    "records",
    "composite",
    "describe",
    "org",
    "graphql",
    "actions",
    "ui",
    "agent",
    "data360",
    "bulk",
    "events",
];

/// The files that use a later folder all the same, and why. This list only gets shorter.
#[rustfmt::skip]
const UPWARD: &[(&str, &str)] = &[
    ("oauth/identity.rs", "token"), // The header with an access token is made in one place.
    ("query/long.rs", "composite"), // A query that is too long for a URL is sent within a composite request.
    ("query/projection.rs", "records"), // A field of a struct may be `Base64`.
    ("query/soql/literal.rs", "search"), ("query/soql/mod.rs", "search"), // `ToSoql` has a method for SOSL.
    ("request/concurrency.rs", "org"), // The newest version is one of an org's states.
    ("request/error_body.rs", "records"), // The response to a duplicate has its own form.
    ("request/send.rs", "query"), // The longest URL is shared with long queries.
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
    let mut upward = BTreeSet::new();
    for (level, layer) in LAYERS.iter().enumerate() {
        let files = source_files(&source.join(layer));
        assert!(!files.is_empty(), "{layer}");
        for path in files {
            let file = path.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/");
            if file.contains("/tests") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for import in imports(&text) {
                if LAYERS.iter().skip(level + 1).any(|above| *above == import) {
                    upward.insert((file.clone(), import.to_owned()));
                }
            }
        }
    }
    let known = UPWARD
        .iter()
        .map(|(file, folder)| ((*file).to_owned(), (*folder).to_owned()))
        .collect::<BTreeSet<_>>();
    let new: Vec<_> = upward.difference(&known).collect();
    assert!(new.is_empty(), "files that use a later folder: {new:?}");
    let gone: Vec<_> = known.difference(&upward).collect();
    assert!(gone.is_empty(), "no longer so: take them off the list: {gone:?}");
}

#[test]
fn an_import_is_found_in_each_form() {
    let text = "use crate::{\n    error::{Result, http},\n    query::{A, B}, token,\n};\nuse crate::org::C;\n\
                let x = crate::bulk::Y;\n// crate::records::Z\n#[cfg(test)]\nmod tests { use crate::search::S; }";
    assert_eq!(imports(text), BTreeSet::from(["bulk", "error", "org", "query", "token"]));
}
