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
    for folder in ["src", "connection", "derive", "fake-org", "cli", "tests", "examples"] {
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
}

/// Returns the files and folders that a document names: in backticks or as the target of a link.
fn paths(text: &str) -> Vec<String> {
    let is_path = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c));
    let is_in_repository = |path: &&str| {
        let first = path.split('/').next().unwrap_or_default();
        let is_source = [".rs", ".md", ".toml"].iter().any(|end| path.ends_with(end));
        path.contains('/') && !first.is_empty() && (is_source || root().join(first).is_dir())
    };
    let code = text.split('`').skip(1).step_by(2).filter(is_path).filter(is_in_repository);
    let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let links = links.filter(|link| !link.is_empty() && is_path(link));
    code.chain(links).map(str::to_owned).collect()
}

#[test]
fn the_documents_name_files_that_exist() {
    let mut documents: Vec<_> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(String::from).into();
    for folder in ["docs", "docs/protocol"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap);
        let pages = entries.filter(|entry| entry.path().is_file());
        documents.extend(pages.map(|page| format!("{folder}/{}", page.file_name().to_str().unwrap())));
    }
    let mut missing = Vec::new();
    let mut count = 0;
    for document in documents {
        // A page may name a test without the folder `tests`, and a module without `src`.
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let bases = ["", "tests", "src", folder];
        for path in paths(&read(&document)) {
            count += 1;
            if !bases.iter().any(|base| root().join(base).join(&path).exists()) {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "files that are missing: {missing:#?}");
    assert!(count > 200, "only {count} paths were found");
}

#[test]
fn the_table_of_examples_is_complete() {
    let page = read("docs/crate.md");
    let table = &page[page.find("| example | shows |").unwrap()..];
    let rows: Vec<_> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    let manifest = read("Cargo.toml");
    let mut examples = Vec::new();
    for folder in ["examples", "connection/examples"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_example =
                path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists();
            examples.extend(is_example.then(|| path.file_stem().unwrap().to_str().unwrap().to_owned()));
        }
    }
    assert!(examples.len() > 15, "{examples:?}");
    examples.push("examples/fleet/run".to_owned());
    for name in &examples {
        let row = rows.iter().find(|row| row.starts_with(&format!("| `{name}`")));
        let row = row.unwrap_or_else(|| panic!("docs/crate.md does not list the example `{name}`"));
        let entry =
            manifest.split("[[example]]").find(|entry| entry.contains(&format!("\nname = \"{name}\"\n")));
        let features =
            entry.and_then(|entry| entry.split("\n\n").next()?.split_once("required-features = [\""));
        if let Some((_, features)) = features {
            let feature = features.split('"').next().unwrap();
            assert!(
                row.contains(&format!("(feature `{feature}`)")),
                "`{name}` needs the feature `{feature}`: {row}"
            );
        }
    }
    assert_eq!(rows.len(), examples.len(), "docs/crate.md lists examples that are missing");
}
