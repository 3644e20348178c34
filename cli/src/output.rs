//! Where the text goes: standard output, a file that is replaced as a whole, or a comparison with it.

use std::{
    fmt::Display,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use similar::{ChangeTag, TextDiff};

use crate::{failure::Failure, style::NOTE};

/// The most lines of a difference that are shown.
const MAX_LINES: usize = 60;

/// Writes to standard output. A reader that has enough closes the pipe, which is no failure.
pub(crate) fn print(bytes: &[u8]) -> Result<ExitCode, Failure> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::of("cannot write to standard output", &error)
                .help("check where the output goes to: a full disk, or a device that takes none"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Writes a line of progress to standard error, as cargo does: what was done, and to what.
pub(crate) fn note(what: &str, value: impl Display) {
    // Nothing is left to tell of an error of standard error.
    let _ = writeln!(anstream::stderr(), "{NOTE}{what:>12}{NOTE:#} {value}");
}

/// Reads the file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        // Git may have checked it out with other ends of lines.
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// A file that is there, and cannot be read as text.
pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::of(format_args!("cannot read {}", path.display()), error);
    match error.kind() {
        ErrorKind::NotFound => failure.help("correct the path: it is taken from the current folder"),
        ErrorKind::PermissionDenied => failure.help("give this user the right to read it"),
        ErrorKind::InvalidData => failure.help("it is not a text in UTF-8: give another path"),
        ErrorKind::IsADirectory => failure.help("it is a folder: give the path of a file"),
        _ => failure.help("give the path of a file that this user may read"),
    }
}

/// Why a file could not be written.
fn unwritable(path: &Path, folder: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::of(format_args!("cannot write {}", path.display()), error);
    if !folder.is_dir() {
        return failure.help(format!("create the folder first: {}", folder.display()));
    }
    if path.is_dir() {
        return failure.help(format!(
            "it is a folder: name a file in it, such as {}",
            path.join("objects.rs").display()
        ));
    }
    failure.help(format!("give this user the right to write to {}, or give another path", folder.display()))
}

/// Writes the file beside its place and renames it, so that it is there as a whole or not at all.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    // A link stays a link.
    let path: PathBuf = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: &std::io::Error| unwritable(&path, folder, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".actix-salesforce-");
    // What other programs write: the user's umask decides. The library's default is for secrets.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    if let Ok(before) = std::fs::metadata(&path) {
        file.as_file().set_permissions(before.permissions()).map_err(|error| failed(&error))?;
    }
    file.persist(&path).map_err(|error| failed(&error.error))?;
    Ok(())
}

/// Returns the lines in which the texts differ: `-` is in the file, `+` in the org.
pub(crate) fn difference(file: &str, org: &str) -> Vec<(ChangeTag, String)> {
    let diff = TextDiff::from_lines(file, org);
    let changes = diff.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal);
    let line = |change: similar::Change<&str>| {
        let sign = if change.tag() == ChangeTag::Delete { '-' } else { '+' };
        (change.tag(), format!("{sign} {}", change.value().trim_end()))
    };
    let mut lines: Vec<_> = changes.map(line).collect();
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push((ChangeTag::Equal, format!("… and {more} more lines")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("objects.rs");
        replace(&path, "before").unwrap();
        // A reader that has the file open goes on with what it began: the file is another one, not one that was emptied.
        let mut reader = fs::File::open(&path).unwrap();
        replace(&path, "after").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("before", "after"));
        assert_eq!(names(folder.path()), ["objects.rs"]);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("objects.rs");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("other"), "").unwrap();
        let failure = format!("{:?}", replace(&path, "text").unwrap_err());
        assert!(failure.contains("cannot write") && failure.contains("objects.rs"), "{failure}");
        assert_eq!((names(folder.path()), names(&path)), (vec!["objects.rs".into()], vec!["other".into()]));

        let missing = folder.path().join("no-such-folder").join("objects.rs");
        let failure = format!("{:?}", replace(&missing, "text").unwrap_err());
        assert!(failure.contains("create the folder first"), "{failure}");
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_permissions_and_the_link_to_it() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("objects.rs"), folder.path().join("link.rs"));
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        replace(&link, "after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link became a file");
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
