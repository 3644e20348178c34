//! Where the text goes: standard output, a file that is replaced as a whole, or a comparison with it.

use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use similar::{ChangeTag, TextDiff};

use crate::failure::Failure;

/// The most lines of a difference that are shown.
const MAX_LINES: usize = 60;

/// Returns a text that a terminal shows and does not obey: parts of it may come from other machines and files.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Writes to standard output. A reader that has enough closes the pipe, which is no failure.
pub(crate) fn print(bytes: &[u8]) -> Result<ExitCode, Failure> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::of("cannot write to standard output", &error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Reads the file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        // Git may have checked it out with other ends of lines.
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::of(format_args!("cannot read {}", path.display()), &error)),
    }
}

/// Writes the file beside its place and renames it, so that it is there as a whole or not at all.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    // A link stays a link.
    let path: PathBuf = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: &std::io::Error| {
        let failure = Failure::of(format_args!("cannot write {}", path.display()), error);
        if folder.is_dir() {
            failure
        } else {
            failure.help(format!("create the folder first: {}", folder.display()))
        }
    };
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
