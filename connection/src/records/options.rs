//! What Salesforce is asked to do beside saving.

use reqwest::header::{HeaderName, HeaderValue};

use crate::{id::SalesforceId, records::SObjectHandle};

/// What is to become of the owner of a lead or case that is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignmentRule {
    /// The active rule assigns it.
    Active,
    /// No rule does.
    None,
    /// This rule does.
    Id(SalesforceId),
}

/// What duplicate rules do about records that are saved. By default they refuse a record that they find twice, and name
/// the others by their ids only.
///
/// ```
/// use salesforce_connection::records::DuplicateRules;
///
/// let rules = DuplicateRules::default().allow_save(true).include_record_details(true);
/// ```
///
/// Source: REST API Developer Guide, "Duplicate Rule Header".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DuplicateRules {
    allow_save: bool,
    include_record_details: bool,
    run_as_current_user: bool,
}

impl DuplicateRules {
    /// Whether a record is saved that the rules only warn of.
    #[must_use]
    pub fn allow_save(mut self, allow: bool) -> Self {
        self.allow_save = allow;
        self
    }

    /// Whether the error has the fields of the records that were found: see
    /// [`ApiError::duplicates`](crate::error::ApiError::duplicates).
    #[must_use]
    pub fn include_record_details(mut self, include: bool) -> Self {
        self.include_record_details = include;
        self
    }

    /// Whether only records count that the user may see. Needs API version 52.0.
    #[must_use]
    pub fn run_as_current_user(mut self, as_user: bool) -> Self {
        self.run_as_current_user = as_user;
        self
    }

    fn header(self) -> HeaderValue {
        // What is not asked for is left out: older versions do not know all of them.
        HeaderValue::from_static(
            match (self.allow_save, self.include_record_details, self.run_as_current_user) {
                (false, false, false) => "allowSave=false",
                (true, false, false) => "allowSave=true",
                (false, true, false) => "includeRecordDetails=true",
                (false, false, true) => "runAsCurrentUser=true",
                (true, true, false) => "allowSave=true; includeRecordDetails=true",
                (true, false, true) => "allowSave=true; runAsCurrentUser=true",
                (false, true, true) => "includeRecordDetails=true; runAsCurrentUser=true",
                (true, true, true) => "allowSave=true; includeRecordDetails=true; runAsCurrentUser=true",
            },
        )
    }
}

impl SObjectHandle {
    /// Whether the calls of many records save all of a chunk of 200, or none of it. Chunks do not know of each other.
    pub fn all_or_none(mut self, all_or_none: bool) -> Self {
        self.all_or_none = all_or_none;
        self
    }

    /// What duplicate rules do about records that are saved (`Sforce-Duplicate-Rule-Header`).
    pub fn duplicate_rules(self, rules: DuplicateRules) -> Self {
        self.option("sforce-duplicate-rule-header", rules.header())
    }

    /// Saves records that duplicate rules only warn of: short for [`DuplicateRules::allow_save`].
    pub fn allow_duplicates(self) -> Self {
        self.duplicate_rules(DuplicateRules::default().allow_save(true))
    }

    /// Who becomes the owner of leads and cases that are saved (`Sforce-Auto-Assign`). Unless said otherwise, the
    /// active rule decides.
    pub fn assignment_rule(self, rule: AssignmentRule) -> Self {
        let value = match rule {
            AssignmentRule::Active => HeaderValue::from_static("TRUE"),
            AssignmentRule::None => HeaderValue::from_static("FALSE"),
            AssignmentRule::Id(id) => match HeaderValue::from_str(id.as_str()) {
                Ok(value) => value,
                // An id is letters and digits.
                Err(_) => return self,
            },
        };
        self.option("sforce-auto-assign", value)
    }

    /// Puts records that are read or saved among those that the user used last (`Sforce-Mru`).
    pub fn update_recently_used(self) -> Self {
        self.option("sforce-mru", HeaderValue::from_static("updateMru=true"))
    }

    fn option(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.options.insert(HeaderName::from_static(name), value);
        self
    }
}
