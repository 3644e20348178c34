//! Options of reads and writes, which are sent as request headers.

use reqwest::header::{HeaderName, HeaderValue};

use crate::{id::SalesforceId, records::SObjectHandle};

/// Which assignment rule sets the owner of a saved lead or case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignmentRule {
    /// The active rule.
    Active,
    /// None: the owner is the user, or the one in the record.
    None,
    /// The rule with this id.
    Id(SalesforceId),
}

/// How Salesforce applies duplicate rules to saved records.
///
/// By default it rejects a record that has duplicates, and the error has the duplicates' ids only.
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
    /// Sets whether to save a record if the rules allow it with a warning. Default: false.
    #[must_use]
    pub fn allow_save(mut self, allow: bool) -> Self {
        self.allow_save = allow;
        self
    }

    /// Sets whether the error has the fields of the duplicates. Default: false.
    ///
    /// See [`ApiError::duplicates`](crate::error::ApiError::duplicates).
    #[must_use]
    pub fn include_record_details(mut self, include: bool) -> Self {
        self.include_record_details = include;
        self
    }

    /// Sets whether only records that the user may see count as duplicates. Default: false.
    ///
    /// Needs API version 52.0.
    #[must_use]
    pub fn run_as_current_user(mut self, as_user: bool) -> Self {
        self.run_as_current_user = as_user;
        self
    }

    fn header(self) -> HeaderValue {
        // Options with their default are left out, because older API versions do not know all of them.
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
    /// Sets whether methods for many records save all records of a request or none. Default: false.
    ///
    /// Applies to each chunk of 200 records separately.
    pub fn all_or_none(mut self, all_or_none: bool) -> Self {
        self.all_or_none = all_or_none;
        self
    }

    /// Sets how duplicate rules apply to saved records (`Sforce-Duplicate-Rule-Header`).
    ///
    /// Default: [`DuplicateRules::default`].
    pub fn duplicate_rules(self, rules: DuplicateRules) -> Self {
        self.option("sforce-duplicate-rule-header", rules.header())
    }

    /// Saves records if duplicate rules allow it with a warning. Short for [`DuplicateRules::allow_save`].
    pub fn allow_duplicates(self) -> Self {
        self.duplicate_rules(DuplicateRules::default().allow_save(true))
    }

    /// Sets which assignment rule sets the owner of saved leads and cases (`Sforce-Auto-Assign`).
    ///
    /// Default: the active rule.
    pub fn assignment_rule(self, rule: AssignmentRule) -> Self {
        let value = match rule {
            AssignmentRule::Active => HeaderValue::from_static("TRUE"),
            AssignmentRule::None => HeaderValue::from_static("FALSE"),
            AssignmentRule::Id(id) => match HeaderValue::from_str(id.as_str()) {
                Ok(value) => value,
                // Never happens: an id consists of letters and digits.
                Err(_) => return self,
            },
        };
        self.option("sforce-auto-assign", value)
    }

    /// Adds the read or saved records to the user's recently used ones (`Sforce-Mru`). Default: no.
    pub fn update_recently_used(self) -> Self {
        self.option("sforce-mru", HeaderValue::from_static("updateMru=true"))
    }

    fn option(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.options.insert(HeaderName::from_static(name), value);
        self
    }
}
