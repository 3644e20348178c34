//! What a user reads whom an access rule refuses. All other texts, the page's title too, are in `mod.rs`.

use std::borrow::Cow;

use crate::web::pages::AccessRefusal;
use salesforce_connection::OrgId;

/// The paragraphs of the page: why, who is logged in, and what to do.
pub(super) fn not_allowed(refusal: &AccessRefusal, username: Option<&str>) -> Vec<Cow<'static, str>> {
    let mut paragraphs = vec![refused(refusal)];
    paragraphs.extend(username.map(|name| format!("You are logged in as {name}.").into()));
    if matches!(refusal, AccessRefusal::NotConfirmed | AccessRefusal::NoFacts) {
        paragraphs.push(LOG_OUT_FIRST.into());
    }
    paragraphs
}

/// The paragraphs of the page that asks for a new login at another org than the current one.
pub(super) fn fresh_login_required_at(
    org: OrgId,
    host: Option<&str>,
    sent_form: bool,
    has_login_link: bool,
) -> Vec<Cow<'static, str>> {
    let at = host.map(|host| format!(" at {host}")).unwrap_or_default();
    let first = format!(
        "This works in your organization {org}, too, where you have to log in again{at}. Nothing was done yet."
    );
    let mut paragraphs = vec![first.into()];
    if !has_login_link {
        paragraphs.push(LOG_OUT_FIRST.into());
    }
    if sent_form {
        paragraphs.push(FORM.into());
    }
    paragraphs
}

const LOG_OUT_FIRST: &str = "Log out, then log in again.";
const FORM: &str = "You come back to the page with the form. Send it again then.";

pub(super) fn fresh_login_required(sent_form: bool, is_other_org: bool) -> &'static [&'static str] {
    const AGAIN: &str = "For this you have to log in again. Nothing was done yet.";
    const AGAIN_THERE: &str = "This works in another of your organizations, too, where you have to log in again. Nothing was done yet.";
    match (is_other_org, sent_form) {
        (false, false) => &[AGAIN],
        (false, true) => &[AGAIN, FORM],
        (true, false) => &[AGAIN_THERE],
        (true, true) => &[AGAIN_THERE, FORM],
    }
}

/// Why a rule refuses the user.
pub(super) fn refused(refusal: &AccessRefusal) -> Cow<'static, str> {
    match refusal {
        AccessRefusal::Scope(name) => {
            format!("This needs the permission \"{name}\" (a scope), which this app was not granted at your login.")
        }
        AccessRefusal::Organization => return "This is not for users of your Salesforce organization.".into(),
        AccessRefusal::UserType => return "This is not for your kind of Salesforce user.".into(),
        AccessRefusal::Permission(name) => {
            format!("Your Salesforce user does not have the custom permission \"{name}\".")
        }
        AccessRefusal::PermissionSet(name) => {
            format!("Your Salesforce user does not have the permission set \"{name}\".")
        }
        AccessRefusal::Profile => return "This is not for your profile in Salesforce.".into(),
        AccessRefusal::Rule(Some(reason)) => return reason.clone().into(),
        AccessRefusal::Rule(None) => return "You are logged in, but you are not allowed to use this.".into(),
        AccessRefusal::Unreadable(what) => {
            format!("This app cannot find out whether you may use this. What is missing: {what}.")
        }
        AccessRefusal::NotConfirmed => {
            return "This needs a new login, and Salesforce did not ask you to log in again.".into();
        }
        AccessRefusal::NoFacts => return "Your login lacks something that this app needs to know.".into(),
    }
    .into()
}
