//! [`RejectedTokens`]: fresh tokens that one service of Salesforce rejected, and that are not refreshed because of it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use crate::{id::UserId, token::AccessToken};

/// How long a fresh token that a service rejected is not refreshed because of that service.
///
/// The service rejects it for another reason than its age, such as a missing permission. It bounds what each user's
/// requests cost the org to one refresh a minute, and stays below the lifetime of any token (15 minutes and more).
const REJECTED_PAUSE: Duration = Duration::from_secs(60);

/// The fresh tokens that one service rejected a moment ago: the latest one of each user.
#[derive(Debug, Default)]
pub(crate) struct RejectedTokens(Mutex<HashMap<UserId, Rejected>>);

/// A fresh token that was rejected.
#[derive(Debug)]
struct Rejected {
    /// The token itself, marked sensitive: a user has several token sources, and each counts its own generations.
    authorization: HeaderValue,
    until: Instant,
}

impl RejectedTokens {
    /// Adds a token that was just refreshed and that the service rejected. Drops those whose pause is over.
    pub(crate) fn add(&self, user: UserId, fresh: &AccessToken) {
        let now = Instant::now();
        let rejected = Rejected { authorization: fresh.authorization().clone(), until: now + REJECTED_PAUSE };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, rejected| rejected.until > now);
        all.insert(user, rejected);
    }

    /// Returns whether the service rejected this token a moment ago, when it was fresh.
    pub(crate) fn contains(&self, user: UserId, token: &AccessToken) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&user).is_some_and(|rejected| {
            rejected.authorization == *token.authorization() && rejected.until > Instant::now()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oauth::Scopes, secret::Secret, token::Generation};

    #[tokio::test(start_paused = true)]
    async fn a_fresh_token_that_was_rejected_is_not_refreshed_for_a_minute() {
        let rejected = RejectedTokens::default();
        let [ada, bob] = ["005000000000001", "005000000000002"].map(|id| id.parse().unwrap());
        let token = |text: &str, generation| {
            let instance = "https://acme.my.salesforce.com".parse().unwrap();
            let token = AccessToken::new(&Secret::new(text), instance, Scopes::default()).unwrap();
            token.with_generation(Generation(generation))
        };
        rejected.add(ada, &token("canary", 2));
        assert!(rejected.contains(ada, &token("canary", 2)));
        assert!(!rejected.contains(ada, &token("newer", 3)), "a newer one may be accepted");
        assert!(!rejected.contains(ada, &token("other", 2)), "another source's, which counts for itself");
        assert!(!rejected.contains(bob, &token("canary", 2)), "another user's");
        assert!(!format!("{rejected:?}").contains("canary"));
        tokio::time::advance(REJECTED_PAUSE).await;
        assert!(!rejected.contains(ada, &token("canary", 2)));
        rejected.add(bob, &token("canary", 3));
        assert_eq!(rejected.0.lock().unwrap().len(), 1, "memory is bounded, and holds no token for longer");
    }
}
