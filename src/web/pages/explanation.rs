//! [`explain_error`]: what the pages say about an error code, for programs.

use super::oauth_errors;

/// What an error of a login means, in the words of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorExplanation {
    /// The reason in a sentence.
    pub reason: &'static str,
    /// What to do about it.
    pub action: &'static str,
    /// Who can do it.
    pub who: &'static str,
    /// Where in Salesforce's Setup. `None` if it is not done there.
    pub place: Option<&'static str>,
}

/// Explains an error code of Salesforce's authorization or token endpoint. Returns `None` for an unknown code.
///
/// `description` is Salesforce's `error_description`: some codes have several meanings, which only it tells apart.
///
/// ```
/// let found = actix_salesforce::pages::explain_error("invalid_scope", None);
/// assert!(found.is_some_and(|found| found.action.contains("SALESFORCE_SCOPES")));
/// ```
pub fn explain_error(code: &str, description: Option<&str>) -> Option<ErrorExplanation> {
    let code = oauth_errors::known_code(code)?;
    let refusal =
        oauth_errors::find(Some(code), description.and_then(oauth_errors::known_description)).refusal;
    let [reason, action] = *refusal.paragraphs;
    Some(ErrorExplanation { reason, action, who: refusal.fix.who.text(), place: refusal.fix.place })
}
