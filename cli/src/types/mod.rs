//! `types`: writes Rust structs for the objects and fields of an org.

mod describe;
mod docs;
mod file;
mod live;
mod model;
mod names;
mod resolve;
mod selection;
mod write;

use std::{collections::BTreeSet, io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Args, ValueHint};
use futures_util::{StreamExt as _, stream};
use similar::ChangeTag;

use self::{
    live::Live,
    model::Model,
    resolve::{Known, Mistake, Unresolved, hint, resolve},
    selection::Selection,
    write::Head,
};
use crate::{
    failure::{FINDINGS, Failure, INTERRUPTED},
    interrupt::Interrupt,
    nearest::nearest,
    output,
    progress::Progress,
    style::{ERROR, NOTE},
};

/// How many describes are fetched at a time.
const AT_A_TIME: usize = 4;

/// Writes Rust structs with `#[derive(SObject)]` for objects and fields of an org
///
/// From an org, or from describes that were saved. The org is the one of SF_ACCESS_TOKEN (`sf org auth show-access-token`)
/// and SF_ORG_INSTANCE_URL (`sf org display`), or of the app's SALESFORCE_ variables with a service user.
///
/// A token that the service user gets is revoked at the end. The file has the objects and fields in its head, so that
/// later runs need `--out` only.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  actix-salesforce types --out src/objects.rs Account Contact:Id,LastName,Account.Name
  actix-salesforce types --out src/objects.rs            write it again
  actix-salesforce types --out src/objects.rs --check    exit with 1 if the org has drifted
  actix-salesforce types --describe account.json Account
  actix-salesforce fake -- actix-salesforce types Account:Id,Name

Exit status: 0 fine, 1 drift, 2 wrong use, or an org that is out of reach or refuses, 130 interrupted.")]
pub(crate) struct Types {
    /// Objects with their fields: `Account` (all fields), `Contact:Id,LastName,Account.Name`, `Contact:*,Account.Name`.
    /// Default: those of the file
    #[arg(value_name = "OBJECT[:FIELD,…]")]
    objects: Vec<Selection>,
    /// The file to write. Default: standard output
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Write nothing, and exit with 1 if the file would change
    #[arg(long, requires = "out")]
    check: bool,
    /// Read saved describes instead of an org: what `sf sobject describe --json` or the REST API printed. May be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    describe: Vec<PathBuf>,
    /// The crate that the app depends on. Default: that of the file, or actix_salesforce
    #[arg(long = "crate", value_name = "CRATE", value_parser = ["actix_salesforce", "salesforce_connection"])]
    krate: Option<String>,
    /// Print errors and findings only
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) async fn run(types: Types) -> Result<ExitCode, Failure> {
    let before = types.out.as_deref().map(output::read).transpose()?.flatten();
    let head = head(&types, before.as_deref())?;
    let model = if types.describe.is_empty() {
        match from_org(&head.selections, &Progress::new(!types.quiet)).await? {
            Some(model) => model,
            None => return Ok(ExitCode::from(INTERRUPTED)),
        }
    } else {
        from_files(&types.describe, &head.selections)?
    };
    let text = write::file(&head, &model)?;
    let structs = model.structs().count();
    finish(&types, before.as_deref(), &text, structs)
}

fn from_files(paths: &[PathBuf], selections: &[Selection]) -> Result<Model, Failure> {
    let mut known = Known::default();
    for path in paths {
        file::read(path)?.into_iter().for_each(|object| known.add(object));
    }
    resolve(selections, &known).map_err(|unresolved| match unresolved {
        Unresolved::Mistakes(mistakes) => all(mistakes),
        Unresolved::Missing(names) => not_in_files(&names, &known),
    })
}

/// Returns `None` if the program was asked to end. The token of this run is revoked in any case.
async fn from_org(selections: &[Selection], progress: &Progress) -> Result<Option<Model>, Failure> {
    let interrupt = Interrupt::listen();
    progress.working_on("connecting to the org");
    // Never dropped: the org may issue a token whose response is under way, and that has to be revoked.
    let model = match Live::connect().await {
        Ok(live) => {
            let model = interrupt.or(describe_all(&live, selections, progress)).await;
            progress.settle();
            live.close().await;
            model.transpose()
        }
        Err(failure) => Err(failure),
    };
    // Also if that was while the token was requested or revoked.
    if interrupt.is_raised() { Ok(None) } else { model }
}

