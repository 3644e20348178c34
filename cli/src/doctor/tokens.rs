//! The refresh token: that there is one, that it works, that it rotates. At the end all tokens are revoked, or the login is
//! kept in the keyring.

use actix_salesforce::{
    Secret,
    oauth::{KnownGrant, OAuthError, RefreshError, Scopes, TokenResponse, TokenTypeHint},
};

use super::{
    finding::{Check, Finding, Report},
    kept,
    keyring::{Kept, Keyring},
    org::Org,
    setup,
};
use crate::{failure::sentence, interrupt::Interrupt};

/// The tokens of a login that this program made. They have to be revoked.
pub(super) struct Held {
    pub(super) tokens: TokenResponse,
    /// The newest refresh token that is known here.
    refresh_token: Option<Secret>,
    /// A response was lost that may have had a newer one.
    is_in_doubt: bool,
    /// The scopes that the login was made with.
    requested: Scopes,
    /// An earlier run had kept it.
    was_kept: bool,
}

impl Held {
    pub(super) fn new(tokens: TokenResponse, requested: Scopes) -> Self {
        let refresh_token = tokens.refresh_token.clone();
        Self { refresh_token, tokens, is_in_doubt: false, requested, was_kept: false }
    }

    /// Refreshes a login that an earlier run has kept.
    pub(super) async fn resume(org: &Org, kept: &Kept) -> Result<Self, RefreshError> {
        let sent = &kept.refresh_token;
        let tokens = org.oauth.refresh_grant(&org.login.host, sent, &kept.grant()).await?.tokens;
        let refresh_token = tokens.refresh_token.clone().or_else(|| Some(sent.clone()));
        let requested = kept.requested.clone();
        Ok(Self { tokens, refresh_token, is_in_doubt: false, requested, was_kept: true })
    }

    /// Refreshes twice, and reports what the refresh token does.
    ///
    /// A used refresh token is never sent again: Salesforce takes that for theft, and revokes the login.
    pub(super) async fn check(&mut self, org: &Org, interrupt: &Interrupt, report: &mut Report) {
        let Some(first) = self.refresh_token.clone() else {
            let finding = Finding::failed(
                Check::RefreshToken,
                "Salesforce issued no refresh token: each login ends with its session.",
            );
            let finding =
                finding.fix("add refresh_token to SALESFORCE_SCOPES and to the app's selected OAuth scopes");
            report.add(setup::at(
                finding,
                setup::APP_SETTINGS,
                "\"Perform requests at any time (refresh_token, offline_access)\"",
            ));
            report.skip([Check::Refresh, Check::Rotation], "There is no refresh token.");
            return;
        };
        report.add(Finding::passed(Check::RefreshToken, "Salesforce issued a refresh token."));
        let mut rotations = Vec::new();
        for round in ["first", "second"] {
            if interrupt.is_raised() {
                return;
            }
            report.working_on(format!("refreshing, the {round} time"));
            match self.refresh(org).await {
                Ok(is_new) => rotations.push(is_new),
                Err(error) => {
                    report.add(refresh_refused(&error, &rotations));
                    report
                        .skip([Check::Refresh, Check::Rotation, Check::IpRestrictions], "A refresh failed.");
                    return;
                }
            }
        }
        report.add(Finding::passed(Check::Refresh, "Two refreshes succeeded."));
        let is_dead = match rotations.as_slice() {
            // Introspection is no use of the token (RFC 7662), so that nothing is revoked by it.
            [true, true] => org
                .oauth
                .introspect(&org.login.host, &first, TokenTypeHint::Refresh)
                .await
                .ok()
                .map(|found| !found.active),
            _ => None,
        };
        report.add(rotation(&rotations, is_dead));
    }

    /// Reports whether tokens are issued to this machine's address and accepted from it, unless a refusal said so.
    /// `is_taken`: the API accepted one.
    pub(super) fn report_address(&self, is_taken: bool, report: &mut Report) {
        if is_taken && !report.has(Check::IpRestrictions) {
            let what = "Salesforce issues tokens to the address of this machine, and accepts them from it.";
            report.add(Finding::passed(Check::IpRestrictions, what));
        }
        let why = "Salesforce issues tokens to the address of this machine; whether it accepts them from it is unknown.";
        report.skip([Check::IpRestrictions], why);
    }

    /// Refreshes once. Returns whether the response has a new refresh token.
    async fn refresh(&mut self, org: &Org) -> Result<bool, OAuthError> {
        let Some(sent) = self.refresh_token.clone() else { return Ok(false) };
        match org.oauth.refresh_grant(&org.login.host, &sent, &self.grant()).await {
            Ok(refreshed) => {
                let is_new = refreshed.tokens.refresh_token.as_ref().is_some_and(|new| *new != sent);
                if let Some(new) = &refreshed.tokens.refresh_token {
                    self.refresh_token = Some(new.clone());
                }
                self.tokens = refreshed.tokens;
                Ok(is_new)
            }
            Err(failed) => {
                match failed.rotated {
                    Some(rotated) => self.refresh_token = Some(rotated),
                    None => self.is_in_doubt = failed.error.is_response_lost(),
                }
                Err(failed.error)
            }
        }
    }

    fn grant(&self) -> KnownGrant {
        let Held { tokens, .. } = self;
        KnownGrant::new(
            tokens.identity.user,
            tokens.identity.url.clone(),
            tokens.instance_url.clone(),
            tokens.scopes.clone(),
        )
    }

