//! Texts about connections of the app's own users.

use std::borrow::Cow;

use super::Message;

pub(super) const NO_OWNER: Message = Message(
    "Log in to this app first",
    &[
        "Salesforce is connected to your account in this app, and you are not logged in to it.",
        "Log in to the app, then connect Salesforce again.",
    ],
);

pub(super) const OTHER_OWNER: Message = Message(
    "Salesforce was not connected",
    &[
        "Another account of this app is logged in now than when you started, so nothing was connected.",
        "Check which account is logged in, then connect Salesforce again.",
    ],
);

pub(super) const CONFIRM: Message = Message(
    "Connect Salesforce?",
    &[
        "You log in at Salesforce, and this app works with your Salesforce user for your account here from then on, until \
         you disconnect it. Nothing has changed yet.",
    ],
);

/// The paragraphs of the page that asks before it connects under this name.
pub(super) fn confirm(name: &str) -> Vec<Cow<'static, str>> {
    let mut paragraphs: Vec<Cow<'static, str>> = CONFIRM.1.iter().map(|text| Cow::from(*text)).collect();
    if name != "default" {
        paragraphs.push(format!("The connection is called \"{name}\".").into());
    }
    paragraphs
}
