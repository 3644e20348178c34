//! The sample rows: believable names, and a few that break careless escaping.

use rusqlite::types::Value as Sql;

use super::schema::Object;
use crate::base::clock::{Millis, date, datetime};
use crate::base::ids;
use crate::user::User;

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;

const ACCOUNTS: [&str; 40] = [
    "Northwind Logistics",
    "Blue Heron Coffee Roasters",
    "Meridian Health Partners",
    "O'Brien & Sons Shipyard",
    "Quill and Ink Publishing",
    "Sierra Verde Solar",
    "Atlas Bridgeworks",
    "Paper Lantern Design",
    "Granite State Insurance",
    "Kestrel Aerospace",
    "Hollow Oak Furniture",
    "100% Organic Markets",
    "Lumen Optics",
    "Saffron Street Foods",
    "Tidewater Marine Supply",
    "Copper Kettle Brewing",
    "Aurora Data Systems",
    "Fjällräven Träindustri AB",
    "Redwood Veterinary Group",
    "Silverline Transit",
    "Müller & Söhne GmbH",
    "Cobalt Mining Cooperative",
    "Bright Harbor Schools",
    "Windmill Grain Traders",
    "Juniper Tree Books",
    "Castellan Security",
    "Under_score Records",
    "Pelican Bay Resorts",
    "Ironwood Construction",
    "Marigold Textiles",
    "Delta \"Quickstep\" Couriers",
    "Polaris Navigation",
    "Back\\slash Computing",
    "Tamarind Catering",
    "Evergreen Forestry Trust",
    "株式会社さくら",
    "Stonebridge Legal LLP",
    "Velvet Hammer Studios",
    "Canyon Crest Energy",
    "Zenith Watchmakers",
];
const INDUSTRIES: [&str; 8] = [
    "Transportation",
    "Food & Beverage",
    "Healthcare",
    "Manufacturing",
    "Media",
    "Energy",
    "Insurance",
    "Technology",
];
const CITIES: [(&str, &str); 8] = [
    ("Portland", "USA"),
    ("Rotterdam", "Netherlands"),
    ("Lisbon", "Portugal"),
    ("Gothenburg", "Sweden"),
    ("Osaka", "Japan"),
    ("Toronto", "Canada"),
    ("Nairobi", "Kenya"),
    ("Valparaíso", "Chile"),
];
const NAMES: [(&str, &str, &str); 10] = [
    ("Maya", "Andersson", "Chief Executive Officer"),
    ("Tomás", "Herrera", "Head of Purchasing"),
    ("Ngozi", "Adeyemi", "Finance Director"),
    ("Liam", "O'Connor", "Plant Manager"),
    ("Yuki", "Tanaka", "Engineering Lead"),
    ("Sofia", "Marino", "Legal Counsel"),
    ("Arjun", "Mehta", "IT Director"),
    ("Clara", "Weiss", "Marketing Manager"),
    ("Jonas", "Berg", "Operations Manager"),
    ("Amara", "Diallo", "Customer Success"),
];
const STAGES: [(&str, i64); 6] = [
    ("Prospecting", 10),
    ("Qualification", 20),
    ("Proposal/Price Quote", 65),
    ("Negotiation/Review", 80),
    ("Closed Won", 100),
    ("Closed Lost", 0),
];
const STREETS: [&str; 5] = ["Harbour Road", "Mill Lane", "Station Street", "Orchard Avenue", "Quayside"];

fn pick<T: Copy, const N: usize>(list: &[T; N], n: u64) -> T {
    // The index is below N, which is never 0 here.
    list[usize::try_from(n % N as u64).unwrap_or(0)]
}

pub(super) fn text(value: impl Into<String>) -> Sql {
    Sql::Text(value.into())
}

