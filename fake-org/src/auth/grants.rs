//! Codes and refresh token families: the web server flow, refresh, rotation, revocation.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Auth;
use super::app::CredentialSet;
use super::error::OauthError;
use super::pkce;
use super::scopes::Scopes;
use super::settings::{RefreshPolicy, Settings};
use crate::base::clock::{Millis, millis};
use crate::base::random;
use crate::user::User;

/// Codes live 15 minutes.
const CODE_LIFE: Duration = Duration::from_secs(15 * 60);
/// Live refresh tokens per user and app; the next approval removes the oldest.
const APPROVALS: usize = 5;

/// What an authorize request asked for, and the user who allowed it.
#[derive(Clone, Debug)]
pub(crate) struct CodeRequest {
    pub(crate) set: CredentialSet,
    pub(crate) user_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) nonce: Option<String>,
    /// The visitor (UVID) of a guest user's request.
    pub(crate) visitor: Option<String>,
}

/// An authorization code, stored after use so that a second use is recognised.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    asked: CodeRequest,
    issued: Millis,
    used: bool,
    family: Option<u64>,
    pub(super) access_token: Option<String>,
}

/// One approval: the refresh tokens that followed one another, and the access tokens they gave.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    /// The credentials that its refresh tokens belong to.
    pub(crate) set: CredentialSet,
    pub(crate) user_id: String,
    pub(crate) scopes: Scopes,
    pub(crate) born: Millis,
    pub(crate) last_used: Millis,
    /// How often it gave an access token, the first one counted.
    pub(crate) uses: u64,
    /// The one refresh token that works; `None` when the family is dead.
    pub(crate) current: Option<String>,
    /// The visitor (UVID) of a guest user's tokens.
    pub(crate) visitor: Option<String>,
    /// `DeleteToken` of the `OauthToken` record: revokes and does nothing else.
    pub(crate) delete_token: String,
    /// Tokens that rotation replaced.
    pub(crate) used_tokens: BTreeSet<String>,
}

/// What a token request gives.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) user: User,
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) nonce: Option<String>,
    /// The visitor (UVID) of a guest user's tokens.
    pub(crate) visitor: Option<String>,
    pub(crate) at: Millis,
    /// The credentials that they belong to.
    pub(crate) set: CredentialSet,
}

/// What a code is presented with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CodeExchange<'a> {
    pub(crate) set: CredentialSet,
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) verifier: Option<&'a str>,
    pub(crate) visitor: Option<&'a str>,
}

impl Auth {
    pub(crate) fn issue_code(&mut self, now: Millis, asked: CodeRequest) -> String {
        let code = format!("aPrx{}==", random::opaque(74));
        let made = Code { asked, issued: now, used: false, family: None, access_token: None };
        self.codes.insert(code.clone(), made);
        code
    }

    /// `grant_type=authorization_code`. A request that fails leaves the code usable (unverified).
    pub(crate) fn exchange(
        &mut self,
        now: Millis,
        settings: &Settings,
        code: &str,
        with: CodeExchange<'_>,
    ) -> Result<Issued, OauthError> {
        let known = self.codes.get(code).ok_or_else(OauthError::dead_code)?.clone();
        if known.used {
            // Whether Salesforce revokes what a reused code gave is unverified; RFC 6749 asks for it.
            self.counters.code_reuse += 1;
            if let Some(family) = known.family {
                self.kill_family(family);
            }
            if let Some(session) = known.access_token.and_then(|token| self.sessions.get_mut(&token)) {
                session.ended = true;
            }
            return Err(OauthError::dead_code());
        }
        if now >= known.issued.saturating_add(millis(CODE_LIFE)) {
            return Err(OauthError::dead_code());
        }
        let asked = known.asked;
        // A code belongs to the client that asked for it (RFC 6749 section 4.1.3); the words are unverified.
        if with.set != asked.set {
            self.counters.other_credentials += 1;
            return Err(OauthError::dead_code());
        }
        if with.redirect_uri != Some(asked.redirect_uri.as_str()) {
            return Err(OauthError::redirect_mismatch());
        }
        if asked.visitor.as_deref() != with.visitor {
            return Err(OauthError::wrong_visitor());
        }
        if let Some(challenge) = &asked.challenge
            && !with.verifier.is_some_and(|verifier| pkce::matches(challenge, verifier))
        {
            return Err(OauthError::invalid_grant("invalid code verifier"));
        }
        if !self.is_active(&asked.user_id) {
            return Err(OauthError::inactive_user());
        }
        if settings.ip_restricted {
            return Err(OauthError::ip_restricted());
        }
        self.count_login(now, settings, &asked.user_id)?;
        let mut issued = self.grant(now, settings, &asked.user_id, asked.scopes, true)?;
        issued.nonce = asked.nonce;
        issued.set = asked.set;
        let family = issued.refresh_token.as_ref().and_then(|token| self.refresh_tokens.get(token).copied());
        if let Some(family) = family.and_then(|number| self.families.get_mut(&number)) {
            family.visitor.clone_from(&asked.visitor);
            family.set = asked.set;
        }
        self.stand_for(&mut issued, asked.visitor);
        if let Some(code) = self.codes.get_mut(code) {
            code.used = true;
            code.family = family;
            code.access_token = Some(issued.access_token.clone());
        }
        Ok(issued)
    }

