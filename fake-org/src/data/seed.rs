//! Fills the org: its tables, its users, sample rows.

use super::samples::{self, Row, text};
use super::schema::{Field, Kind, Object};
use super::{Data, DataError, Inner};
use crate::base::clock::Millis;
use crate::user::{ADMINISTRATOR, User};
use rusqlite::OptionalExtension as _;

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

impl Data {
    /// Deletes everything and fills the org again.
    pub(crate) fn seed(&self, sample: &Sample, users: &[User], now: Millis) -> Result<(), DataError> {
        self.with(|inner| {
            inner.last.clear();
            inner.rules.locked.clear();
            inner.rules.hidden.clear();
            inner.sqlite.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")?;
            let done = fill(inner, *sample, users, now);
            // With a journal from now on: transactions must be able to go back.
            inner.sqlite.execute_batch("COMMIT; PRAGMA journal_mode = MEMORY")?;
            done
        })
    }

    /// Adds a user to the `User` object.
    pub(crate) fn add_user(&self, user: &User, now: Millis) -> Result<(), DataError> {
        self.with(|inner| {
            inner.next_id_of("User");
            insert_user(inner, user, now)
        })
    }
}

fn fill(inner: &mut Inner, sample: Sample, users: &[User], now: Millis) -> Result<(), DataError> {
    let objects = inner.schema.objects().to_vec();
    for object in &objects {
        inner.sqlite.execute_batch(&format!("DROP TABLE IF EXISTS \"{}\"", object.name))?;
        inner.sqlite.execute_batch(&object.create_table())?;
    }
    if let Some(user) = users.first() {
        insert(inner, "Organization", samples::organization(&user.organization_id, now))?;
    }
    insert(inner, "Profile", samples::profile(ADMINISTRATOR, 0, now))?;
    insert(inner, "Group", samples::queue(now))?;
    for user in users {
        inner.next_id_of("User");
        insert_user(inner, user, now)?;
    }
    insert(inner, "ApexClass", samples::apex_class(now))?;
    for (object, number) in objects.iter().zip(0..) {
        insert(inner, "EntityDefinition", samples::entity_definition(object, number, now))?;
    }
    let owners: Vec<&str> = users.iter().map(|user| user.id.as_str()).collect();
    let owner = |n: u64| {
        let place = usize::try_from(n).unwrap_or(0) % owners.len().max(1);
        text(owners.get(place).copied().unwrap_or_default())
    };
    let accounts = sample.accounts;
    // What is not an account hangs on the first accounts only: very many rows are wanted of accounts.
    let few = accounts.min(1_000);
    type Make = fn(u64, u64, Millis) -> Row;
    let kinds: [(&'static str, u64, Make); 7] = [
        ("Account", accounts, |n, _, now| samples::account(n, now)),
        ("Contact", few * 2, samples::contact),
        ("Opportunity", few, samples::opportunity),
        ("Lead", few / 4, samples::lead),
        ("Case", few / 2, samples::case),
        ("Task", few / 4, samples::task),
        ("Project__c", few / 4, samples::project),
    ];
    for (name, count, make) in kinds {
        for n in 0..count {
            let mut row = make(n, accounts, now);
            row.push(("OwnerId", owner(n)));
            row.push(("CreatedById", owner(0)));
            row.push(("LastModifiedById", owner(n)));
            insert(inner, name, row)?;
        }
    }
    for object in objects {
        let lookup = |field: &&Field| field.external_id || matches!(field.kind, Kind::Reference(..));
        for field in object.fields.iter().filter(lookup) {
            inner.sqlite.execute_batch(&format!(
                "CREATE INDEX \"{0}_{1}\" ON \"{0}\" (\"{1}\")",
                object.name, field.name
            ))?;
        }
    }
    Ok(())
}

impl Inner {
    /// Gives a user the profile of that name, which is made if missing, and writes the kind of user.
    pub(crate) fn set_profile(&mut self, user: &User, now: Millis) -> Result<(), DataError> {
        let name = &user.rights.profile;
        let find = "SELECT Id FROM \"Profile\" WHERE Name = ?1";
        let known: Option<String> = self.sqlite.query_row(find, [name], |row| row.get(0)).optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                let number = self.last.get("Profile").copied().unwrap_or(0);
                insert(self, "Profile", samples::profile(name, number, now))?;
                self.sqlite.query_row(find, [name], |row| row.get(0))?
            }
        };
        let set = "UPDATE \"User\" SET ProfileId = ?1, UserType = ?2 WHERE Id = ?3";
        self.sqlite.execute(set, [&id, &user.record_type(), &user.id])?;
        Ok(())
    }

    /// Writes whether the org is a sandbox.
    pub(crate) fn set_sandbox(&mut self, is_sandbox: bool) -> Result<(), DataError> {
        self.sqlite.execute("UPDATE \"Organization\" SET IsSandbox = ?1", [is_sandbox])?;
        Ok(())
    }
}

fn insert_user(inner: &mut Inner, user: &User, now: Millis) -> Result<(), DataError> {
    let Some(object) = inner.schema.object("User") else { return Ok(()) };
    insert_row(inner, object, samples::user(user, now))
}

fn insert(inner: &mut Inner, name: &'static str, row: Row) -> Result<(), DataError> {
    inner.next_id_of(name);
    let Some(object) = inner.schema.object(name) else { return Ok(()) };
    insert_row(inner, object, row)
}

pub(super) fn insert_row(inner: &mut Inner, object: &Object, row: Row) -> Result<(), DataError> {
    let columns =
        row.into_iter().filter_map(|(name, value)| object.field(name).map(|field| (field, value))).collect();
    inner.insert(object, columns)
}

impl Inner {
    fn next_id_of(&mut self, name: &'static str) {
        *self.last.entry(name).or_insert(0) += 1;
    }
}