fn int(n: u64) -> Sql {
    Sql::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

pub(super) type Row = Vec<(&'static str, Sql)>;

pub(super) fn account(n: u64, now: Millis) -> Row {
    let (city, country) = pick(&CITIES, n / 3);
    let base = pick(&ACCOUNTS, n);
    let name = if n < 40 { base.to_owned() } else { format!("{base} {}", n / 40 + 1) };
    let slug: String = base.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let created = now - DAY - Millis::try_from(n).unwrap_or(0).min(8_000) * 7 * HOUR;
    vec![
        ("Id", text(ids::make("001", n + 1))),
        ("IsDeleted", Sql::Integer(0)),
        ("Name", text(name)),
        ("Type", text(pick(&["Customer", "Prospect", "Partner"], n))),
        ("Phone", text(format!("+1 555 {:03} {:04}", n % 900 + 100, n % 10_000))),
        ("Website", if n % 9 == 8 { Sql::Null } else { text(format!("https://www.{slug}.example")) }),
        ("Industry", if n % 7 == 6 { Sql::Null } else { text(pick(&INDUSTRIES, n)) }),
        ("AnnualRevenue", if n % 5 == 4 { Sql::Null } else { int((n * 7_919 % 500 + 1) * 100_000) }),
        ("NumberOfEmployees", int(n * 37 % 5_000 + 3)),
        ("BillingStreet", text(format!("{} {}", n % 200 + 1, pick(&STREETS, n)))),
        ("BillingCity", text(city)),
        ("BillingCountry", text(country)),
        ("ExternalKey__c", text(format!("ACC-{:06}", n + 1))),
        ("LegacyCode__c", text(format!("L{:04}", n / 2))),
        ("Active__c", int(u64::from(n % 4 != 3))),
        ("CreatedDate", text(datetime(created))),
        ("LastModifiedDate", text(datetime(created + 3 * HOUR))),
        ("SystemModstamp", text(datetime(created + 3 * HOUR))),
    ]
}

pub(super) fn contact(n: u64, accounts: u64, now: Millis) -> Row {
    let (first, last, title) = pick(&NAMES, n);
    let created = now - DAY - Millis::try_from(n).unwrap_or(0) * 5 * HOUR;
    let mail: String = last.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase();
    vec![
        ("Id", text(ids::make("003", n + 1))),
        ("IsDeleted", Sql::Integer(0)),
        ("AccountId", text(ids::make("001", n % accounts.max(1) + 1))),
        ("FirstName", text(first)),
        ("LastName", text(last)),
        ("Name", text(format!("{first} {last}"))),
        ("Title", text(title)),
        ("Email", text(format!("{mail}{n}@example.com"))),
        ("Phone", text(format!("+1 555 201 {:04}", n % 10_000))),
        ("Birthdate", text(date(now - (25 + Millis::try_from(n % 40).unwrap_or(0)) * 365 * DAY))),
        ("HasOptedOutOfEmail", int(u64::from(n % 6 == 5))),
        ("ExternalKey__c", text(format!("CON-{:06}", n + 1))),
        ("CreatedDate", text(datetime(created))),
        ("LastModifiedDate", text(datetime(created))),
        ("SystemModstamp", text(datetime(created))),
    ]
}

pub(super) fn opportunity(n: u64, accounts: u64, now: Millis) -> Row {
    let (stage, probability) = pick(&STAGES, n);
    let created = now - DAY - Millis::try_from(n).unwrap_or(0) * 11 * HOUR;
    let closes = now + (Millis::try_from(n % 60).unwrap_or(0) - 20) * DAY;
    vec![
        ("Id", text(ids::make("006", n + 1))),
        ("IsDeleted", Sql::Integer(0)),
        ("AccountId", text(ids::make("001", n % accounts.max(1) + 1))),
        ("Name", text(format!("{} – {}", pick(&ACCOUNTS, n), pick(&["renewal", "pilot", "expansion"], n)))),
        ("StageName", text(stage)),
        ("CloseDate", text(date(closes))),
        ("Amount", int((n * 613 % 90 + 1) * 2_500)),
        ("Probability", Sql::Integer(probability)),
        ("IsClosed", int(u64::from(stage.starts_with("Closed")))),
        ("IsWon", int(u64::from(stage == "Closed Won"))),
        ("ExternalKey__c", text(format!("OPP-{:06}", n + 1))),
        ("CreatedDate", text(datetime(created))),
        ("LastModifiedDate", text(datetime(created))),
        ("SystemModstamp", text(datetime(created))),
    ]
}

/// Created and changed at that moment, not deleted.
fn stamped(object_prefix: &str, n: u64, at: Millis) -> Row {
    vec![
        ("Id", text(ids::make(object_prefix, n + 1))),
        ("IsDeleted", Sql::Integer(0)),
        ("CreatedDate", text(datetime(at))),
        ("LastModifiedDate", text(datetime(at))),
        ("SystemModstamp", text(datetime(at))),
    ]
}

fn days(n: u64) -> Millis {
    Millis::try_from(n).unwrap_or(0) * DAY
}

pub(super) fn lead(n: u64, _accounts: u64, now: Millis) -> Row {
    let (first, last, title) = pick(&NAMES, n + 3);
    let mut row = stamped("00Q", n, now - DAY - days(n));
    row.extend([
        ("FirstName", text(first)),
        ("LastName", text(last)),
        ("Name", text(format!("{first} {last}"))),
        ("Title", text(title)),
        ("Company", text(format!("{} Holding", pick(&ACCOUNTS, n + 11)))),
        ("Email", text(format!("lead{n}@example.com"))),
        ("Status", text(pick(&["Open - Not Contacted", "Working - Contacted"], n))),
        ("IsConverted", Sql::Integer(0)),
    ]);
    row
}

pub(super) fn case(n: u64, accounts: u64, now: Millis) -> Row {
    let status = pick(&["New", "Working", "Escalated", "Closed"], n);
    let mut row = stamped("500", n, now - DAY - days(n % 9));
    row.extend([
        ("CaseNumber", text(format!("{:08}", 1_001 + n))),
        ("Subject", text(pick(&["Delivery late", "Invoice unclear", "Cannot log in", "Part missing"], n))),
        ("Status", text(status)),
        ("Priority", text(pick(&["High", "Medium", "Low"], n))),
        ("Origin", text(pick(&["Phone", "Email", "Web"], n))),
        ("AccountId", text(ids::make("001", n % accounts.max(1) + 1))),
        ("ContactId", text(ids::make("003", n % accounts.max(1) + 1))),
        ("IsClosed", int(u64::from(status == "Closed"))),
    ]);
    row
}

pub(super) fn task(n: u64, accounts: u64, now: Millis) -> Row {
    let status = pick(&["Not Started", "In Progress", "Completed"], n);
    let mut row = stamped("00T", n, now - DAY - days(n % 5));
    row.extend([
        ("Subject", text(pick(&["Call", "Send quote", "Prepare visit"], n))),
        ("ActivityDate", text(date(now + days(n % 6) - 2 * DAY))),
        ("Status", text(status)),
        ("Priority", text(pick(&["Normal", "High"], n))),
        ("WhatId", text(ids::make("001", n % accounts.max(1) + 1))),
        ("IsClosed", int(u64::from(status == "Completed"))),
    ]);
    row
}

pub(super) fn project(n: u64, accounts: u64, now: Millis) -> Row {
    let mut row = stamped("a00", n, now - DAY - days(n));
    row.extend([
        ("Name", text(format!("{} rollout", pick(&ACCOUNTS, n)))),
        ("Code__c", text(format!("PRJ-{:03}", n + 1))),
        ("Account__c", text(ids::make("001", n % accounts.max(1) + 1))),
        ("Budget__c", int((n + 1) * 12_500)),
        ("Progress__c", Sql::Real(f64::from(u32::try_from(n % 10).unwrap_or(0)) * 12.5)),
        ("Started__c", text(date(now - days(n * 10 + 5)))),
        ("Phase__c", text(pick(&["Draft", "Running", "Done"], n))),
        (
            "Tags__c",
            if n % 4 == 3 { Sql::Null } else { text(pick(&["Urgent;Billable", "Internal", "Billable"], n)) },
        ),
    ]);
    row
}

pub(super) fn user(user: &User, now: Millis) -> Row {
    let created = datetime(now - 400 * DAY);
    vec![
        ("Id", text(user.id.clone())),
        ("IsDeleted", Sql::Integer(0)),
        ("Username", text(user.username.clone())),
        ("FirstName", text(user.first_name.clone())),
        ("LastName", text(user.last_name.clone())),
        ("Name", text(user.display_name())),
        ("Email", text(user.email.clone())),
        ("IsActive", Sql::Integer(1)),
        ("UserType", text(user.record_type())),
        ("ProfileId", text(ids::make("00e", 1))),
        ("CreatedDate", text(created.clone())),
        ("LastModifiedDate", text(created.clone())),
        ("SystemModstamp", text(created)),
    ]
}

pub(super) fn profile(name: &str, number: u64, now: Millis) -> Row {
    let mut row = stamped("00e", number, now - 400 * DAY);
    row.push(("Name", text(name)));
    row
}

/// A queue, which can own cases, leads and tasks.
pub(super) fn queue(now: Millis) -> Row {
    let mut row = stamped("00G", 0, now - 400 * DAY);
    row.extend([
        ("Name", text("Support")),
        ("DeveloperName", text("Support")),
        ("Type", text("Queue")),
        ("Email", text("support@example.com")),
    ]);
    row
}

/// The class of the documentation's Apex REST examples.
pub(super) fn apex_class(now: Millis) -> Row {
    let body = "@RestResource(urlMapping='/ship') global class Ship {}";
    let mut row = stamped("01p", 0, now - 300 * DAY);
    row.extend([
        ("Name", text("Ship")),
        ("ApiVersion", Sql::Real(66.0)),
        ("Status", text("Active")),
        ("IsValid", Sql::Integer(1)),
        ("Body", text(body)),
        ("LengthWithoutComments", Sql::Integer(i64::try_from(body.len()).unwrap_or(0))),
    ]);
    row
}

pub(super) fn entity_definition(object: &Object, number: u64, now: Millis) -> Row {
    let name = object.name;
    let mut row = stamped("4ie", number, now - 400 * DAY);
    row.extend([
        ("DurableId", text(name)),
        ("QualifiedApiName", text(name)),
        ("DeveloperName", text(name.strip_suffix("__c").unwrap_or(name))),
        ("Label", text(object.label)),
        ("PluralLabel", text(object.plural)),
        ("KeyPrefix", text(object.prefix)),
        ("IsQueryable", Sql::Integer(1)),
        ("IsCustomizable", Sql::Integer(i64::from(!object.read_only))),
    ]);
    row
}

pub(super) fn organization(id: &str, now: Millis) -> Row {
    let mut row = stamped("00D", 0, now - 400 * DAY);
    row.retain(|(name, _)| *name != "Id");
    row.extend([
        ("Id", text(id)),
        ("Name", text("Fake Org")),
        ("OrganizationType", text("Developer Edition")),
        ("InstanceName", text("FAKE1")),
        ("IsSandbox", Sql::Integer(0)),
        ("LanguageLocaleKey", text("en_US")),
    ]);
    row
}
