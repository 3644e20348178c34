//! The chooser of login hosts: what there is to choose, and its form.

use std::borrow::Cow;

use super::{Action, HtmlPage};

/// The login hosts that a user can choose from.
///
/// Each choice is sent as `host` by the [form](Self::form); [`HtmlPage::host_choices`] renders all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostChoices {
    /// The hosts of the settings.
    pub hosts: Vec<HostChoice>,
    /// Whether users may enter the name or the address of any My Domain, too.
    pub my_domain: bool,
    /// The address of the My Domain of this browser's last login, unless it is one of `hosts`.
    pub last_my_domain: Option<String>,
    /// The form that sends the choice: its address, its method and its hidden fields.
    pub form: Action,
}

/// One login host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostChoice {
    /// The value of `host`: its name in the settings, or its address.
    pub name: String,
    /// Its URL without the scheme.
    pub address: String,
    /// Whether the browser's last login was there.
    pub is_last: bool,
}

/// The labels of the chooser.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChoiceLabels {
    /// The question above the hosts.
    pub hosts: Cow<'static, str>,
    /// The name of `login.salesforce.com`.
    pub production: Cow<'static, str>,
    /// The name of `test.salesforce.com`.
    pub sandbox: Cow<'static, str>,
    /// What stands before the field for a My Domain.
    pub my_domain: Cow<'static, str>,
    /// What to enter there.
    pub my_domain_hint: Cow<'static, str>,
}

impl ChoiceLabels {
    pub(super) fn english() -> Self {
        Self {
            hosts: "Log in at".into(),
            production: "Production".into(),
            sandbox: "Sandbox".into(),
            my_domain: "Your My Domain".into(),
            my_domain_hint: "Its name or address, such as acme or acme.my.salesforce.com".into(),
        }
    }

    /// The label of this host.
    pub fn get<'a>(&'a self, host: &'a HostChoice) -> &'a str {
        match &*host.address {
            "login.salesforce.com" => &self.production,
            "test.salesforce.com" => &self.sandbox,
            _ => &host.name,
        }
    }
}

impl HtmlPage {
    /// Appends the forms of the chooser: a group of radio buttons, and a field for a My Domain where users may enter one.
    /// `button` is the label of their buttons.
    pub fn host_choices(mut self, choices: &HostChoices, labels: &ChoiceLabels, button: &str) -> Self {
        let selected = choices.hosts.iter().position(|host| host.is_last).unwrap_or_default();
        self = self.form(&choices.form).markup("<fieldset><legend>").text(&labels.hosts).markup("</legend>");
        for (index, host) in choices.hosts.iter().enumerate() {
            let label = labels.get(host);
            let checked = if index == selected { "\" required checked> " } else { "\" required> " };
            self = self.markup("<label><input type=\"radio\" name=\"host\" value=\"").text(&host.name);
            self = self.markup(checked).text(label);
            if label != host.address {
                self = self.markup(" <small>").text(&host.address).markup("</small>");
            }
            self = self.markup("</label>");
        }
        self = self.markup("</fieldset><button class=\"button\">").text(button).markup("</button></form>");
        if !choices.my_domain {
            return self;
        }
        self.form(&choices.form)
            .markup("<label for=\"my-domain\">")
            .text(&labels.my_domain)
            .markup("</label><p id=\"my-domain-hint\">")
            .text(&labels.my_domain_hint)
            .markup(
                "</p><input id=\"my-domain\" name=\"host\" required maxlength=\"200\" autocapitalize=\"none\" \
                 spellcheck=\"false\" aria-describedby=\"my-domain-hint\" value=\"",
            )
            .text(choices.last_my_domain.as_deref().unwrap_or_default())
            .markup("\"><button class=\"button\">")
            .text(button)
            .markup("</button></form>")
    }
}
