//! What the documents say about the repository is true.

use std::{collections::HashSet, fs, path::Path};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Adds the names of all functions in the Rust files below `folder`.
fn add_functions(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for rest in fs::read_to_string(&path).unwrap().split("fn ").skip(1) {
                let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
                names.extend(name.map(str::to_owned));
            }
        }
    }
}

#[test]
fn the_readme_has_the_table_of_variables() {
    let settings = read("docs/settings.md");
    let table = &settings[settings.find("| variable |").unwrap()..];
    let table = &table[..table.find("\n\n").unwrap()];
    assert!(table.lines().count() > 10, "{table}");
    assert!(read("README.md").contains(table), "README.md differs from docs/settings.md");
}

#[test]
fn the_test_map_names_tests_and_files_that_exist() {
    let mut functions = HashSet::new();
    for folder in ["src", "connection", "derive", "fake-org", "tests", "examples"] {
        add_functions(&root().join(folder), &mut functions);
    }
    let map = read("docs/test-map.md");
    let is_name = |word: &&str| {
        word.matches('_').count() >= 3
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let words = map.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let missing: Vec<_> = words.filter(is_name).filter(|name| !functions.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/test-map.md names tests that are missing: {missing:?}");

    let paths = map.split('`').skip(1).step_by(2).filter(|text| text.contains('/') && !text.contains(' '));
    for path in paths.filter(|path| path.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c))) {
        let found = ["", "tests"].iter().any(|folder| root().join(folder).join(path).exists());
        assert!(found, "docs/test-map.md names `{path}`, which is missing");
    }
}
