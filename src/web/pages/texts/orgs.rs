//! What users read about the several orgs of a browser. All other texts are in `messages.rs`.

use super::Message;

pub(super) const TOO_MANY: Message = Message(
    "You are logged in at too many organizations",
    &[
        "This browser has no room for another login. The others stay as they are.",
        "Log out at one of the organizations first, then add this one.",
    ],
);

pub(super) const CHOOSE_HOST: Message =
    Message("Where do you log in?", &["Choose the Salesforce that your user belongs to."]);

pub(super) const CHOOSE_HOST_OF_ANOTHER: Message =
    Message("Add an organization", &["Choose the Salesforce that the organization belongs to."]);

pub(super) const CHOOSE_ORG: Message = Message(
    "Your organizations",
    &["This app works in the current organization. You are logged in at these in this browser."],
);

pub(super) const ADD_ORG: Message = Message(
    "Add an organization?",
    &[
        "You log in to Salesforce once more. You stay logged in at the organizations that you use here already.",
    ],
);

pub(super) const ORG_LOGIN_REQUIRED: Message = Message(
    "An organization is missing",
    &["For this you have to be logged in at another organization, too.", "Add it, then try again."],
);
