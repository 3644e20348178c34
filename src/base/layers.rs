//! Checks that imports between the layers point down only: feed, inbound, web, consumer, config, grants, store, base.

use std::{
    fs,
    path::{Path, PathBuf},
};

const LAYERS: [&str; 8] = ["base", "store", "grants", "config", "consumer", "web", "inbound", "feed"];

fn source_files(folder: &Path) -> Vec<PathBuf> {
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

/// Returns the modules of the crate's root that a source text names in code.
fn imports(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut in_group = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        let name = |rest: &'static str| line.split(rest).skip(1);
        found.extend(name("crate::").filter_map(|rest| rest.split([':', ';', ',', ' ', '}']).next()));
        let group = line.split_once("use crate::{").map(|(_, rest)| rest);
        in_group |= group.is_some();
        if in_group {
            let group = group.unwrap_or(line);
            found.extend(group.split([' ', ',', ';', '{', '}']).filter_map(|part| part.split("::").next()));
            in_group = !line.ends_with("};");
        }
    }
    found
}

#[test]
fn imports_point_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (level, layer) in LAYERS.iter().enumerate() {
        // This file has examples of forbidden imports.
        let files = source_files(&source.join(layer)).into_iter().filter(|file| !file.ends_with("layers.rs"));
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for import in imports(&text) {
                let above = LAYERS.iter().skip(level + 1).any(|above| *above == import);
                assert!(!above, "{} imports `{import}`, which is above `{layer}`", file.display());
            }
        }
    }
}

#[test]
fn an_import_is_found_in_each_form() {
    let text = "pub use crate::{\n    Error,\n    web::{A, B},\n    store::X,\n};\nlet x = crate::config::Y;\n// crate::base::Z";
    let found = imports(text);
    assert!(["Error", "web", "store", "config"].iter().all(|name| found.contains(name)), "{found:?}");
    assert!(!found.contains(&"base"), "{found:?}");
}
