//! Headless identity: logins, registrations and password resets by one-time password, and guests (HEADLESS).

use super::Auth;
use super::users::invented;
use crate::base::clock::Millis;
use crate::base::random;
use crate::user::User;

/// How long a one-time password is good; unverified.
const LIFE: Millis = 10 * 60_000;
/// Largest number of stored messages; the oldest are forgotten.
const MESSAGES: usize = 1_000;

/// What a one-time password is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// The user who logs in.
    Login(String),
    Registration(NewUser),
    /// The user whose password is reset.
    Reset(String),
}

impl Purpose {
    fn name(&self) -> &'static str {
        match self {
            Self::Login(_) => "passwordless_login",
            Self::Registration(_) => "user_registration",
            Self::Reset(_) => "forgot_password",
        }
    }
}

/// The data of a registration; it becomes a user once the one-time password is confirmed.
#[derive(Clone, Debug)]
pub(crate) struct NewUser {
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    /// None: registered without one, logs in by one-time password only.
    pub(crate) password: Option<String>,
}

/// How a one-time password is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Email,
    Sms,
}

impl Via {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "email" => Some(Self::Email),
            "sms" => Some(Self::Sms),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

/// A one-time password that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    purpose: Purpose,
    via: Via,
    otp: String,
    end: Millis,
}

/// What would have been sent by e-mail or SMS.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) at: Millis,
    pub(crate) to: String,
    pub(crate) via: Via,
    pub(crate) purpose: &'static str,
    pub(crate) otp: String,
}

impl Auth {
    /// Sends a one-time password; the identifier to bring it back with.
    pub(crate) fn challenge(&mut self, now: Millis, purpose: Purpose, via: Via, to: &str) -> String {
        let identifier = random::plain(32);
        let otp = random::digits(6);
        let message = Message { at: now, to: to.to_owned(), via, purpose: purpose.name(), otp: otp.clone() };
        if self.messages.len() >= MESSAGES {
            self.messages.remove(0);
        }
        self.messages.push(message);
        self.challenges.retain(|_, challenge| now < challenge.end);
        self.challenges.insert(identifier.clone(), Challenge { purpose, via, otp, end: now + LIFE });
        identifier
    }

    /// What a one-time password was for, which is used up. A wrong one can be corrected (the number of tries that
    /// Salesforce allows is unverified).
    pub(crate) fn verify_challenge(
        &mut self,
        now: Millis,
        identifier: &str,
        otp: &str,
        via: Option<Via>,
    ) -> Option<Purpose> {
        let challenge = self.challenges.get(identifier)?;
        if now >= challenge.end || challenge.otp != otp || via.is_some_and(|via| via != challenge.via) {
            return None;
        }
        self.challenges.remove(identifier).map(|challenge| challenge.purpose)
    }

    /// Resets a password with the one-time password that was sent for it. Whether it did.
    pub(crate) fn reset_password(&mut self, now: Millis, user_id: &str, otp: &str, password: &str) -> bool {
        let mine = |challenge: &Challenge| matches!(&challenge.purpose, Purpose::Reset(id) if id == user_id);
        let found = self.challenges.iter().find(|(_, challenge)| mine(challenge) && challenge.otp == otp);
        let Some(identifier) = found.map(|(identifier, _)| identifier.clone()) else { return false };
        if self.verify_challenge(now, &identifier, otp, None).is_none() {
            return false;
        }
        self.passwords.insert(user_id.to_owned(), password.to_owned());
        true
    }

    /// Creates the user of a registration; `None` if the name was taken meanwhile.
    pub(crate) fn register(&mut self, new_user: &NewUser) -> Option<User> {
        if self.user_by_name(&new_user.username).is_some() {
            return None;
        }
        let (mut user, _) = self.user_or_new(&new_user.username);
        user.email.clone_from(&new_user.email);
        user.first_name.clone_from(&new_user.first_name);
        user.last_name.clone_from(&new_user.last_name);
        // Without a password nothing that can be typed is one.
        let password = new_user.password.clone().unwrap_or_else(|| random::plain(40));
        self.passwords.insert(user.id.clone(), password);
        if let Some(known) = self.users.iter_mut().find(|known| known.id == user.id) {
            known.clone_from(&user);
        }
        Some(user)
    }

    /// The guest user of a site. The flag says whether it is new.
    pub(crate) fn guest(&mut self, site: &str) -> (User, bool) {
        let name = site.trim_matches('/');
        let username = format!("{name}@{}.guest", self.organization_id.to_ascii_lowercase());
        if let Some(user) = self.user_by_name(&username) {
            return (user.clone(), false);
        }
        let mut user = invented(&self.organization_id, &username, self.users.len() as u64 + 100_000);
        user.first_name = String::new();
        user.last_name = format!("{name} Site Guest User");
        user.guest = true;
        self.users.push(user.clone());
        (user, true)
    }
}
