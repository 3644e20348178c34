//! Why a well-formed record can still be refused: validation rules, duplicate rules, locked rows.

use std::collections::BTreeSet;

use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::{ApiError, DataError, Inner};
use crate::data::schema::Object;

/// A condition that must not hold, compiled to SQL by the query language.
#[derive(Clone, Debug)]
pub(crate) struct ValidationRule {
    pub(crate) object: &'static Object,
    /// `SELECT 1 FROM … WHERE (condition) AND t0.Id = ?n`, where n is one more than there are parameters.
    pub(crate) sql: String,
    pub(crate) params: Vec<Sql>,
    pub(crate) message: String,
    pub(crate) field: Option<String>,
}

/// Two records may not agree in all these fields, unless the caller allows it.
#[derive(Clone, Debug)]
pub(crate) struct DuplicateRule {
    pub(crate) object: &'static Object,
    pub(crate) fields: Vec<&'static str>,
}

/// The rules of an org.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) validation: Vec<ValidationRule>,
    pub(crate) duplicates: Vec<DuplicateRule>,
    /// Ids of locked rows.
    pub(crate) locked: BTreeSet<String>,
    /// Id of a user, and of a row that sharing keeps from the user.
    pub(crate) hidden: BTreeSet<(String, String)>,
}

impl Inner {
    pub(super) fn check_lock(&self, id: &str) -> Result<(), ApiError> {
        if self.rules.locked.contains(id) {
            return Err(ApiError::bad(
                "UNABLE_TO_LOCK_ROW",
                format!("unable to obtain exclusive access to this record or 1 records: {id}"),
            ));
        }
        Ok(())
    }

    /// Checks a row that was just written; the caller takes it back when this fails.
    pub(super) fn check_rules(
        &self,
        object: &Object,
        id: &str,
        allow_duplicates: bool,
    ) -> Result<(), DataError> {
        for rule in self.rules.validation.iter().filter(|rule| rule.object.name == object.name) {
            let params = rule.params.iter().cloned().chain([Sql::Text(id.to_owned())]);
            if self.sqlite.prepare_cached(&rule.sql)?.exists(params_from_iter(params))? {
                let mut refusal = ApiError::bad("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message.clone());
                if let Some(field) = &rule.field {
                    refusal = refusal.about(field);
                }
                return Err(refusal.into());
            }
        }
        if allow_duplicates {
            return Ok(());
        }
        for rule in self.rules.duplicates.iter().filter(|rule| rule.object.name == object.name) {
            let same: Vec<String> =
                rule.fields.iter().map(|name| format!("a.\"{name}\" = b.\"{name}\"")).collect();
            let sql = format!(
                "SELECT b.Id FROM \"{0}\" a JOIN \"{0}\" b ON {1} WHERE a.Id = ?1 AND b.Id <> ?1 AND b.IsDeleted = 0",
                object.name,
                same.join(" AND ")
            );
            let mut statement = self.sqlite.prepare_cached(&sql)?;
            let found: Vec<String> =
                statement.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
            if !found.is_empty() {
                let mut refusal = ApiError::bad("DUPLICATES_DETECTED", "Use one of these records?");
                refusal.duplicates = Some((rule.object.name, found));
                return Err(refusal.into());
            }
        }
        Ok(())
    }
}