    /// A new approval: an access token, and a refresh token when that scope is granted and `with_refresh_token`.
    pub(crate) fn grant(
        &mut self,
        now: Millis,
        settings: &Settings,
        user_id: &str,
        scopes: Scopes,
        with_refresh_token: bool,
    ) -> Result<Issued, OauthError> {
        let user = self.user(user_id).ok_or_else(OauthError::inactive_user)?.clone();
        let before = self.approved.entry(user_id.to_owned()).or_default();
        *before = before.and(&scopes);
        let (family, refresh_token) = if with_refresh_token && scopes.refresh_token() {
            self.make_room(user_id);
            let family = self.next_family;
            self.next_family += 1;
            let token = self.new_refresh_token(family);
            self.families.insert(
                family,
                Family {
                    set: CredentialSet::First,
                    user_id: user_id.to_owned(),
                    scopes: scopes.clone(),
                    born: now,
                    last_used: now,
                    uses: 1,
                    current: Some(token.clone()),
                    visitor: None,
                    delete_token: random::plain(40),
                    used_tokens: BTreeSet::new(),
                },
            );
            (Some(family), Some(token))
        } else {
            (None, None)
        };
        let access_token = self.open_session(now, settings, user_id, &scopes, family);
        let set = CredentialSet::First;
        Ok(Issued { user, access_token, refresh_token, scopes, nonce: None, visitor: None, at: now, set })
    }

    /// `grant_type=refresh_token`. With rotation the old token dies at once; an old one presented again takes
    /// the whole family and its access tokens with it (H 005316711). No grace window.
    pub(crate) fn refresh(
        &mut self,
        now: Millis,
        settings: &Settings,
        token: &str,
        set: CredentialSet,
    ) -> Result<Issued, OauthError> {
        let number = *self.refresh_tokens.get(token).ok_or_else(OauthError::dead_refresh_token)?;
        let family = self.families.get(&number).ok_or_else(OauthError::dead_refresh_token)?.clone();
        // A refresh token belongs to the client that it was issued to (RFC 6749 section 6). Words, and that nothing
        // changes, are unverified.
        if family.set != set {
            self.counters.other_credentials += 1;
            return Err(OauthError::dead_refresh_token());
        }
        if family.used_tokens.contains(token) {
            self.counters.refresh_reuse += 1;
            self.kill_family(number);
            return Err(OauthError::dead_refresh_token());
        }
        if family.current.as_deref() != Some(token) {
            return Err(OauthError::dead_refresh_token());
        }
        if settings.ip_restricted {
            return Err(OauthError::ip_restricted());
        }
        let unused_since = |limit| now >= family.last_used.saturating_add(millis(limit));
        let dead = match settings.refresh_policy {
            RefreshPolicy::UntilRevoked => false,
            RefreshPolicy::Never => true,
            RefreshPolicy::Idle(limit) => unused_since(limit),
            RefreshPolicy::Lifetime(limit) => now >= family.born.saturating_add(millis(limit)),
        };
        if dead || settings.idle_ttl_limit.is_some_and(unused_since) {
            return Err(OauthError::dead_refresh_token());
        }
        let user = self.user(&family.user_id).ok_or_else(OauthError::dead_refresh_token)?.clone();
        if !self.is_active(&user.id) {
            return Err(OauthError::inactive_user());
        }
        if settings.permitted_users_on_refresh {
            self.may_use_app(settings, &user)?;
        }
        let replacement = settings.rotation.then(|| self.new_refresh_token(number));
        if let Some(family) = self.families.get_mut(&number) {
            family.last_used = now;
            family.uses += 1;
            if let Some(new) = &replacement {
                family.used_tokens.insert(token.to_owned());
                family.current = Some(new.clone());
            }
        }
        let access_token = self.open_session(now, settings, &user.id, &family.scopes, Some(number));
        let mut issued = Issued {
            user,
            access_token,
            refresh_token: replacement,
            scopes: family.scopes,
            nonce: None,
            visitor: None,
            at: now,
            set,
        };
        self.stand_for(&mut issued, family.visitor);
        Ok(issued)
    }

