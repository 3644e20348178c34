//! A project of the Salesforce CLI, and the files of its metadata.

use std::{
    fmt::Write as _,
    path::{Component as Part, Path, PathBuf},
};

use actix_salesforce::ApiVersion;
use serde_json::{Value, json};

use crate::{failure::Failure, output};

/// The file that makes a folder a project of the Salesforce CLI.
const PROJECT: &str = "sfdx-project.json";

/// A file below the folder of the project's metadata.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Writes components into a project, and the project's file unless there is one.
///
/// # Errors
/// One of the files exists, unless `force` is set: then nothing is written.
pub(crate) fn write(
    out: &Path,
    login_url: &str,
    components: Vec<Component>,
    force: bool,
) -> Result<(), Failure> {
    let files = files(out, login_url, components)?;
    if !force {
        let existing: Vec<String> = files
            .iter()
            .filter(|(path, _)| path.exists())
            .map(|(path, _)| path.display().to_string())
            .collect();
        if !existing.is_empty() {
            return Err(Failure::new(format_args!("these files exist: {}", existing.join(", ")))
                .help("overwrite them with `--force`, or give `--out` or `--name` another value. Nothing was written"));
        }
    }
    for (path, text) in &files {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                Failure::of(format_args!("cannot create {}", folder.display()), &error)
                    .help("give `--out` a folder that this user may write to, and that is no file")
            })?;
        }
        output::replace(path, text)?;
        output::note("Written", path.display());
    }
    Ok(())
}

/// The files with their whole paths, and the project's file unless there is one.
fn files(out: &Path, login_url: &str, components: Vec<Component>) -> Result<Vec<(PathBuf, String)>, Failure> {
    let project = out.join(PROJECT);
    let mut files = Vec::new();
    let package = if project.exists() {
        package_of(&project)?
    } else {
        let text = json!({
            "packageDirectories": [{ "path": "force-app", "default": true }],
            "namespace": "",
            "sfdcLoginUrl": login_url,
            "sourceApiVersion": ApiVersion::CURRENT.to_string(),
        });
        files.push((project, format!("{text:#}\n")));
        "force-app".to_owned()
    };
    let folder = out.join(package).join("main").join("default");
    files.extend(components.into_iter().map(|component| (folder.join(component.path), component.text)));
    Ok(files)
}

/// The default package folder of a project. Source: Salesforce DX Developer Guide, "Project Configuration".
fn package_of(project: &Path) -> Result<String, Failure> {
    let read = || -> Result<Value, Box<dyn std::error::Error>> {
        Ok(serde_json::from_str(&std::fs::read_to_string(project)?)?)
    };
    let value = read().map_err(|error| {
        Failure::of(format_args!("cannot read {}", project.display()), error.as_ref())
            .help("correct the file, or give `--out` another folder")
    })?;
    let packages = value.get("packageDirectories").and_then(Value::as_array);
    let is_default = |package: &&Value| package.get("default") == Some(&Value::Bool(true));
    let package = packages.and_then(|packages| packages.iter().find(is_default).or_else(|| packages.first()));
    let path = package.and_then(|package| package.get("path")).and_then(Value::as_str);
    let is_inside =
        |path: &&str| Path::new(path).components().all(|part| matches!(part, Part::Normal(_) | Part::CurDir));
    if let Some(path) = path.filter(|path| !is_inside(path)) {
        return Err(Failure::new(format_args!(
            "{} has a package folder outside of itself: {path}",
            project.display()
        ))
        .help("correct `packageDirectories`, or give `--out` another folder"));
    }
    path.map(str::to_owned).ok_or_else(|| {
        Failure::new(format_args!("{} names no package folder", project.display()))
            .help("add `packageDirectories`, or give `--out` another folder")
    })
}

/// Checks an API name, for clap.
pub(crate) fn api_name(text: &str) -> Result<String, String> {
    let is_valid = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 80
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.ends_with('_')
        && !text.contains("__");
    if is_valid {
        Ok(text.to_owned())
    } else {
        Err("an API name has letters, digits and single underscores, begins with a letter, and has at most 80 characters".into())
    }
}

/// A component in XML, with its members in the order of the alphabet, as an org returns them.
pub(crate) struct Xml {
    kind: &'static str,
    members: String,
}

impl Xml {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self { kind, members: String::new() }
    }

    pub(crate) fn text(&mut self, member: &str, value: &str) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.members, "    <{member}>{}</{member}>", escaped(value));
    }

    pub(crate) fn flag(&mut self, member: &str, value: bool) {
        self.text(member, if value { "true" } else { "false" });
    }

    /// A member with members. `fill` writes those.
    pub(crate) fn group(&mut self, member: &str, fill: impl FnOnce(&mut Xml)) {
        let mut inner = Self::new(self.kind);
        fill(&mut inner);
        let _ = writeln!(self.members, "    <{member}>");
        for line in inner.members.lines() {
            let _ = writeln!(self.members, "    {line}");
        }
        let _ = writeln!(self.members, "    </{member}>");
    }

    pub(crate) fn component(self, folder: &str, name: &str, suffix: &str) -> Component {
        let Self { kind, members } = self;
        Component {
            path: PathBuf::from(folder).join(format!("{name}.{suffix}-meta.xml")),
            text: format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                 <{kind} xmlns=\"http://soap.sforce.com/2006/04/metadata\">\n{members}</{kind}>\n"
            ),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}
