//! `types`

mod check;
mod errors;
// Formatted by rustfmt's defaults, as in the project of a user, not by the settings of this one.
#[rustfmt::skip]
mod generated;
mod live;
mod output;

use std::path::{Path, PathBuf};

use crate::program::{Ended, run};

/// The objects and fields of `generated.rs`.
const SELECTED: [&str; 6] = [
    "Gadget__c:*,Owner_Account__r.Name,Owner_Account__r.Owner.Name,Parent__r.Parent__r.Code__c,Parent__r.Rating__c",
    "Account:Id,name,Industry,BillingAddress,Owner.Name,Owner.Type",
    "Task:Subject,WhatId,What.Name",
    "acme__Option__c",
    "Setting__mdt",
    "Gadget_Sold__e",
];

fn describe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands/types/describes").join(name)
}

/// Runs `types` on the saved describes.
fn types(arguments: &[&str]) -> Ended {
    let files = ["gadget.json", "account.json", "more.json"].map(describe);
    let mut all: Vec<&str> = vec!["types"];
    for file in &files {
        all.extend(["--describe", file.to_str().unwrap()]);
    }
    all.extend(arguments);
    run(all)
}