    /// Makes a guest user's token stand for a visitor.
    fn stand_for(&mut self, issued: &mut Issued, visitor: Option<String>) {
        if let Some(session) = self.sessions.get_mut(&issued.access_token) {
            session.visitor.clone_from(&visitor);
        }
        issued.visitor = visitor;
    }

    /// Revokes an access token (only itself), or a refresh token or its `DeleteToken` (and every access token from
    /// it). `false`: not a live token.
    pub(crate) fn revoke(&mut self, now: Millis, token: &str) -> bool {
        if self.sessions.contains_key(token) {
            let live = self.live_session(now, token).is_some();
            self.end_sessions(|session| session.parent.as_deref() == Some(token));
            if let Some(session) = self.sessions.get_mut(token) {
                session.ended = true;
            }
            return live;
        }
        let number = self.refresh_tokens.get(token).copied();
        let number = number.or_else(|| {
            let named = self.families.iter().find(|(_, family)| family.delete_token == token);
            named.map(|(number, _)| *number)
        });
        let live = |family: &Family| match family.current.as_deref() {
            Some(current) => current == token || family.delete_token == token,
            None => false,
        };
        match number.filter(|number| self.families.get(number).is_some_and(live)) {
            Some(number) => {
                self.kill_family(number);
                true
            }
            None => false,
        }
    }

    /// Ends everything of one user, or of all.
    pub(crate) fn revoke_all(&mut self, user_id: Option<&str>) {
        let families: Vec<u64> = self
            .families
            .iter()
            .filter(|(_, family)| user_id.is_none_or(|id| family.user_id == id))
            .map(|(n, _)| *n)
            .collect();
        for number in families {
            self.kill_family(number);
        }
        self.end_sessions(|session| user_id.is_none_or(|id| session.user_id == id));
        match user_id {
            Some(id) => self.forget_consent(id),
            None => {
                self.consents.clear();
                self.approved.clear();
            }
        }
    }

    pub(crate) fn live_refresh_tokens(&self, user_id: &str) -> Vec<String> {
        self.families.values().filter(|f| f.user_id == user_id).filter_map(|f| f.current.clone()).collect()
    }

    /// The family of a refresh token that works now.
    pub(crate) fn live_family(&self, token: &str) -> Option<&Family> {
        let family = self.families.get(self.refresh_tokens.get(token)?)?;
        (family.current.as_deref() == Some(token)).then_some(family)
    }

    fn kill_family(&mut self, number: u64) {
        if let Some(family) = self.families.get_mut(&number) {
            family.current = None;
            self.end_sessions(|session| session.family == Some(number));
        }
    }

    /// The sixth approval silently removes the oldest refresh token; its access tokens stay (unverified).
    fn make_room(&mut self, user_id: &str) {
        let live: Vec<u64> = self
            .families
            .iter()
            .filter(|(_, f)| f.user_id == user_id && f.current.is_some())
            .map(|(n, _)| *n)
            .collect();
        if live.len() >= APPROVALS {
            for number in &live[..=live.len() - APPROVALS] {
                if let Some(family) = self.families.get_mut(number) {
                    family.current = None;
                }
            }
        }
    }

    fn new_refresh_token(&mut self, family: u64) -> String {
        let token = format!("5Aep861{}.{}_{}", random::opaque(40), random::opaque(20), random::opaque(18));
        self.refresh_tokens.insert(token.clone(), family);
        token
    }
}
