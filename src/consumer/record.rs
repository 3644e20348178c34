//! How a place is stored: sealed, and bound to the consumer's key.

use salesforce_connection::events::Position;
use serde::{Deserialize, Serialize};

use super::term::Place;
use crate::{
    base::seal::{KeyRing, Purpose, SealError},
    store::{ConsumerKey, Sealed},
};

/// The stored form. A member that is missing is absent; later versions may add others.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
}

/// The record does not open, or is not one of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored position cannot be read: the key that sealed it is missing in SALESFORCE_KEYS")]
pub(super) struct Unreadable;

pub(super) fn seal(keys: &KeyRing, key: ConsumerKey, place: &Place<Position>) -> Result<Sealed, SealError> {
    let text = |position: &Option<Position>| position.as_ref().map(Position::to_string);
    let stored = Stored { at: text(&place.at), event: text(&place.event) };
    // A struct of two texts always has a JSON form.
    let plain = serde_json::to_vec(&stored).unwrap_or_default();
    Ok(Sealed::from_bytes(keys.seal(Purpose::Position, key.as_bytes(), &plain)?))
}

pub(super) fn open(keys: &KeyRing, key: ConsumerKey, sealed: &Sealed) -> Result<Place<Position>, Unreadable> {
    let plain = keys.open(Purpose::Position, key.as_bytes(), sealed.as_bytes()).map_err(|_| Unreadable)?;
    let stored: Stored = serde_json::from_slice(&plain).map_err(|_| Unreadable)?;
    let position = |text: Option<String>| text.map(|text| text.parse()).transpose().map_err(|_| Unreadable);
    Ok(Place { at: position(stored.at)?, event: position(stored.event)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_opens_under_its_own_key_only() {
        let keys = KeyRing::generate().unwrap();
        let org = "00D000000000001EAA".parse().unwrap();
        let [one, two] = ["one", "two"].map(|name| ConsumerKey::new(name, org, "/data/ChangeEvents"));
        let position = |byte: u8| Some(Position::from_bytes(&[byte; 10]).unwrap());
        for place in [
            Place::default(),
            Place { at: position(1), event: None },
            Place { at: position(2), event: position(1) },
        ] {
            let sealed = seal(&keys, one, &place).unwrap();
            assert_eq!(open(&keys, one, &sealed), Ok(place));
            assert_eq!(open(&keys, two, &sealed), Err(Unreadable), "moved to another consumer");
            assert_eq!(open(&KeyRing::generate().unwrap(), one, &sealed), Err(Unreadable));
        }
    }

    /// Records are read by later versions, and by processes of two versions during a deployment.
    #[test]
    fn a_record_of_the_first_version_opens() {
        let keys = KeyRing::from_base64("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=").unwrap();
        let key = ConsumerKey::from_bytes([7; 32]);
        let plain = br#"{"at":"AAAAAAAEh0QAAA","event":"AAAAAAAEh0MAAA","later":1}"#;
        let sealed = Sealed::from_bytes(keys.seal(Purpose::Position, key.as_bytes(), plain).unwrap());
        let place = open(&keys, key, &sealed).unwrap();
        let bytes = |position: Option<Position>| position.unwrap().as_bytes()[6..8].to_vec();
        assert_eq!((bytes(place.at), bytes(place.event)), (vec![0x87, 0x44], vec![0x87, 0x43]));
    }
}
