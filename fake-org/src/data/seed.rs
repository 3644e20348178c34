//! Sample data: names a person would believe, and a few that break careless escaping.

use rusqlite::types::Value as Sql;

use super::schema::{OBJECTS, Object, object};
use super::{Data, DataError, Inner};
use crate::auth::users::User;
use crate::base::clock::{Millis, date, datetime};
use crate::base::ids;

/// How much sample data there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) accounts: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self { accounts: 40 }
    }
}

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
const PEOPLE: [(&str, &str, &str); 10] = [
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

fn text(value: impl Into<String>) -> Sql {
    Sql::Text(value.into())
}

fn int(n: u64) -> Sql {
    Sql::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

impl Data {
    /// Throws everything away and fills the org anew.
    pub(crate) fn seed(&self, sample: &Sample, users: &[User], now: Millis) -> Result<(), DataError> {
        self.with(|inner| {
            inner.last.clear();
            inner.sqlite.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")?;
            let done = fill(inner, *sample, users, now);
            inner.sqlite.execute_batch("COMMIT")?;
            done
        })
    }

    /// Adds a person to the `User` object.
    pub(crate) fn add_user(&self, user: &User, now: Millis) -> Result<(), DataError> {
        self.with(|inner| {
            inner.last.entry("User").and_modify(|last| *last += 1).or_insert(1);
            insert_user(inner, user, now)
        })
    }
}

fn fill(inner: &mut Inner, sample: Sample, users: &[User], now: Millis) -> Result<(), DataError> {
    for object in OBJECTS {
        inner.sqlite.execute_batch(&format!("DROP TABLE IF EXISTS \"{}\"", object.name))?;
        inner.sqlite.execute_batch(&object.create_table())?;
    }
    for user in users {
        inner.next_id_of("User");
        insert_user(inner, user, now)?;
    }
    let owners: Vec<&str> = users.iter().map(|user| user.id.as_str()).collect();
    let owner = |n: u64| {
        let place = usize::try_from(n).unwrap_or(0) % owners.len().max(1);
        text(owners.get(place).copied().unwrap_or_default())
    };
    for n in 0..sample.accounts {
        let mut row = account(n, now);
        row.push(("OwnerId", owner(n)));
        row.push(("CreatedById", owner(0)));
        row.push(("LastModifiedById", owner(n)));
        insert(inner, "Account", row)?;
    }
    // Contacts and opportunities hang on the first accounts only: `rows` is about accounts.
    for n in 0..sample.accounts.min(40) * 2 {
        let mut row = contact(n, sample.accounts, now);
        row.push(("OwnerId", owner(n)));
        row.push(("CreatedById", owner(0)));
        row.push(("LastModifiedById", owner(n)));
        insert(inner, "Contact", row)?;
    }
    for n in 0..sample.accounts.min(40) {
        let mut row = opportunity(n, sample.accounts, now);
        row.push(("OwnerId", owner(n)));
        row.push(("CreatedById", owner(0)));
        row.push(("LastModifiedById", owner(n)));
        insert(inner, "Opportunity", row)?;
    }
    for object in OBJECTS {
        for field in object.fields.iter().filter(|field| field.external_id) {
            inner.sqlite.execute_batch(&format!(
                "CREATE INDEX \"{0}_{1}\" ON \"{0}\" (\"{1}\")",
                object.name, field.name
            ))?;
        }
    }
    Ok(())
}

type Row = Vec<(&'static str, Sql)>;

fn account(n: u64, now: Millis) -> Row {
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

fn contact(n: u64, accounts: u64, now: Millis) -> Row {
    let (first, last, title) = pick(&PEOPLE, n);
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

fn opportunity(n: u64, accounts: u64, now: Millis) -> Row {
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

fn insert_user(inner: &mut Inner, user: &User, now: Millis) -> Result<(), DataError> {
    let Some(object) = object("User") else { return Ok(()) };
    let created = datetime(now - 400 * DAY);
    let row: Row = vec![
        ("Id", text(user.id.clone())),
        ("IsDeleted", Sql::Integer(0)),
        ("Username", text(user.username.clone())),
        ("FirstName", text(user.first_name.clone())),
        ("LastName", text(user.last_name.clone())),
        ("Name", text(user.display_name())),
        ("Email", text(user.email.clone())),
        ("IsActive", Sql::Integer(1)),
        ("UserType", text("Standard")),
        ("CreatedDate", text(created.clone())),
        ("LastModifiedDate", text(created.clone())),
        ("SystemModstamp", text(created)),
    ];
    insert_row(inner, object, row)
}

fn insert(inner: &mut Inner, name: &'static str, row: Row) -> Result<(), DataError> {
    inner.next_id_of(name);
    let Some(object) = object(name) else { return Ok(()) };
    insert_row(inner, object, row)
}

fn insert_row(inner: &mut Inner, object: &Object, row: Row) -> Result<(), DataError> {
    let columns =
        row.into_iter().filter_map(|(name, value)| object.field(name).map(|field| (field, value))).collect();
    inner.insert(object, columns)
}

impl Inner {
    fn next_id_of(&mut self, name: &'static str) {
        *self.last.entry(name).or_insert(0) += 1;
    }
}
