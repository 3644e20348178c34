//! [`Position`] and [`StartFrom`]: where a subscription goes on.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Longest position in bytes. Those of today have 10.
const MAX_BYTES: usize = 64;

/// A place in a topic: right after one event. Salesforce calls it replay id.
///
/// It is opaque: equal or not, never greater or less. Its text form is for the program's own table, and
/// [`StartFrom::After`] goes on from it. Salesforce retains events for 72 hours, and forgets a position with its event.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Position(Vec<u8>);

/// The text is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position of a topic")]
#[non_exhaustive]
pub struct InvalidPosition;

impl Position {
    /// Creates a position from a replay id, for example of another client.
    ///
    /// # Errors
    /// If it is empty, or longer than 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPosition> {
        if bytes.is_empty() || bytes.len() > MAX_BYTES {
            Err(InvalidPosition)
        } else {
            Ok(Self(bytes.to_vec()))
        }
    }

    /// Returns the replay id.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        Self::from_bytes(&URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidPosition)?)
    }
}

/// Where a subscription starts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartFrom {
    /// With the events that are published from now on.
    ///
    /// A stream that is lost before its first response has no position yet, and starts with the latest event again:
    /// Salesforce sends the first response with the first event, or after a minute or more.
    Latest,
    /// With the oldest event that Salesforce retains: 72 hours.
    Earliest,
    /// With the events after this position.
    After(Position),
}
