//! A login that an earlier run has left in the keyring: it is used in place of a new one.

use super::{
    finding::{Check, Finding, Report},
    keyring::{Kept, Keyring, KeyringError},
    org::Org,
    setup,
    tokens::{self, Held},
};
use crate::{failure::Failure, interrupt::Interrupt, output::note};

/// What became of a stored login.
pub(super) enum Resumed {
    /// It is valid, and no longer in the keyring.
    Login(Box<Held>),
    /// There is none, or none that Salesforce accepts: a new one has to be made.
    None,
    /// It could not be refreshed, and the report says why.
    Failed,
}

impl Resumed {
    pub(super) fn held(self) -> Option<Held> {
        match self {
            Self::Login(held) => Some(*held),
            Self::None | Self::Failed => None,
        }
    }
}

/// Fails unless the keyring takes an entry, before a request to Salesforce is sent.
pub(super) async fn require() -> Result<(), Failure> {
    Keyring::check().await.map_err(|KeyringError { is_absent, why }| {
        let problem = if is_absent { "this machine has no keyring that is open to programs" } else { "the keyring of this machine takes no entry" };
        Failure::new(format_args!("--keep: {problem}: {why}")).help(
            "run it without --keep, which revokes the login at the end; or unlock the keyring of this session (Linux: a Secret \
             Service such as GNOME Keyring or KWallet, and D-Bus)",
        )
    })
}

/// Looks for a stored login, and refreshes it. Makes no login.
pub(super) async fn resume(
    org: &Org,
    is_kept_again: bool,
    interrupt: &Interrupt,
    report: &mut Report,
) -> Resumed {
    let keyring = Keyring::of(org);
    report.working_on("looking for a kept login");
    let kept = match interrupt.or(keyring.find()).await {
        // Without a keyring there is no kept login, which needs no word.
        None | Some(Ok(None) | Err(KeyringError { is_absent: true, .. })) => return Resumed::None,
        Some(Ok(Some(kept))) => kept,
        Some(Err(error)) => {
            report.without_progress(|| {
                note(
                    "Keyring",
                    format_args!("a login that was kept there cannot be read, and stays: {}", error.why),
                );
            });
            return Resumed::None;
        }
    };
    // From here on this run has the login alone: two that refresh it would end it.
    match keyring.delete().await {
        Ok(true) => {}
        Ok(false) => return Resumed::None,
        Err(error) => {
            report.without_progress(|| {
                note(
                    "Keyring",
                    format_args!("the kept login cannot be taken out, and is not used: {}", error.why),
                );
            });
            return Resumed::None;
        }
    }
    report.working_on("refreshing the kept login");
    match Held::resume(org, &kept).await {
        Ok(held) => {
            report_tokens(org, &held, &kept, report);
            Resumed::Login(Box::new(held))
        }
        Err(failed) if failed.error.is_invalid_grant() => {
            report.without_progress(|| {
                note("Keyring", "Salesforce has ended the kept login; it is deleted here");
            });
            Resumed::None
        }
        Err(failed) => {
            report.add(setup::token_error(Check::Refresh, &failed.error));
            report.skip(Check::WITH_LOGIN, "The kept login could not be refreshed.");
            let is_in_doubt = failed.rotated.is_none() && failed.error.is_response_lost();
            let kept = match failed.rotated {
                Some(rotated) => kept.with_token(rotated),
                None => kept,
            };
            if is_in_doubt {
                report.add(tokens::revoke_by_hand(
                    "The response to the refresh of the kept login was lost, and with it a new refresh token if Salesforce issued one. \
                     The login is no longer in the keyring.",
                ));
            } else if is_kept_again && !interrupt.is_raised() {
                store(&keyring, &kept, report).await;
            } else {
                revoke(org, &keyring, &kept, report).await;
            }
            Resumed::Failed
        }
    }
}

/// Revokes a login that has no access token here. One that could not be revoked goes back.
async fn revoke(org: &Org, keyring: &Keyring, kept: &Kept, report: &mut Report) {
    match org.oauth.revoke(org.login.host.as_url(), &kept.refresh_token).await {
        Ok(()) => report.add(Finding::passed(Check::Revoked, "The kept login was revoked.")),
        Err(error) => {
            put_back(keyring, kept, &crate::failure::sentence(&error), report).await;
        }
    }
}

/// Stores a kept login that could not be revoked, so that a later run can do it.
pub(super) async fn put_back(keyring: &Keyring, kept: &Kept, why: &str, report: &mut Report) {
    let what = format!("The kept login could not be revoked: {why}.");
    report.add(match keyring.store(kept).await {
        Ok(()) => Finding::failed(Check::Revoked, format!("{what} It is in the keyring again."))
            .fix("run it again: without --keep it revokes the login")
            .setup(tokens::BY_HAND),
        Err(_) => tokens::revoke_by_hand(what),
    });
}

/// Stores a login, and reports whether that worked.
pub(super) async fn store(keyring: &Keyring, kept: &Kept, report: &mut Report) -> bool {
    report.working_on("storing the login in the keyring");
    match keyring.store(kept).await {
        Ok(()) => {
            let what = "The login is in the keyring of this machine. The next run uses it; one without --keep revokes it.";
            report.add(Finding::passed(Check::Kept, what));
            true
        }
        Err(error) => {
            let finding =
                Finding::failed(Check::Kept, format!("The keyring did not take the login: {}.", error.why));
            report.add(finding.fix("unlock the keyring of this session, and run it again"));
            false
        }
    }
}

fn report_tokens(org: &Org, held: &Held, kept: &Kept, report: &mut Report) {
    let user = held.tokens.identity.user;
    let how = "is logged in by the login that an earlier run kept: no approval was taken.";
    report.add(super::login::logged_in(org, user, how));
    report.skip([Check::IdToken], "A kept login has none: it comes with a new one.");
    if kept.requested != org.plan.scopes {
        let why = "The kept login was made with other SALESFORCE_SCOPES: a run without --keep revokes it.";
        report.skip([Check::GrantedScopes], why);
    } else {
        report.add(super::login::granted_scopes(&org.plan.scopes, &held.tokens.scopes));
    }
}