async fn describe_all(live: &Live, selections: &[Selection], progress: &Progress) -> Result<Model, Failure> {
    let mut known = Known::default();
    loop {
        match resolve(selections, &known) {
            Ok(model) => return Ok(model),
            Err(Unresolved::Mistakes(mistakes)) => return Err(all(mistakes)),
            Err(Unresolved::Missing(names)) => {
                fetch(live, &names, progress).await?.into_iter().for_each(|object| known.add(object));
            }
        }
    }
}

fn all(mistakes: Vec<Mistake>) -> Failure {
    mistakes.into_iter().map(|mistake| Failure::new(mistake.message).help(mistake.help)).collect()
}

/// The arguments, and those of the file for what is left out.
fn head(types: &Types, before: Option<&str>) -> Result<Head, Failure> {
    let of_file = before.map(Head::read);
    if let (Some(None), Some(path)) = (&of_file, &types.out) {
        return Err(Failure::new(format_args!("{} was not written by this command", path.display()))
            .help("give `--out` another path, or delete the file first"));
    }
    let of_file = of_file.flatten();
    let krate = types.krate.clone().or_else(|| of_file.as_ref().map(|head| head.krate.clone()));
    let selections = if types.objects.is_empty() {
        of_file.map(|head| head.selections).ok_or_else(|| {
            Failure::new("no object is named")
                .help("name one or more: `actix-salesforce types Account:Id,Name`")
        })?
    } else {
        types.objects.clone()
    };
    Ok(Head { selections, krate: krate.unwrap_or_else(|| "actix_salesforce".to_owned()) })
}

async fn fetch(
    live: &Live,
    names: &BTreeSet<String>,
    progress: &Progress,
) -> Result<Vec<describe::Described>, Failure> {
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    let requests = stream::iter(names).map(async |name: &String| (name, live.describe(name).await));
    let mut responses = std::pin::pin!(requests.buffer_unordered(AT_A_TIME));
    let show = |done: usize| progress.working_on(format!("describing objects, {done} of {}", names.len()));
    show(0);
    while let Some((name, described)) = responses.next().await {
        match described? {
            Some(described) => found.push(described),
            None => unknown.push(name),
        }
        show(found.len() + unknown.len());
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    unknown.sort_unstable();
    let all = live.names().await?;
    let failure = |name: &String| {
        let near = nearest(name, all.iter().map(String::as_str));
        Failure::new(format_args!("the org has no object `{name}`, or this user may not read it"))
            .help(hint(near, "object"))
    };
    Err(unknown.into_iter().map(failure).collect())
}

fn not_in_files(names: &BTreeSet<String>, known: &Known) -> Failure {
    let failure = |name: &String| {
        let failure = Failure::new(format_args!("no describe of `{name}` is in the files"));
        match nearest(name, known.names()) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help(format!(
                "save it, and add the file: `sf sobject describe --sobject {name} --json > {name}.json`, `--describe {name}.json`"
            )),
        }
    };
    names.iter().map(failure).collect()
}

fn finish(types: &Types, before: Option<&str>, text: &str, structs: usize) -> Result<ExitCode, Failure> {
    if !types.quiet && !types.check && text.contains(write::OF_SERDE_JSON) {
        output::note("Needs", "the crate serde_json: a field has a type that is not known here");
    }
    let Some(path) = &types.out else {
        return output::print(text.as_bytes());
    };
    let is_same = before == Some(text);
    let shown = path.display();
    if types.check && !is_same {
        let mut stderr = anstream::stderr().lock();
        // Nothing is left to tell of an error of standard error.
        let _ = writeln!(stderr, "{ERROR}drift:{ERROR:#} {shown} differs from the org (- file, + org)");
        for (tag, line) in output::difference(before.unwrap_or_default(), text) {
            let style = match tag {
                ChangeTag::Delete => ERROR,
                ChangeTag::Insert => NOTE,
                ChangeTag::Equal => anstyle::Style::new(),
            };
            let _ = writeln!(stderr, "  {style}{line}{style:#}");
        }
        let _ = writeln!(
            stderr,
            "  help: write it again without `--check`, and look at what uses the changed types"
        );
        return Ok(ExitCode::from(FINDINGS));
    }
    if !is_same {
        output::replace(path, text)?;
    }
    if !types.quiet {
        let what = if is_same { "Unchanged" } else { "Written" };
        output::note(what, format_args!("{shown} ({structs} structs)"));
    }
    Ok(ExitCode::SUCCESS)
}
