//! [`SettingsFile`]: a settings file of the app, which the SALESFORCE_ variables stand on top of.

use std::path::{Path, PathBuf};

use actix_salesforce::Config;
use clap::{Args, ValueHint};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::{failure::Failure, nearest::nearest, output};

/// Where settings are besides the environment.
#[derive(Debug, Args)]
pub(crate) struct SettingsFile {
    /// Settings file of the app, TOML or JSON. The SALESFORCE_ variables count on top of it
    #[arg(long = "config", value_name = "FILE", value_hint = ValueHint::FilePath)]
    path: Option<PathBuf>,
    /// The part of the file that is the settings of actix-salesforce, such as `salesforce` or `login.salesforce` [default: the
    /// whole file]
    #[arg(long, value_name = "NAME", requires = "path")]
    section: Option<String>,
}

impl SettingsFile {
    /// Returns its settings; without a file the defaults. An error has no value of the file, which may be a secret.
    pub(crate) fn read(&self) -> Result<Config, Failure> {
        let Some(path) = &self.path else { return Ok(Config::default()) };
        let text = std::fs::read_to_string(path).map_err(|error| output::unreadable(path, &error))?;
        let mut settings = parsed(path, &text)?;
        for name in self.section.iter().flat_map(|section| section.split('.')) {
            settings = part(path, settings, name)?;
        }
        Config::deserialize(&settings).map_err(|_| mistakes(path, &settings))
    }
}

fn parsed(path: &Path, text: &str) -> Result<Value, Failure> {
    let wrong = |line: usize, format: &str, why: &str| {
        Failure::new(format_args!("{}:{line}: not {format}: {why}", path.display())).help("correct the file")
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_str(text).map_err(|error| {
            let why = error.to_string();
            wrong(error.line(), "JSON", why.split(" at line ").next().unwrap_or_default())
        }),
        Some("toml") => toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            wrong(before.matches('\n').count() + 1, "TOML", error.message())
        }),
        _ => Err(Failure::new(format_args!("{} is not called .toml or .json", path.display()))
            .help("other files are not read: set the SALESFORCE_ variables")),
    }
}

fn part(path: &Path, settings: Value, name: &str) -> Result<Value, Failure> {
    let Value::Object(mut members) = settings else {
        return Err(Failure::new(format_args!("{}: `{name}` is in no section", path.display()))
            .help("name a section with `--section`, with dots between it and those around it"));
    };
    members.remove(name).ok_or_else(|| {
        let failure = Failure::new(format_args!("{} has no section `{name}`", path.display()));
        match nearest(name, members.keys().map(String::as_str)) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help("name a section with `--section`, with dots between it and those around it"),
        }
    })
}

/// Names each setting that is wrong. Each is tried alone: the library's error names neither its place nor all of them.
fn mistakes(path: &Path, settings: &Value) -> Failure {
    let Value::Object(members) = settings else {
        return Failure::new(format_args!("{}: the settings are no table", path.display()))
            .help("name their section with `--section`");
    };
    let found: Vec<_> = members.iter().flat_map(|(name, value)| mistakes_of(path, name, value)).collect();
    match found.is_empty() {
        true => Failure::new(format_args!("{}: the settings are invalid", path.display()))
            .help("compare them with docs/settings.md"),
        false => found.into_iter().collect(),
    }
}

fn mistakes_of(path: &Path, name: &str, value: &Value) -> Vec<Failure> {
    let error = |value: &Value| Config::deserialize(json!({ name: value })).err();
    let Some(whole) = error(value) else { return Vec::new() };
    if let Value::Object(members) = value {
        let one = |(member, value): (&String, &Value)| {
            let alone = Value::Object(Map::from_iter([(member.clone(), value.clone())]));
            error(&alone).map(|error| mistake(path, &format!("{name}.{member}"), &error.to_string()))
        };
        let found: Vec<_> = members.iter().filter_map(one).collect();
        if !found.is_empty() {
            return found;
        }
    }
    vec![mistake(path, name, &whole.to_string())]
}

/// serde's text has the value in front of what was expected.
fn mistake(path: &Path, name: &str, error: &str) -> Failure {
    let path = path.display();
    if error.starts_with("unknown field") {
        let failure = Failure::new(format_args!("{path}: there is no setting `{name}`"));
        let last = name.rsplit('.').next().unwrap_or(name);
        return match nearest(last, error.split('`').skip(3).step_by(2)) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure
                .help("name the section that has the settings of actix-salesforce alone, with `--section`"),
        };
    }
    let expected = error.rsplit_once("expected ").map_or("another value", |(_, expected)| expected);
    Failure::new(format_args!("{path}: the setting `{name}` is not {expected}"))
        .help("compare it with docs/settings.md")
}
