//! The pages that users see, and how an app translates or replaces them.
//!
//! The middleware shows a page when a login did not complete, before a logout, and when a browser cannot get what it
//! requested: the service is down, the login has ended, the user lacks a permission. Without further settings they are
//! in English and in this crate's design. [`SalesforceBuilder::login_pages`](crate::SalesforceBuilder::login_pages)
//! takes a function that receives each page as a [`LoginPage`] before it is sent. The function returns one of three
//! contents:
//!
//! * [`PageContent::Default`]: the page as it is.
//! * [`PageTexts`]: other texts, for example a translation. This crate renders them, in its own design.
//! * [`HtmlPage`]: a page of the app's own design.
//!
//! ```
//! use actix_salesforce::{
//!     Salesforce,
//!     pages::{LoginFailure, PageContent, PageKind},
//! };
//!
//! let builder = Salesforce::builder().login_pages(|page| {
//!     if page.preferred_language(&["en", "fr"]) != Some("fr") {
//!         return PageContent::Default;
//!     }
//!     let mut texts = page.texts();
//!     texts.language = "fr".into();
//!     texts.labels.try_again = "Réessayer".into();
//!     texts.labels.start_page = "Page d'accueil".into();
//!     match page.kind() {
//!         PageKind::LoginFailed(LoginFailure::Denied { .. }) => {
//!             texts.title = "Salesforce a refusé la connexion".into();
//!             texts.paragraphs = vec!["Demandez à votre administrateur.".into()];
//!         }
//!         _ => {}
//!     }
//!     texts.into()
//! });
//! # let _ = builder;
//! ```
//!
//! A page of the app's own design has to show the page's [actions](LoginPage::actions) and its
//! [choices](HtmlPage::choices): without them it is a dead end. The example `german_pages` is a whole one.
//!
//! Status, `Retry-After` and the security headers are the same for each content. Programs and scripts get JSON instead
//! of a page: its member `error` is [`PageKind::code`], which a front end can translate; its member `message` is
//! English.

mod choices;
mod explanation;
mod fix;
mod kind;
mod language;
mod oauth_errors;
mod page;
mod render;
mod reply;
mod request_failure;
#[cfg(test)]
mod salesforce_errors;
mod texts;

pub use self::{
    choices::{ChoiceLabels, HostChoice, HostChoices, OrgChoice, OrgChoices},
    explanation::{ErrorExplanation, explain_error},
    kind::PageKind,
    page::{Action, ActionKind, ActionLabels, LoginPage, PageContent, PageTexts},
    render::HtmlPage,
    request_failure::RequestFailure,
};
pub(crate) use self::{
    oauth_errors::{known_code, known_description},
    page::LoginPages,
    render::default_policy,
    reply::Reply,
    texts::json_message,
};
pub use super::{
    login::failure::{InvalidLink, LoginFailure},
    require::AccessRefusal,
};

/// The status of a login that Salesforce refused with this code.
pub(super) fn denied_status(code: Option<&str>, description: Option<&str>) -> actix_web::http::StatusCode {
    oauth_errors::find(code, description).status
}
