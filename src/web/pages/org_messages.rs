//! What users read about the several orgs of a browser. All other texts are in `messages.rs`.

use super::{PageKind, messages::Message};

pub(super) const TOO_MANY: Message = Message(
    "You are logged in at too many organizations",
    &[
        "This browser has no room for another login. The others stay as they are.",
        "Log out at one of the organizations first, then add this one.",
    ],
);

/// The texts of this kind of page.
pub(super) fn message(kind: &PageKind) -> Message {
    match kind {
        PageKind::ChooseHost(choices) if choices.form.is_post() => {
            Message("Add an organization", &["Choose the Salesforce that the organization belongs to."])
        }
        PageKind::ChooseHost(_) => {
            Message("Where do you log in?", &["Choose the Salesforce that your user belongs to."])
        }
        PageKind::AddOrg => Message(
            "Add an organization?",
            &[
                "You log in to Salesforce once more. You stay logged in at the organizations that you use here already.",
            ],
        ),
        PageKind::CrossOriginOrgs => Message(
            "Nothing was changed",
            &["This request did not come from a page of this app, so nothing was done."],
        ),
        PageKind::OrgLoginRequired(_) => Message(
            "An organization is missing",
            &["For this you have to be logged in at another organization, too.", "Add it, then try again."],
        ),
        _ => Message(
            "Your organizations",
            &["This app works in the current organization. You are logged in at these in this browser."],
        ),
    }
}
