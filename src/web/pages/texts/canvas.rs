//! What users read in a frame of Salesforce whose login failed or has ended.

use super::Message;

const RELOAD: &str = "Reload the page of Salesforce around this frame.";

pub(super) const NOT_FRAMED: Message = Message(
    "This page belongs into Salesforce",
    &["This address is for a frame in a page of Salesforce only, so nothing was done."],
);

pub(super) const ENDED: Message = Message(
    "This page has to be reloaded",
    &["The login of this frame has ended, or was used before.", RELOAD],
);

pub(super) const INVALID_SIGNED_REQUEST: Message = Message(
    "This page could not be opened",
    &[
        "What Salesforce sent to open it cannot be verified.",
        "Reload the page of Salesforce around this frame. If the problem persists, please tell the people who run \
         this app: its client secret has to be checked.",
    ],
);
