//! [`Places`]: how many browsers may read the feeds of a process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::{base::lock::lock, store::LoginKey};

/// Streams in one process.
pub(super) const MAX: usize = 10_000;

/// Streams of one login. Browsers open six connections to a host at most over HTTP/1.1.
pub(super) const MAX_OF_LOGIN: usize = 6;

#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_login: HashMap<LoginKey, usize>,
}

/// The place of one stream. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    login: LoginKey,
}

impl Places {
    /// Takes a place; `None` if the process or the login has as many streams as it may have.
    pub(super) fn take(&self, login: LoginKey) -> Option<Place> {
        let mut taken = lock(&self.0);
        let of_login = taken.by_login.get(&login).copied().unwrap_or(0);
        if taken.all >= MAX || of_login >= MAX_OF_LOGIN {
            return None;
        }
        taken.all += 1;
        taken.by_login.insert(login, of_login + 1);
        drop(taken);
        Some(Place { places: self.clone(), login })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.0);
        taken.all -= 1;
        if let Some(of_login) = taken.by_login.get_mut(&self.login) {
            *of_login -= 1;
            if *of_login == 0 {
                taken.by_login.remove(&self.login);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_has_six_places_and_gives_them_back() {
        let places = Places::default();
        let (one, other) = (LoginKey::from_bytes([1; 32]), LoginKey::from_bytes([2; 32]));
        let mut taken: Vec<_> = (0..MAX_OF_LOGIN).map(|_| places.take(one).unwrap()).collect();
        assert!(places.take(one).is_none());
        assert!(places.take(other).is_some());
        taken.pop();
        taken.push(places.take(one).unwrap());
        drop(taken);
        let left = lock(&places.0);
        assert_eq!((left.all, left.by_login.len()), (0, 0));
    }

    #[test]
    fn a_process_has_ten_thousand() {
        let places = Places::default();
        let login = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            LoginKey::from_bytes(bytes)
        };
        let taken: Vec<_> = (0..MAX).map(|number| places.take(login(number)).unwrap()).collect();
        assert!(places.take(login(MAX)).is_none());
        drop(taken);
        assert!(places.take(login(MAX)).is_some());
    }
}
