//! [`Moment`]: dates and times, which are numbers in an event and texts in the REST API.

use crate::query::soql::{
    date::{SoqlDate, SoqlDateTime},
    time::SoqlTime,
};

/// What a `long` of a field is, if it is a point in time.
///
/// Salesforce's schemas have no logical types: only the field's `doc` tells dates from numbers, for example
/// `Data:DateOnly:00N…` or `CreatedDate:DateTime`. (Unverified for a time: `Data:TimeOnly`, milliseconds since midnight.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    DateTime,
    Date,
    Time,
}

impl Moment {
    /// Reads the role of a field from its `doc`.
    pub(super) fn of(doc: &str) -> Option<Self> {
        match doc.split(':').nth(1)? {
            "DateTime" => Some(Self::DateTime),
            "DateOnly" => Some(Self::Date),
            "TimeOnly" => Some(Self::Time),
            _ => None,
        }
    }

    /// Returns the text of a number in the form of the REST API; `None` if the calendar does not have it.
    pub(super) fn text(self, number: i64) -> Option<String> {
        Some(match self {
            Self::DateTime => SoqlDateTime::from_millis(number).ok()?.to_string(),
            Self::Date => SoqlDate::from_millis(number).ok()?.to_string(),
            Self::Time => SoqlTime::from_millis(u32::try_from(number).ok()?)?.to_string(),
        })
    }

    /// Returns the number of a text in the form of the REST API; `None` for another text.
    pub(super) fn number(self, text: &str) -> Option<i64> {
        Some(match self {
            Self::DateTime => text.parse::<SoqlDateTime>().ok()?.millis(),
            Self::Date => text.parse::<SoqlDate>().ok()?.millis(),
            Self::Time => text.parse::<SoqlTime>().ok()?.since_midnight().into(),
        })
    }
}
