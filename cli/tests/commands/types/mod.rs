//! `types`

mod check;
mod errors;
// Formatted by rustfmt's defaults, as in the project of a user, not by the settings of this one.
#[rustfmt::skip]
mod generated;
#[rustfmt::skip]
mod generated_connection;
#[rustfmt::skip]
mod generated_parents;
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

/// The objects and fields of `generated_connection.rs`, which a program without Actix compiles: one field of each type.
const SELECTED_CONNECTION: [&str; 4] = [
    "--crate",
    "salesforce_connection",
    "Gadget__c:Id,Name,Gen__c,Count__c,Big__c,Share__c,Price__c,Made__c,Sold_At__c,Opens__c,Address__c,Place__c,Raw__c,Rating__c,Regions__c,Free_Regions__c,Parent__c,Owner_Account__r.Owner.Name",
    "Setting__mdt",
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