    /// What the keyring stores of it. `None` without a refresh token that works.
    fn kept(&self) -> Option<Kept> {
        let token = self.refresh_token.clone().filter(|_| !self.is_in_doubt)?;
        Some(Kept::new(token, self.grant(), self.requested.clone()))
    }

    /// Stores the login in the keyring if it is to be kept, else revokes it, and reports which.
    ///
    /// A login whose refresh failed is revoked in any case.
    pub(super) async fn end(self, org: &Org, is_kept: bool, report: &mut Report) {
        if is_kept {
            let kept = self.kept().filter(|_| !report.has_failed(Check::Refresh));
            match kept {
                Some(kept) if kept::store(&Keyring::of(org), &kept, report).await => return,
                Some(_) => {}
                None => report.skip([Check::Kept], "A login that cannot be refreshed is not kept."),
            }
        }
        self.revoke(org, report).await;
    }

    /// Revokes the login, and reports whether that worked. With a lost response it does not say so: only the newest refresh
    /// token stands for the login.
    async fn revoke(self, org: &Org, report: &mut Report) {
        report.working_on("revoking the login");
        let host = org.login.host.as_url();
        let mut failure = None;
        // A refresh token takes its access tokens with it. They are revoked too, should it be invalid by now.
        for token in self.refresh_token.iter().chain([&self.tokens.access_token]) {
            if let Err(error) = org.oauth.revoke(host, token).await {
                failure = Some(error);
            }
        }
        let is_alive = async {
            let (token, kind) = match &self.refresh_token {
                Some(token) => (token, TokenTypeHint::Refresh),
                None => (&self.tokens.access_token, TokenTypeHint::Access),
            };
            org.oauth.introspect(&org.login.host, token, kind).await.is_ok_and(|found| found.active)
        };
        let failure = match failure {
            Some(error) => Some(sentence(&error)),
            // Salesforce calls the tokens that are known here invalid in this case, too.
            None if self.is_in_doubt => Some(
                "the response to a refresh was lost, and with it a new refresh token if Salesforce issued one".to_owned(),
            ),
            None => is_alive.await.then(|| "Salesforce still says that it is active".to_owned()),
        };
        if let (Some(failure), Some(kept), true) = (&failure, self.kept(), self.was_kept) {
            return kept::put_back(&Keyring::of(org), &kept, failure, report).await;
        }
        report.add(match failure {
            None => Finding::passed(Check::Revoked, "The login was revoked."),
            Some(failure) => not_revoked(&failure),
        });
    }
}

/// The login is still there.
fn not_revoked(failure: &str) -> Finding {
    revoke_by_hand(format!("The login could not be revoked: {failure}."))
}

/// Where a login is revoked by hand.
pub(super) const BY_HAND: &str = "Setup > Users > Users, the user, \"OAuth Connected Apps\" (or the user's personal settings, \"Connections\")";

/// A login that this program cannot revoke.
pub(super) fn revoke_by_hand(why: impl Into<String>) -> Finding {
    Finding::failed(Check::Revoked, why).fix("revoke it by hand").setup(BY_HAND)
}

fn refresh_refused(error: &OAuthError, rotations: &[bool]) -> Finding {
    let is_expired = error.description() == Some("expired access/refresh token");
    match rotations {
        [] if is_expired => {
            let finding = Finding::failed(
                Check::Refresh,
                "Salesforce refuses the refresh token that it issued a moment ago.",
            );
            let finding = finding
                .code("invalid_grant")
                .fix("let refresh tokens be valid until they are revoked, or for a time");
            setup::at(finding, setup::APP_POLICIES, "\"Refresh Token Policy\"")
        }
        [true] if is_expired => {
            let what = "Salesforce refuses the new refresh token of a rotation.";
            let finding = Finding::failed(Check::Rotation, what).code("invalid_grant");
            finding.fix(
                "check that no other program uses tokens of this login; otherwise report it to Salesforce",
            )
        }
        _ => setup::token_error(Check::Refresh, error),
    }
}

/// `is_dead`: whether Salesforce calls the first refresh token invalid after it was used; `None` if it does not say.
fn rotation(rotations: &[bool], is_dead: Option<bool>) -> Finding {
    match (rotations, is_dead) {
        ([true, true], Some(false)) => Finding::warning(
            Check::Rotation,
            "Each refresh returned a new refresh token, and the used one is still valid.",
        )
        .fix("a stolen token stays usable: report it to Salesforce"),
        ([true, true], dead) => {
            let end = if dead.is_some() { ", and the used one is invalid" } else { "" };
            Finding::passed(
                Check::Rotation,
                format!("Each of two refreshes returned a new refresh token{end}."),
            )
        }
        ([false, false], _) => {
            let what = "Refresh token rotation is off: a stolen refresh token stays usable.";
            let finding =
                Finding::warning(Check::Rotation, what).fix("switch rotation on; this crate is made for it");
            setup::at(finding, setup::APP_SETTINGS, "\"Enable Refresh Token Rotation\"")
        }
        _ => {
            let finding =
                Finding::warning(Check::Rotation, "Only one of two refreshes returned a new refresh token.");
            let finding = finding.fix("check whether the setting was changed a moment ago");
            setup::at(finding, setup::APP_SETTINGS, "\"Enable Refresh Token Rotation\"")
        }
    }
}
