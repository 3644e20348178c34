//! `types --check`

use super::types;

#[test]
fn check_finds_drift_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("objects.rs");
    let out = path.to_str().unwrap();
    assert_eq!(types(&["--quiet", "--out", out, "Account:Id,Name,Industry"]).status, 0);
    let same = types(&["--out", out, "--check"]);
    assert_eq!(same.status, 0, "{same:?}");

    // As if the org had a value more, and a field were no longer required.
    let written = std::fs::read_to_string(&path).unwrap();
    let before = written
        .replace("    /// Media\n    Media,\n", "")
        .replace("pub name: String", "pub name: Option<String>");
    std::fs::write(&path, &before).unwrap();
    let drift = types(&["--out", out, "--check"]);
    assert_eq!(drift.status, 1, "{drift:?}");
    for line in
        ["drift: ", "- pub name: Option<String>,", "+ pub name: String,", "+ Media,", "help: write it again"]
    {
        let found = drift.stderr.replace("  ", " ");
        let found: Vec<String> =
            found.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(found.iter().any(|found| found.starts_with(line.trim())), "{line}: {}", drift.stderr);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn check_accepts_other_ends_of_lines_and_a_missing_file_is_drift() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("objects.rs");
    let out = path.to_str().unwrap();
    let missing = types(&["--out", out, "--check", "Account:Id"]);
    assert!(missing.status == 1 && !path.exists(), "{missing:?}");
    types(&["--out", out, "Account:Id"]);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    assert_eq!(types(&["--out", out, "--check"]).status, 0);
}
